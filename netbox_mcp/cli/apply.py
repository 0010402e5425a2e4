"""`netbox-mcp apply`: plan, ask, then apply in the background or right here."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from netbox_mcp.cli.documents import FILE, load_document
from netbox_mcp.cli.output import DryRunFlag, ExitCode, JsonFlag, StoppedError, confirm, print_json, say
from netbox_mcp.cli.plan_view import print_plan
from netbox_mcp.cli.progress import BarProgress, follow
from netbox_mcp.cli.tasks import end_with, print_counts
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import UsageError
from netbox_mcp.next_steps import DRY_RUN
from netbox_mcp.service import DEFAULT_TARGET, get_service
from netbox_mcp.summaries import status_of
from netbox_mcp.sync_apply import Applied
from orchestrator.models import Plan
from orchestrator.stale import refuse_unapplyable
from workers.errors import PlanRequiredError
from workers.status import TaskState

SHOWN_PER_TYPE = 20
"""Changes of each type that are spelt out before the question; `plan` shows all."""


def apply(
    file: Annotated[str | None, FILE] = None,
    plan_id: Annotated[
        str | None, typer.Option("--plan", metavar="ID", help="Apply this plan instead.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Apply in this process: no Redis, no worker.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Same key and document: the same task, not a second one.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Which configured NetBox; a plan knows its own.")
    ] = None,
    as_json: JsonFlag = False,
    dry_run: DryRunFlag = False,
) -> None:
    """Make NetBox match a document, or a plan that was kept.

    Shows the plan and asks, unless --yes is given. The work is done by a worker in the background and
    followed here until it ends; Ctrl-C only stops following. With --sync this process does the work.
    """
    if (file is None) == (plan_id is None):
        raise UsageError("Give either a FILE or --plan ID.", "For example: netbox-mcp apply campus.yaml")
    if sync and (plan_id or idempotency_key):
        raise UsageError("--sync takes a FILE only: plans and idempotency keys are kept in Redis.")
    document = load_document(file) if file is not None else None
    if get_settings().dry_run:
        _show(_plan(document, plan_id, target), as_json)
        say(DRY_RUN)
    elif document is not None and get_settings().plan_required:
        _refuse_document(document, target or DEFAULT_TARGET, yes, as_json)
    elif sync:
        _apply_here(document, target or DEFAULT_TARGET, yes, as_json)
    else:
        _apply_in_background(document, plan_id, target, yes, idempotency_key, as_json)


def _refuse_document(document: Any, target: str, yes: bool, as_json: bool) -> None:
    """Show and keep the plan, unless nobody wants to see it, and say that it is what can be applied."""
    if yes:
        get_service().count_objects(document, target)
        raise PlanRequiredError
    plan = get_service().make_plan(document, target)
    if not as_json:
        _show(plan, as_json)
    if not plan.writes:
        _nothing_to_do(plan, as_json)
        return
    plan_id = get_service().keep_plan(plan, document)
    raise PlanRequiredError(f"This one was kept: netbox-mcp apply --plan {plan_id}" if plan_id else "")


def _plan(document: Any, plan_id: str | None, target: str | None) -> Plan:
    if plan_id is not None:
        return get_service().load_plan(plan_id, target)
    return get_service().make_plan(document, target or DEFAULT_TARGET)


def _show(plan: Plan, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "status": "planned",
                "target": plan.target,
                "totals": plan.totals(),
                "digest": plan.digest,
                "applyable": plan.applyable,
                "complete": plan.complete,
                "stale_at": plan.stale_at,
            }
        )
    else:
        print_plan(plan, per_group=SHOWN_PER_TYPE)


def _agreed(plan: Plan, as_json: bool) -> bool:
    """Show the plan and have it confirmed; False when there is nothing to do. Raises NotConfirmedError."""
    if not as_json:
        _show(plan, as_json)
    refuse_unapplyable(plan)
    if not plan.writes:
        _nothing_to_do(plan, as_json)
        return False
    confirm(_question(plan))
    return True


def _apply_in_background(
    document: Any, plan_id: str | None, target: str | None, yes: bool, key: str | None, as_json: bool
) -> None:
    service = get_service()
    if not yes:
        service.queue_info()  # say that Redis is missing before the person has read a plan
        plan = _plan(document, plan_id, target)
        if not _agreed(plan, as_json):
            return
        plan_id = plan_id or service.keep_plan(plan, document)
    status = service.start_task(document, plan_id=plan_id, target=target, idempotency_key=key)
    say(f"Task {status.task_id}, batch {status.batch_id}")
    if status.hint and not status.ended:
        say(status.hint)
    end_with(follow(status.task_id), as_json)


def _apply_here(document: Any, target: str, yes: bool, as_json: bool) -> None:
    shown = None
    get_service().count_objects(document, target)  # a wrong document is refused before anything is locked
    if not yes:
        shown = get_service().make_plan(document, target)
        if not _agreed(shown, as_json):
            return
    with stop_on_interrupt() as checkpoint, BarProgress() as progress:
        applied = get_service().apply_now(document, target, progress, shown, checkpoint)
    end_applied(applied, as_json)


def end_applied(applied: Applied, as_json: bool) -> None:
    """Print how a synchronous run ended and leave with the exit code that says so."""
    report, undone, status = applied.report, applied.undone, status_of(applied)
    if as_json:
        print_json(
            {
                "status": status,
                "batch_id": report.batch_id,
                "totals": report.totals(),
                "by_type": report.counts,
                "write_requests": report.write_requests,
                "first_errors": [outcome.as_dict() for outcome in report.first_errors],
                "warnings": report.warnings,
                "undone_by": undone.batch_id if undone else None,
                "message": undone.as_text() if undone else "",
            }
        )
    else:
        print(f"{status}: batch {report.batch_id}, {report.write_requests} write requests")
        print_counts(report.counts)
        for outcome in report.first_errors:
            what = f"{outcome.result.value} {outcome.object_type} {outcome.label} ({outcome.path})"
            say(f"{what}: {outcome.message}")
        for warning in report.warnings:
            say(warning)
        if undone:
            say(undone.as_text())
    if status == TaskState.ROLLED_BACK:
        raise typer.Exit(ExitCode.ERROR)
    if not report.ok:
        raise typer.Exit(ExitCode.WITH_ERRORS)


def _nothing_to_do(plan: Plan, as_json: bool) -> None:
    if as_json:
        print_json(
            {"status": "completed", "target": plan.target, "totals": plan.totals(), "write_requests": 0}
        )
    else:
        say("NetBox is as the document says: there is nothing to do.")


def _question(plan: Plan) -> str:
    return f"Write {plan.writes} changes to target {plan.target!r}?"


@contextmanager
def stop_on_interrupt(again: str = "applying the document again") -> Iterator[Callable[[], None]]:
    """Turn Ctrl-C into a request to stop before the next write; a second one ends the process as usual."""
    asked = False

    def note(*_: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, before)
        say("Stopping at the next safe point; once more to stop at once.")

    def checkpoint() -> None:
        if asked:
            raise StoppedError(f"Stopped. What was written stays, and {again} continues from there.")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield checkpoint
    finally:
        signal.signal(signal.SIGINT, before)
