"""Background work as tasks of the protocol: the extension io.modelcontextprotocol/tasks (SEP-2663).

A client that declares it gets a task instead of a handle from every tool that
is registered with `background`; the task's id is our own task_id. Nothing is
kept here: each question is answered from Redis, by whichever server is asked.
Clients that do not declare it are served as if this module did not exist.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import anyio.to_thread
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver.server import require_client_extension
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
    Result,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field

from netbox_mcp import rollbacks
from netbox_mcp.access import ForbiddenError, Scope, require
from netbox_mcp.background import background
from netbox_mcp.failures import ErrorReply, explain
from netbox_mcp.registry import TOOL_REGISTRY
from netbox_mcp.replies import RollbackReply, StartReply
from netbox_mcp.results import failure, success
from netbox_mcp.schemas import without_null
from netbox_mcp.service import get_service
from netbox_mcp.summaries import ended_parts, joined, pace_of, place_of, short_errors, short_message
from orchestrator.errors import OrchestratorError
from workers.errors import RedisUnavailableError, TaskEndedError, UnknownTaskError
from workers.records import TaskRecord
from workers.status import TaskState, TaskStatus

TASKS_EXTENSION = "io.modelcontextprotocol/tasks"

Answer = TypeVar("Answer")
_CODES = {UnknownTaskError.code: INVALID_PARAMS, ForbiddenError.code: INVALID_REQUEST}
log = logging.getLogger(__name__)


class TaskParams(RequestParams):
    """Which task."""

    task_id: str = Field(min_length=1, max_length=100)


class UpdateTaskParams(TaskParams):
    """Answers to questions that a task has asked; ours ask none."""

    input_responses: dict[str, Any]


class Task(Result):
    """Where a task stands; once it is completed, with the result of the tool that began it."""

    result_type: Literal["complete", "task"] = "complete"
    task_id: str
    status: Literal["working", "completed", "cancelled"]
    status_message: str | None = None
    created_at: datetime
    last_updated_at: datetime
    ttl_ms: int
    poll_interval_ms: int | None = None
    result: CallToolResult | None = None


class TasksExtension(Extension):
    """Answers tools/call with tasks, and tells of them, cancels them. `scopes`: what the caller may do."""

    identifier = TASKS_EXTENSION

    def __init__(self, scopes: Callable[[], Collection[str]]) -> None:
        self._scopes = scopes

    def methods(self) -> Sequence[MethodBinding]:
        """The three methods of the extension, for the versions of the protocol that have extensions."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return [
            MethodBinding("tasks/get", TaskParams, _get, versions),
            MethodBinding("tasks/update", UpdateTaskParams, _update, versions),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, versions),
        ]

    async def _cancel(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> Result:
        """Ask the task to stop. One that has ended already is past it, which is no error of the client's."""
        scopes = self._scopes()

        def cancel() -> None:
            require(scopes, Scope.WRITE)
            with suppress(TaskEndedError):
                get_service().cancel_task(params.task_id)

        await _answer(ctx, cancel)
        return Result()

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Run the tool; if it has put work in line, and the client knows tasks, answer with the task.

        A plan that is shown, an error, what ends at once: all that stays the tool's own answer.
        """
        result = await call_next(ctx)
        task_id = _handle(params.name, result)
        if task_id is None or not _is_declared(ctx):
            return result
        try:
            return await anyio.to_thread.run_sync(_created, task_id)
        except OrchestratorError as error:
            # The work is in line, and the tool's own answer names it: that serves as well.
            log.warning("the task %s is answered with its handle: %s", task_id, error.message)
            return result


def _is_declared(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether this request may be answered with a task; older protocols cannot carry one."""
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return False
    capabilities = ctx.session.client_capabilities
    return capabilities is not None and TASKS_EXTENSION in (capabilities.extensions or {})


def _handle(name: str, result: HandlerResult) -> str | None:
    """The task that a tool's answer is about; None where it has begun none."""
    spec = TOOL_REGISTRY.get(name)
    if spec is None or not spec.background or not isinstance(result, CallToolResult) or result.is_error:
        return None
    content = result.structured_content
    return content.get("task_id") if isinstance(content, dict) else None


# The methods


async def _get(ctx: ServerRequestContext[Any, Any], params: TaskParams) -> Task:
    return await _answer(ctx, lambda: _detailed(params.task_id))


async def _update(ctx: ServerRequestContext[Any, Any], params: UpdateTaskParams) -> Result:
    """Our tasks wait for nobody's input, so that there is no question which this could be an answer to."""
    await _answer(ctx, lambda: _record(params.task_id))
    return Result()


async def _answer(ctx: ServerRequestContext[Any, Any], work: Callable[[], Answer]) -> Answer:
    """Do the work in a thread, for a client that knows tasks. Our errors become the protocol's."""
    require_client_extension(ctx, TASKS_EXTENSION)
    try:
        return await anyio.to_thread.run_sync(work)
    except OrchestratorError as error:
        said = explain(error)
        code = _CODES.get(error.code, INTERNAL_ERROR)
        sentence = f"{said.message} {said.hint}".strip()
        raise MCPError(code=code, message=sentence, data=said.model_dump(mode="json")) from None


# What a task is, in the words of the extension


def _created(task_id: str) -> Task:
    record, status, forgotten_at = _record(task_id)
    return _task(record, status, forgotten_at).model_copy(update={"result_type": "task"})


def _detailed(task_id: str) -> Task:
    record, status, forgotten_at = _record(task_id)
    task = _task(record, status, forgotten_at)
    return task.model_copy(update={"result": _result(record, status)}) if task.status == "completed" else task


def _record(task_id: str) -> tuple[TaskRecord, TaskStatus, datetime]:
    with background() as manager:
        record, forgotten_at = manager.record(task_id)
        return record, manager.status(task_id), forgotten_at


def _task(record: TaskRecord, status: TaskStatus, forgotten_at: datetime) -> Task:
    """The status is worked out anew whenever it is asked for: until the end, it is as of now."""
    kept = forgotten_at - record.created_at
    return Task(
        task_id=record.task_id,
        status=_state(status),
        status_message=_in_words(status) or None,
        created_at=record.created_at,
        last_updated_at=status.ended_at or datetime.now(UTC),
        ttl_ms=int(kept.total_seconds() * 1000),
        poll_interval_ms=status.poll_after_seconds * 1000 or None,
    )


def _state(status: TaskStatus) -> Literal["working", "completed", "cancelled"]:
    """`failed` is for errors of the protocol alone: work that failed has completed, with an error."""
    if not status.ended:
        return "working"
    return "cancelled" if status.status is TaskState.CANCELLED else "completed"


def _in_words(status: TaskStatus) -> str:
    if status.ended:
        return f"{short_message(status.message)} {status.hint}".strip()
    counts = ", ".join(f"{number} {name}" for name, number in status.counts.items() if number)
    so_far = f"{status.done} of {status.total} objects" if status.total and status.stage else ""
    return joined(place_of(status), f"{so_far} ({counts})" if so_far and counts else so_far, pace_of(status))


def _result(record: TaskRecord, status: TaskStatus) -> CallToolResult:
    """What the tool would have answered, had it waited.

    Which tool that was need not be known: netbox_resume_task and netbox_plan_bulk have output schemas that
    ask for less than this says.
    """
    if status.status is TaskState.FAILED:
        error = ErrorReply(
            code=status.code or "task_failed",
            message=short_message(status.message),
            hint=status.hint,
            details=list(short_errors(status)),
            detail_count=len(status.first_errors),
        )
        return failure(error)
    try:
        reply = _reply(record, status)
    except RedisUnavailableError:
        raise
    except OrchestratorError as error:  # the plan has expired
        return failure(explain(error))
    return success(dict(without_null(reply.model_dump(mode="json"))))


def _reply(record: TaskRecord, status: TaskStatus) -> BaseModel:
    if record.kind == "plan" and status.plan_id:
        plan = get_service().load_plan(status.plan_id, None)
        if record.undoes:
            said: BaseModel = rollbacks.planned(plan, status.plan_id, record.force)
        else:
            said = get_service().planned(plan, status.plan_id, status.total)
        return said.model_copy(update={"task_id": record.task_id})
    if record.undoes:
        return RollbackReply(undoes=record.undoes, force=record.force, **ended_parts(status))
    return StartReply(**ended_parts(status))
