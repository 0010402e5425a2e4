"""Two hundred messages that no client should send: an error each, and the server lives and writes nothing."""

from __future__ import annotations

import json
import queue
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import requests
from mcp.shared.inbound import encode_header_value

from tests.contract.clients import PROGRAM, CommandLine
from tests.contract.malformed import (
    ENVELOPE,
    HANDSHAKE,
    INITIALIZE,
    Era,
    Message,
    malformed_messages,
    message,
    notifications,
)
from tests.contract.malformed_frames import HttpRequest, broken_requests, wrong_frames
from tests.contract.test_transports import JSON_HEADERS, TOKEN, HttpServer, serve
from tests.integration.worker_process import NetBoxOverHttp

AT_LEAST = 200
PATIENCE_SECONDS = 10.0
Answer = dict[str, Any]

pytestmark = pytest.mark.parametrize("era", [HANDSHAKE, ENVELOPE])


@pytest.fixture(autouse=True)
def nothing_is_written(netbox: NetBoxOverHttp, with_redis: str) -> Iterator[None]:
    """NetBox and Redis are there, so that whatever gets through would be done."""
    before = netbox.count("core/object-changes")
    yield
    assert netbox.count("core/object-changes") == before


# stdio


class StdioServer:
    """A server over stdin and stdout, asked line by line."""

    def __init__(self, cli: CommandLine) -> None:
        self.log = cli.folder / "stdio.log"
        self.process = subprocess.Popen(
            [PROGRAM, "serve"],
            cwd=cli.folder,
            env=dict(cli.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("wb"),
        )
        self._answers: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, body: bytes) -> None:
        assert self.process.stdin is not None
        assert b"\n" not in body
        self.process.stdin.write(body + b"\n")
        self.process.stdin.flush()

    def answer(self, seconds: float = PATIENCE_SECONDS) -> Answer | None:
        """The next line, None where there is none in time."""
        try:
            return json.loads(self._answers.get(timeout=seconds))
        except queue.Empty:
            return None

    def ask(self, body: bytes) -> Answer | None:
        self.send(body)
        return self.answer()

    def close(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(15)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)


@contextmanager
def over_stdio(cli: CommandLine, era: Era) -> Iterator[StdioServer]:
    """A server that has agreed with its client on the era; it ends in order, and without a traceback."""
    server = StdioServer(cli)
    try:
        if era == HANDSHAKE:
            assert server.ask(message(era, "initialize", INITIALIZE)) is not None
            server.send(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        assert works(server.ask, era)
        yield server
        assert works(server.ask, era)
        assert server.close() == 0
        assert_untroubled(server.log)
    finally:
        server.process.kill()
        server.process.wait()


def test_over_stdio_each_gets_an_error(cli: CommandLine, era: Era) -> None:
    with over_stdio(cli, era) as server:
        assert_an_error_each(malformed_messages(era), server.ask, era)


def test_over_stdio_what_is_no_request_gets_no_answer(cli: CommandLine, era: Era) -> None:
    with over_stdio(cli, era) as server:
        for one in notifications():
            server.send(one.body)
        assert works(server.ask, era)  # the answer to this one is the first that comes


def test_over_stdio_errors_come_before_any_greeting(cli: CommandLine, era: Era) -> None:
    server = StdioServer(cli)
    try:
        for body in (b"hello", b"[]", b"{}", b"\xff", b'{"jsonrpc": "1.0", "id": "first", "method": "ping"}'):
            assert is_error(server.ask(body)), body
        server.send(b"")
        assert server.answer(0.5) is None  # an empty line is nothing
        if era == HANDSHAKE:
            assert is_error(server.ask(message(era, "tools/list")))
            assert not is_error(server.ask(message(era, "initialize", INITIALIZE)))
        assert works(server.ask, era)
    finally:
        server.process.kill()
        server.process.wait()


# HTTP


@pytest.fixture
def server(cli: CommandLine) -> Iterator[HttpServer]:
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        yield server
        assert server.process.poll() is None
        assert_untroubled(server.log)


class HttpClient:
    """Sends what it is told to, in the frame that is right for it."""

    def __init__(self, server: HttpServer, era: Era) -> None:
        self._server = server
        self._era = era
        self._session: str | None = None
        self._http = requests.Session()
        if era == HANDSHAKE:
            greeting = self.post(message(era, "initialize", INITIALIZE))
            self._session = greeting.headers["Mcp-Session-Id"]
            self.post(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    def post(self, body: bytes) -> requests.Response:
        return self.send(HttpRequest("", body=body))

    def headers(self, body: bytes) -> dict[str, str]:
        """The headers that are right for a message."""
        found = {**JSON_HEADERS, "Authorization": f"Bearer {TOKEN}"}
        if self._session is not None:
            return {**found, "Mcp-Session-Id": self._session, "MCP-Protocol-Version": HANDSHAKE}
        if self._era == ENVELOPE:
            return {**found, "MCP-Protocol-Version": ENVELOPE, **routing(body)}
        return found

    def send(self, request: HttpRequest) -> requests.Response:
        body = message(self._era, "tools/list") if request.body is None else request.body
        headers: dict[str, str | None] = {**self.headers(body), **request.headers}
        # `requests` leaves a header of the session out where its value is None.
        return self._http.request(
            request.method,
            self._server.mcp,
            data=body if request.method == "POST" else None,
            headers=headers,
            timeout=PATIENCE_SECONDS,
        )

    def ask(self, body: bytes) -> Answer | None:
        return read_answer(self.post(body))


def routing(body: bytes) -> dict[str, str]:
    """The headers in which a client repeats what a request is about."""
    try:
        request = json.loads(body)
        method, params = request["method"], request.get("params", {})
        name = params.get("name", params.get("uri"))
        found = {"Mcp-Method": method, "Mcp-Name": name}
        return {
            header: encode_header_value(value) for header, value in found.items() if isinstance(value, str)
        }
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return {}  # a message in which there is nothing to repeat


def read_answer(response: requests.Response) -> Answer | None:
    """The JSON-RPC answer in a response; a bare status of refusal counts as an error."""
    assert response.status_code < 500, f"{response.status_code} {response.text[:200]}"
    text = response.content.decode()
    if response.headers.get("Content-Type", "").startswith("text/event-stream"):
        text = [line for line in text.splitlines() if line.startswith("data: ")][-1].removeprefix("data: ")
    if response.status_code >= 400 and not text.startswith('{"jsonrpc"'):
        return {"error": text, "id": None}
    return json.loads(text) if text else None


def test_over_http_each_gets_an_error(server: HttpServer, era: Era) -> None:
    assert_an_error_each(malformed_messages(era), HttpClient(server, era).ask, era)


def test_over_http_what_is_no_request_is_taken_or_refused(server: HttpServer, era: Era) -> None:
    client = HttpClient(server, era)
    for one in notifications():
        response = client.post(one.body)
        assert response.status_code == 202 or 400 <= response.status_code < 500, one.name
        assert response.status_code != 202 or response.content == b""
    assert works(client.ask, era)


def test_over_http_a_wrong_frame_is_refused(server: HttpServer, era: Era) -> None:
    client = HttpClient(server, era)
    accepted = {}
    for frame in wrong_frames(era):
        response = client.send(frame)
        if not 400 <= response.status_code < 500:
            accepted[frame.name] = response.status_code
    assert accepted == {}
    assert works(client.ask, era)


def test_over_http_a_request_that_is_broken_off_leaves_no_trace(server: HttpServer, era: Era) -> None:
    client = HttpClient(server, era)
    host, port = server.url.removeprefix("http://").split(":")
    for request in broken_requests(client.headers(message(era, "tools/list")), message(era, "tools/list")):
        with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65_536)
        assert not answer or answer.startswith(b"HTTP/1.1 4"), (request, answer)
    assert works(client.ask, era)


# What is asked of the answers


def assert_an_error_each(messages: list[Message], ask: Callable[[bytes], Answer | None], era: Era) -> None:
    assert len(messages) >= AT_LEAST
    wrong = {}
    for number, one in enumerate(messages):
        try:
            answer = ask(one.body)
        except AssertionError as error:
            answer = {"id": None, "assertion": str(error)}
        if not is_error(answer) or answer["id"] not in (None, 7):
            wrong[one.name] = answer
        if number % 10 == 9:
            assert works(ask, era), f"after {one.name}"
    assert wrong == {}


def is_error(answer: Answer | None) -> TypeGuard[Answer]:
    """Whether an answer is an error of the protocol or of a tool."""
    if answer is None:
        return False
    return "error" in answer or answer.get("result", {}).get("isError") is True


def works(ask: Callable[[bytes], Answer | None], era: Era) -> bool:
    """Whether an ordinary call gets its own answer."""
    call = {"name": "netbox_get_queue_info", "arguments": {}}
    answer = ask(message(era, "tools/call", call, request_id="ordinary"))
    return (
        answer is not None
        and answer["id"] == "ordinary"
        and "workers" in answer["result"]["structuredContent"]
    )


def assert_untroubled(log: Path) -> None:
    text = log.read_text()
    assert "Traceback" not in text, text[text.index("Traceback") - 300 :][:3_000]
    assert "level=error" not in text
