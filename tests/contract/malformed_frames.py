"""HTTP requests to /mcp that are wrong around a message that is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.contract.malformed import HANDSHAKE, Era, message

# fmt: off
WRONG_HEADERS: dict[str, tuple[str | None, ...]] = {
    "Accept": ("text/html", "application/json", "text/event-stream", "", "image/*", "\xff"),
    "Content-Type": ("text/plain", "", "application/xml", "application/x-json", None),
    "Host": ("evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80", "x" * 3_000),
    "Origin": ("https://evil.example", "null", "file://", "x"),
    "Authorization": (None, "", "Bearer", "Bearer x", "Basic eDp5", "bearer:", "\xff", "x" * 5_000),
    "MCP-Protocol-Version": ("", "1999-01-01", "x", "2026-07-28x", "2025-11-25, 2026-07-28", "9" * 5_000),
}
# fmt: on


@dataclass(frozen=True)
class HttpRequest:
    """A request whose message is right and whose frame is not."""

    name: str
    method: str = "POST"
    headers: dict[str, str | None] = field(default_factory=dict)
    """Instead of what a client sends; None leaves a header out."""
    body: bytes | None = None


def wrong_frames(era: Era) -> list[HttpRequest]:
    """Each of these is to be refused."""
    return [*_in_any_era(era), *(_around_sessions() if era == HANDSHAKE else _around_envelopes(era))]


def _in_any_era(era: Era) -> Iterator[HttpRequest]:
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "NIX"):
        yield HttpRequest(f"{method} on /mcp", method)
    yield HttpRequest("no body", body=b"")
    yield HttpRequest("white space", body=b" \n ")
    yield HttpRequest("a byte order mark", body=b"\xef\xbb\xbf" + message(era, "tools/list"))
    yield HttpRequest("a body above the limit", body=message(era, "tools/list", {"x": "x" * 5_000_000}))
    for header, values in WRONG_HEADERS.items():
        for value in values:
            yield HttpRequest(
                f"{header}: {value if value is None else value[:40]!r}", headers={header: value}
            )


def _around_sessions() -> Iterator[HttpRequest]:
    for session in ("", "nix", "../..", "0" * 32, "x" * 5_000, "\xff"):
        for method in ("POST", "GET", "DELETE"):
            yield HttpRequest(f"{method} of session {session[:40]!r}", method, {"Mcp-Session-Id": session})
    yield HttpRequest("a request before the handshake", headers={"Mcp-Session-Id": None})
    yield HttpRequest("a DELETE without session", "DELETE", {"Mcp-Session-Id": None})
    yield HttpRequest("a GET without session", "GET", {"Mcp-Session-Id": None})
    yield HttpRequest("a GET that takes no events", "GET", {"Accept": "application/json"})


def _around_envelopes(era: Era) -> Iterator[HttpRequest]:
    yield HttpRequest("GET", "GET")
    yield HttpRequest("DELETE", "DELETE")
    for method in (None, "", "tools/call", "TOOLS/LIST", "x", "tools/list, tools/list"):
        yield HttpRequest(f"Mcp-Method {method!r}", headers={"Mcp-Method": method})
    call = message(era, "tools/call", {"name": "netbox_get_queue_info", "arguments": {}})
    for name in (None, "", "netbox_plan_bulk", "x", "=?base64?x?="):
        headers = {"Mcp-Method": "tools/call", "Mcp-Name": name}
        yield HttpRequest(f"Mcp-Name {name!r}", headers=headers, body=call)


def broken_requests(headers: Mapping[str, str], body: bytes) -> Iterator[bytes]:
    """What a connection may carry before it breaks: halves of requests, and what is none."""
    head = "".join(
        f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items()
    ).encode()
    start = b"POST /mcp HTTP/1.1\r\n" + head
    for sent in (0, 1, len(body) // 2, len(body) - 1):
        yield start + b"Content-Length: %d\r\n\r\n" % len(body) + body[:sent]
    chunked = start + b"Transfer-Encoding: chunked\r\n\r\n"
    yield chunked
    yield chunked + b"%x\r\n" % len(body) + body[:-1]
    yield chunked + b"nix\r\n" + body + b"\r\n0\r\n\r\n"
    yield start
    yield start + b"Content-Length: -1\r\n\r\n" + body
    yield start + b"Content-Length: x\r\n\r\n" + body
    yield b"POST /mcp\r\n\r\n"
    yield b"hello\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)  # TLS
    yield body
    yield b"\x00" * 70_000
