"""The official Inspector as a command line: what a person types who tries the server out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from netbox_mcp.config import DEFAULT_TOOLSETS
from netbox_mcp.registry import select_tools
from netbox_mcp.stack import Stack
from tests.contract.documents import FIVE_ERRORS, campus
from tests.interop.conftest import Program

Inspect = Callable[..., dict[str, Any]]
TOOLS = {tool.name for tool in select_tools(DEFAULT_TOOLSETS)}


@pytest.fixture(params=["legacy", "modern"])
def inspect(request: pytest.FixtureRequest, program: Program, stack: Stack) -> Inspect:
    """`inspector --cli` over HTTP, with the bearer token; what it prints, whether result or error."""
    server = [stack.mcp_url, "--transport", "http", "--header", f"Authorization: Bearer {stack.bearer_token}"]

    def run(method: str, *arguments: str) -> dict[str, Any]:
        era = ("--protocol-era", request.param, "--format", "json")
        done = program("inspector", "--cli", *server, *era, "--method", method, *arguments)
        return json.loads(done.stdout or done.stderr)

    return run


def call(inspect: Inspect, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = inspect("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))
    return answer["result"]


def test_it_runs_a_bulk_job_to_its_end(inspect: Inspect) -> None:
    prefix = f"inspector-{time.time_ns():x}"
    assert {tool["name"] for tool in inspect("tools/list")["result"]["tools"]} == TOOLS
    plan = call(inspect, "netbox_plan_bulk", batch=campus(prefix))["structuredContent"]
    started = call(inspect, "netbox_start_bulk_async", plan_id=plan["plan_id"], confirm=True)
    task_id = started["structuredContent"]["task_id"]
    status: dict[str, Any] = {"poll_after_seconds": 1}
    deadline = time.monotonic() + 90
    while status["poll_after_seconds"]:
        assert time.monotonic() < deadline, status
        status = call(inspect, "netbox_get_task_status", task_id=task_id, wait_seconds=20)[
            "structuredContent"
        ]
    assert (status["status"], status["counts"]["created"]) == ("completed", 7)
    task = json.loads(
        inspect("resources/read", "--uri", f"task://{task_id}")["result"]["contents"][0]["text"]
    )
    assert task["status"] == "completed"


def test_it_shows_what_is_wrong(inspect: Inspect) -> None:
    wrong = call(inspect, "netbox_plan_bulk", batch=FIVE_ERRORS)
    assert wrong["isError"]
    assert wrong["structuredContent"]["code"] == "invalid_document"
    assert "There is no prompt" in inspect("prompts/get", "--prompt-name", "nix")["error"]["message"]
    assert "t-nix" in inspect("resources/read", "--uri", "task://t-nix")["error"]["message"]


def test_it_finds_prompts_and_resources(inspect: Inspect) -> None:
    prompts = {prompt["name"] for prompt in inspect("prompts/list")["result"]["prompts"]}
    assert prompts == {"plan_a_site_rollout", "review_a_failed_batch", "undo_a_change"}
    given = ("--prompt-name", "plan_a_site_rollout", "--prompt-args", "site=AMS3")
    assert "AMS3" in inspect("prompts/get", *given)["result"]["messages"][0]["content"]["text"]
    assert len(inspect("resources/list")["result"]["resources"]) == 2
    assert len(inspect("resources/templates/list")["result"]["resourceTemplates"]) == 3


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_over_stdio_it_lists_the_tools(program: Program, era: str) -> None:
    serve = ("inspector", "--cli", sys.executable, "-m", "netbox_mcp", "serve", "--protocol-era", era)
    done = program(*serve, "--format", "json", "--method", "tools/list")
    assert {tool["name"] for tool in json.loads(done.stdout)["result"]["tools"]} == TOOLS


def test_without_the_token_it_is_not_let_in(program: Program, stack: Stack) -> None:
    server = ("--cli", stack.mcp_url, "--transport", "http", "--stored-auth-only", "--format", "json")
    done = program("inspector", *server, "--method", "tools/list")
    assert done.returncode != 0
    assert done.stdout == ""
