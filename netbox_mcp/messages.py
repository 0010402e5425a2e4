"""What is no MCP message gets an error, over stdio as over HTTP, before the SDK sees it.

Left to itself, the SDK drops such lines from stdin, replaces bytes that are not
UTF-8, takes a request whose `id` is wrong for a notification, and logs a
traceback where a client leaves in the middle of a request. A client would wait
until it gives up, and text might come to NetBox that nobody has written.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import from_json
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NOT_JSON = "A message must be JSON, in UTF-8."
_NO_MESSAGE = (
    'A message must be one JSON object with "jsonrpc": "2.0", a method, an id that is a string or an integer '
    "where an answer is wanted, and parameters by name; there are no batches."
)


def refuse(body: bytes) -> JSONRPCError | None:
    """The error that a client is owed for what it has sent, None where that is a message.

    The error bears the request's id where that can be told.
    """
    try:
        found = from_json(body)
    except ValueError:
        return _error(None, PARSE_ERROR, _NOT_JSON)
    try:
        # Not validate_json: it would read the text once for each kind of message.
        message = jsonrpc_message_adapter.validate_python(found, by_name=False)
    except ValidationError:
        return _error(_id_of(found), INVALID_REQUEST, _NO_MESSAGE)
    if isinstance(message, JSONRPCNotification) and "id" in found:
        return _error(None, INVALID_REQUEST, _NO_MESSAGE)
    return None


def _id_of(found: Any) -> str | int | None:
    """The id of a request; that of an answer is not the client's own."""
    if not isinstance(found, dict) or "method" not in found:
        return None
    request_id = found.get("id")
    return request_id if isinstance(request_id, str | int) and not isinstance(request_id, bool) else None


def _error(request_id: str | int | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


class MessageGate:
    """ASGI middleware: 400 and a JSON-RPC error for what is posted to `path` and is no message.

    It must stand behind RequestBodyLimitMiddleware, which hands bodies on in one piece.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a message on; answer what is none; leave a client alone that has left."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        request = await receive()
        if request["type"] != "http.request" or request["more_body"]:
            return
        refusal = refuse(request["body"])
        if refusal is not None:
            answer = Response(
                refusal.model_dump_json(exclude_unset=True), status_code=400, media_type="application/json"
            )
            await answer(scope, receive, send)
            return
        pending = [request]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)


@asynccontextmanager
async def stdio_streams() -> AsyncIterator[tuple[Any, Any]]:
    """What an MCP server reads from and writes to, for one client over stdin and stdout.

    From here to the end of the process, file descriptor 0 is the null device: what is
    started meanwhile reads nothing that was meant for the server.
    """
    messages = _Messages(anyio.wrap_file(os.fdopen(os.dup(0), "rb")))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    async with stdio_server(stdin=cast("anyio.AsyncFile[str]", messages)) as (read, write):
        messages.send = write.send
        yield read, write


class _Messages:
    """The lines of a file that are messages; the others are answered."""

    def __init__(self, lines: anyio.AsyncFile[bytes]) -> None:
        self._lines = lines
        self.send: Callable[[SessionMessage], Awaitable[None]]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for line in self._lines:
            if line.isspace():
                continue
            refusal = refuse(line)
            if refusal is None:
                yield line
            else:
                await self.send(SessionMessage(refusal))
