"""Every tool over HTTP, and how the parts of the platform are."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from netbox_mcp.access import Scope
from netbox_mcp.dependencies import get_settings
from netbox_mcp.execution import execute_tool, serialize_registry_for_api
from netbox_mcp.replies import HealthReply
from netbox_mcp.rest.permission import needs
from netbox_mcp.service import get_service

router = APIRouter(tags=["tools"])


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
    scope: Scope
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


class ToolList(BaseModel):
    """The tools that this server offers to the caller."""

    tools: list[ToolRow]


@router.get("/tools", dependencies=[needs(Scope.READ)])
def list_tools(request: Request, category: str | None = None, name: str | None = None) -> ToolList:
    """The tools that the caller may use, or those of one category, or those with `name` in theirs."""
    rows = serialize_registry_for_api(get_settings().toolsets, category, name, request.auth.scopes)
    return ToolList(tools=[ToolRow(**row) for row in rows])


@router.post("/execute", dependencies=[needs(Scope.READ)])
async def execute(body: ExecuteBody, request: Request) -> dict[str, Any]:
    """Call a tool. Its answer is what it would be over MCP, and `scope` of GET /tools is what it needs."""
    return await execute_tool(body.tool, body.arguments, get_settings().toolsets, request.auth.scopes)


@router.get("/status", dependencies=[needs(Scope.READ)])
def look_at_parts() -> HealthReply:
    """NetBox, Redis and workers: which can be reached, in which version, and what to do about the others."""
    return get_service().health()
