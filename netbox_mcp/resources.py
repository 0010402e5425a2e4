"""What an MCP client can read by address: tasks, batches, plans, the shape of documents, the catalog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError

from netbox_mcp.background import background
from netbox_mcp.failures import explain
from netbox_mcp.service import get_service
from orchestrator.document_schema import catalog_in_short, document_schema
from orchestrator.errors import OrchestratorError

JSON = "application/json"


def add_resources(server: MCPServer[Any]) -> None:
    """Put the resources on a server."""

    @server.resource("task://{task_id}", title="A task", mime_type=JSON)
    @_told
    async def task(task_id: str) -> str:
        """Where a background task stands."""
        return (await get_service().status(task_id, 0)).model_dump_json(exclude_none=True)

    @server.resource("plan://{plan_id}", title="A plan", mime_type=JSON)
    @_told
    async def plan(plan_id: str) -> str:
        """A plan that is kept, in short, and whether it is approved."""
        detail = await anyio.to_thread.run_sync(get_service().plan_detail, plan_id)
        return detail.model_dump_json(exclude_none=True)

    @server.resource("batch://{batch_id}", title="A batch", mime_type=JSON)
    @_told
    async def batch(batch_id: str) -> str:
        """Which task wrote a batch, how that went, and whether it has been taken back."""
        task_id = await anyio.to_thread.run_sync(_task_of, batch_id)
        return (await get_service().status(task_id, 0)).model_dump_json(exclude_none=True)

    @server.resource("netbox-mcp://document-schema", title="Shape of a batch document", mime_type=JSON)
    def schema() -> dict[str, Any]:
        """JSON Schema of what netbox_plan_bulk takes as `batch`."""
        return document_schema()

    @server.resource("netbox-mcp://catalog", title="Object types of documents", mime_type=JSON)
    def catalog() -> list[dict[str, Any]]:
        """The object types that documents know: by what they are told apart, what they point to."""
        return catalog_in_short()


def _task_of(batch_id: str) -> str:
    with background() as manager:
        return manager.task_of_batch(batch_id)


def _told(read: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    """A resource whose errors are told to the client in one sentence."""

    @wraps(read)
    async def wrapped(*args: str, **kwargs: str) -> str:
        try:
            return await read(*args, **kwargs)
        except OrchestratorError as error:
            said = explain(error)
            raise ResourceError(f"{said.message} {said.hint}".strip()) from None

    return wrapped
