"""A client that is not the SDK's own, FastMCP's: it runs a bulk job to its end, and is told errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError

from netbox_mcp.config import DEFAULT_TOOLSETS
from netbox_mcp.registry import select_tools
from tests.contract.clients import PROGRAM, CommandLine
from tests.contract.documents import FIVE_ERRORS, campus
from tests.contract.test_tools_in_background import ENDED
from tests.contract.test_transports import TOKEN, serve
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam


@pytest.fixture(params=["stdio", "http"])
def transport(
    request: pytest.FixtureRequest, worker: WorkerTeam, cli: CommandLine
) -> Iterator[StdioTransport | StreamableHttpTransport]:
    """The way to a server process, with NetBox, queue and worker behind it."""
    if request.param == "stdio":
        yield StdioTransport(
            str(PROGRAM),
            ["serve"],
            env=dict(cli.environment),
            cwd=str(cli.folder),
            keep_alive=False,
            log_file=cli.folder / "stdio.log",
        )
        return
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        yield StreamableHttpTransport(server.mcp, auth=TOKEN)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_fastmcp_runs_a_bulk_job_to_its_end(
    transport: StdioTransport | StreamableHttpTransport, netbox: NetBoxOverHttp, prefix: str, mode: Any
) -> None:
    async def work() -> None:
        async with Client(transport, mode=mode) as client:
            tools = await client.list_tools()
            assert {tool.name for tool in tools} == {tool.name for tool in select_tools(DEFAULT_TOOLSETS)}
            plan = await call(client, "netbox_plan_bulk", batch=campus(prefix))
            assert plan["totals"] == {"create": 7}
            started = await call(client, "netbox_start_bulk_async", plan_id=plan["plan_id"], confirm=True)
            status = await wait_for_end(client, started["task_id"])
            assert (status["status"], status["counts"]) == ("completed", {"created": 7})

    anyio.run(work)
    assert netbox.count("dcim/devices", name__isw=prefix) == 3


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_fastmcp_is_told_what_is_wrong(
    transport: StdioTransport | StreamableHttpTransport, mode: Any
) -> None:
    async def work() -> None:
        async with Client(transport, mode=mode) as client:
            with pytest.raises(ToolError, match="invalid_document"):
                await call(client, "netbox_plan_bulk", batch=FIVE_ERRORS)
            answer = await client.call_tool("netbox_plan_bulk", {"batch": FIVE_ERRORS}, raise_on_error=False)
            assert answer.is_error
            assert answer.structured_content is not None
            assert {"code", "message", "hint", "details"} <= answer.structured_content.keys()
            with pytest.raises(MCPError, match="There is no prompt"):
                await client.get_prompt("plan_a_site_rolout")

    anyio.run(work)


async def call(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    content = (await client.call_tool(tool, arguments)).structured_content
    assert content is not None
    return content


async def wait_for_end(client: Client[Any], task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        status = await call(client, "netbox_get_task_status", task_id=task_id, wait_seconds=20)
        if status["status"] in ENDED:
            return status
        assert time.monotonic() < deadline, status
