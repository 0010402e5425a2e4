"""A real HTTP server between client and NetBox: records every request and breaks connections when told to.

Faults are used up in turn by `faults`, or aimed at single requests by `aim`.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as it arrived, when (on the monotonic clock)."""

    method: str
    line: str
    authorization: str
    body: bytes
    at: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What the proxy itself answers; NetBox never sees the request."""

    status: int
    body: bytes = b"<html>busy</html>"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Instead:
    """Let NetBox do its work, then give this answer instead of NetBox's."""

    answer: Answer


@dataclass(frozen=True)
class Late:
    """Hang up at once; NetBox gets the request this many seconds later, when nobody waits for an answer."""

    seconds: float


@dataclass(frozen=True)
class First:
    """Do this, then let the request through: what someone else does at the same moment."""

    action: Callable[[], object]
    then: Answer | None = None


@dataclass(frozen=True)
class Meanwhile:
    """Let the request through and do this beside it, started at the same moment."""

    action: Callable[[bytes], object]


DROP = "drop"  # close the connection; NetBox never sees the request
RESET = "reset"  # the same with a TCP reset
SILENCE = "silence"  # stay silent; NetBox never sees the request
CUT = "cut"  # let NetBox do its work, then close the connection
HANG = "hang"  # let NetBox do its work, and stay silent
TRUNCATE = "truncate"  # let NetBox do its work, then answer with half of its answer

Fault = Answer | Instead | Late | First | Meanwhile | str


class FaultyProxy:
    """Listens on loopback. `faults` are used up in turn by requests of `methods`; None lets one through.

    `aim` hits the next request of a method and path, wherever it comes in the
    order. `answered` and `finished` have NetBox's status and the moment for
    every write that it got to see. With a certificate (one PEM file, key
    included) it speaks TLS.
    """

    def __init__(self, upstream: str, certificate: Path | None = None) -> None:
        self.seen: list[Seen] = []
        self.answered: list[int] = []
        self.finished: list[float] = []
        self.faults: deque[Fault | None] = deque()
        self.methods = {"POST", "PATCH", "DELETE"}
        self.rewrite: Callable[[str], str] = lambda path: path
        self._aimed: list[tuple[str, str, Fault]] = []
        self._poison: dict[tuple[str, str, bytes], Fault] = {}
        self._lock = threading.Lock()
        self._underway = 0
        self._released = threading.Event()
        self._server = _Server(self, upstream)
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def writes(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.method in ("POST", "PATCH", "DELETE")]

    def aim(self, method: str, path: str, *faults: Fault) -> None:
        """Faults for the next requests of this method whose path begins so, one each."""
        self._aimed += [(method, f"/api/{path}/", fault) for fault in faults]

    def aim_at_body(self, method: str, path: str, text: bytes, fault: Fault) -> None:
        """A fault for every request that has this text in its body."""
        self._poison[method, f"/api/{path}/", text] = fault

    @property
    def missed(self) -> int:
        """Aimed faults that no request has met."""
        return len(self._aimed)

    def take_fault(self, method: str, path: str, body: bytes) -> Fault | None:
        if path.endswith("/0/"):
            return None  # the question whether the token may delete such objects: nothing has this id
        with self._lock:
            for (poisoned, start, text), fault in self._poison.items():
                if method == poisoned and path.startswith(start) and text in body:
                    return fault
            for aimed in self._aimed:
                if aimed[0] == method and path.startswith(aimed[1]):
                    self._aimed.remove(aimed)
                    return aimed[2]
            return self.faults.popleft() if method in self.methods and self.faults else None

    def wait_for_release(self) -> None:
        self._released.wait(30)

    def wait_until_idle(self) -> None:
        """Until NetBox has answered all that was passed on, also what nobody waits for any more."""
        end = time.monotonic() + 60
        while self._underway and time.monotonic() < end:
            time.sleep(0.02)
        assert not self._underway

    def passing(self, change: int) -> None:
        with self._lock:
            self._underway += change

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


_FORWARDED = ("authorization", "content-type", "accept")
_KEPT = ("content-type", "api-version", "location", "x-request-id")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyProxy, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self.upstream = urlsplit(upstream)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    server: _Server

    def _serve(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.take_fault(self.command, self.path, body)
        authorization = self.headers.get("Authorization", "")
        proxy.seen.append(Seen(self.command, self.requestline, authorization, body, time.monotonic()))
        if isinstance(fault, Answer):
            self._reply(fault.status, fault.body, fault.headers)
        elif fault == RESET:
            self._reset()
        elif fault == DROP:
            self._hang_up()
        elif fault == SILENCE:
            proxy.wait_for_release()
            self._hang_up()
        else:
            self._pass_on(fault, body)

    do_GET = do_POST = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def _pass_on(self, fault: Fault | None, body: bytes) -> None:
        """What NetBox gets to see, and what the client gets of its answer."""
        self.server.proxy.passing(+1)
        try:
            if isinstance(fault, Late):
                self._hang_up()
                time.sleep(fault.seconds)
            if isinstance(fault, First):
                fault.action()
                if fault.then:
                    self._reply(fault.then.status, fault.then.body, fault.then.headers)
                    return
            beside = None
            if isinstance(fault, Meanwhile):
                beside = threading.Thread(target=fault.action, args=(body,))
                beside.start()
            status, headers, answer = self._forward(body)
            if self.command != "GET":
                self.server.proxy.answered.append(status)
                self.server.proxy.finished.append(time.monotonic())
            if beside:
                beside.join()
        finally:
            self.server.proxy.passing(-1)
        self._hand_out(fault, status, headers, answer)

    def _hand_out(
        self, fault: Fault | None, status: int, headers: list[tuple[str, str]], answer: bytes
    ) -> None:
        kept = tuple((name, value) for name, value in headers if name.lower() in _KEPT)
        if fault == HANG:
            self.server.proxy.wait_for_release()
        if fault in (CUT, HANG):
            self._hang_up()
        elif fault == TRUNCATE:
            self._reply(status, answer, kept, cut_at=len(answer) // 2)
            self._hang_up()
        elif isinstance(fault, Instead):
            self._reply(fault.answer.status, fault.answer.body, fault.answer.headers)
        elif not isinstance(fault, Late):
            self._reply(status, answer, kept)

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        place = self.server.upstream
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() in _FORWARDED}
        try:
            connection.request(self.command, self.server.proxy.rewrite(self.path), body or None, kept)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _reply(
        self, status: int, body: bytes, headers: tuple[tuple[str, str], ...], cut_at: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut_at])

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _reset(self) -> None:
        """Closed with nothing to linger for, a socket sends a reset."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""
