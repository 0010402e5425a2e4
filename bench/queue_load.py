"""How long a client waits for an answer about tasks, while a thousand of them wait and others long-poll.

A real server process over HTTP with real MCP clients; clients, server and Redis share the machine.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
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

Found = dict[str, list[float]]
"""Milliseconds of each call, by what was asked."""


def measure() -> Found:
    """Both halves: one client alone with a thousand tasks, then many at once."""
    with _stack() as (stack, manager):
        half = TASKS // 2
        tell(f"putting {TASKS} tasks in line")
        task_ids = [manager.start_apply(DOCUMENT, "default", 1).task_id for _ in range(half)]
        task_ids += [manager.start_plan(DOCUMENT, "default", 1).task_id for _ in range(half)]
        stack.start_server()
        return anyio.run(_ask, stack, task_ids)


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


async def _ask(stack: Stack, task_ids: Sequence[str]) -> Found:
    found: Found = {}
    async with _client(stack) as client:
        for tool in ("netbox_list_active_tasks", "netbox_get_queue_info"):
            found[tool] = [await _timed(client, tool) for _ in range(CALLS)]
            tell(f"  {tool}: median {percentile(found[tool], 0.5):.1f} ms")
    tell(f"  {LONG_POLLERS} clients long-poll and {POLLERS} ask once a second, for {SECONDS} s")
    found["poll"] = await _crowd(stack, task_ids)
    return found


async def _crowd(stack: Stack, task_ids: Sequence[str]) -> list[float]:
    taken: list[float] = []
    async with anyio.create_task_group() as crowd:
        for number, task_id in enumerate(task_ids[:LONG_POLLERS]):
            crowd.start_soon(_wait_for_ever, stack, task_id, number * WAIT_SECONDS / LONG_POLLERS)
        await anyio.sleep(WAIT_SECONDS + 5)
        async with anyio.create_task_group() as pollers:
            for number, task_id in enumerate(task_ids[-POLLERS:]):
                pollers.start_soon(_poll, stack, task_id, number / POLLERS, taken)
        crowd.cancel_scope.cancel()
    return taken


async def _wait_for_ever(stack: Stack, task_id: str, begin: float) -> None:
    await anyio.sleep(begin)  # they have not all come at the same moment
    async with _client(stack) as client:
        while True:
            await _call(client, "netbox_get_task_status", task_id=task_id, wait_seconds=WAIT_SECONDS)


async def _poll(stack: Stack, task_id: str, begin: float, taken: list[float]) -> None:
    async with _client(stack) as client:
        await anyio.sleep(begin)
        for _ in range(SECONDS):
            asked_at = time.perf_counter()
            taken.append(await _timed(client, "netbox_get_task_status", task_id=task_id, wait_seconds=0))
            await anyio.sleep(max(0.0, asked_at + 1 - time.perf_counter()))


async def _timed(client: Client, tool: str, **arguments: Any) -> float:
    begin = time.perf_counter()
    await _call(client, tool, **arguments)
    return (time.perf_counter() - begin) * 1000


async def _call(client: Client, tool: str, **arguments: Any) -> None:
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise SystemExit(f"{tool} failed: {result.structured_content}")


@asynccontextmanager
async def _client(stack: Stack) -> Any:
    headers = {"Authorization": f"Bearer {stack.bearer_token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(stack.mcp_url, http_client=http)) as client,
    ):
        yield client
