"""Who may call over HTTP: a bearer token, compared in constant time.

`TokenGate` stands before everything that the HTTP host serves, save the open
paths. Two kinds of token: those of clients, and that of the people who approve
plans, which opens the plans and nothing else. Where no token is configured, one
is made and kept in a file that only its owner can read; a token is never
printed or logged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from mcp.server.auth.provider import AccessToken, TokenVerifier
from pydantic import SecretStr
from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from netbox_mcp.failures import PROBLEM_TYPE, ErrorReply, problem
from orchestrator.netbox import ConfigError

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
REST_PATH = "/api/v1"
PLANS_PATH = f"{REST_PATH}/plans/"
DASHBOARD_PATH = "/rq"
USE_SCOPE = "use"
APPROVE_SCOPE = "approve"
UNAUTHORIZED = ErrorReply(
    code="unauthorized",
    message="This server wants a bearer token.",
    hint="Send 'Authorization: Bearer <token>'; the token is in NETBOX_MCP_TOKEN or in the file "
    "that the server names when it starts.",
)
FORBIDDEN_HERE = ErrorReply(
    code="forbidden",
    message="This bearer token is for looking at plans and approving them, and for nothing else.",
    hint="Use a token of NETBOX_MCP_TOKEN here.",
)
TOKEN_FILE_NAME = "http-token"  # noqa: S105


class StaticTokenVerifier(TokenVerifier):
    """Accepts the tokens it was given, each kind with its scope; keeps only their digests."""

    def __init__(self, tokens: Sequence[SecretStr], approve_token: SecretStr | None = None) -> None:
        given = [(token, USE_SCOPE) for token in tokens]
        if approve_token is not None:
            given.append((approve_token, APPROVE_SCOPE))
        self._scopes = [
            (_digest(token.get_secret_value()), scope) for token, scope in given if token.get_secret_value()
        ]

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller's identity, or None for a token that is not ours."""
        presented = _digest(token)
        # Every digest is compared, so that the time taken tells nothing about which one came close.
        matches = [(hmac.compare_digest(presented, known), scope) for known, scope in self._scopes]
        scopes = [scope for is_it, scope in matches if is_it]
        if not scopes:
            return None
        name = f"token-{presented.hex()[:8]}"
        return AccessToken(token=name, client_id=name, scopes=scopes)


class BasicIsBearer:
    """ASGI middleware: at the dashboard, the password of HTTP Basic is the bearer token.

    A browser cannot send any other header by itself. The user name does not matter.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, with a bearer token if it came with HTTP Basic."""
        if scope["type"] == "http" and is_dashboard(scope):
            headers = [(name, _as_bearer(value)) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


def is_dashboard(scope: Scope) -> bool:
    """Whether a request is for the dashboard."""
    path = str(scope.get("path"))
    return path == DASHBOARD_PATH or path.startswith(f"{DASHBOARD_PATH}/")


def _as_bearer(value: bytes) -> bytes:
    kind, _, coded = value.partition(b" ")
    if kind.lower() != b"basic":
        return value
    try:
        _, _, password = base64.b64decode(coded, validate=True).partition(b":")
    except binascii.Error:
        return value
    return b"Bearer " + password


class TokenGate:
    """ASGI middleware: 401 for every request without a valid bearer token, save the open paths.

    403 for the token of those who approve anywhere but at the plans.

    It runs inside Starlette's AuthenticationMiddleware, which has already put
    the caller into the scope.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass or answer 401 or 403; a websocket is closed."""
        if scope["type"] == "lifespan" or scope.get("path") in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        user = scope.get("user")
        known = user is not None and user.is_authenticated
        if known and self._may_be_here(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif known:
            await _refuse(send, 403, FORBIDDEN_HERE)
        else:
            scheme = b'Basic realm="netbox-mcp"' if is_dashboard(scope) else b'Bearer error="invalid_token"'
            challenge = (b"www-authenticate", scheme)
            await _refuse(send, 401, UNAUTHORIZED, challenge)

    def _may_be_here(self, scope: Scope) -> bool:
        return USE_SCOPE in scope["auth"].scopes or str(scope.get("path")).startswith(PLANS_PATH)


async def _refuse(send: Send, status: int, error: ErrorReply, *more: tuple[bytes, bytes]) -> None:
    body = to_json(problem(error, status))
    headers = [
        (b"content-type", PROBLEM_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def obtain_token(state_dir: Path) -> tuple[SecretStr, Path]:
    """The token of this installation, made at the first call and kept in a file of mode 0600.

    It stays the same from start to start, so that clients need be set up only once.
    Raises ConfigError where it cannot be kept.
    """
    path = state_dir / TOKEN_FILE_NAME
    try:
        return _keep_token(path), path
    except OSError as error:
        raise ConfigError(
            f"The bearer token cannot be kept in {path}: {(error.strerror or 'error').lower()}.",
            "Set NETBOX_MCP_TOKEN, or NETBOX_MCP_STATE_DIR to a directory that can be written.",
        ) from None


def _keep_token(path: Path) -> SecretStr:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        token = path.read_text(encoding="ascii").strip()
        if token:
            return SecretStr(token)
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
    return SecretStr(token)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
