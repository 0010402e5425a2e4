"""Scopes: what each kind of bearer token opens, over MCP, REST and at the dashboard; how often it may ask."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.registry import load_tools
from tests.contract import task_client
from tests.contract.clients import CommandLine, Reply, ask, assert_sentence, over_http
from tests.contract.test_transports import HttpServer, serve

TOKENS = {
    scope: f"{scope}-{secrets.token_urlsafe(16)}" for scope in ("read", "plan", "write", "admin", "approve")
}
CLIENTS = json.dumps(
    [
        {"name": f"the-{scope}er", "sha256": hashlib.sha256(token.encode()).hexdigest(), "scopes": [scope]}
        for scope, token in TOKENS.items()
    ]
)
# Route -> the scopes that open it.
ROUTES = {
    "GET /tools": {"read", "plan", "write", "admin"},
    "POST /execute": {"read", "plan", "write", "admin"},
    "GET /status": {"read", "plan", "write", "admin"},
    "GET /tasks": {"read", "plan", "write", "admin"},
    "GET /tasks/{task_id}": {"read", "plan", "write", "admin"},
    "GET /tasks/{task_id}/report": {"read", "plan", "write", "admin"},
    "GET /tasks/{task_id}/report.html": {"read", "plan", "write", "admin"},
    "GET /tasks/{task_id}/events": {"read", "plan", "write", "admin"},
    "POST /tasks/{task_id}/cancel": {"write", "admin"},
    "POST /tasks/{task_id}/resume": {"write", "admin"},
    "POST /inputs": {"plan", "write", "admin"},
    "POST /plans": {"plan", "write", "admin"},
    "GET /plans/{plan_id}": {"read", "plan", "write", "admin", "approve"},
    "POST /plans/{plan_id}/approve": {"approve"},
    "POST /batches": {"write", "admin"},
    "POST /batches/{batch_id}/rollback": {"write", "admin"},
}
OTHERS = {
    "GET /mcp": {"read", "plan", "write", "admin"},
    "GET /metrics": {"read", "plan", "write", "admin"},
    "GET /nowhere": {"read", "plan", "write", "admin"},
    "GET /rq/": {"admin"},
}


@pytest.fixture
def server(dead_netbox: str, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    """Five clients, one for each scope. Nothing that is let through gets far: the NetBox does not answer."""
    yield from serve(
        cli,
        NETBOX_MCP_CLIENTS=CLIENTS,
        NETBOX_MCP_APPROVE_TOKEN="the-secret-that-signs-approvals",
        NETBOX_MCP_TOOLSETS="all",
    )


def status(server: HttpServer, route: str, token: str) -> int:
    method, path = route.split(" ")
    answer = requests.request(
        method,
        server.url
        + path.replace("{task_id}", "t-1").replace("{plan_id}", "p-1").replace("{batch_id}", "b-1"),
        headers={"Authorization": f"Bearer {token}"},
        json={} if method == "POST" else None,
        timeout=30,
        stream=True,
    )
    answer.close()
    return answer.status_code


def test_each_scope_opens_just_its_routes(server: HttpServer) -> None:
    wanted = {**{route.replace(" ", " /api/v1"): who for route, who in ROUTES.items()}, **OTHERS}
    for route, who in wanted.items():
        opened = {scope for scope, token in TOKENS.items() if status(server, route, token) not in (401, 403)}
        assert opened == who, route
        assert status(server, route, "wrong-wrong-wrong-wrong") == 401, route


def test_every_route_says_what_it_needs(server: HttpServer) -> None:
    """A new route stands in the table above, and tells its scopes in the OpenAPI description."""
    headers = {"Authorization": f"Bearer {TOKENS['read']}"}
    paths = requests.get(f"{server.url}/api/v1/openapi.json", headers=headers, timeout=10).json()["paths"]
    told = {
        f"{method.upper()} {path.removeprefix('/api/v1')}": route["security"]
        for path, methods in paths.items()
        for method, route in methods.items()
    }
    assert told.keys() == ROUTES.keys()
    for route, security in told.items():
        (needed,) = security[0].values()
        assert set(needed) <= ROUTES[route], route


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("scope", ["read", "plan", "write"])
def test_a_model_sees_and_uses_just_what_its_token_opens(server: HttpServer, scope: str, mode: str) -> None:
    allowed = {"read": {"read"}, "plan": {"read", "plan"}, "write": {"read", "plan", "write"}}[scope]

    async def work(client: Client) -> tuple[set[str], dict[str, Reply]]:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        asked = {
            "netbox_get_manufacturers": {},
            "netbox_plan_bulk": {"batch": {"sites": [{"name": "AMS1"}]}},
            "netbox_create_site": {"name": "AMS1", "confirm": True},
            "netbox_cancel_task": {"task_id": "t-1"},
        }
        return listed, {tool: await ask(client, tool, **how) for tool, how in asked.items()}

    listed, replies = over_http(f"{server.url}/mcp", TOKENS[scope], work, mode=mode)
    assert listed == {spec.name for spec in load_tools().values() if spec.scope in allowed}
    for tool, reply in replies.items():
        assert reply.is_error
        assert (reply.data["code"] == "forbidden") == (load_tools()[tool].scope not in allowed), tool
    assert "needs the scope" in replies["netbox_create_site"].data["message"] or scope == "write"


@pytest.mark.parametrize("scope", ["plan", "write"])
def test_cancelling_a_task_of_the_protocol_is_writing(server: HttpServer, scope: str) -> None:
    async def work(client: Client) -> str:
        with pytest.raises(MCPError) as caught:
            await task_client.cancel(client.session, "t-000000000000")
        return str(caught.value.error.data["code"])

    tasks = [task_client.Tasks()]
    code = over_http(f"{server.url}/mcp", TOKENS[scope], work, extensions=tasks)
    assert code == {"plan": "forbidden", "write": "unknown_task"}[scope]


def test_a_session_is_its_owners(server: HttpServer) -> None:
    """What one token has opened cannot be used with another one."""
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    opened = server.post(hello, Authorization=f"Bearer {TOKENS['write']}")
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    for token, answered in ((TOKENS["write"], True), (TOKENS["read"], False)):
        answer = server.post(listing, Authorization=f"Bearer {token}", **session)
        assert (answer.status_code == 200) == answered


def test_rest_tells_and_calls_just_those_tools_too(server: HttpServer) -> None:
    headers = {"Authorization": f"Bearer {TOKENS['plan']}"}
    tools = requests.get(f"{server.url}/api/v1/tools", headers=headers, timeout=10).json()["tools"]
    assert {tool["scope"] for tool in tools} == {"read", "plan"}
    body: dict[str, Any] = {"tool": "netbox_create_site", "arguments": {"name": "AMS1", "confirm": True}}
    refused = requests.post(f"{server.url}/api/v1/execute", headers=headers, json=body, timeout=10)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.json()["detail"] == "This needs the scope write, and the bearer token has the scope plan."


def test_read_only_closes_what_writes_to_everybody(dead_netbox: str, cli: CommandLine) -> None:
    for given in ({"NETBOX_MCP_READ_ONLY": "true"}, {}):
        arguments = [] if given else ["--read-only"]
        for server in serve(cli, *arguments, NETBOX_MCP_CLIENTS=CLIENTS, **given):
            for route in ("POST /api/v1/batches", "POST /api/v1/tasks/{task_id}/resume", "GET /rq/"):
                assert status(server, route, TOKENS["admin"]) in (403, 404), route
            assert status(server, "POST /api/v1/plans", TOKENS["admin"]) == 422

            async def listed(client: Client) -> set[str]:
                return {tool.name for tool in (await client.list_tools()).tools}

            names = over_http(f"{server.url}/mcp", TOKENS["admin"], listed)
            assert {load_tools()[name].scope.value for name in names} == {"read", "plan"}


def test_who_asks_too_often_waits(dead_netbox: str, cli: CommandLine) -> None:
    for server in serve(cli, NETBOX_MCP_CLIENTS=CLIENTS, NETBOX_MCP_REQUESTS_PER_MINUTE="5"):
        answers = [
            requests.get(
                f"{server.url}/api/v1/tools",
                headers={"Authorization": f"Bearer {TOKENS['read']}"},
                timeout=10,
            )
            for _ in range(7)
        ]
        assert [answer.status_code for answer in answers[:5]] == [200] * 5
        late = answers[-1]
        assert (late.status_code, late.json()["code"], late.json()["retryable"]) == (
            429,
            "rate_limited",
            True,
        )
        assert 1 <= int(late.headers["retry-after"]) <= 120
        assert status(server, "GET /api/v1/tools", TOKENS["plan"]) == 200  # the others are not held up
        assert requests.get(f"{server.url}/healthz", timeout=10).text == "ok"


def test_a_token_is_made_shown_once_and_known_by_its_digest(dead_netbox: str, cli: CommandLine) -> None:
    made = cli("token", "claude", "--scope", "plan", "--json").json
    (cli.folder / "netbox-mcp.toml").write_text(
        f'[[clients]]\nname = "claude"\nsha256 = "{made["client"]["sha256"]}"\nscopes = ["plan"]\n'
    )
    for server in serve(cli):
        assert status(server, "GET /api/v1/tools", made["token"]) == 200
        assert status(server, "POST /api/v1/batches", made["token"]) == 403
        assert status(server, "GET /api/v1/tools", made["client"]["sha256"]) == 401
        assert "bearer tokens of claude" in server.log.read_text()
        assert not (cli.folder / "state" / "http-token").exists()


@pytest.mark.parametrize(
    ("clients", "words"),
    [
        ("{", ("NETBOX_MCP_CLIENTS", "no JSON")),
        ([{"name": "a", "sha256": "0" * 64, "scopes": ["raed"]}], ("NETBOX_MCP_CLIENTS[0].scopes[0]",)),
        ([{"name": "a", "sha256": "0" * 63, "scopes": ["read"]}], ("NETBOX_MCP_CLIENTS[0].sha256",)),
        ([{"name": "a", "sha256": "0" * 64, "scopes": []}], ("NETBOX_MCP_CLIENTS[0].scopes",)),
        ([{"name": "a", "sha256": "0" * 64, "scopes": ["write", "approve"]}], ("must not write them",)),
        ([{"name": "a", "sha256": d * 64, "scopes": ["read"]} for d in "01"], ("two clients named a",)),
        ([{"name": n, "sha256": "0" * 64, "scopes": ["read"]} for n in "ab"], ("somebody else",)),
    ],
)
def test_clients_that_make_no_sense_are_one_sentence(
    dead_netbox: str, cli: CommandLine, clients: Any, words: tuple[str, ...]
) -> None:
    given = clients if isinstance(clients, str) else json.dumps(clients)
    run = cli("serve", "--transport", "http", NETBOX_MCP_CLIENTS=given)
    assert_sentence(run, ExitCode.ERROR, *words)
    assert "0" * 60 not in run.err
