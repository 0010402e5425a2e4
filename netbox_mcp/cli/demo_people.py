"""Who takes part in the demo: an MCP client, a person who approves, a colleague who works in NetBox by hand.

Each has what it would have in earnest: the client the server's bearer token, the
person the approve token, the colleague NetBox's own API and nothing of ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from netbox_mcp.cli.progress import open_display, show_task
from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack
from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.errors import OrchestratorError
from workers.status import TaskStatus

APPROVER = "jane"
_TIMEOUT_SECONDS = 90


class ToolRefusedError(OrchestratorError):
    """A tool answered with an error, of which this has code, message and hint."""

    def __init__(self, reply: Mapping[str, Any]) -> None:
        super().__init__(str(reply.get("message", "A tool failed.")), str(reply.get("hint", "")))
        self.code = str(reply.get("code", self.code))


class Assistant:
    """An MCP client, as a model would use it: it plans, asks for work to be done, and waits for its end."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers. Raises ToolRefusedError."""
        result = await self._client.call_tool(tool, arguments)
        content: dict[str, Any] = result.structured_content or {}
        if result.is_error:
            raise ToolRefusedError(content)
        return content

    async def plan(self, document: Any) -> dict[str, Any]:
        """The plan of a document in short, with its plan_id, also where it had to be planned as a task."""
        argument = "batch" if isinstance(document, dict) else "devices_data"
        reply = await self.call("netbox_plan_bulk", **{argument: document})
        return await self._planned(reply)

    async def plan_rollback(self, batch_id: str) -> dict[str, Any]:
        """How a batch would be taken back."""
        return await self._planned(await self.call("netbox_rollback_batch", batch_id=batch_id))

    async def start(self, plan_id: str) -> dict[str, Any]:
        """Put a plan in line. Raises ToolRefusedError where nobody has approved it."""
        return await self.call("netbox_start_bulk_async", plan_id=plan_id, confirm=True)

    async def follow(self, task_id: str) -> dict[str, Any]:
        """Show how far a task is until it has ended; the last status."""
        display = open_display()
        try:
            while True:
                status = await self.call("netbox_get_task_status", task_id=task_id, wait_seconds=1)
                if status["poll_after_seconds"] == 0:
                    return status
                show_task(display, TaskStatus.model_validate({**status, "passes": status.get("pass")}))
        finally:
            display.close()

    async def _planned(self, reply: dict[str, Any]) -> dict[str, Any]:
        if not reply.get("task_id"):
            return reply
        status = await self.follow(reply["task_id"])
        if not status.get("plan_id"):
            raise ToolRefusedError(status)
        return await self.call("netbox_start_bulk_async", plan_id=status["plan_id"])


class Approver:
    """The person whose word a plan needs, with a token that opens nothing else."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def approve(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """Say yes to exactly the plan that was shown."""
        said = {"approved_by": APPROVER, "digest": plan["digest"]}
        return await _answer(self._http.post(f"/api/v1/plans/{plan['plan_id']}/approve", json=said))


class Colleague:
    """Somebody who uses NetBox by itself, and who counts what is in it."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def device(self, name: str) -> dict[str, Any]:
        """A device, by its name."""
        found = await _answer(self._http.get("/api/dcim/devices/", params={"name": name}))
        if found["count"] != 1:
            raise OrchestratorError(f"NetBox has {found['count']} devices {name!r}.")
        return dict(found["results"][0])

    async def change_device(self, name: str, **fields: Any) -> None:
        """Change a device by hand."""
        device = await self.device(name)
        await _answer(self._http.patch(f"/api/dcim/devices/{device['id']}/", json=fields))

    async def changelog_entries(self) -> int:
        """How many changes NetBox itself has on record."""
        return await self._count("core/object-changes")

    async def inventory(self) -> dict[str, int]:
        """How many objects there are of each type that a document can hold."""
        return {name: await self._count(OBJECT_TYPES[name].path) for name in ENSURED}

    async def _count(self, path: str) -> int:
        found = await _answer(self._http.get(f"/api/{path}/", params={"limit": 1}))
        return int(found["count"])


@dataclass(frozen=True, slots=True)
class People:
    """All three of them."""

    assistant: Assistant
    approver: Approver
    colleague: Colleague


@asynccontextmanager
async def gather_people(stack: Stack, netbox: SandboxInfo, approve_token: str) -> AsyncIterator[People]:
    """Connect them to a stack that runs, and to its NetBox."""
    async with AsyncExitStack() as opened:

        async def http(url: str, token: str) -> httpx2.AsyncClient:
            headers = {"Authorization": f"Bearer {token}"}
            client = httpx2.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS)
            return await opened.enter_async_context(client)

        transport = streamable_http_client(stack.mcp_url, http_client=await http("", stack.bearer_token))
        yield People(
            Assistant(await opened.enter_async_context(Client(transport))),
            Approver(await http(stack.mcp_url.removesuffix("/mcp"), approve_token)),
            Colleague(await http(netbox.url, netbox.token_v2)),
        )


async def _answer(request: Awaitable[httpx2.Response]) -> dict[str, Any]:
    try:
        answer = await request
    except httpx2.HTTPError as error:
        raise OrchestratorError(
            f"NetBox or the server did not answer: {error or type(error).__name__}"
        ) from None
    if answer.is_error:
        raise OrchestratorError(f"{answer.request.url} answered {answer.status_code}: {answer.text[:200]}")
    return dict(answer.json())
