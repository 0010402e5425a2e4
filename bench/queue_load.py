"""How long a client waits for an answer about tasks, while a thousand of them wait and others long-poll.

A real server process over HTTP with real MCP clients; clients, server and Redis share the machine.
Those whose answers are timed have a process apart from the crowd: the MCP client checks each answer
against its schema, and would make the others wait for that in the same process.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import anyio.to_process
import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import SecretStr

from bench.arena import tell
from netbox_mcp.stack import Stack
from workers.connection import connect_briefly
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings

TASKS = 1000
CALLS = 200
LONG_POLLERS, POLLERS = 200, 20
SECONDS = 30
WAIT_SECONDS = 25
_NOWHERE = "http://127.0.0.1:9"  # no worker runs, so that nobody asks this NetBox anything
DOCUMENT = {"sites": [{"name": "AMS1"}]}


class Server(NamedTuple):
    """Where it is, and the token that opens it."""

    mcp_url: str
    bearer_token: str


Found = dict[str, list[float]]
"""Milliseconds of each call, by what was asked."""


def measure() -> Found:
    """Both halves: one client alone with a thousand tasks, then many at once."""
    with _stack() as (stack, manager):
        half = TASKS // 2
        tell(f"putting {TASKS} tasks in line")
        task_ids = [manager.start_apply(DOCUMENT, "default", 1).task_id for _ in range(half)]
        task_ids += [manager.start_plan(DOCUMENT, "default", 1).task_id for _ in range(half)]
        stack.start_server({"NETBOX_MCP_REQUESTS_PER_MINUTE": "0"})  # asked as much as it can take
        return anyio.run(_ask, Server(stack.mcp_url, stack.bearer_token), task_ids)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all values does not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


@contextmanager
def _stack() -> Iterator[tuple[Stack, AsyncTaskManager]]:
    with (
        tempfile.TemporaryDirectory(prefix="netbox-mcp-bench-") as folder,
        Stack(Path(folder), _NOWHERE, "nbt_none.none") as stack,
    ):
        settings = WorkerSettings(redis_url=SecretStr(stack.environment["REDIS_URL"]))
        with closing(connect_briefly(settings)) as redis:
            yield stack, AsyncTaskManager(redis, settings)


async def _ask(server: Server, task_ids: Sequence[str]) -> Found:
    found: Found = {}
    async with open_client(server) as client:
        for tool in ("netbox_list_active_tasks", "netbox_get_queue_info"):
            found[tool] = [await _timed(client, tool) for _ in range(CALLS)]
            tell(f"  {tool}: median {percentile(found[tool], 0.5):.1f} ms")
    tell(f"  {LONG_POLLERS} clients long-poll and {POLLERS} ask once a second, for {SECONDS} s")
    found["poll"] = await _poll_beside_crowd(server, task_ids)
    return found


async def _poll_beside_crowd(server: Server, task_ids: Sequence[str]) -> list[float]:
    taken: list[float] = []
    async with anyio.create_task_group() as both:
        both.start_soon(_crowd_apart, server, task_ids[:LONG_POLLERS])
        await anyio.sleep(WAIT_SECONDS + 5)
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(open_client(server)) for _ in range(POLLERS)]
            for client in clients:
                await call(client, "netbox_get_task_status", task_id=task_ids[-1])  # and all schemas with it
            async with anyio.create_task_group() as pollers:
                for number, (client, task_id) in enumerate(zip(clients, task_ids[-POLLERS:], strict=True)):
                    pollers.start_soon(_poll, client, task_id, number / POLLERS, taken)
        both.cancel_scope.cancel()
    return taken


async def _crowd_apart(server: Server, task_ids: Sequence[str]) -> None:
    await anyio.to_process.run_sync(_crowd, server, task_ids, cancellable=True)


def _crowd(server: Server, task_ids: Sequence[str]) -> None:
    """Long-poll for each of the tasks until killed."""

    async def come() -> None:
        async with anyio.create_task_group() as crowd:
            for number, task_id in enumerate(task_ids):
                # They have not all come at the same moment.
                crowd.start_soon(_wait_for_ever, server, task_id, number * WAIT_SECONDS / LONG_POLLERS)

    anyio.run(come)


async def _wait_for_ever(server: Server, task_id: str, begin: float) -> None:
    await anyio.sleep(begin)
    async with open_client(server) as client:
        while True:
            await call(client, "netbox_get_task_status", task_id=task_id, wait_seconds=WAIT_SECONDS)


async def _poll(client: Client, task_id: str, begin: float, taken: list[float]) -> None:
    await anyio.sleep(begin)
    for _ in range(SECONDS):
        asked_at = time.perf_counter()
        taken.append(await _timed(client, "netbox_get_task_status", task_id=task_id, wait_seconds=0))
        await anyio.sleep(max(0.0, asked_at + 1 - time.perf_counter()))


async def _timed(client: Client, tool: str, **arguments: Any) -> float:
    begin = time.perf_counter()
    await call(client, tool, **arguments)
    return (time.perf_counter() - begin) * 1000


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers. Ends the benchmark where that is an error."""
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        raise SystemExit(f"{tool} failed: {result.structured_content}")
    return result.structured_content


@asynccontextmanager
async def open_client(server: Server) -> AsyncIterator[Client]:
    """An MCP client, closed afterwards."""
    headers = {"Authorization": f"Bearer {server.bearer_token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(server.mcp_url, http_client=http)) as client,
    ):
        yield client
