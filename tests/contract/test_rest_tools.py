"""Every tool over REST and on the command line: the same answers and the same errors as over MCP."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import netbox_mcp
from netbox_mcp.cli.output import ExitCode
from netbox_mcp.config import DEFAULT_TOOLSETS
from netbox_mcp.registry import load_tools, select_tools
from tests.contract.clients import CommandLine, assert_sentence, call, over_http
from tests.contract.documents import campus
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import NetBoxOverHttp

NEW_TOOL = '''
from netbox_mcp.registry import mcp_tool


@mcp_tool(category="weather", read_only=True)
def netbox_get_weather(site: str) -> dict[str, str]:
    """How the weather is at a site."""
    return {"site": site, "weather": "fine"}
'''


@pytest.fixture
def server(netbox: NetBoxOverHttp, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_MAX_REQUEST_BYTES="20000")


def send(server: HttpServer, method: str, path: str, **how: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {TOKEN}", **how.pop("headers", {})}
    return requests.request(method, f"{server.url}/api/v1/{path}", headers=headers, timeout=60, **how)


def execute(server: HttpServer, tool: str, **arguments: Any) -> requests.Response:
    return send(server, "POST", "execute", json={"tool": tool, "arguments": arguments})


def test_the_tools_tell_of_themselves(server: HttpServer) -> None:
    every = send(server, "GET", "tools").json()["tools"]
    assert {tool["name"] for tool in every} == {spec.name for spec in select_tools(DEFAULT_TOOLSETS)}
    reading = send(server, "GET", "tools", params={"category": "read"}).json()["tools"]
    assert {tool["category"] for tool in reading} == {"read"}
    found = send(server, "GET", "tools", params={"name": "changelog"}).json()["tools"]
    assert [tool["name"] for tool in found] == ["netbox_get_changelogs"]
    assert found[0]["input_schema"]["required"] == ["filters"]
    assert found[0]["read_only"] is True
    described = send(server, "GET", "openapi.json").json()
    assert {"/api/v1/tools", "/api/v1/execute", "/api/v1/status"} <= described["paths"].keys()
    assert described["components"]["schemas"]["ExecuteBody"]["examples"]


def test_a_tool_answers_as_it_does_over_mcp(
    server: HttpServer, netbox: NetBoxOverHttp, prefix: str, tmp_path: Path
) -> None:
    unconfirmed = execute(server, "netbox_bulk_ensure_devices", batch=campus(prefix, devices=1))
    assert unconfirmed.json()["status"] == "confirmation_required"
    assert netbox.count("dcim/sites", name=f"{prefix} site") == 0
    done = execute(server, "netbox_bulk_ensure_devices", batch=campus(prefix, devices=1), confirm=True)
    assert (done.status_code, done.json()["status"]) == (200, "completed")
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()[:8]
    audit = [json.loads(line) for line in (tmp_path / "state" / "audit.jsonl").read_text().splitlines()]
    assert {line["who"] for line in audit} == {f"token-{digest}"}
    asked = {"object_type": "dcim.site", "filters": {"name": f"{prefix} site"}, "fields": ["id", "name"]}
    over_rest = execute(server, "netbox_get_objects", **asked).json()
    assert over_rest["results"][0]["name"] == f"{prefix} site"
    assert over_rest == call("netbox_get_objects", **asked).data
    health = send(server, "GET", "status").json()
    assert health["checks"][0] == {**health["checks"][0], "name": "netbox", "ok": True}


@pytest.mark.parametrize(
    ("body", "status", "code", "path"),
    [
        ({"tool": "netbox_get_object"}, 422, "invalid_arguments", None),
        ({"tool": "netbox_get_objects"}, 422, "invalid_arguments", "object_type"),
        ({"tool": "netbox_plan_bulk", "arguments": {"batsh": {}}}, 422, "invalid_arguments", "batsh"),
        ({"tool": "netbox_plan_bulk", "args": {}}, 422, "invalid_arguments", "args"),
        ({"tool": 5}, 422, "invalid_arguments", "tool"),
        ([], 422, "invalid_arguments", ""),
        (
            {"tool": "netbox_get_objects", "arguments": {"object_type": "dcim.devise", "filters": {}}},
            422,
            "unknown_name",
            None,
        ),
        (
            {"tool": "netbox_get_objects", "arguments": {"object_type": "sites", "filters": {"nam": 1}}},
            422,
            "unknown_name",
            "filters.nam",
        ),
        (
            {"tool": "netbox_plan_bulk", "arguments": {"batch": {"sitez": []}}},
            422,
            "invalid_document",
            "sitez",
        ),
        ({"tool": "netbox_get_queue_info"}, 503, "redis_unavailable", None),
    ],
)
def test_errors_are_problem_details(
    server: HttpServer, body: Any, status: int, code: str, path: str | None
) -> None:
    answer = send(server, "POST", "execute", json=body)
    said = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, said["status"], said["code"]) == (status, status, code)
    assert said["detail"]
    assert path is None or said["details"][0]["path"] == path


def test_what_is_no_request_is_a_problem_too(server: HttpServer) -> None:
    for answer, status in (
        (send(server, "POST", "execute", data="{", headers={"Content-Type": "application/json"}), 422),
        (send(server, "POST", "execute", json={"tool": "x" * 30_000}), 413),
        (send(server, "POST", "execute", data=iter([b"x" * 15_000] * 2)), 413),
        (send(server, "DELETE", "execute"), 405),
        (send(server, "GET", "tool"), 404),
    ):
        assert answer.status_code == status
        assert answer.json()["status"] == status
    assert send(server, "GET", "tools").status_code == 200


def test_without_the_token_nothing_is_told(server: HttpServer) -> None:
    for method, path in (("get", "tools"), ("post", "execute"), ("get", "status"), ("get", "openapi.json")):
        answer = requests.request(method, f"{server.url}/api/v1/{path}", timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_the_command_line_calls_tools(netbox: NetBoxOverHttp, cli: CommandLine, prefix: str) -> None:
    listed = cli("tools")
    assert listed.code == ExitCode.OK
    assert "netbox_get_objects" in listed.out
    assert {tool["name"] for tool in cli("tools", "--json").json["tools"]} == set(load_tools())
    netbox.create("dcim/sites", name=f"{prefix} one", slug=f"{prefix}-one")
    filters = f'filters={{"name": "{prefix} one"}}'
    got = cli("call", "netbox_get_objects", "object_type=dcim.site", filters, 'fields=["name"]')
    assert got.json["results"] == [{"name": f"{prefix} one"}]
    whole = f'{{"query": "{prefix}", "object_types": ["dcim.site"]}}'
    digits = cli("call", "netbox_search_objects", "query=12345", 'object_types=["dcim.site"]')
    assert digits.json == {"dcim.site": []}
    found = cli("call", "netbox_search_objects", "--arguments", "-", "limit=1", stdin=whole)
    assert [row["name"] for row in found.json["dcim.site"]] == [f"{prefix} one"]
    waits = cli("call", "netbox_bulk_ensure_devices", f'batch={{"sites": [{{"name": "{prefix} two"}}]}}')
    assert waits.json["status"] == "confirmation_required"
    assert netbox.count("dcim/sites", name__isw=prefix) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("netbox_get_object",), "Did you mean netbox_get_objects?"),
        (("netbox_get_objects", "object_type"), "is no NAME=VALUE"),
        (("netbox_get_objects", "--arguments", "[1]"), "no JSON object"),
        (("netbox_get_objects", "--arguments", "{"), "is no JSON"),
        (("netbox_get_objects", "object_tipe=x"), "did you mean object_type?"),
        (("netbox_get_objects", "object_type=dcim.site", "filters={}", "limit=0"), "limit"),
        (("netbox_get_objects", "object_type=dcim.sight", "filters={}"), "Did you mean 'dcim.site'?"),
    ],
)
def test_a_wrong_call_is_one_sentence(
    netbox: NetBoxOverHttp, cli: CommandLine, arguments: tuple[str, ...], words: str
) -> None:
    assert_sentence(cli("call", *arguments), ExitCode.USAGE, words)


def test_a_file_dropped_into_the_package_is_a_tool_everywhere(
    netbox: NetBoxOverHttp, cli: CommandLine, tmp_path: Path
) -> None:
    """In a copy of the package; nothing but the new file tells of the tool."""
    source = Path(netbox_mcp.__file__).parent
    copy = tmp_path / "copy"
    for package in ("netbox_mcp", "workers", "orchestrator"):
        shutil.copytree(source.parent / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "netbox_mcp" / "tools" / "weather.py").write_text(NEW_TOOL)
    there = {**cli.environment, "PYTHONPATH": str(copy), "NETBOX_MCP_TOOLSETS": "weather"}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "netbox_mcp", *arguments]
        return subprocess.run(
            command, env=there, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    assert '"weather": "fine"' in run("call", "netbox_get_weather", "site=ams1")
    copied = CommandLine(tmp_path, there)
    for server in serve(copied, NETBOX_MCP_TOKEN=TOKEN):
        assert [t["name"] for t in send(server, "GET", "tools").json()["tools"]] == ["netbox_get_weather"]
        assert execute(server, "netbox_get_weather", site="x").json() == {"site": "x", "weather": "fine"}
        reply = over_http(
            f"{server.url}/mcp", TOKEN, lambda c: c.call_tool("netbox_get_weather", {"site": "x"})
        )
        assert reply.structured_content == {"site": "x", "weather": "fine"}


ODD = ["\ud800", "\x00", "../../odd", "x" * 9_000, -1, 10**30, True, [], {}, {"a": {"b": ["\ud800"]}}]


def test_whatever_is_sent_the_server_lives_and_says_no(
    netbox: NetBoxOverHttp, cli: CommandLine, tmp_path: Path
) -> None:
    """Every argument of every tool with odd values: an answer or a problem, and no traceback."""
    before = netbox.count("core/object-changes")
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_TOOLSETS="all"):
        for tool in send(server, "GET", "tools").json()["tools"]:
            usual = {
                "object_type": "dcim.site",
                "filters": {"id": 0},
                "object_id": 10**9,
                "query": "x",
                "name": "no-such",
            }
            known = tool["input_schema"].get("properties", {})
            usual = {name: value for name, value in usual.items() if name in known}
            calls: list[dict[str, Any]] = [{"\ud800": 1}]
            calls += [{**usual, name: odd} for name in known if name != "confirm" for odd in ODD]
            for arguments in calls:
                answer = execute(server, tool["name"], **arguments)
                assert answer.status_code in (200, 404, 409, 413, 422, 502, 503), (tool["name"], answer.text)
                assert answer.status_code < 500 or answer.json()["code"] != "internal_error"
        assert "Traceback" not in server.log.read_text()
    assert netbox.count("core/object-changes") == before
    assert not list(tmp_path.rglob("*odd*"))
