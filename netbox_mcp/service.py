"""What the platform does for whoever asks: tools and command line are thin faces over this.

Planning and synchronous work need NetBox only; everything in the background
needs Redis as well, and says so in one sentence where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from netbox_mcp import health
from netbox_mcp.dependencies import get_engine, get_settings, get_task_manager, once
from netbox_mcp.failures import MAX_REPLY_CHARS, TooLargeError, UsageError, shorten
from netbox_mcp.replies import (
    EnsureReply,
    HealthReply,
    PlanReply,
    QueueReply,
    ReportReply,
    ReportRow,
    StartReply,
    TaskList,
    TaskReply,
)
from netbox_mcp.summaries import plan_parts, report_parts, task_reply, task_row
from netbox_mcp.sync_apply import Checkpoint, SyncApply, SyncProgress
from orchestrator.errors import DocumentError, NetBoxError
from orchestrator.models import Plan, Report
from workers.connection import connect_briefly
from workers.errors import RedisUnavailableError
from workers.manager import AsyncTaskManager
from workers.roster import QueueInfo
from workers.status import TaskStatus

MAX_TASKS_LISTED = 20
MAX_WORKERS_LISTED = 20
DRY_RUN = "Dry-run is on (NETBOX_DRY_RUN): this is the plan, and nothing is written whatever is called."


class BulkService:
    """The operations of the bulk platform. Every error it raises is an OrchestratorError."""

    # Planning and synchronous work

    def make_plan(self, document: Any, target: str) -> Plan:
        """Plan a document against the live NetBox. Raises DocumentError with all problems, NetBoxError."""
        engine = get_engine(target)
        try:
            return engine.plan(document)
        except NetBoxError:
            engine.check(document)  # what is wrong with the document can be said all the same
            raise

    def count_objects(self, document: Any, target: str) -> int:
        """How many objects a document declares. Raises DocumentError with all problems."""
        try:
            return len(get_engine(target).check(document))
        except DocumentError:
            # This check sees the document only; planning finds, in NetBox, what else is wrong.
            self.make_plan(document, target)
            raise

    def plan(self, document: Any, target: str) -> PlanReply:
        """The plan in short, kept under a plan_id if Redis is there; large documents become a task."""
        total = self.count_objects(document, target)
        if total > get_settings().plan_max_objects:
            with background() as manager:
                status = manager.start_plan(document, target, total)
            return PlanReply(
                status=status.status.value,
                target=target,
                objects=total,
                task_id=status.task_id,
                next="The document is large: call netbox_get_task_status until the plan is there.",
            )
        plan = self.make_plan(document, target)
        plan_id = self.keep_plan(plan, document)
        return PlanReply(
            status="planned",
            target=target,
            **plan_parts(plan),
            plan_id=plan_id,
            next=_after_plan(plan, plan_id, get_settings().dry_run),
        )

    def keep_plan(self, plan: Plan, document: Any) -> str | None:
        """Keep a plan for a later apply; None where there is no Redis to keep it in."""
        try:
            return get_task_manager().save_plan(plan, document)
        except RedisUnavailableError:
            return None

    def ensure(
        self, document: Any, target: str, confirm: bool, report_only: bool, progress: SyncProgress
    ) -> EnsureReply:
        """Apply a small document now. Without `confirm`, or in dry-run, the plan is the answer."""
        total = self.count_objects(document, target)
        limit = get_settings().sync_max_objects
        if total > limit:
            raise TooLargeError(
                f"The document declares {total} objects; the synchronous tool takes up to {limit}.",
                hint="Use netbox_start_bulk_async, or netbox_plan_bulk to only look.",
            )
        if confirm and not report_only and not get_settings().dry_run:
            plan, report = self.apply_now(document, target, progress)
            return EnsureReply(
                status="completed" if report.ok else "completed_with_errors",
                target=target,
                **plan_parts(plan) | {"samples": []} | report_parts(report),
                next="" if report.ok else "Correct the objects named and send the document again.",
            )
        plan = self.make_plan(document, target)
        status, next_step = _not_written(report_only)
        return EnsureReply(status=status, target=target, **plan_parts(plan), next=next_step)

    def apply_now(
        self,
        document: Any,
        target: str,
        progress: SyncProgress,
        shown_digest: str | None = None,
        stop: Checkpoint = lambda: None,
    ) -> tuple[Plan, Report]:
        """Plan and apply in this process. Refused while dry-run is on; see SyncApply for the rest."""
        settings = get_settings()
        if settings.dry_run:
            raise UsageError(DRY_RUN, "Unset NETBOX_DRY_RUN to apply.")
        try:
            redis = connect_briefly(settings)
        except RedisUnavailableError:
            redis = None
        return SyncApply(settings, redis).apply(get_engine(target), document, progress, shown_digest, stop)

    # Background work

    def start(
        self, document: Any, *, plan_id: str | None, target: str, confirm: bool, idempotency_key: str | None
    ) -> StartReply:
        """Put a document or a plan in line. Without `confirm`, or in dry-run, the plan is the answer."""
        if get_settings().dry_run or not confirm:
            return self._show_before_start(document, plan_id, target)
        status = self.start_task(document, plan_id=plan_id, target=target, idempotency_key=idempotency_key)
        return StartReply(
            status=status.status.value,
            target=status.target,
            task_id=status.task_id,
            batch_id=status.batch_id,
            kind=status.kind,
            total=status.total or None,
            poll_after_seconds=status.poll_after_seconds,
            plan_id=status.plan_id,
            next="Call netbox_get_task_status with this task_id and wait_seconds=30 until it has ended.",
        )

    def start_task(
        self, document: Any, *, plan_id: str | None, target: str, idempotency_key: str | None
    ) -> TaskStatus:
        """Put confirmed work in line. Refused while dry-run is on."""
        if get_settings().dry_run:
            raise UsageError(DRY_RUN, "Unset NETBOX_DRY_RUN to apply.")
        with background() as manager:
            if plan_id is not None:
                return manager.start_apply_plan(plan_id, idempotency_key)
            total = self.count_objects(document, target)
            return manager.start_apply(document, target, total, idempotency_key)

    def _show_before_start(self, document: Any, plan_id: str | None, target: str) -> StartReply:
        status, next_step = _not_written(report_only=False)
        if plan_id is not None:
            with background() as manager:
                plan = manager.load_plan(plan_id)
            return StartReply(
                status=status, target=plan.target, **plan_parts(plan), plan_id=plan_id, next=next_step
            )
        if not get_settings().dry_run:
            self.queue_info()  # say now that the work could not be started, not after it has been agreed to
        total = self.count_objects(document, target)
        if total > get_settings().plan_max_objects:
            next_step += " The document is too large to plan while you wait: netbox_plan_bulk shows its plan."
            return StartReply(status=status, target=target, objects=total, next=next_step)
        plan = self.make_plan(document, target)
        kept = self.keep_plan(plan, document)
        return StartReply(status=status, target=target, **plan_parts(plan), plan_id=kept, next=next_step)

    async def status(self, task_id: str, wait_seconds: float) -> TaskReply:
        """Where a task stands, at the latest after `wait_seconds`; sooner when it has ended or moved on."""
        with background() as manager:
            return task_reply(await manager.wait(task_id, wait_seconds))

    def report(
        self, task_id: str, outcome: str | None, object_type: str | None, cursor: str | None, limit: int
    ) -> ReportReply:
        """One page of outcomes: as many of `limit` rows as a reply can hold."""
        while True:
            with background() as manager:
                page = manager.report(task_id, outcome, object_type, cursor, limit)
            reply = ReportReply(
                task_id=task_id,
                counts=page.counts,
                rows=[_short_row(row) for row in page.rows],
                next_cursor=page.next_cursor,
            )
            size = len(reply.model_dump_json())
            if size <= MAX_REPLY_CHARS or limit == 1:
                return reply
            limit = max(1, min(limit - 1, limit * MAX_REPLY_CHARS // size))

    def list_tasks(self, include_finished: bool) -> TaskList:
        """Tasks, newest first."""
        with background() as manager:
            rows = [task_row(status) for status in manager.list_tasks(include_finished, MAX_TASKS_LISTED)]
        full = len(rows) == MAX_TASKS_LISTED
        return TaskList(tasks=rows, next="Older tasks are not shown." if full else "")

    def queue_info(self) -> QueueReply:
        """The queue, its workers and Redis."""
        with background() as manager:
            info: QueueInfo = manager.queue_info()
            if not info.redis_ok:
                raise RedisUnavailableError(info.message, info.hint)
        fields = {name: getattr(info, name) for name in QueueInfo.model_fields}
        return QueueReply(**fields | {"workers": info.workers[:MAX_WORKERS_LISTED]})

    # The platform itself

    def health(self) -> HealthReply:
        """Whether each part is well."""
        return health.check_health()

    def is_ready(self) -> bool:
        """Whether the server can do its work: NetBox answers."""
        return health.is_ready()


def get_service() -> BulkService:
    """The service of this process."""
    make: Callable[[], BulkService] = BulkService
    return once("service", make)


@contextmanager
def background() -> Iterator[AsyncTaskManager]:
    """The task manager; where Redis is missing, the error names the way that does without."""
    try:
        manager = get_task_manager()
        yield manager
    except RedisUnavailableError as error:
        sentence = error.message.rstrip(".")
        raise RedisUnavailableError(
            f"{sentence}; netbox_bulk_ensure_devices (on the command line: apply --sync) works without it.",
            hint=error.hint,
        ) from None


def _not_written(report_only: bool) -> tuple[str, str]:
    """Status and next step of a reply that shows a plan instead of applying it."""
    if get_settings().dry_run:
        return "dry_run", DRY_RUN
    if report_only:
        return (
            "planned",
            "Nothing was written. To apply, call again with confirm=true and without dry_run_report.",
        )
    return "confirmation_required", "Nothing was written. If the plan is right, call again with confirm=true."


def _after_plan(plan: Plan, plan_id: str | None, dry_run: bool) -> str:
    if dry_run:
        return DRY_RUN
    if not plan.writes:
        return "NetBox is as the document says: there is nothing to do."
    if plan_id is None:
        return "Apply it with netbox_bulk_ensure_devices and confirm=true (no Redis, so no plan_id)."
    return "If the plan is right, call netbox_start_bulk_async with this plan_id and confirm=true."


def _short_row(row: Any) -> ReportRow:
    return ReportRow(
        object_type=row.object_type,
        label=shorten(row.label, 200),
        result=str(row.result),
        object_id=row.object_id,
        path=shorten(row.path, 200),
        message=shorten(row.message, 400),
    )
