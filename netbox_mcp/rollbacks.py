"""Taking a batch back: planned here, written by a worker or, on the command line, by this process.

A rollback is a plan like any other. It is kept under a plan id and started
by it, so that going stale and being approved need no rules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache

from netbox_mcp.dependencies import get_audit, get_engine, get_settings, get_task_manager
from netbox_mcp.failures import UsageError
from netbox_mcp.next_steps import DRY_RUN, before_rollback
from netbox_mcp.replies import RollbackReply
from netbox_mcp.service import DEFAULT_TARGET, get_service
from netbox_mcp.summaries import outcome_of, plan_parts, rollback_parts, started_parts
from netbox_mcp.sync_apply import Applied, Checkpoint, SyncProgress, open_sync_apply
from orchestrator.models import Plan
from orchestrator.ports import History
from orchestrator.stale import date_plan
from workers.connection import redis_errors
from workers.errors import PlanRequiredError, RedisUnavailableError
from workers.manager import AsyncTaskManager
from workers.sqlite_journal import SqliteJournal
from workers.status import TaskStatus

_BATCH_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def rollback(batch_id: str, target: str | None, force: bool, confirm: bool) -> RollbackReply:
    """Show how a batch would be taken back and keep that plan; with `confirm`, start it.

    Raises RollbackError where nobody knows the batch, UnfinishedBatchError while it is being written,
    UsageError for a wrong target, and what a start raises.
    """
    target = target_of(batch_id, target)
    dry_run = get_settings().dry_run
    size = _size(batch_id)
    if size > get_settings().plan_max_objects and not dry_run:
        return _roll_back_large(batch_id, target, force, confirm, size)
    plan = plan_rollback(batch_id, target, force)
    if confirm and not dry_run and plan.writes:
        return _started(start_plan(keep_plan(plan), plan), batch_id, force, plan)
    return planned(plan, get_service().keep_plan(plan) if plan.writes else None, force)


def start_shown(plan_id: str, force: bool) -> RollbackReply:
    """Start a rollback by the plan that was shown and kept. Raises what a start raises."""
    plan = get_service().load_plan(plan_id, None)
    return _started(start_plan(plan_id, plan), plan.undoes, force, plan)


def planned(plan: Plan, plan_id: str | None, force: bool) -> RollbackReply:
    """What is said of a plan that takes a batch back, before anybody has confirmed it."""
    approved = get_service().is_approved(plan, plan_id)
    status, what_now = before_rollback(plan, plan_id, approved)
    return RollbackReply(
        status=status,
        target=plan.target,
        undoes=plan.undoes,
        force=force,
        **plan_parts(plan) | rollback_parts(plan),
        plan_id=plan_id,
        next=what_now,
    )


def plan_rollback(batch_id: str, target: str | None, force: bool, here: bool = False) -> Plan:
    """How to take a batch back, by its journal in Redis or by NetBox's changelog.

    `here` is for a rollback in this process, which knows the journals of this machine as well.
    """
    target, begun = target_of(batch_id, target), datetime.now(UTC)
    with _history(batch_id, here) as history, redis_errors():
        plan = get_engine(target).plan_rollback(batch_id, history, force)
    return date_plan(plan, begun, get_settings().plan_valid_seconds)


def refuse_without_redis(batch_id: str) -> None:
    """Raise RedisUnavailableError where no task could be started, naming the way without."""
    with _tasks(batch_id) as manager:
        info = manager.queue_info()
        if not info.redis_ok:
            raise RedisUnavailableError(info.message, info.hint)


def keep_plan(plan: Plan) -> str:
    """Keep a rollback plan, for it to be started or approved. Raises RedisUnavailableError."""
    with _tasks(plan.undoes) as manager:
        return manager.save_plan(plan)


def start_plan(plan_id: str, plan: Plan, idempotency_key: str | None = None) -> TaskStatus:
    """Put a rollback plan that was kept in line. Refused while dry-run is on."""
    batch_id = plan.undoes
    if get_settings().dry_run:
        raise UsageError(DRY_RUN, "Unset NETBOX_DRY_RUN to roll back.")
    with (
        get_audit(plan.target).batch("rollback", undoes=batch_id, plan_id=plan_id) as tell,
        _tasks(batch_id) as manager,
    ):
        status = manager.start_apply_plan(plan_id, idempotency_key)
        tell(task_id=status.task_id, batch_id=status.batch_id)
    return status


def roll_back_now(
    batch_id: str,
    target: str | None,
    force: bool,
    shown: Plan | None,
    progress: SyncProgress,
    stop: Checkpoint,
) -> Applied:
    """Take a batch back in this process; refused in dry-run, and where only plans that were kept may be used.

    `shown` is the plan that a person has agreed to. See SyncApply for the rest.
    """
    settings, target = get_settings(), target_of(batch_id, target)
    if settings.dry_run:
        raise UsageError(DRY_RUN, "Unset NETBOX_DRY_RUN to roll back.")
    if settings.plan_required:
        raise PlanRequiredError(f"Plan and start it in the background: netbox-mcp rollback {batch_id}")

    def note(by: str, whole: bool) -> None:
        with suppress(RedisUnavailableError):
            get_task_manager().note_undone(batch_id, by, whole)

    @cache  # once; however it ends, from then on a part of the batch may be gone
    def note_first_write(by: str) -> None:
        note(by, whole=False)
        tell(batch_id=by)

    with get_audit(target).batch("rollback", undoes=batch_id) as tell, open_sync_apply(settings) as sync:
        applied = sync.apply(
            get_engine(target),
            lambda: plan_rollback(batch_id, target, force, here=True),
            progress,
            shown,
            stop,
            note_first_write,
        )
        tell(**outcome_of(applied))
    if applied.report.ok:
        note(applied.report.batch_id, whole=True)
    return applied


def target_of(batch_id: str, target: str | None) -> str:
    """Where a batch was written, as its journal says; else the target that was named, or the default.

    Raises UsageError if another one was named, UnfinishedBatchError while the batch is being written.
    """
    if not _BATCH_ID.fullmatch(batch_id):
        raise UsageError(f"{batch_id[:80]!r} is no batch id.", "It looks like b-20261123-0123abcd.")
    known = _known_target(batch_id)
    if target not in (None, known) and known:
        raise UsageError(
            f"The batch {batch_id} was written to target {known!r}, not to {target!r}.",
            "Leave the target out.",
        )
    return known or target or DEFAULT_TARGET


def _known_target(batch_id: str) -> str:
    with suppress(RedisUnavailableError):
        facts = get_task_manager().find_batch(batch_id)
        if facts is not None:
            return facts.target
    journal = SqliteJournal.find(get_settings().state_dir, batch_id)
    if journal is None:
        return ""
    with closing(journal):
        return journal.target


@contextmanager
def _history(batch_id: str, here: bool) -> Iterator[History | None]:
    """What the batch did, by the first journal that knows it; None leaves it to NetBox's changelog."""
    local = SqliteJournal.find(get_settings().state_dir, batch_id) if here else None
    if local is None:
        yield _history_in_redis(batch_id)
        return
    with closing(local):
        yield local


def _history_in_redis(batch_id: str) -> History | None:
    with suppress(RedisUnavailableError):
        return get_task_manager().batch_history(batch_id)
    return None


def _size(batch_id: str) -> int:
    """How many objects the batch wrote; 0 where nobody can tell without asking NetBox."""
    with suppress(RedisUnavailableError):
        return get_task_manager().batch_size(batch_id)
    return 0


def _roll_back_large(batch_id: str, target: str, force: bool, confirm: bool, size: int) -> RollbackReply:
    """Too large to plan while the caller waits: plan it as a task or, confirmed, undo it unseen."""
    with _tasks(batch_id) as manager:
        if not confirm:
            return _started(manager.start_rollback_plan(batch_id, target, force, size), batch_id, force)
        with get_audit(target).batch("rollback", undoes=batch_id, force=force) as tell:
            status = manager.start_rollback(batch_id, target, force, size)
            tell(task_id=status.task_id, batch_id=status.batch_id)
    return _started(status, batch_id, force)


def _started(status: TaskStatus, batch_id: str, force: bool, plan: Plan | None = None) -> RollbackReply:
    parts = plan_parts(plan) | rollback_parts(plan) if plan is not None else {"objects": status.total}
    return RollbackReply(
        undoes=batch_id,
        force=force,
        **parts | started_parts(status),
    )


@contextmanager
def _tasks(batch_id: str) -> Iterator[AsyncTaskManager]:
    """The task manager; where Redis is missing, the error names the way that a rollback has without."""
    try:
        yield get_task_manager()
    except RedisUnavailableError as error:
        way = f"on the command line, netbox-mcp rollback {batch_id} --sync works without it"
        raise RedisUnavailableError(f"{error.message.rstrip('.')}; {way}.", hint=error.hint) from None
