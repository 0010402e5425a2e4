"""A real HTTP server between client and NetBox: records every request and breaks connections when told to."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    line: str
    authorization: str
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the proxy itself answers; NetBox never sees the request."""

    status: int
    body: bytes = b"<html>busy</html>"
    headers: tuple[tuple[str, str], ...] = ()


DROP = "drop"  # close the connection; NetBox never sees the request
CUT = "cut"  # let NetBox do its work, then close the connection
HANG = "hang"  # let NetBox do its work, and stay silent


class FaultyProxy:
    """Listens on loopback. `faults` are used up in turn by requests of `methods`; None lets one through.

    With a certificate (one PEM file, key included) it speaks TLS.
    """

    def __init__(self, upstream: str, certificate: Path | None = None) -> None:
        self.seen: list[Seen] = []
        self.faults: deque[Answer | str | None] = deque()
        self.methods = {"POST", "PATCH"}
        self.rewrite: Callable[[str], str] = lambda path: path
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
        return [seen for seen in self.seen if seen.method in ("POST", "PATCH")]

    def wait_for_release(self) -> None:
        self._released.wait(30)

    def __enter__(self) -> FaultyProxy:
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultyProxy, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        self.upstream = urlsplit(upstream)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    server: _Server

    def _serve(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        authorization = self.headers.get("Authorization", "")
        proxy.seen.append(Seen(self.command, self.requestline, authorization, body))
        fault = proxy.faults.popleft() if self.command in proxy.methods and proxy.faults else None
        if isinstance(fault, Answer):
            self._reply(fault.status, fault.body, fault.headers)
            return
        if fault == DROP:
            self._hang_up()
            return
        status, headers, answer = self._forward(body)
        if fault == HANG:
            proxy.wait_for_release()
        if fault in (CUT, HANG):
            self._hang_up()
            return
        kept = ("content-type", "api-version", "location")
        self._reply(status, answer, tuple((name, value) for name, value in headers if name.lower() in kept))

    do_GET = do_POST = do_PATCH = do_OPTIONS = _serve  # noqa: N815

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

    def _reply(self, status: int, body: bytes, headers: tuple[tuple[str, str], ...]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""
