"""The server as clients meet it: over stdio and over HTTP, in processes of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import anyio
import pytest
import requests
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from netbox_mcp.config import DEFAULT_TOOLSETS
from netbox_mcp.health import PATIENCE_SECONDS
from netbox_mcp.http_app import listen
from netbox_mcp.registry import select_tools
from netbox_mcp.sandbox.ports import choose_port
from tests.contract.clients import (
    PROGRAM,
    CommandLine,
    Reply,
    ask,
    bare_command_line,
    over_http,
    wait_until_healthy,
)
from tests.contract.documents import FIVE_ERRORS

TOKEN = "a-bearer-token-for-tests"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
JSON_HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


# stdio


def test_a_client_over_stdio_gets_tools_and_errors(dead_netbox: str, cli: CommandLine) -> None:
    async def run() -> tuple[int, Reply, Reply]:
        parameters = StdioServerParameters(
            command=str(PROGRAM), args=["serve"], env=dict(cli.environment), cwd=cli.folder
        )
        with Path(os.devnull).open("w") as log:
            async with Client(stdio_client(parameters, errlog=log)) as client:
                tools = await client.list_tools()
                health = await ask(client, "netbox_health_check")
                return len(tools.tools), health, await ask(client, "netbox_plan_bulk", batch=FIVE_ERRORS)

    count, health, errors = anyio.run(run)
    assert count == len(select_tools(DEFAULT_TOOLSETS))
    assert health.data["status"] == "down"
    assert errors.data["code"] == "invalid_document"


def test_over_stdio_stdout_holds_the_protocol_and_nothing_else(dead_netbox: str, cli: CommandLine) -> None:
    messages = [
        INITIALIZE,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {
            "jsonrpc": "2.0",
            "id": 2,
            "method": "tools/call",
            "params": {"name": "netbox_plan_bulk", "arguments": {"batch": {"sites": [{"name": "a"}]}}},
        },
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "nix", "arguments": {}}},
    ]
    process = subprocess.Popen(
        [PROGRAM, "serve"],
        cwd=cli.folder,
        env=dict(cli.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for message in messages:
        process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(3)]
    rest, log = process.communicate(timeout=20)
    answers = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert {answer.get("id") for answer in answers} == {1, 2, 3}
    assert "netbox_unreachable" in log
    assert "nbt_" not in log + rest + "".join(lines)
    assert process.returncode == 0


def test_over_stdio_ctrl_c_ends_it_though_the_client_stays(cli: CommandLine) -> None:
    process = subprocess.Popen(
        [PROGRAM, "serve"],
        cwd=cli.folder,
        env=dict(cli.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(INITIALIZE) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(15) == 130
    finally:
        process.kill()
        process.communicate()


# HTTP


@dataclass(frozen=True)
class HttpServer:
    url: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def mcp(self) -> str:
        return f"{self.url}/mcp"

    def post(self, body: object = INITIALIZE, **headers: str) -> requests.Response:
        return requests.post(self.mcp, json=body, headers={**JSON_HEADERS, **headers}, timeout=10)


def serve(cli: CommandLine, *arguments: str, **environment: str) -> Iterator[HttpServer]:
    port = choose_port(())
    log = cli.folder / "server.log"
    options = ["--transport", "http", "--port", str(port), *arguments]
    process = cli.start("serve", *options, log=log, **environment)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        yield HttpServer(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.terminate()
        process.wait(15)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """One server for all tests of this file: it has no NetBox and no Redis."""
    cli = bare_command_line(tmp_path_factory.mktemp("server"))
    yield from serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_MAX_REQUEST_BYTES="4096")


def test_a_client_over_http_gets_tools_and_errors(server: HttpServer) -> None:
    async def work(client: Client) -> tuple[int, Reply]:
        tools = await client.list_tools()
        return len(tools.tools), await ask(client, "netbox_health_check")

    count, health = over_http(server.mcp, TOKEN, work)
    assert count == len(select_tools(DEFAULT_TOOLSETS))
    assert health.data["status"] == "down"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong-wrong-wrong-wrong"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer "},
    ],
)
def test_without_the_right_bearer_token_there_is_nothing(server: HttpServer, headers: dict[str, str]) -> None:
    answer = server.post(**headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert "Bearer" in answer.headers["WWW-Authenticate"]
    for path in ("/mcp", "/docs", "/openapi.json", "/healthz/x", "/nowhere"):
        assert requests.get(server.url + path, headers=headers, timeout=10).status_code == 401, path
    assert requests.delete(server.mcp, headers=headers, timeout=10).status_code == 401


def test_the_probes_are_open_and_say_one_word(server: HttpServer) -> None:
    health = requests.get(f"{server.url}/healthz", timeout=10)
    ready = requests.get(f"{server.url}/readyz", timeout=10)
    assert (health.status_code, health.text) == (200, "ok")
    assert (ready.status_code, ready.text) == (503, "unready")


def test_a_client_closes_an_idle_connection_before_the_server_does(server: HttpServer) -> None:
    """httpx keeps one for 5 s, as uvicorn would: a call at that moment would meet a closed door."""
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    with closing(connection):
        for _ in range(2):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b"ok"
            first = connection.sock
            assert first is not None
            time.sleep(7)
            assert not select.select([first], [], [], 0)[0], "the server has closed it"


def test_ready_once_netbox_answers(netbox: object, cli: CommandLine) -> None:
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        ready = requests.get(f"{server.url}/readyz", timeout=10)
        assert (ready.status_code, ready.text) == (200, "ready")


def test_probes_of_a_silent_netbox_leave_the_tools_alone(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as opened:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {"NETBOX_URL": url, "NETBOX_TOKEN": "0" * 40, "NETBOX_MCP_TOKEN": TOKEN}
        for server in serve(cli, **environment):
            host, port = server.url.removeprefix("http://").split(":")
            for _ in range(60):
                probe = opened.enter_context(socket.create_connection((host, int(port))))
                probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            silent.accept()[0].close()  # the server has begun to ask
            begun = time.monotonic()
            reply = over_http(server.mcp, TOKEN, lambda client: ask(client, "netbox_get_queue_info"))
            assert time.monotonic() - begun < PATIENCE_SECONDS - 1
            assert reply.data["code"] == "redis_unavailable"
            opened.close()


@pytest.mark.parametrize("host", ["netbox.evil.example", "127.0.0.1.evil.example", "evil.example:80"])
def test_a_foreign_host_header_is_refused(server: HttpServer, host: str) -> None:
    assert server.post(Authorization=f"Bearer {TOKEN}", Host=host).status_code == 421


def test_a_foreign_origin_is_refused(server: HttpServer) -> None:
    answer = server.post(Authorization=f"Bearer {TOKEN}", Origin="https://evil.example")
    assert answer.status_code == 403


def test_a_body_above_the_limit_is_refused(server: HttpServer) -> None:
    small = server.post(Authorization=f"Bearer {TOKEN}")
    assert small.status_code == 200
    large = server.post({**INITIALIZE, "padding": "x" * 5_000}, Authorization=f"Bearer {TOKEN}")
    assert large.status_code == 413


def test_the_configured_token_is_in_no_log(server: HttpServer) -> None:
    server.post(Authorization=f"Bearer {TOKEN}")
    server.post(Authorization=f"Bearer {TOKEN}wrong")
    assert "NETBOX_MCP_TOKEN" in server.log.read_text()
    assert TOKEN not in server.log.read_text()


def test_a_token_is_made_where_none_is_set_and_kept_for_its_owner_alone(cli: CommandLine) -> None:
    path = Path(cli.environment["NETBOX_MCP_STATE_DIR"]) / "http-token"
    tokens = []
    for _ in range(2):
        for server in serve(cli):
            tokens.append(path.read_text().strip())
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert str(path) in server.log.read_text()
            assert tokens[0] not in server.log.read_text()
            assert server.post().status_code == 401
            assert server.post(Authorization=f"Bearer {tokens[0]}").status_code == 200
    assert len(tokens[0]) >= 32
    assert tokens[0] == tokens[1]  # clients need be set up only once


def test_listening_beyond_this_machine_needs_a_configured_token(cli: CommandLine) -> None:
    run = cli("serve", "--transport", "http", "--host", "0.0.0.0")
    assert run.code == 1
    assert "without a bearer token" in run.err
    assert "NETBOX_MCP_TOKEN" in run.err


def test_a_port_in_use_is_one_sentence(server: HttpServer, cli: CommandLine) -> None:
    run = cli("serve", "--transport", "http", "--port", server.url.rpartition(":")[2])
    assert run.code == 1
    assert "Cannot listen on 127.0.0.1 port" in run.err
    assert "Traceback" not in run.err


def test_an_unknown_toolset_is_one_sentence(cli: CommandLine) -> None:
    run = cli("serve", "--toolsets", "bulkk")
    assert run.code == 2
    assert "Known: bulk, inventory, ipam, read, system, write, all." in run.err


def test_stdout_stays_empty_and_sigterm_ends_it(cli: CommandLine) -> None:
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        server.process.send_signal(signal.SIGTERM)
        out, _ = server.process.communicate(timeout=15)
        assert out == ""


def test_no_answer_waits_for_an_acknowledgement() -> None:
    """Without TCP_NODELAY each answer takes 40 ms more, on every connection that is kept open."""
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
