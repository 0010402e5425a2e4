"""The processes of the demo and the acceptance tests: on their own, and gone with whoever made them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import httpx2
import pytest

from netbox_mcp.cli.demo_people import Colleague, ToolRefusedError
from netbox_mcp.cli.demonstration import show_acts
from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack
from orchestrator.errors import OrchestratorError
from tests.contract.clients import ask, over_http

NETBOX = SandboxInfo(
    name="none", version="", url="http://127.0.0.1:1", username="", password="", token_v1="",
    token_v2="0" * 40, database_url="", redis_url="", queue_url="", processes={},
)  # fmt: skip
MAKE_ONE_AND_WAIT = """
import sys, time
from pathlib import Path
from netbox_mcp.stack import Stack
with Stack(Path(sys.argv[1]), "http://127.0.0.1:1", "0" * 40) as stack:
    print(stack.redis.pid, stack.start_worker().pid, flush=True)
    time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_nothing_stays_behind_when_its_maker_is_killed(tmp_path: Path) -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKE_ONE_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert maker.stdout is not None
    pids = [int(pid) for pid in maker.stdout.readline().split()]
    assert [is_alive(pid) for pid in pids] == [True, True]
    maker.send_signal(signal.SIGKILL)
    maker.communicate()
    deadline = time.monotonic() + 10
    try:
        while any(is_alive(pid) for pid in pids):
            assert time.monotonic() < deadline, "a process has outlived the stack"
            time.sleep(0.05)
    finally:
        for pid in filter(is_alive, pids):
            os.kill(pid, signal.SIGKILL)


def test_it_is_configured_by_nothing_but_itself_and_its_errors_are_sentences(
    tmp_path: Path, bare: pytest.MonkeyPatch
) -> None:
    """Variables of the caller's shell do not reach it; what a tool refuses comes out as it went in."""
    bare.setenv("NETBOX_DRY_RUN", "true")
    bare.setenv("NETBOX_MCP_TOOLSETS", "none-such")
    with Stack(tmp_path, NETBOX.url, NETBOX.token_v2) as stack:
        stack.start_server()
        health = over_http(
            stack.mcp_url, stack.bearer_token, lambda client: ask(client, "netbox_health_check")
        )
        assert health.data["dry_run"] is False
        with pytest.raises(ToolRefusedError) as caught:
            anyio.run(show_acts, stack, NETBOX, "", {"sites": [{"nam": "x"}]})
    assert caught.value.code == "invalid_document"
    assert "sites[0]" in caught.value.message


def test_who_gets_no_answer_in_the_demo_says_so_in_a_sentence() -> None:
    async def count() -> None:
        async with httpx2.AsyncClient(base_url=NETBOX.url) as http:
            await Colleague(http).changelog_entries()

    with pytest.raises(OrchestratorError, match="did not answer"):
        anyio.run(count)
