"""Plans over HTTP, for the people who approve them: look at one, let it be applied.

Approving wants the approve token; the token of an MCP client may only look.
auth.py decides who may come here at all.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from netbox_mcp.auth import APPROVE_SCOPE
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import UsageError, explain
from netbox_mcp.replies import ApprovalReply, PlanDetail
from netbox_mcp.service import get_service
from orchestrator.errors import OrchestratorError

STATUS_BY_CODE = {
    "forbidden": 403,
    "invalid_arguments": 422,
    "unknown_input": 404,
    "stale_plan": 409,
    "not_applyable": 409,
    "stored_plan_changed": 409,
    "redis_unavailable": 503,
    "invalid_configuration": 503,
}


class ForbiddenError(OrchestratorError):
    """The caller's token is good, and not for this."""

    code = "forbidden"


class ApprovalBody(BaseModel):
    """Who approves, and which plan they were shown. Both may be left out."""

    model_config = ConfigDict(extra="forbid")

    approved_by: Annotated[str, Field(max_length=100)] = "the holder of the approve token"
    digest: Annotated[str | None, Field(max_length=100)] = None


def add_plan_routes(app: FastAPI) -> None:
    """Put the routes on the application, and the one shape of errors around them."""

    @app.get("/api/plans/{plan_id}")
    def look_at_plan(plan_id: str) -> PlanDetail:
        return get_service().plan_detail(plan_id)

    @app.post("/api/plans/{plan_id}/approve")
    def approve_plan(plan_id: str, request: Request, body: ApprovalBody | None = None) -> ApprovalReply:
        token = get_settings().approve_token
        if token is None or APPROVE_SCOPE not in request.auth.scopes:
            raise ForbiddenError(
                "Only the approve token may approve a plan.",
                "Send the token of NETBOX_MCP_APPROVE_TOKEN, or use netbox-mcp approve.",
            )
        said = body or ApprovalBody()
        return get_service().approve(plan_id, token, said.approved_by, said.digest)

    @app.exception_handler(OrchestratorError)
    def tell(_request: Request, error: OrchestratorError) -> JSONResponse:
        return _answer(error)

    @app.exception_handler(RequestValidationError)
    def tell_what_is_wrong(_request: Request, error: RequestValidationError) -> JSONResponse:
        problems = [
            {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"], "hint": ""}
            for one in error.errors()
        ]
        return _answer(UsageError("The request cannot be understood.", "See the details.", problems))


def _answer(error: OrchestratorError) -> JSONResponse:
    return JSONResponse(
        explain(error, all_details=True).model_dump(mode="json"), STATUS_BY_CODE.get(error.code, 500)
    )
