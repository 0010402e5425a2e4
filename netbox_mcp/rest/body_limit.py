"""No body longer than it may be, whatever it is for."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netbox_mcp.auth import REST_PATH
from netbox_mcp.failures import TooLargeError
from netbox_mcp.rest.problems import answer_with

INPUTS_PATH = f"{REST_PATH}/inputs"


class BodyLimit:
    """ASGI middleware for /api: takes bodies up to a size and answers 413 to larger ones.

    Documents that are handed over may be longer than other bodies. MCP's own transport has a limit of its
    own, which is the same as that of the others.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, input_bytes: int) -> None:
        self._app = app
        self._most = most_bytes
        self._input = input_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then hand the request on."""
        path = str(scope.get("path"))
        if scope["type"] != "http" or not path.startswith("/api/"):
            await self._app(scope, receive, send)
            return
        most, setting = self._most, "NETBOX_MCP_MAX_REQUEST_BYTES"
        if path == INPUTS_PATH:
            most, setting = self._input, "NETBOX_MCP_MAX_INPUT_BYTES"
        parts: list[Message] = []
        size = 0
        more = True
        while more:
            message = await receive()
            parts.append(message)
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
            if size > most:
                what, way_out = f"The body is longer than {most:,} bytes.", f"Split it, or raise {setting}."
                await answer_with(TooLargeError(what, way_out))(scope, receive, send)
                return

        async def replay() -> Message:
            return parts.pop(0) if parts else await receive()

        await self._app(scope, replay, send)
