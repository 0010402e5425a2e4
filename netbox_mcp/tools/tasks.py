"""The tools for background work: status, cancel, resume, report, list and queue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netbox_mcp.registry import bulk_write, mcp_tool
from netbox_mcp.replies import Outcome, QueueReply, ReportReply, TaskBrief, TaskList, TaskReply
from netbox_mcp.service import get_service
from netbox_mcp.tools.arguments import TaskId


@mcp_tool(category="bulk", title="Task status", read_only=True)
async def netbox_get_task_status(
    task_id: TaskId,
    wait_seconds: Annotated[
        float, Field(description="Answer only after a change or this time", ge=0, le=50)
    ] = 0,
) -> TaskReply:
    """Where a background task stands: state, pass, stage, counts, percent, rate, ETA, first errors.

    States: queued, planning, running, cancelling; in the end completed, completed_with_errors, failed,
    cancelled or rolled_back.
    Use wait_seconds=30 to wait instead of asking often.
    """
    return await get_service().status(task_id, wait_seconds)


@mcp_tool(category="bulk", title="Cancel a task", read_only=False, idempotent=True)
def netbox_cancel_task(task_id: TaskId) -> TaskBrief:
    """Stop a background task before its next write to NetBox; what was written can be rolled back."""
    return get_service().cancel(task_id)


@bulk_write(title="Resume a task", background=True)
def netbox_resume_task(task_id: TaskId) -> TaskBrief:
    """Go on with a task that failed, was cancelled or left errors: the rest of the same, confirmed batch."""
    return get_service().resume(task_id)


@mcp_tool(category="bulk", title="Task report", read_only=True)
def netbox_get_task_report(
    task_id: TaskId,
    outcome: Annotated[Outcome | None, Field(description="Only these, e.g. failed")] = None,
    object_type: Annotated[str | None, Field(description="Only this type, e.g. devices")] = None,
    cursor: Annotated[str | None, Field(description="next_cursor of the page before")] = None,
    limit: Annotated[
        int, Field(description="Rows per page; fewer come if the page grows long", ge=1, le=100)
    ] = 20,
) -> ReportReply:
    """What became of each object of a task, page by page. Start with outcome=failed."""
    return get_service().report(task_id, outcome, object_type, cursor, limit)


@mcp_tool(category="bulk", title="List tasks", read_only=True)
def netbox_list_active_tasks(
    include_finished: Annotated[bool, Field(description="Also those that have ended")] = False,
) -> TaskList:
    """Queued and running background tasks, newest first: use it to find a task_id again."""
    return get_service().list_tasks(include_finished)


@mcp_tool(category="bulk", title="Queue", read_only=True)
def netbox_get_queue_info() -> QueueReply:
    """The queue: how many tasks wait, which workers run and what they do, failures, health of Redis.

    Use it when a task stays queued.
    """
    return get_service().queue_info()
