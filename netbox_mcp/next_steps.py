"""What to do now: the last sentence of a reply about a plan or about work that was not started.

It depends on what this process is configured to let happen: dry-run, plans
only, approvals, with or without Redis.
"""

from __future__ import annotations

from netbox_mcp.dependencies import get_settings
from orchestrator.models import Plan, Report
from workers.errors import how_to_approve
from workers.undo import Undone

DRY_RUN = "Dry-run is on (NETBOX_DRY_RUN): this is the plan, and nothing is written whatever is called."
PLAN_FIRST = "call netbox_plan_bulk, then netbox_start_bulk_async with its plan_id and confirm=true"


def way_without_redis(total: int) -> str:
    """How `total` objects can be applied where there is no Redis."""
    settings = get_settings()
    if settings.plan_required:
        return "only plans may be applied here, and they are kept in Redis"
    limit = settings.sync_max_objects
    if total <= limit:
        return "netbox_bulk_ensure_devices (on the command line: apply --sync) works without it"
    return f"split the document into parts of up to {limit} objects, or use apply --sync on the command line"


def after_plan(plan: Plan, plan_id: str | None, total: int, approved: bool) -> str:
    """What comes after a plan that was made for `total` objects."""
    settings = get_settings()
    if settings.dry_run:
        return DRY_RUN
    if stuck := _nothing_to_apply(plan):
        return stuck
    if plan_id is None and (total > settings.sync_max_objects or settings.plan_required):
        return f"There is no Redis to keep the plan in: start one, {way_without_redis(total)}."
    if plan_id is None:
        return "Apply it with netbox_bulk_ensure_devices and confirm=true (no Redis, so no plan_id)."
    return _apply_plan(plan_id, approved, "call netbox_start_bulk_async with this plan_id and confirm=true")


def before_start(plan: Plan, plan_id: str | None, approved: bool) -> tuple[str, str]:
    """Status and next step of a start that shows the plan because nobody has confirmed it."""
    settings = get_settings()
    if settings.dry_run:
        return "dry_run", DRY_RUN
    again = "call again with confirm=true"
    if plan_id is not None and settings.plan_required:
        again = "call again with this plan_id and confirm=true"
    told = _nothing_to_apply(plan) or _apply_plan(plan_id, approved, again)
    return "confirmation_required", f"Nothing was written. {told}"


def not_ensured(report_only: bool) -> tuple[str, str]:
    """Status and next step of a synchronous call that shows the plan instead of applying it."""
    settings = get_settings()
    if settings.dry_run:
        return "dry_run", DRY_RUN
    status = "planned" if report_only else "confirmation_required"
    if settings.plan_required:
        return status, f"Nothing was written. Only plans may be applied here: {PLAN_FIRST}."
    if report_only:
        return (
            status,
            "Nothing was written. To apply, call again with confirm=true and without dry_run_report.",
        )
    return status, "Nothing was written. If the plan is right, call again with confirm=true."


def after_ensure(report: Report, undone: Undone | None) -> str:
    """What comes after a synchronous apply."""
    if undone is not None:
        return f"{undone.as_text()} Correct the objects named and send the document again."
    return "" if report.ok else "Correct the objects named and send the document again."


def before_rollback(plan: Plan, plan_id: str | None, approved: bool) -> tuple[str, str]:
    """Status and next step of a rollback that is shown because nobody has confirmed it."""
    if get_settings().dry_run:
        return "dry_run", DRY_RUN
    if stuck := _nothing_to_apply(plan):
        return "nothing_to_do", f"Nothing was written. {stuck}"
    if plan_id is None:
        return (
            "confirmation_required",
            f"Nothing was written. There is no Redis for background work: netbox-mcp rollback {plan.undoes} "
            "--sync on the command line works without it.",
        )
    left = f" {len(plan.conflicts)} objects stay as they are, see conflicts." if plan.conflicts else ""
    again = "call again with confirm=true, or netbox_start_bulk_async with this plan_id and confirm=true"
    return "confirmation_required", f"Nothing was written.{left} {_apply_plan(plan_id, approved, again)}"


def too_large_to_plan() -> tuple[str, str]:
    """Status and next step of a start with more objects than are planned while the caller waits."""
    settings = get_settings()
    if settings.dry_run:
        return (
            "dry_run",
            "Dry-run is on (NETBOX_DRY_RUN): nothing is written. netbox_plan_bulk plans it as a task.",
        )
    unseen = "" if settings.plan_required else "; to apply it unseen, call again with confirm=true"
    return (
        "confirmation_required",
        "Nothing was written or planned: the document is too large to plan while you wait. netbox_plan_bulk "
        f"plans it as a task{unseen}.",
    )


def where_the_rows_are(applies: bool, has_outcomes: bool) -> str:
    """Why a page of a report is empty."""
    if not applies:
        return "A planning task has no outcomes; netbox_get_task_status names its plan_id."
    if has_outcomes:
        return "No outcome matches; see counts for those there are."
    return "No object has an outcome yet; see netbox_get_task_status."


def _nothing_to_apply(plan: Plan) -> str:
    if plan.undoes and not plan.writes:
        if plan.conflicts:
            return "Nothing of it can be undone: see conflicts; force overrides what was changed since."
        return "NetBox is as it was before the batch: there is nothing to undo."
    if plan.conflicts and not plan.applyable:
        return "The plan has conflicts and cannot be applied: settle them, and plan again."
    return "" if plan.writes else "NetBox is as the document says: there is nothing to do."


def _apply_plan(plan_id: str | None, approved: bool, call: str) -> str:
    if get_settings().require_approval and plan_id is not None and not approved:
        return f"{how_to_approve(plan_id)}. Then {call}."
    return f"If the plan is right, {call}."
