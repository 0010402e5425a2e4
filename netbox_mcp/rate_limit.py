"""No caller asks more often than it may: a runaway loop of one must not take the server from the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from netbox_mcp.auth import name_of
from netbox_mcp.failures import OverLimitError


class RateLimit:
    """ASGI middleware: so many requests a minute per caller, 429 and when to come back for the rest.

    It stands behind TokenGate, which has put the caller into the scope. Each server process counts for
    itself; a request that waits (long-poll, server-sent events) counts once. `tell` makes the answer.
    """

    def __init__(self, app: ASGIApp, per_minute: int, tell: Callable[[OverLimitError], Response]) -> None:
        self._app = app
        self._tell = tell
        self._most = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or answer 429."""
        user = scope.get("user")
        if scope["type"] != "http" or user is None or not user.is_authenticated:
            await self._app(scope, receive, send)
            return
        name = name_of(user.access_token)
        if await self._limiter.hit(self._most, name):
            await self._app(scope, receive, send)
            return
        window = await self._limiter.get_window_stats(self._most, name)
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        answer = self._tell(
            OverLimitError(
                f"These are more than {self._most.amount:,} requests within a minute.",
                f"Wait {seconds} s. To wait for a task, use wait_seconds; the limit is "
                "NETBOX_MCP_REQUESTS_PER_MINUTE.",
            )
        )
        answer.headers["retry-after"] = str(seconds)
        await answer(scope, receive, send)
