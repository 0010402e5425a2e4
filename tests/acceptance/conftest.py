"""Real processes only: NetBox, queue, worker, server, MCP clients; results are read back with plain HTTP."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
import pytest
import requests
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack

Answer = TypeVar("Answer")
PAGE = 1000


class PlainNetBox:
    """Reads and writes NetBox with nothing of ours in between."""

    def __init__(self, sandbox: SandboxInfo) -> None:
        self.url = sandbox.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.token_v2}"

    def all(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            parameters = {"limit": PAGE, "offset": len(rows), "ordering": "id", **filters}
            answer = self.session.get(f"{self.url}/api/{path}/", params=parameters, timeout=60)
            answer.raise_for_status()
            rows += answer.json()["results"]
            if len(rows) >= answer.json()["count"]:
                return rows

    def post(self, path: str, body: Any) -> Any:
        answer = self.session.post(f"{self.url}/api/{path}/", json=body, timeout=60)
        assert answer.ok, answer.text
        return answer.json()

    def changelog_entries(self) -> int:
        answer = self.session.get(f"{self.url}/api/core/object-changes/", params={"limit": 1}, timeout=60)
        return int(answer.json()["count"])


class Users:
    """MCP clients of a stack: one that starts a server of its own over stdio, one that connects over HTTP."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def over_http(self, work: Callable[[Client], Awaitable[Answer]]) -> Answer:
        return _with(self._http(), work)

    def over_stdio(self, work: Callable[[Client], Awaitable[Answer]], **environment: str) -> Answer:
        return _with(self._stdio(environment), work)

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {self.stack.bearer_token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=90) as http,
            Client(streamable_http_client(self.stack.mcp_url, http_client=http)) as client,
        ):
            yield client

    @asynccontextmanager
    async def _stdio(self, environment: dict[str, str]) -> AsyncIterator[Client]:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "netbox_mcp", "serve"],
            env=self.stack.variables(environment),
            cwd=self.stack.folder,
        )
        with self.stack.log("stdio").open("a") as log:
            async with Client(stdio_client(server, errlog=log)) as client:
                yield client


def _with(opened: Any, work: Callable[[Client], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        async with opened as client:
            return await work(client)

    return anyio.run(run)


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers; errors too, they have `code` and `message`."""
    result = await client.call_tool(tool, arguments)
    return dict(result.structured_content or {})


async def follow(client: Client, task_id: str) -> dict[str, Any]:
    """Long-poll until the task has ended."""
    while True:
        status = await call(client, "netbox_get_task_status", task_id=task_id, wait_seconds=30)
        assert "status" in status, status
        if status["poll_after_seconds"] == 0:
            return status


async def apply(client: Client, batch: Any) -> dict[str, Any]:
    """Start a batch and wait for its end."""
    argument = "batch" if isinstance(batch, dict) else "devices_data"
    started = await call(client, "netbox_start_bulk_async", confirm=True, **{argument: batch})
    assert "task_id" in started, started
    return await follow(client, started["task_id"])


async def start_and_kill(client: Client, batch: Any, pid: int) -> dict[str, Any]:
    """Start a batch and kill its worker while objects are being created; the status just before."""
    started = await call(client, "netbox_start_bulk_async", batch=batch, confirm=True)
    while True:
        status = await call(client, "netbox_get_task_status", task_id=started["task_id"], wait_seconds=1)
        if status["counts"].get("created", 0) > 10:
            break
        assert status["status"] in ("queued", "planning", "running"), status
    os.kill(pid, signal.SIGKILL)
    return status


@pytest.fixture
def netbox(empty_netbox: SandboxInfo) -> PlainNetBox:
    return PlainNetBox(empty_netbox)


@pytest.fixture
def stack(empty_netbox: SandboxInfo, tmp_path: Path) -> Iterator[Stack]:
    """Queue only; the test starts workers and servers as it needs them."""
    with Stack(tmp_path, empty_netbox.url, empty_netbox.token_v2) as stack:
        yield stack


@pytest.fixture
def users(stack: Stack) -> Users:
    return Users(stack)
