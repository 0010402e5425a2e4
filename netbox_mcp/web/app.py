"""The pages as one application, and the fork before everything else that the HTTP server answers.

The pages know their people by a session, all others by a bearer token. Neither is ever asked for the other's.
"""

from __future__ import annotations

from typing import Any

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.provider import TokenVerifier
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from netbox_mcp.config import Settings
from netbox_mcp.failures import OverLimitError, UsageError
from netbox_mcp.rate_limit import RateLimit
from netbox_mcp.web import batch_pages, plan_pages, task_pages
from netbox_mcp.web.answers import go_to, problem_page
from netbox_mcp.web.gate import Gate, SafeHeaders
from netbox_mcp.web.paths import SIGN_IN, SIGN_OUT, STATIC, is_page
from netbox_mcp.web.sessions import Sessions
from netbox_mcp.web.sign_in import SignIn
from orchestrator.errors import OrchestratorError


class Fork:
    """ASGI middleware: what is asked for a page goes to the pages, the rest its own way."""

    def __init__(self, app: ASGIApp, pages: ASGIApp) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        is_ours = scope["type"] != "lifespan" and is_page(scope["path"])
        await (self._pages if is_ours else self._app)(scope, receive, send)


def build_pages(settings: Settings, verifier: TokenVerifier) -> ASGIApp:
    """The application. Who holds a token that `verifier` accepts can sign in."""
    sessions = Sessions(settings.session_seconds)
    app: ASGIApp = Starlette(routes=_routes(sessions, verifier), exception_handlers=_PROBLEMS)
    if settings.requests_per_minute:
        app = RateLimit(app, settings.requests_per_minute, _too_often)
    return SafeHeaders(Gate(AuthContextMiddleware(app), sessions))


def _routes(sessions: Sessions, verifier: TokenVerifier) -> list[Route | Mount]:
    entrance, tasks = SignIn(sessions, verifier), task_pages.TaskPages(sessions)
    return [
        Route(SIGN_IN, entrance.show),
        Route(SIGN_IN, entrance.sign_in, methods=["POST"]),
        Route(SIGN_OUT, entrance.sign_out, methods=["POST"]),
        Mount(STATIC.rstrip("/"), StaticFiles(packages=[("netbox_mcp.web", "static")])),
        Route("/", task_pages.show_list),
        Route("/tasks", _to_list),
        Route("/tasks/events", tasks.list_events),
        Route("/tasks/{task_id}", task_pages.show_task),
        Route("/tasks/{task_id}/events", tasks.task_events),
        Route("/tasks/{task_id}/report.html", task_pages.save_report),
        Route("/tasks/{task_id}/cancel", task_pages.cancel_task, methods=["POST"]),
        Route("/tasks/{task_id}/resume", task_pages.resume_task, methods=["POST"]),
        Route("/plans", plan_pages.show_list),
        Route("/plans/{plan_id}", plan_pages.show_plan),
        Route("/plans/{plan_id}/approve", plan_pages.approve_plan, methods=["POST"]),
        Route("/plans/{plan_id}/apply", plan_pages.apply_plan, methods=["POST"]),
        Route("/batches/{batch_id}", batch_pages.show_batch),
        Route("/batches/{batch_id}/rollback", batch_pages.show_rollback),
        Route("/batches/{batch_id}/rollback", batch_pages.plan_rollback, methods=["POST"]),
    ]


async def _to_list(_request: Request) -> Response:
    return go_to("/")


def _tell(request: Request, error: Exception) -> Response:
    return problem_page(request, error)


def _tell_of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code != 404:
        return problem_page(request, UsageError(f"{error.detail}."), error.status_code)
    nothing = UsageError(f"There is no page at {request.url.path[:200]}.", "Go to the list of tasks.")
    return problem_page(request, nothing, 404)


_PROBLEMS: dict[Any, Any] = {OrchestratorError: _tell, HTTPException: _tell_of_http, Exception: _tell}


def _too_often(error: OverLimitError) -> Response:
    return Response(f"{error.message} {error.hint}\n", 429, media_type="text/plain")
