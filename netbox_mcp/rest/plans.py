"""Documents, plans and batches over HTTP: handed over, planned, approved, started, taken back."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from netbox_mcp import inputs, rollbacks
from netbox_mcp.access import Scope
from netbox_mcp.audit import caller
from netbox_mcp.failures import UsageError
from netbox_mcp.replies import ApprovalReply, InputReply, PlanDetail, PlanReply, RollbackReply, StartReply
from netbox_mcp.rest.permission import needs
from netbox_mcp.service import DEFAULT_TARGET, get_service

Reply = TypeVar("Reply", bound=StartReply)
router = APIRouter(tags=["batches"])
_EXAMPLE: Any = {"batch": {"sites": [{"name": "AMS1"}], "devices": [{"name": "sw-[01-48]", "site": "AMS1"}]}}


class DocumentBody(BaseModel):
    """A document in one of its forms."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    batch: dict[str, Any] | None = None
    devices_data: list[dict[str, Any]] | None = None
    input_id: Annotated[str | None, Field(max_length=300, description="From POST /inputs, or file:NAME")] = (
        None
    )

    def names_document(self) -> bool:
        """Whether any form of a document was given."""
        return (self.batch, self.devices_data, self.input_id) != (None, None, None)

    def document(self) -> Any:
        """The document itself. Raises UsageError unless one form of it was given."""
        return inputs.one_document(self.devices_data, self.batch, self.input_id)


class PlanBody(DocumentBody):
    """What is to be planned."""

    target: Annotated[str, Field(max_length=100)] = DEFAULT_TARGET


class BatchBody(DocumentBody):
    """What is to be applied: a document, or a plan that was kept."""

    plan_id: Annotated[str | None, Field(max_length=100)] = None
    confirm: bool = False
    target: Annotated[str | None, Field(max_length=100)] = None
    idempotency_key: Annotated[str | None, Field(max_length=200)] = None


class RollbackBody(BaseModel):
    """How a batch is to be taken back."""

    model_config = ConfigDict(extra="forbid")

    confirm: bool = False
    force: bool = False
    target: Annotated[str | None, Field(max_length=100)] = None


class ApprovalBody(BaseModel):
    """Who approves, and which plan they were shown. Both may be left out."""

    model_config = ConfigDict(extra="forbid")

    approved_by: Annotated[str | None, Field(max_length=100)] = None
    digest: Annotated[str | None, Field(max_length=100)] = None


@router.post(
    "/inputs",
    dependencies=[needs(Scope.PLAN)],
    openapi_extra={
        "requestBody": {"content": {kind: {"schema": {}} for kind in inputs.MEDIA_TYPES}, "required": True}
    },
)
async def keep_input(
    request: Request,
    object_type: Annotated[str | None, Query(description="Of the rows of a CSV file")] = None,
) -> InputReply:
    """Hand over a document as JSON, YAML or CSV, so that plans and batches can name it by its `input_id`."""
    body = await request.body()
    media_type = request.headers.get("content-type", "")
    return await run_in_threadpool(inputs.keep_input, body, media_type, object_type)


@router.post("/plans", dependencies=[needs(Scope.PLAN)])
def make_plan(body: PlanBody) -> PlanReply:
    """Plan a document; the plan is kept under its `plan_id`. A large one is planned as a task."""
    return get_service().plan(body.document(), body.target)


@router.get("/plans/{plan_id}", dependencies=[needs(Scope.READ, Scope.APPROVE)])
def look_at_plan(plan_id: str) -> PlanDetail:
    """A plan in short, and whether it is approved."""
    return get_service().plan_detail(plan_id)


@router.post("/plans/{plan_id}/approve", dependencies=[needs(Scope.APPROVE)])
def approve_plan(plan_id: str, said: ApprovalBody | None = None) -> ApprovalReply:
    """Approve a plan: let it be applied where that needs somebody's word."""
    said = said or ApprovalBody()
    return get_service().approve_here(plan_id, said.approved_by or caller(), said.digest)


@router.post(
    "/batches",
    dependencies=[needs(Scope.WRITE)],
    responses={202: {"model": StartReply, "description": "Put in line"}},
)
def start_batch(body: BatchBody, response: Response) -> StartReply:
    """Apply a document or a plan in the background. Without `confirm` the plan is the answer."""
    if body.plan_id is not None and body.names_document():
        raise UsageError(
            "Give either plan_id or a document, not both.", "The plan holds its document already."
        )
    document = body.document() if body.plan_id is None else None
    reply = get_service().start(
        document,
        plan_id=body.plan_id,
        target=body.target,
        confirm=body.confirm,
        idempotency_key=body.idempotency_key,
    )
    return _started(reply, response)


@router.post(
    "/batches/{batch_id}/rollback",
    dependencies=[needs(Scope.WRITE)],
    responses={202: {"model": RollbackReply, "description": "Put in line"}},
)
def roll_back(batch_id: str, response: Response, body: RollbackBody | None = None) -> RollbackReply:
    """Take a batch back. Without `confirm` the answer is how, and what that costs."""
    body = body or RollbackBody()
    return _started(rollbacks.rollback(batch_id, body.target, body.force, body.confirm), response)


def _started(reply: Reply, response: Response) -> Reply:
    if reply.task_id is not None:
        response.status_code = 202
    return reply
