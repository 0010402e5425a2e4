"""From plans, reports and tasks to replies that a language model can afford.

Counts are whole, lists are samples; nothing here asks NetBox or Redis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netbox_mcp.failures import shorten
from netbox_mcp.replies import TaskBrief, TaskReply, TaskRow
from netbox_mcp.sync_apply import Applied
from orchestrator.metadata import METADATA_FIELDS
from orchestrator.models import Action, Change, Outcome, Pass, Plan, Report
from orchestrator.plan_text import summary_line
from workers.errors import how_to_approve
from workers.status import TaskState, TaskStatus

MAX_SAMPLES = 8
_URGENCY = (Action.CONFLICT, Action.DELETE, Action.UPDATE, Action.CREATE, Action.UNCHANGED)
MAX_WARNINGS = 5
MAX_ERRORS = 5
MAX_LINE = 200
MAX_MESSAGE = 400
_DONE_SO_FAR = " Done so far: "  # workers/status.py puts it behind the reason


def plan_parts(plan: Plan) -> dict[str, Any]:
    """The fields of a PlanSummary."""
    return {
        "objects": sum(1 for change in plan.changes if change.passes is Pass.BUILD),
        "writes": plan.writes,
        "totals": _non_zero(plan.totals()),
        "by_type": plan.counts(),
        "samples": sample_changes(plan),
        "warnings": short_list(plan.warnings),
        "digest": plan.digest or None,
        "applyable": plan.applyable,
        "complete": plan.complete,
        "stale_at": plan.stale_at or None,
    }


def started_parts(status: TaskStatus) -> dict[str, Any]:
    """The fields of a StartReply about a task that was put in line."""
    return {
        "status": status.status.value,
        "target": status.target,
        "task_id": status.task_id,
        "batch_id": status.batch_id,
        "kind": status.kind,
        "total": status.total or None,
        "poll_after_seconds": status.poll_after_seconds,
        "plan_id": status.plan_id,
        "next": next_step(status),
        **({"warnings": [status.hint]} if status.hint and not status.ended else {}),
    }


def ended_parts(status: TaskStatus) -> dict[str, Any]:
    """The fields of a StartReply about a task that has ended: beside its handle, what became of it."""
    return {
        **started_parts(status),
        "totals": _non_zero(status.counts),
        "message": short_message(status.message),
        "first_errors": [_describe_error(error) for error in status.first_errors[:MAX_ERRORS]],
        "next": next_step(status) or status.hint,
    }


def report_parts(report: Report) -> dict[str, Any]:
    """The fields of an EnsureReply that say what was done, in place of what was planned."""
    return {
        "samples": [],
        "applyable": None,
        "complete": None,
        "stale_at": None,
        "batch_id": report.batch_id,
        "totals": _non_zero(report.totals()),
        "by_type": report.counts,
        "write_requests": report.write_requests,
        "first_errors": [describe_outcome(outcome) for outcome in report.first_errors[:MAX_ERRORS]],
        "warnings": short_list(report.warnings),
    }


def rollback_parts(plan: Plan) -> dict[str, Any]:
    """The fields that a RollbackReply has beside those of `plan_parts`, and in place of some."""
    return {
        "samples": [line for line in sample_changes(plan) if not line.startswith(Action.CONFLICT.value)],
        "cost": summary_line(plan),
        "seconds": round(plan.seconds),
        "conflicts": short_list(describe_change(change) for change in plan.conflicts),
        "conflict_count": len(plan.conflicts),
    }


def status_of(applied: Applied) -> str:
    """The state in which a synchronous run has ended, as a task's would be called."""
    if applied.undone is not None and applied.undone.whole:
        return TaskState.ROLLED_BACK.value
    return (TaskState.COMPLETED if applied.report.ok else TaskState.COMPLETED_WITH_ERRORS).value


def outcome_of(applied: Applied) -> dict[str, Any]:
    """A synchronous run in an audit's words."""
    totals = {name: count for name, count in applied.report.totals().items() if count}
    return {"status": status_of(applied), "batch_id": applied.report.batch_id, "totals": totals}


def sample_changes(plan: Plan) -> list[str]:
    """A few changes: the first of each kind and type; first what needs a person's eye most."""
    firsts: dict[tuple[Action, bool, str], Change] = {}
    for change in plan.changes:
        if change.writes or change.drift or change.action is Action.CONFLICT:
            firsts.setdefault((change.action, bool(change.drift), change.object_type), change)
    picked = sorted(firsts.values(), key=lambda change: (_URGENCY.index(change.action), not change.drift))
    return [describe_change(change) for change in picked[:MAX_SAMPLES]]


def describe_change(change: Change) -> str:
    """One line: `update devices sw-1: status active -> offline`, with drift or the reason behind."""
    line = f"{change.action.value} {change.object_type} {change.label}"
    if change.action is Action.UPDATE:
        line += ": " + ", ".join(
            f"{name} {_value(change.before.get(name))} -> {_value(value)}"
            for name, value in change.after.items()
            if name != "custom_fields" or not (value or {}).keys() <= {*METADATA_FIELDS}
        )
    if change.reason:
        line += f": {change.reason}"
    elif change.drift:
        line += f" (changed in NetBox since the last apply: {', '.join(change.drift)})"
    return shorten(line, MAX_LINE)


def describe_outcome(outcome: Outcome) -> str:
    """One line: `failed devices sw-1 (devices[3]): NetBox's reason`."""
    line = f"{outcome.result.value} {outcome.object_type} {outcome.label}"
    if outcome.path:
        line += f" ({outcome.path})"
    return shorten(f"{line}: {outcome.message or 'no reason given'}", MAX_LINE)


def _describe_error(error: Mapping[str, str]) -> str:
    """One line about an error that a task has noted."""
    path = f" ({error['path']})" if error.get("path") else ""
    line = f"{error.get('object_type', '')} {error.get('label', '')}{path}: {error.get('message', '')}"
    return shorten(line, MAX_LINE)


def short_list(lines: Iterable[str]) -> list[str]:
    """The first lines, each cut; the last entry says how many more there are."""
    every = list(lines)
    shown = [shorten(line, MAX_LINE) for line in every[:MAX_WARNINGS]]
    if len(every) > MAX_WARNINGS:
        shown.append(f"and {len(every) - MAX_WARNINGS} more")
    return shown


def task_reply(status: TaskStatus, needs_approval: bool = False) -> TaskReply:
    """A status with its texts cut to a size that fits, and what to do now."""
    fields = {name: getattr(status, name) for name in TaskStatus.model_fields}
    fields["first_errors"] = short_errors(status)
    fields["message"] = short_message(status.message)
    return TaskReply(**fields, next=next_step(status, needs_approval))


def short_errors(status: TaskStatus) -> list[dict[str, str]]:
    """The first objects that failed and why, cut to a size that fits."""
    return [
        {name: shorten(text, MAX_LINE) for name, text in error.items()}
        for error in status.first_errors[:MAX_ERRORS]
    ]


def task_brief(status: TaskStatus) -> TaskBrief:
    """Where a task stands that was asked to stop, or to go on."""
    return TaskBrief(
        task_id=status.task_id,
        batch_id=status.batch_id,
        status=status.status.value,
        message=short_message(status.message),
        hint=status.hint,
        next=next_step(status),
    )


def task_row(status: TaskStatus) -> TaskRow:
    """A status as one row of a list."""
    return TaskRow(
        task_id=status.task_id,
        status=status.status.value,
        kind=status.kind,
        target=status.target,
        percent=status.percent,
        created_at=status.created_at.isoformat(timespec="seconds"),
        batch_id=status.batch_id,
        message=shorten(status.message, 100),
    )


def place_of(status: TaskStatus) -> str:
    """State, pass and stage of a running task; in a state without stages, its reason."""
    parts = [status.status.value]
    if status.stage:
        parts.append(stage_of(status))
    elif status.message:
        parts.append(status.message.rstrip("."))
    return joined(*parts)


def stage_of(status: TaskStatus) -> str:
    """Pass and stage of a task: `build devices (5 of 6)`."""
    place = f" ({status.stage_number} of {status.stages})" if status.stage_number else ""
    return f"{status.passes or ''} {status.stage or ''}{place}".strip()


def pace_of(status: TaskStatus) -> str:
    """How fast a running task is, and how long it will take; empty where that is unknown."""
    return pace_text(status.rate_per_second, status.eta_seconds)


def pace_text(rate: float | None, eta_seconds: int | None) -> str:
    """A rate and what is left, in words."""
    told = f"{rate:.0f}/s" if rate and rate >= 1 else f"{rate * 60:.0f}/min" if rate else ""
    if eta_seconds is None:
        return told
    left = f"{eta_seconds} s" if eta_seconds < 120 else f"{round(eta_seconds / 60)} min"
    return joined(told, f"{left} left")


def joined(*parts: str) -> str:
    """The parts that say something, with commas."""
    return ", ".join(part for part in parts if part)


def short_message(message: str) -> str:
    """A message in `MAX_MESSAGE` characters; if something was done, the reason before it is what is cut."""
    reason, mark, done = message.partition(_DONE_SO_FAR)
    return shorten(shorten(reason, max(100, MAX_MESSAGE - len(mark + done))) + mark + done, MAX_MESSAGE)


def next_step(status: TaskStatus, needs_approval: bool = False) -> str:
    """What to do about a task now; empty where there is nothing to be done.

    `needs_approval` says that plans have to be approved before they are applied.
    """
    if not status.ended:
        return "Call netbox_get_task_status with this task_id and wait_seconds=30 until it has ended."
    if status.status is TaskState.COMPLETED_WITH_ERRORS and status.kind == "rollback":
        return (
            "See netbox_get_task_report with outcome=skipped (left alone, and why) and outcome=failed. "
            "netbox_rollback_batch with force=true overrides what was changed since."
        )
    if status.status is TaskState.COMPLETED_WITH_ERRORS:
        return "See netbox_get_task_report with outcome=failed; correct these and send the document again."
    if status.status is TaskState.ROLLED_BACK and status.first_errors:
        return "Correct the objects named and send the document again."
    if status.status is TaskState.COMPLETED and status.kind == "plan":
        apply = "pply it with netbox_start_bulk_async(plan_id, confirm=true)."
        if needs_approval and status.plan_id:
            return f"{how_to_approve(status.plan_id)}. Then a{apply}"
        return f"A{apply}"
    return ""


def _non_zero(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, (str, int, float, bool)):
        return shorten(str(value), 40) or '""'
    return shorten(str(getattr(value, "change_id", value)), 40)
