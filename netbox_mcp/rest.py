"""The platform over HTTP, below /api/v1: tools, tasks, plans, and how the parts are.

Every tool can be called with `POST /execute`; what a pipeline needs most has an
address of its own. Approving wants the approve token; the token of an MCP client
may only look. auth.py decides who may come here at all. Errors are problem details
(RFC 9457) with our `code`, `hint` and `details`.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netbox_mcp.auth import APPROVE_SCOPE
from netbox_mcp.dependencies import get_settings
from netbox_mcp.execution import execute_tool, serialize_registry_for_api
from netbox_mcp.failures import PROBLEM_TYPE, TooLargeError, UsageError, explain, problem
from netbox_mcp.replies import ApprovalReply, HealthReply, PlanDetail, TaskBrief, TaskReply
from netbox_mcp.service import get_service
from orchestrator.errors import OrchestratorError

PREFIX = "/api/v1"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
LONGEST_WAIT_SECONDS = 50
_CODES_BY_STATUS = {
    403: ("forbidden",),
    404: ("unknown_input", "unknown_task", "unknown_target", "not_found"),
    409: (
        "task_ended",
        "nothing_to_resume",
        "stale_plan",
        "not_applyable",
        "stored_plan_changed",
        "idempotency_conflict",
        "batch_unfinished",
        "cannot_roll_back",
        "plan_required",
        "not_approved",
        "dry_run",
        "target_busy",
        "rejected",
    ),
    413: ("too_large",),
    422: ("invalid_arguments", "invalid_document", "invalid_filter", "unknown_name", "bad_cursor"),
    502: ("netbox_error", "netbox_access_denied", "unknown_outcome"),
    503: (
        "netbox_unreachable",
        "redis_unavailable",
        "invalid_configuration",
        "worker_not_signed_off",
        "journal_unavailable",
        "lease_lost",
    ),
}
STATUS_BY_CODE = {code: status for status, codes in _CODES_BY_STATUS.items() for code in codes}


class ForbiddenError(OrchestratorError):
    """The caller's token is good, and not for this."""

    code = "forbidden"


class ApprovalBody(BaseModel):
    """Who approves, and which plan they were shown. Both may be left out."""

    model_config = ConfigDict(extra="forbid")

    approved_by: Annotated[str, Field(max_length=100)] = "the holder of the approve token"
    digest: Annotated[str | None, Field(max_length=100)] = None


class ExecuteBody(BaseModel):
    """Which tool to call, with what."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tool": "netbox_get_objects",
                    "arguments": {"object_type": "dcim.device", "filters": {"site": "ams1"}},
                }
            ]
        },
    )

    tool: Annotated[str, Field(max_length=100)]
    arguments: dict[str, Any] = {}


class ToolRow(BaseModel):
    """One tool: what it is for, what it may do to NetBox, what it takes and answers."""

    name: str
    title: str
    category: str
    description: str
    read_only: bool
    destructive: bool
    idempotent: bool
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


class ToolList(BaseModel):
    """The tools that this server offers."""

    tools: list[ToolRow]


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457): `detail` says what, `hint` the way out, `details` each place."""

    title: str
    status: int
    detail: str
    code: str
    hint: str
    retryable: bool
    details: list[dict[str, Any]]
    detail_count: int


router = APIRouter(
    prefix=PREFIX, responses={"default": {"model": ProblemDetails, "content": {PROBLEM_TYPE: {}}}}
)


@router.get("/tools")
def list_tools(category: str | None = None, name: str | None = None) -> ToolList:
    """The tools, or those of one category, or those with `name` in theirs."""
    rows = serialize_registry_for_api(get_settings().toolsets, category, name)
    return ToolList(tools=[ToolRow(**row) for row in rows])


@router.post("/execute")
async def execute(body: ExecuteBody) -> dict[str, Any]:
    """Call a tool. Its answer is what it would be over MCP."""
    return await execute_tool(body.tool, body.arguments, get_settings().toolsets)


@router.get("/status")
def look_at_parts() -> HealthReply:
    """NetBox, Redis and workers: which can be reached, in which version, and what to do about the others."""
    return get_service().health()


@router.get("/tasks/{task_id}")
async def look_at_task(
    task_id: str, wait_seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT_SECONDS)] = 0
) -> TaskReply:
    """Where a task stands; with `wait_seconds` once that has changed."""
    return await get_service().status(task_id, wait_seconds)


@router.post("/tasks/{task_id}/cancel")
def cancel_task(task_id: str) -> TaskBrief:
    """Stop a task before its next write."""
    return get_service().cancel(task_id)


@router.post("/tasks/{task_id}/resume")
def resume_task(task_id: str) -> TaskBrief:
    """Go on with a task that failed, was cancelled or left errors."""
    return get_service().resume(task_id)


@router.get("/plans/{plan_id}")
def look_at_plan(plan_id: str) -> PlanDetail:
    """A plan in short, and whether it is approved."""
    return get_service().plan_detail(plan_id)


@router.post("/plans/{plan_id}/approve")
def approve_plan(plan_id: str, request: Request, said: ApprovalBody | None = None) -> ApprovalReply:
    """Approve a plan, with the approve token."""
    token = get_settings().approve_token
    if token is None or APPROVE_SCOPE not in request.auth.scopes:
        raise ForbiddenError(
            "Only the approve token may approve a plan.",
            "Send the token of NETBOX_MCP_APPROVE_TOKEN, or use netbox-mcp approve.",
        )
    said = said or ApprovalBody()
    return get_service().approve(plan_id, token, said.approved_by, said.digest)


def add_routes(app: FastAPI) -> None:
    """Put the routes on the application, and the one shape of errors around them."""
    app.include_router(router)

    @app.api_route("/api/{rest:path}", methods=_METHODS, include_in_schema=False)
    def nothing_here(request: Request) -> JSONResponse:
        nothing = UsageError(
            f"There is nothing at {request.url.path} for {request.method}.",
            f"{PREFIX}/openapi.json describes what there is.",
        )
        return _answer(nothing, 404)

    @app.exception_handler(RequestValidationError)
    def tell_what_is_wrong(_request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {"path": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"], "hint": ""}
            for one in error.errors()
        ]
        return _answer(UsageError("The request cannot be understood.", "See the details.", problems))

    @app.exception_handler(OrchestratorError)
    def tell(_request: Request, error: OrchestratorError) -> JSONResponse:
        return _answer(error)

    @app.exception_handler(HTTPException)
    def tell_in_our_shape(_request: Request, error: HTTPException) -> JSONResponse:
        return _answer(UsageError(f"{error.detail}."), error.status_code)

    @app.exception_handler(Exception)
    def tell_what_was_unforeseen(_request: Request, error: Exception) -> JSONResponse:
        return _answer(error)


def _answer(error: Exception, status: int | None = None) -> JSONResponse:
    reply = explain(error, all_details=True)
    status = status or STATUS_BY_CODE.get(reply.code, 500)
    return JSONResponse(problem(reply, status), status, media_type=PROBLEM_TYPE)


class BodyLimit:
    """ASGI middleware: takes bodies up to a size and answers 413 to larger ones, whatever they are for.

    MCP's own transport has a limit of its own, which is the same.
    """

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then hand the request on."""
        if scope["type"] != "http" or not str(scope["path"]).startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        parts: list[Message] = []
        size = 0
        more = True
        while more:
            message = await receive()
            parts.append(message)
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > self._most:
                wrong = TooLargeError(
                    f"The body is longer than {self._most:,} bytes.", "Raise NETBOX_MCP_MAX_REQUEST_BYTES."
                )
                await _answer(wrong)(scope, receive, send)
                return

        async def replay() -> Message:
            return parts.pop(0) if parts else await receive()

        await self._app(scope, replay, send)
