"""From values to an answer: a page with its frame, and a page that says what went wrong."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from netbox_mcp import __version__
from netbox_mcp.access import Scope
from netbox_mcp.auth import DASHBOARD_PATH, name_of
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import explain
from netbox_mcp.statuses import STATUS_BY_CODE
from netbox_mcp.web.gate import session_of
from netbox_mcp.web.rendering import render


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page from a template, in the frame of base.html."""
    return HTMLResponse(render(template, **_frame(request), **values), status)


def go_to(path: str) -> Response:
    """What answers a form that has done its work: the page to look at now."""
    return RedirectResponse(path, 303)


def problem_page(request: Request, error: Exception, status: int | None = None) -> Response:
    """A page that says what went wrong, and what to do about it."""
    reply = explain(error)
    # What a form is sent to lies beneath the page that it stands on.
    back = request.url.path.rpartition("/")[0] if request.method == "POST" else ""
    status = status or STATUS_BY_CODE.get(reply.code, 500)
    return page(request, "problem.html", status, problem=reply, back=back)


def _frame(request: Request) -> dict[str, Any]:
    """What every page shows, whoever has asked for it."""
    session, settings = session_of(request), get_settings()
    held = session.who.scopes if session is not None else []
    return {
        "who": name_of(session.who) if session is not None else "",
        "may": {scope.value: scope in held for scope in Scope},
        "form_token": session.form_token if session is not None else "",
        "here": request.url.path,
        "dashboard": DASHBOARD_PATH if settings.redis_url is not None else "",
        "dry_run": settings.dry_run,
        "read_only": settings.read_only,
        "version": __version__,
    }
