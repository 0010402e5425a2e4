"""What the platform does for whoever asks: tools and command line are thin faces over this.

Planning and synchronous work need NetBox only; everything in the background
needs Redis as well, and says so in one sentence where there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from netbox_mcp import health
from netbox_mcp.access import ForbiddenError
from netbox_mcp.background import background, check_object_type
from netbox_mcp.dependencies import get_audit, get_engine, get_settings, get_task_manager, once
from netbox_mcp.failures import MAX_REPLY_CHARS, TooLargeError, UsageError, shorten
from netbox_mcp.next_steps import (
    DRY_RUN,
    after_ensure,
    after_plan,
    before_start,
    not_ensured,
    too_large_to_plan,
    way_without_redis,
    where_the_rows_are,
)
from netbox_mcp.replies import (
    ApprovalReply,
    EnsureReply,
    HealthReply,
    PlanDetail,
    PlanReply,
    QueueReply,
    ReportReply,
    ReportRow,
    StartReply,
    TaskBrief,
    TaskList,
    TaskReply,
)
from netbox_mcp.summaries import (
    outcome_of,
    plan_parts,
    report_parts,
    started_parts,
    status_of,
    task_brief,
    task_reply,
    task_row,
)
from netbox_mcp.sync_apply import Applied, Checkpoint, SyncProgress, open_sync_apply
from orchestrator.errors import DocumentError, NetBoxError, StalePlanError
from orchestrator.models import Plan
from orchestrator.stale import date_plan
from workers.errors import PlanRequiredError, RedisUnavailableError
from workers.roster import QueueInfo
from workers.status import TaskStatus

MAX_TASKS_LISTED = 20
MAX_WORKERS_LISTED = 20
DEFAULT_TARGET = "default"


class BulkService:
    """The operations of the bulk platform. Every error it raises is an OrchestratorError."""

    # Planning and synchronous work

    def make_plan(self, document: Any, target: str) -> Plan:
        """Plan a document against the live NetBox. Raises DocumentError with all problems, NetBoxError."""
        engine, begun = get_engine(target), datetime.now(UTC)
        try:
            return date_plan(engine.plan(document), begun, get_settings().plan_valid_seconds)
        except NetBoxError:
            engine.check(document)  # what is wrong with the document can be said all the same
            raise

    def count_objects(self, document: Any, target: str) -> int:
        """How many objects a document declares. Raises DocumentError with all problems, TooLargeError."""
        try:
            total = len(get_engine(target).check(document))
        except DocumentError:
            # This check sees the document only; planning finds, in NetBox, what else is wrong.
            self.make_plan(document, target)
            raise
        limit = get_settings().max_objects
        if total > limit:
            raise TooLargeError(
                f"The document declares {total:,} objects; a batch takes up to {limit:,}.",
                hint="Split it, say by site, or raise NETBOX_MCP_MAX_OBJECTS.",
            )
        return total

    def plan(self, document: Any, target: str) -> PlanReply:
        """The plan in short, kept under a plan_id if Redis is there; large documents become a task."""
        total = self.count_objects(document, target)
        if total > get_settings().plan_max_objects:
            with background(total) as manager:
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
        return self.planned(plan, plan_id, total)

    def planned(self, plan: Plan, plan_id: str | None, total: int) -> PlanReply:
        """What is said of a plan that was made for `total` objects."""
        return PlanReply(
            status="planned",
            target=plan.target,
            **plan_parts(plan),
            plan_id=plan_id,
            next=after_plan(plan, plan_id, total, self.is_approved(plan, plan_id)),
        )

    def keep_plan(self, plan: Plan, document: Any = None) -> str | None:
        """Keep a plan for a later apply; None where there is no Redis to keep it in.

        One that takes a batch back has no document.
        """
        try:
            return get_task_manager().save_plan(plan, document)
        except RedisUnavailableError:
            return None

    def ensure(
        self,
        document: Any,
        target: str,
        confirm: bool,
        report_only: bool,
        progress: SyncProgress,
        agreed: str | None = None,
    ) -> EnsureReply:
        """Apply a small document now. Without `confirm`, or in dry-run, the plan is the answer.

        `agreed` is the digest of the plan that a person was shown: no other one is applied.
        Raises PlanRequiredError where only plans that were kept may be applied, StalePlanError.
        """
        total = self.count_objects(document, target)
        limit = get_settings().sync_max_objects
        if total > limit:
            raise TooLargeError(
                f"The document declares {total} objects; the synchronous tool takes up to {limit}.",
                hint="Use netbox_start_bulk_async, or netbox_plan_bulk to only look."
                if get_settings().redis_url is not None
                else f"Start Redis for netbox_start_bulk_async; or {way_without_redis(total)}.",
            )
        if confirm and not report_only and not get_settings().dry_run:
            applied = self.apply_now(document, target, progress, agreed=agreed)
            return EnsureReply(
                status=status_of(applied),
                target=target,
                **plan_parts(applied.plan) | report_parts(applied.report),
                next=after_ensure(applied.report, applied.undone),
            )
        plan = self.make_plan(document, target)
        status, what_now = not_ensured(report_only)
        return EnsureReply(status=status, target=target, **plan_parts(plan), next=what_now)

    def apply_now(
        self,
        document: Any,
        target: str,
        progress: SyncProgress,
        shown: Plan | None = None,
        stop: Checkpoint = lambda: None,
        agreed: str | None = None,
    ) -> Applied:
        """Plan and apply in this process; refused in dry-run, and where only plans may be applied.

        `agreed` is the digest of the plan to apply where the plan itself is not at hand. See SyncApply for
        the rest.
        """
        settings = get_settings()
        if settings.dry_run:
            raise UsageError(DRY_RUN, "Unset NETBOX_DRY_RUN to apply.")
        if settings.plan_required:
            raise PlanRequiredError
        engine = get_engine(target)

        def make_plan() -> Plan:
            plan = engine.plan(document)
            if agreed not in (None, plan.digest):
                raise StalePlanError(
                    "NetBox has changed since the plan was shown; nothing was written.",
                    "Call again to see it anew.",
                )
            return plan

        with get_audit(target).batch("apply") as tell, open_sync_apply(settings) as sync:
            applied = sync.apply(engine, make_plan, progress, shown, stop, lambda one: tell(batch_id=one))
            tell(**outcome_of(applied))
        return applied

    # Background work

    def start(
        self,
        document: Any,
        *,
        plan_id: str | None,
        target: str | None,
        confirm: bool,
        idempotency_key: str | None,
    ) -> StartReply:
        """Put a document or a plan in line. Without `confirm`, or in dry-run, the plan is the answer.

        A plan knows its target; `target` may be left out, or must be the same.
        """
        if get_settings().dry_run or not confirm:
            return self._show_before_start(document, plan_id, target)
        status = self.start_task(document, plan_id=plan_id, target=target, idempotency_key=idempotency_key)
        return StartReply(**started_parts(status))

    def start_task(
        self, document: Any, *, plan_id: str | None, target: str | None, idempotency_key: str | None
    ) -> TaskStatus:
        """Put confirmed work in line. Refused while dry-run is on, and what workers would refuse anyhow."""
        if get_settings().dry_run:
            raise UsageError(DRY_RUN, "Unset NETBOX_DRY_RUN to apply.")
        if plan_id is not None:
            if target is not None:
                self.load_plan(plan_id, target)
            with background() as manager:
                audit = get_audit(manager.plan_target(plan_id))
                with audit.batch("start", plan_id=plan_id) as tell:
                    status = manager.start_apply_plan(plan_id, idempotency_key)
                    tell(task_id=status.task_id, batch_id=status.batch_id)
            return status
        target = target or DEFAULT_TARGET
        total = self.count_objects(document, target)
        with get_audit(target).batch("start", objects=total) as tell, background(total) as manager:
            status = manager.start_apply(document, target, total, idempotency_key)
            tell(task_id=status.task_id, batch_id=status.batch_id)
        return status

    def load_plan(self, plan_id: str, target: str | None) -> Plan:
        """A plan that was kept. Raises UsageError if it is for another target than the one named."""
        with background() as manager:
            plan = manager.load_plan(plan_id)
        if target not in (None, plan.target):
            raise UsageError(
                f"The plan {plan_id} is for target {plan.target!r}, not for {target!r}.",
                "Leave the target out, or plan the document for the other target.",
            )
        return plan

    def _show_before_start(self, document: Any, plan_id: str | None, target: str | None) -> StartReply:
        if plan_id is not None:
            return self._shown(self.load_plan(plan_id, target), plan_id)
        target = target or DEFAULT_TARGET
        total = self.count_objects(document, target)
        if not get_settings().dry_run:
            # Say now that the work could not be started, not after it has been agreed to.
            self.queue_info(total)
        if total > get_settings().plan_max_objects:
            status, what_now = too_large_to_plan()
            return StartReply(status=status, target=target, objects=total, next=what_now)
        plan = self.make_plan(document, target)
        return self._shown(plan, self.keep_plan(plan, document))

    def _shown(self, plan: Plan, plan_id: str | None) -> StartReply:
        status, what_now = before_start(plan, plan_id, self.is_approved(plan, plan_id))
        return StartReply(
            status=status, target=plan.target, **plan_parts(plan), plan_id=plan_id, next=what_now
        )

    # Approvals

    def plan_detail(self, plan_id: str) -> PlanDetail:
        """A plan that was kept, in short, and who has approved it."""
        with background() as manager:
            plan = manager.load_plan(plan_id)
            approval = manager.approval_of(plan)
        return PlanDetail(
            target=plan.target,
            **plan_parts(plan),
            plan_id=plan_id,
            made_at=plan.made_at,
            approved_by=approval.approved_by if approval else None,
            approved_until=approval.expires_at if approval else None,
        )

    def approve(
        self, plan_id: str, token: SecretStr, approver: str, digest: str | None = None
    ) -> ApprovalReply:
        """Let a plan be applied, in the name of a person who was shown the plan of this digest.

        The worker verifies the token, not we.
        """
        with (
            background() as manager,
            get_audit(manager.plan_target(plan_id)).batch("approve", plan_id=plan_id, approver=approver),
        ):
            approval = manager.approve(plan_id, token, approver, digest)
        return ApprovalReply(plan_id=plan_id, **asdict(approval))

    def approve_here(self, plan_id: str, approver: str, digest: str | None = None) -> ApprovalReply:
        """The same for callers over HTTP whose right it is: signed with the token that this server has."""
        token = get_settings().approve_token
        if token is None:
            raise ForbiddenError(
                "This server cannot sign an approval.",
                "Set NETBOX_MCP_APPROVE_TOKEN, for the workers the same, and start it again.",
            )
        return self.approve(plan_id, token, approver, digest)

    def is_approved(self, plan: Plan, plan_id: str | None) -> bool:
        """Whether nothing but a confirmation is missing; without Redis there is nothing to approve."""
        if plan_id is None or not get_settings().require_approval:
            return True
        with background() as manager:
            return manager.approval_of(plan) is not None

    async def status(self, task_id: str, wait_seconds: float) -> TaskReply:
        """Where a task stands, at the latest after `wait_seconds`; sooner when it has ended or moved on."""
        with background() as manager:
            status = await manager.wait(task_id, wait_seconds)
        return task_reply(status, needs_approval=get_settings().require_approval)

    def cancel(self, task_id: str) -> TaskBrief:
        """Ask a task to stop. Raises UnknownTaskError, TaskEndedError."""
        return task_brief(self.cancel_task(task_id))

    def cancel_task(self, task_id: str) -> TaskStatus:
        """The same, for those who follow it. That it cannot be noted down keeps nobody from stopping it."""
        with background() as manager:
            status = manager.cancel(task_id)
        get_audit(status.target).note_after(action="cancel", status="done", task_id=task_id)
        return status

    def resume(self, task_id: str) -> TaskBrief:
        """Have a task go on that did not do all of its work. Refused in dry-run, and as the manager does."""
        return task_brief(self.resume_task(task_id))

    def resume_task(self, task_id: str) -> TaskStatus:
        """The same, for those who follow it."""
        if get_settings().dry_run:
            raise UsageError(DRY_RUN, "Unset NETBOX_DRY_RUN to go on.")
        with background() as manager:
            target = manager.status(task_id).target
            with get_audit(target).batch("resume", resumes=task_id) as tell:
                status = manager.resume(task_id)
                tell(task_id=status.task_id, batch_id=status.batch_id)
        return status

    def report(
        self, task_id: str, outcome: str | None, object_type: str | None, cursor: str | None, limit: int
    ) -> ReportReply:
        """One page of outcomes: as many of `limit` rows as a reply can hold. Raises UsageError."""
        check_object_type(object_type)
        while True:
            with background() as manager:
                page = manager.report(task_id, outcome, object_type, cursor, limit)
            reply = ReportReply(
                task_id=task_id,
                counts=page.counts,
                rows=[_short_row(row) for row in page.rows],
                in_flight=page.in_flight,
                next_cursor=page.next_cursor,
                next="" if page.rows else where_the_rows_are(bool(page.batch_id), bool(page.counts)),
            )
            size = len(reply.model_dump_json())
            if size <= MAX_REPLY_CHARS or limit == 1:
                return reply
            limit = max(1, min(limit - 1, limit * MAX_REPLY_CHARS // size))

    def list_tasks(self, include_finished: bool) -> TaskList:
        """Tasks, newest first."""
        with background() as manager:
            rows = [task_row(status) for status in manager.list_tasks(include_finished, MAX_TASKS_LISTED)]
        older = "Older tasks are not shown." if len(rows) == MAX_TASKS_LISTED else ""
        none = "Nothing is queued or running." + (
            "" if include_finished else " include_finished shows the rest."
        )
        return TaskList(tasks=rows, next=older if rows else none)

    def queue_info(self, total: int = 0) -> QueueReply:
        """The queue, its workers and Redis. Where it cannot be used, what to do with `total` objects."""
        with background(total) as manager:
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


def _short_row(row: Any) -> ReportRow:
    return ReportRow(
        object_type=row.object_type,
        label=shorten(row.label, 200),
        result=str(row.result),
        object_id=row.object_id,
        path=shorten(row.path, 200),
        message=shorten(row.message, 400),
    )
