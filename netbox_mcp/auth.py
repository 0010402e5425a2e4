"""Who may call over HTTP: a bearer token, compared in constant time.

`TokenGate` stands before everything that the HTTP host serves, save the open
paths. Where no token is configured, one is made and kept in a file that only
its owner can read; a token is never printed or logged.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from mcp.server.auth.provider import AccessToken, TokenVerifier
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.netbox import ConfigError

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
TOKEN_FILE_NAME = "http-token"  # noqa: S105


class StaticTokenVerifier(TokenVerifier):
    """Accepts the tokens it was given; keeps only their digests."""

    def __init__(self, tokens: Sequence[SecretStr]) -> None:
        self._digests = [_digest(token.get_secret_value()) for token in tokens if token.get_secret_value()]

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller's identity, or None for a token that is not ours."""
        presented = _digest(token)
        # Every digest is compared, so that the time taken tells nothing about which one came close.
        matches = [hmac.compare_digest(presented, known) for known in self._digests]
        if not any(matches):
            return None
        name = f"token-{presented.hex()[:8]}"
        return AccessToken(token=name, client_id=name, scopes=[])


class TokenGate:
    """ASGI middleware: 401 for every request without a valid bearer token, save the open paths.

    It runs inside Starlette's AuthenticationMiddleware, which has already put
    the caller into the scope.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request pass or answer 401; a websocket is closed."""
        if scope["type"] == "lifespan" or scope.get("path") in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        user = scope.get("user")
        if user is not None and user.is_authenticated:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _send_unauthorized(send)


async def _send_unauthorized(send: Send) -> None:
    body = json.dumps(
        {
            "code": "unauthorized",
            "message": "This server wants a bearer token.",
            "hint": "Send 'Authorization: Bearer <token>'; the token is in NETBOX_MCP_TOKEN or in the file "
            "that the server names when it starts.",
            "details": [],
        }
    ).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b'Bearer error="invalid_token"'),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
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
