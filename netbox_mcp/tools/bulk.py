"""The tools that plan and apply batch documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import anyio
import anyio.to_thread
from mcp.server.mcpserver import Context
from pydantic import Field

from netbox_mcp.access import Scope
from netbox_mcp.failures import UsageError
from netbox_mcp.inputs import one_document
from netbox_mcp.registry import bulk_write, mcp_tool
from netbox_mcp.replies import EnsureReply, PlanReply, StartReply
from netbox_mcp.service import get_service
from netbox_mcp.sync_apply import SyncProgress
from netbox_mcp.tools.arguments import (
    Batch,
    Confirm,
    DevicesData,
    InputId,
    SameBatch,
    SameDevicesData,
    Target,
    TargetOfPlan,
)
from orchestrator.errors import OrchestratorError

PROGRESS_INTERVAL_SECONDS = 1.0


@mcp_tool(category="bulk", title="Plan bulk work", read_only=True, scope=Scope.PLAN, background=True)
def netbox_plan_bulk(
    devices_data: DevicesData = None,
    batch: Batch = None,
    input_id: InputId = None,
    target: Target = "default",
) -> PlanReply:
    """Show what a batch document would change in NetBox, without writing anything.

    Use it first for any bulk change. Returns counts by object type and action, warnings, a few samples, and
    a plan_id: pass that to netbox_start_bulk_async with confirm=true to apply exactly what was shown. A
    document with errors is answered with all of them, each with its path. A very large document is planned in
    the background: poll the task_id.
    """
    return get_service().plan(one_document(devices_data, batch, input_id), target)


async def _ensure_shown(ctx: Context, shown: Mapping[str, Any], arguments: Mapping[str, Any]) -> EnsureReply:
    document = one_document(arguments["devices_data"], arguments["batch"])
    return await _ensure(ctx, document, arguments["target"], True, False, agreed=shown["digest"])


@bulk_write(title="Ensure devices (synchronous)", carry_out=_ensure_shown)
async def netbox_bulk_ensure_devices(
    ctx: Context,
    devices_data: SameDevicesData = None,
    batch: SameBatch = None,
    confirm: Confirm = False,
    dry_run_report: Annotated[bool, Field(description="Only report what would be done")] = False,
    target: Target = "default",
) -> EnsureReply:
    """Make NetBox match a small batch document now, and wait for the result. Needs no Redis.

    Creates what is missing, parents first, updates fields that differ, leaves all else alone; calling it
    again changes nothing. Without confirm=true it returns the plan. One bad object does not stop the others.
    Documents above the size limit are refused: use netbox_start_bulk_async.
    """
    return await _ensure(ctx, one_document(devices_data, batch), target, confirm, dry_run_report)


async def _ensure(
    ctx: Context, document: Any, target: str, confirm: bool, report_only: bool, agreed: str | None = None
) -> EnsureReply:
    """Do the work in a thread, and tell how far it is meanwhile."""
    progress = SyncProgress()
    service = get_service()

    def work() -> EnsureReply | OrchestratorError:
        try:
            return service.ensure(document, target, confirm, report_only, progress, agreed)
        except OrchestratorError as error:  # handed over by value: a task group would wrap it
            return error

    async with anyio.create_task_group() as group:
        group.start_soon(_tell, ctx, progress)
        # Not abandoned when the client hangs up: half a batch without its outcome helps nobody.
        result = await anyio.to_thread.run_sync(work)
        group.cancel_scope.cancel()
    if isinstance(result, OrchestratorError):
        raise result
    return result


async def _start_shown(_ctx: Context, shown: Mapping[str, Any], arguments: Mapping[str, Any]) -> StartReply:
    """The plan that was shown; the worker refuses it if NetBox has moved since."""

    def start() -> StartReply:
        return get_service().start(
            None,
            plan_id=shown["plan_id"],
            target=shown["target"],
            confirm=True,
            idempotency_key=arguments["idempotency_key"],
        )

    return await anyio.to_thread.run_sync(start)


@bulk_write(title="Start bulk work", background=True, carry_out=_start_shown)
def netbox_start_bulk_async(
    devices_data: SameDevicesData = None,
    batch: SameBatch = None,
    input_id: InputId = None,
    plan_id: Annotated[str | None, Field(description="Apply this plan of netbox_plan_bulk instead")] = None,
    confirm: Confirm = False,
    target: TargetOfPlan = None,
    idempotency_key: Annotated[
        str | None,
        Field(description="Same key and document: the same task, not a second one", max_length=200),
    ] = None,
) -> StartReply:
    """Apply a batch document or a plan in the background: for anything from a hundred objects up.

    Without confirm=true it returns the plan and its plan_id. With it, the work is queued and a task_id and
    batch_id come back at once: call netbox_get_task_status(task_id, wait_seconds=30) until it has ended.
    """
    if plan_id is not None:
        if (devices_data, batch, input_id) != (None, None, None):
            raise UsageError(
                "Give either plan_id or a document, not both.", "The plan holds its document already."
            )
        document = None
    else:
        document = one_document(devices_data, batch, input_id, or_plan=True)
    return get_service().start(
        document, plan_id=plan_id, target=target, confirm=confirm, idempotency_key=idempotency_key
    )


async def _tell(ctx: Context, progress: SyncProgress) -> None:
    """Pass the progress on to the client until cancelled."""
    told = -1
    while True:
        await anyio.sleep(PROGRESS_INTERVAL_SECONDS)
        if progress.done != told and progress.total:
            told = progress.done
            await ctx.report_progress(told, progress.total, progress.stage_name)
