"""Signing in with a bearer token, and out again."""

from __future__ import annotations

import logging
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from mcp.server.auth.provider import AccessToken, TokenVerifier
from starlette.requests import Request
from starlette.responses import Response

from netbox_mcp.access import Scope
from netbox_mcp.auth import name_of
from netbox_mcp.web.answers import go_to, page
from netbox_mcp.web.forms import check_origin, is_encrypted, read_form
from netbox_mcp.web.gate import COOKIE, session_of
from netbox_mcp.web.paths import SIGN_IN, way_back
from netbox_mcp.web.permission import own_form
from netbox_mcp.web.sessions import Sessions

ATTEMPTS_PER_MINUTE = 10
log = logging.getLogger(__name__)


class SignIn:
    """The sign-in page. Whoever has a token that MCP or REST takes gets a session with the same rights."""

    def __init__(self, sessions: Sessions, verifier: TokenVerifier) -> None:
        self._sessions = sessions
        self._verifier = verifier
        self._most = RateLimitItemPerMinute(ATTEMPTS_PER_MINUTE)
        self._attempts = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def show(self, request: Request) -> Response:
        """The form; for who is signed in already, the page that they want."""
        back = way_back(request.query_params.get("next", ""))
        session = session_of(request)
        if session is not None:
            return go_to(back or _first_page(session.who))
        return _form(request, back)

    async def sign_in(self, request: Request) -> Response:
        """Open a session for the holder of a token."""
        check_origin(request)
        back = way_back((form := await read_form(request)).get("next", ""))
        if not await self._attempts.hit(self._most, request.client.host if request.client else "unknown"):
            answer = _form(request, back, 429, "These are too many attempts. Wait a minute, then try again.")
            answer.headers["retry-after"] = "60"
            return answer
        who = await self._verify(form.get("token", "").strip())
        if who is None:
            return _form(request, back, 401, "This token is not known here, or it has expired.")
        before = session_of(request)
        if before is not None:
            self._sessions.close(before)
        session_id, session = self._sessions.open(who)
        log.info("signed in at the web pages: %s", name_of(who))
        answer = go_to(back or _first_page(who))
        answer.set_cookie(
            COOKIE,
            session_id,
            max_age=max(1, round(session.ends_at - time.time())),
            secure=is_encrypted(request),
            httponly=True,
            # "strict" would ask for the token again after each link in a mail or a chat. Forms are checked
            # by themselves (forms.py).
            samesite="lax",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Close the session."""
        await own_form(request)
        session = session_of(request)
        if session is not None:
            self._sessions.close(session)
        answer = go_to(SIGN_IN)
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=is_encrypted(request))
        return answer

    async def _verify(self, token: str) -> AccessToken | None:
        who = await self._verifier.verify_token(token) if token else None
        is_over = who is not None and who.expires_at is not None and who.expires_at <= time.time()
        return None if is_over else who


def _first_page(who: AccessToken) -> str:
    return "/" if Scope.READ in who.scopes else "/plans"


def _form(request: Request, back: str, status: int = 200, complaint: str = "") -> Response:
    return page(request, "sign_in.html", status, back=back, complaint=complaint)
