"""Who may call over HTTP: a bearer token, compared in constant time.

`TokenGate` stands before everything that the HTTP host serves, save the open
paths; which scope opens what is in access.py, and finer than here at each route
and tool. Where no token is configured, one is made and kept in a file that only
its owner can read; a token is never printed or logged, and only digests of tokens
are kept in memory.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, TokenVerifier
from pydantic import SecretStr
from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as ScopeOfAsgi

from netbox_mcp.access import EVERYTHING, Client, ForbiddenError, Scope, included, require
from netbox_mcp.config import Settings, sha256_of
from netbox_mcp.failures import PROBLEM_TYPE, ErrorReply, explain, problem
from orchestrator.netbox import ConfigError

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
REST_PATH = "/api/v1"
DASHBOARD_PATH = "/rq"
UNAUTHORIZED = ErrorReply(
    code="unauthorized",
    message="This server wants a bearer token.",
    hint="Send 'Authorization: Bearer <token>'; the server names at its start where its tokens come from.",
)
TOKEN_FILE_NAME = "http-token"  # noqa: S105


class StaticTokenVerifier(TokenVerifier):
    """Accepts the tokens of these callers; no scope goes beyond `most`."""

    def __init__(self, clients: Iterable[Client], most: frozenset[Scope]) -> None:
        self._clients = list(clients)
        self._most = most

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller's identity, or None for a token that is not ours."""
        presented = sha256_of(SecretStr(token))
        # Every digest is compared, so that the time taken tells nothing about which one came close.
        matches = [(hmac.compare_digest(presented, client.sha256), client) for client in self._clients]
        found = next((client for is_it, client in matches if is_it), None)
        if found is None:
            return None
        scopes = sorted(scope.value for scope in included(found.scopes) & self._most)
        return AccessToken(token=found.name, client_id=found.name, scopes=scopes)


class AnyVerifier(TokenVerifier):
    """Accepts what any of several verifiers does."""

    def __init__(self, verifiers: Sequence[TokenVerifier]) -> None:
        self._verifiers = verifiers

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller's identity by the first that knows the token."""
        for verifier in self._verifiers:
            found = await verifier.verify_token(token)
            if found is not None:
                return found
        return None


def callers(tokens: Sequence[SecretStr], settings: Settings) -> list[Client]:
    """Everybody who may call: holders of these tokens, of the approve token, and the configured clients.

    Where no name is configured, a caller is named after its token's digest.
    """
    given: list[tuple[SecretStr, frozenset[Scope]]] = [(token, EVERYTHING) for token in tokens]
    if settings.approve_token is not None:
        given.append((settings.approve_token, frozenset({Scope.APPROVE})))
    unnamed = [(sha256_of(token), scopes) for token, scopes in given if token.get_secret_value()]
    return [
        *(
            Client(name=f"token-{sha256[:8]}", sha256=sha256, scopes=tuple(scopes))
            for sha256, scopes in unnamed
        ),
        *settings.clients,
    ]


def name_of(token: AccessToken) -> str:
    """Who it is, for the audit and for limits: the client, and for whom it acts where that is told."""
    return f"{token.client_id}/{token.subject}" if token.subject else token.client_id


def caller_over_http() -> str | None:
    """Who has sent the request at hand; None where there is no request."""
    token = get_access_token()
    return name_of(token) if token is not None else None


def scopes_of_caller() -> list[str]:
    """What the caller of the request at hand may do; nothing where there is no caller."""
    token = get_access_token()
    return token.scopes if token is not None else []


class BasicIsBearer:
    """ASGI middleware: at the dashboard, the password of HTTP Basic is the bearer token.

    A browser cannot send any other header by itself. The user name does not matter.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: ScopeOfAsgi, receive: Receive, send: Send) -> None:
        """Hand the request on, with a bearer token if it came with HTTP Basic."""
        if scope["type"] == "http" and is_dashboard(scope):
            headers = [(name, _as_bearer(value)) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


def is_dashboard(scope: ScopeOfAsgi) -> bool:
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

    403 for the dashboard without the scope `admin`, and for all that is no route of REST without `read`.

    It runs inside Starlette's AuthenticationMiddleware, which has already put
    the caller into the scope.
    """

    def __init__(
        self, app: ASGIApp, open_paths: Collection[str] = OPEN_PATHS, metadata_url: str | None = None
    ) -> None:
        self._app = app
        self._open = open_paths
        where = f', resource_metadata="{metadata_url}"' if metadata_url else ""
        self._challenge = f'Bearer error="invalid_token", scope="read plan"{where}'.encode()
        self._more = f'Bearer error="insufficient_scope", scope="read"{where}'.encode()

    async def __call__(self, scope: ScopeOfAsgi, receive: Receive, send: Send) -> None:
        """Let the request pass or answer 401 or 403; a websocket is closed."""
        if scope["type"] == "lifespan" or scope.get("path") in self._open:
            await self._app(scope, receive, send)
            return
        user = scope.get("user")
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif user is None or not user.is_authenticated:
            scheme = b'Basic realm="netbox-mcp"' if is_dashboard(scope) else self._challenge
            await _refuse(send, 401, UNAUTHORIZED, (b"www-authenticate", scheme))
        else:
            try:
                _check_place(scope)
            except ForbiddenError as error:
                await _refuse(send, 403, explain(error), (b"www-authenticate", self._more))
            else:
                await self._app(scope, receive, send)


def _check_place(scope: ScopeOfAsgi) -> None:
    """Raise ForbiddenError where the caller has no business at all. Routes of REST say what each needs."""
    held = scope["auth"].scopes
    if is_dashboard(scope):
        require(held, Scope.ADMIN)
    elif not str(scope.get("path")).startswith(f"{REST_PATH}/"):
        require(held, Scope.READ)


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
