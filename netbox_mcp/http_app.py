"""The HTTP host: one FastAPI application with MCP at /mcp, REST at /api/v1, metrics, dashboard and pages.

Everything it serves is behind the bearer token, save /healthz and /readyz,
which answer one bare word; the pages are behind a session that the token opens
(web/app.py). It refuses to listen beyond this machine without a configured token.
"""

from __future__ import annotations

import gc
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import uvicorn
from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend
from mcp.server.auth.provider import TokenVerifier
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from pydantic import SecretStr
from starlette.middleware.authentication import AuthenticationMiddleware

from netbox_mcp import __version__, report_download
from netbox_mcp.access import Client
from netbox_mcp.addresses import is_loopback
from netbox_mcp.auth import (
    DASHBOARD_PATH,
    OPEN_PATHS,
    REST_PATH,
    AnyVerifier,
    BasicIsBearer,
    StaticTokenVerifier,
    TokenGate,
    callers,
    obtain_token,
    scopes_of_caller,
)
from netbox_mcp.config import Settings
from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.messages import MessageGate
from netbox_mcp.oauth import JwtVerifier, metadata_routes, metadata_url
from netbox_mcp.rate_limit import RateLimit
from netbox_mcp.rest import BodyLimit, add_routes
from netbox_mcp.rest.problems import answer_with
from netbox_mcp.server import build_server
from netbox_mcp.service import DEFAULT_TARGET, get_service
from netbox_mcp.web.app import Fork, build_pages
from orchestrator.netbox import ConfigError
from workers.connection import connect_briefly
from workers.dashboard import build_dashboard

READINESS_CACHE_SECONDS = 5.0
# A connection that nobody uses is the client's to close: both doing it after the same time (httpx and
# uvicorn: 5 s) fails a call now and then, and with it the client's MCP session. Go's clients wait 90 s.
IDLE_SECONDS = 120
MCP_PATH = "/mcp"
_MIDDLE_BETWEEN_FULL = 100  # collections of the middle generation; Python's own is 10


def build_http_app(settings: Settings, tokens: list[SecretStr]) -> FastAPI:
    """The application that `serve --transport http` runs; `tokens` open all of it."""
    who = callers(tokens, settings)
    server = build_server(settings, scopes_of_caller, [client.sha256 for client in who])
    mcp_app = server.streamable_http_app(
        streamable_http_path=MCP_PATH,
        transport_security=_host_rules(settings),
        max_request_body_size=settings.max_request_bytes,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    app = FastAPI(
        title="netbox-mcp-orchestrator",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{REST_PATH}/openapi.json",
    )
    ready = _Remembered(lambda: get_service().is_ready(), READINESS_CACHE_SECONDS)
    _add_probes(app, ready)
    _add_metrics(app, ready)
    app.include_router(report_download.router)
    add_routes(app)
    app.add_middleware(BodyLimit, most_bytes=settings.max_request_bytes, input_bytes=settings.max_input_bytes)
    # The last middleware added is the first to see a request: who calls, then whether they may.
    if settings.requests_per_minute:
        app.add_middleware(RateLimit, per_minute=settings.requests_per_minute, tell=answer_with)
    verifier = _add_gate(app, who, settings)
    app.add_middleware(Fork, pages=build_pages(settings, verifier))
    if settings.redis_url is not None:
        _mount_dashboard(app, settings)
    app.mount("/", RequestBodyLimitMiddleware(MessageGate(mcp_app, MCP_PATH), settings.max_request_bytes))
    return app


def _add_gate(app: FastAPI, who: list[Client], settings: Settings) -> TokenVerifier:
    """Put everything behind a token, and tell OAuth clients where to get one; returns what checks tokens."""
    verifiers: list[TokenVerifier] = [StaticTokenVerifier(who, settings.most_scopes)]
    gate: dict[str, Any] = {}
    if settings.oauth_issuer is not None:
        resource = f"{settings.public_url}{MCP_PATH}"
        verifiers.append(JwtVerifier(settings.oauth_issuer, resource, settings.most_scopes))
        routes = metadata_routes(settings.oauth_issuer, resource)
        app.router.routes.extend(routes)
        gate = {
            "open_paths": OPEN_PATHS | {route.path for route in routes},
            "metadata_url": metadata_url(resource),
        }
    app.add_middleware(TokenGate, **gate)
    app.add_middleware(AuthContextMiddleware)
    verifier = AnyVerifier(verifiers)
    app.add_middleware(AuthenticationMiddleware, backend=BearerAuthBackend(verifier))
    app.add_middleware(BasicIsBearer)
    return verifier


def serve_http(settings: Settings) -> None:
    """Listen until stopped. Raises ConfigError when it cannot, or may not without a configured token."""
    tokens, note = choose_tokens(settings)
    app = build_http_app(settings, tokens)
    listener = listen(settings.host, settings.port)
    print(
        f"MCP at http://{_url_host(settings.host)}:{settings.port}{MCP_PATH}; {note}",
        file=sys.stderr,
        flush=True,
    )
    _collect_seldom()
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=IDLE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _collect_seldom() -> None:
    """Keep the pauses of Python's garbage collector short and far apart: every client waits through them.

    Two hundred clients that wait are 75,000 objects, a tenth of a second for each full collection; what is
    loaded by now, and stays as long as the process, would make it three tenths.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _MIDDLE_BETWEEN_FULL)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError where that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"Cannot listen on {host} port {port}: {reason}.", "Choose another with --host and --port."
        ) from None
    # Connections inherit it. asyncio sets it on those of listeners it has made itself only; without it, each
    # answer waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def choose_tokens(settings: Settings) -> tuple[list[SecretStr], str]:
    """The tokens that open everything, and where they come from, in words. Never the token itself."""
    if settings.http_tokens:
        return settings.http_tokens, "bearer token from NETBOX_MCP_TOKEN"
    if settings.clients:
        return [], f"bearer tokens of {', '.join(client.name for client in settings.clients)}"
    if settings.oauth_issuer is not None:
        return [], f"bearer tokens of {settings.oauth_issuer}"
    if not is_loopback(settings.host):
        raise ConfigError(
            f"Refusing to listen on {settings.host} without a bearer token.",
            "Set NETBOX_MCP_TOKEN, or listen on 127.0.0.1.",
        )
    token, path = obtain_token(settings.state_dir)
    return [token], f"bearer token in {path}"


def _host_rules(settings: Settings) -> TransportSecuritySettings:
    """Which Host and Origin headers are answered; all others get 421 or 403 (DNS rebinding)."""
    names = ["127.0.0.1", "localhost", "[::1]", _url_host(settings.host), *settings.allowed_hosts]
    if settings.public_url is not None:
        names.append(urlsplit(settings.public_url).netloc)
    hosts = [pattern for name in names for pattern in (name, f"{name}:*")]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _add_probes(app: FastAPI, ready: _Remembered) -> None:
    @app.get("/healthz", response_class=PlainTextResponse, include_in_schema=False)
    async def healthz() -> str:
        return "ok"

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> PlainTextResponse:
        if await ready():
            return PlainTextResponse("ready")
        return PlainTextResponse("unready", status_code=503)


def _add_metrics(app: FastAPI, ready: _Remembered) -> None:
    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        accept, netbox_up = request.headers.get("accept", ""), {DEFAULT_TARGET: await ready()}
        body, content_type = await anyio.to_thread.run_sync(_tell_metrics, accept, netbox_up)
        return Response(body, headers={"content-type": content_type})


def _tell_metrics(accept: str, netbox_up: Mapping[str, bool]) -> tuple[bytes, str]:
    return get_task_manager().metrics(accept, netbox_up)


def _mount_dashboard(app: FastAPI, settings: Settings) -> None:
    dashboard: Any = WSGIMiddleware(cast(Any, build_dashboard(connect_briefly(settings))))

    @app.get(DASHBOARD_PATH, include_in_schema=False)
    def to_dashboard() -> RedirectResponse:
        return RedirectResponse(f"{DASHBOARD_PATH}/")

    app.mount(DASHBOARD_PATH, dashboard)


class _Remembered:
    """An answer kept for some seconds: the probe needs no token and must flood neither NetBox nor us.

    One asks, in a thread of its own; the others wait for that answer without a
    thread, so that the tools keep all of theirs.
    """

    def __init__(self, ask: Callable[[], bool], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = anyio.Lock()
        self._thread = anyio.CapacityLimiter(1)
        self._asked_at = float("-inf")
        self._answer = False

    async def __call__(self) -> bool:
        async with self._lock:
            if time.monotonic() - self._asked_at >= self._seconds:
                self._answer = await anyio.to_thread.run_sync(self._ask, limiter=self._thread)
                self._asked_at = time.monotonic()
            return self._answer
