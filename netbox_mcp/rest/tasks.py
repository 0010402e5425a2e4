"""Tasks over HTTP: seen, followed, stopped and gone on with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from netbox_mcp.access import Scope
from netbox_mcp.failures import explain
from netbox_mcp.replies import Outcome, ReportReply, TaskBrief, TaskList, TaskReply
from netbox_mcp.rest.permission import needs
from netbox_mcp.service import get_service
from orchestrator.errors import OrchestratorError
from workers.errors import RedisUnavailableError

LONGEST_WAIT_SECONDS = 50
KEEP_ALIVE_SECONDS = 15.0
PAUSE_SECONDS = 2.0

router = APIRouter(prefix="/tasks", tags=["tasks"])


@router.get("", dependencies=[needs(Scope.READ)])
def list_tasks(include_finished: bool = False) -> TaskList:
    """Queued and running tasks, newest first; with `include_finished` those that have ended, too."""
    return get_service().list_tasks(include_finished)


@router.get("/{task_id}", dependencies=[needs(Scope.READ)])
async def look_at_task(
    task_id: str, wait_seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT_SECONDS)] = 0
) -> TaskReply:
    """Where a task stands; with `wait_seconds` once that has changed."""
    return await get_service().status(task_id, wait_seconds)


@router.get("/{task_id}/report", dependencies=[needs(Scope.READ)])
def look_at_report(
    task_id: str,
    outcome: Outcome | None = None,
    object_type: str | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> ReportReply:
    """What became of each object, page by page."""
    return get_service().report(task_id, outcome, object_type, cursor, limit)


@router.get(
    "/{task_id}/events",
    dependencies=[needs(Scope.READ)],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
)
async def follow_task(task_id: str) -> StreamingResponse:
    """Server-sent events: one `status` whenever the task has moved on, and the last once it has ended.

    Each holds the whole status as JSON, so a client that was away has missed nothing.
    """
    first = await get_service().status(task_id, 0)
    return StreamingResponse(
        _events(task_id, first), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


@router.post("/{task_id}/cancel", dependencies=[needs(Scope.WRITE)])
def cancel_task(task_id: str) -> TaskBrief:
    """Stop a task before its next write."""
    return get_service().cancel(task_id)


@router.post("/{task_id}/resume", dependencies=[needs(Scope.WRITE)])
def resume_task(task_id: str) -> TaskBrief:
    """Go on with a task that failed, was cancelled or left errors."""
    return get_service().resume(task_id)


async def _events(task_id: str, status: TaskReply) -> AsyncIterator[str]:
    told = ""
    while True:
        said = status.model_dump_json()
        yield f"event: status\ndata: {said}\n\n" if said != told else ": nothing new\n\n"
        if status.ended:
            return
        told = said
        while True:
            try:
                status = await get_service().status(task_id, KEEP_ALIVE_SECONDS)
                break
            except RedisUnavailableError:
                yield ": Redis does not answer\n\n"
                await anyio.sleep(PAUSE_SECONDS)
            except OrchestratorError as error:
                yield f"event: error\ndata: {explain(error).model_dump_json()}\n\n"
                return
