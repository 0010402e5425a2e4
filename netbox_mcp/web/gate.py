"""What stands before the pages: headers that tie the browser's hands, and whoever is not signed in signs in.

A session opens the pages and nothing else. MCP and REST are another application, which never sees its cookie.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.authentication import AuthCredentials
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netbox_mcp.web.paths import SIGN_IN, STATIC, is_open
from netbox_mcp.web.sessions import Session, Sessions

COOKIE = "netbox-mcp-session"
_SESSION = "netbox_mcp.session"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" browsers send "Origin: null" along with our own forms, which could then not be told
    # from those of others. No other site is told anything with this one either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SafeHeaders:
    """ASGI middleware: every answer says what the browser may do with it, and that it is not to be kept."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, and put the headers on its answer."""
        kept = "no-cache" if str(scope.get("path")).startswith(STATIC) else "no-store"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Cache-Control"] = kept
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Gate:
    """ASGI middleware: puts who is signed in into the request, and sends all others to the sign-in page."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass, or answer it."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        session = self._sessions.find(_session_id(Headers(scope=scope)))
        if session is not None:
            user = AuthenticatedUser(session.who)
            held = AuthCredentials(session.who.scopes)
            scope = {**scope, "user": user, "auth": held, _SESSION: session}
        elif not is_open(scope["path"]):
            await _to_sign_in(Request(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def session_of(request: Request) -> Session | None:
    """Who has sent this request, if they are signed in."""
    session: Session | None = request.scope.get(_SESSION)
    return session


def _session_id(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _to_sign_in(request: Request) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):
        return PlainTextResponse("You are not signed in any more.\n", 401)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method not in ("GET", "HEAD"):  # what was to be done is not done later by itself
        back = request.url.path.rpartition("/")[0] or "/"
    return RedirectResponse(f"{SIGN_IN}?next={quote(back, safe='')}", 303)
