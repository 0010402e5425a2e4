"""Tasks and plans over HTTP: see where a task stands, stop it, have it go on; look at a plan, approve it.

Approving wants the approve token; the token of an MCP client may only look.
auth.py decides who may come here at all.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from netbox_mcp.auth import APPROVE_SCOPE
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import TooLargeError, UsageError, explain
from netbox_mcp.replies import ApprovalReply, PlanDetail, TaskBrief, TaskReply
from netbox_mcp.service import get_service
from orchestrator.errors import OrchestratorError

MAX_BODY_BYTES = 4096
LONGEST_WAIT_SECONDS = 50
STATUS_BY_CODE = {
    "forbidden": 403,
    "unknown_input": 404,
    "unknown_task": 404,
    "task_ended": 409,
    "nothing_to_resume": 409,
    "worker_not_signed_off": 503,
    "stale_plan": 409,
    "not_applyable": 409,
    "stored_plan_changed": 409,
    "too_large": 413,
    "invalid_arguments": 422,
    "redis_unavailable": 503,
    "invalid_configuration": 503,
}


class ForbiddenError(OrchestratorError):
    """The caller's token is good, and not for this."""

    code = "forbidden"


class ApprovalBody(BaseModel):
    """Who approves, and which plan they were shown. Both may be left out, and so may the body."""

    model_config = ConfigDict(extra="forbid")

    approved_by: Annotated[str, Field(max_length=100)] = "the holder of the approve token"
    digest: Annotated[str | None, Field(max_length=100)] = None


def add_routes(app: FastAPI) -> None:
    """Put the routes on the application, and the one shape of errors around them."""

    @app.get("/api/tasks/{task_id}")
    async def look_at_task(
        task_id: str, wait_seconds: Annotated[float, Query(ge=0, le=LONGEST_WAIT_SECONDS)] = 0
    ) -> TaskReply:
        return await get_service().status(task_id, wait_seconds)

    @app.post("/api/tasks/{task_id}/cancel")
    def cancel_task(task_id: str) -> TaskBrief:
        return get_service().cancel(task_id)

    @app.post("/api/tasks/{task_id}/resume")
    def resume_task(task_id: str) -> TaskBrief:
        return get_service().resume(task_id)

    @app.get("/api/plans/{plan_id}")
    def look_at_plan(plan_id: str) -> PlanDetail:
        return get_service().plan_detail(plan_id)

    @app.post("/api/plans/{plan_id}/approve")
    async def approve_plan(plan_id: str, request: Request) -> ApprovalReply:
        token = get_settings().approve_token
        if token is None or APPROVE_SCOPE not in request.auth.scopes:
            raise ForbiddenError(
                "Only the approve token may approve a plan.",
                "Send the token of NETBOX_MCP_APPROVE_TOKEN, or use netbox-mcp approve.",
            )
        said = await _read_body(request)
        return await run_in_threadpool(get_service().approve, plan_id, token, said.approved_by, said.digest)

    @app.exception_handler(RequestValidationError)
    def tell_what_is_wrong(_request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {"path": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"], "hint": ""}
            for one in error.errors()
        ]
        wrong = UsageError("The parameters cannot be understood.", "See the details.", problems)
        return JSONResponse(explain(wrong, all_details=True).model_dump(mode="json"), 422)

    @app.exception_handler(OrchestratorError)
    def tell(_request: Request, error: OrchestratorError) -> JSONResponse:
        reply = explain(error, all_details=True).model_dump(mode="json")
        return JSONResponse(reply, STATUS_BY_CODE.get(error.code, 500))


async def _read_body(request: Request) -> ApprovalBody:
    """What the caller says, read no further than a body of ours can be long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError(f"The body is longer than {MAX_BODY_BYTES} bytes.")
    try:
        return ApprovalBody.model_validate_json(body or b"{}")
    except ValidationError as error:
        problems = [
            {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"], "hint": ""}
            for one in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise UsageError("The body cannot be understood.", "See the details.", problems) from None
