"""What each page asks of whoever comes: a scope, and for what changes something a form of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from netbox_mcp.access import ForbiddenError, Scope, require
from netbox_mcp.web.forms import check_form_token, check_origin, read_form
from netbox_mcp.web.gate import session_of

Form = dict[str, str]
Page = Callable[[Request], Awaitable[Response]]


def looks(*any_of: Scope) -> Callable[[Callable[[Request], Response]], Page]:
    """A page for whoever holds one of these scopes. It is made in a thread."""

    def wrap(make: Callable[[Request], Response]) -> Page:
        async def answer(request: Request) -> Response:
            require(request.auth.scopes, *any_of)
            return await run_in_threadpool(make, request)

        return answer

    return wrap


def acts(*any_of: Scope) -> Callable[[Callable[[Request, Form], Response]], Page]:
    """What a form does, for whoever holds one of these scopes. It is done in a thread."""

    def wrap(do: Callable[[Request, Form], Response]) -> Page:
        async def answer(request: Request) -> Response:
            form = await own_form(request)
            require(request.auth.scopes, *any_of)
            return await run_in_threadpool(do, request, form)

        return answer

    return wrap


async def own_form(request: Request) -> Form:
    """The fields of a form that we have made for this session. Raises ForbiddenError for any other."""
    check_origin(request)
    session = session_of(request)
    if session is None:
        raise ForbiddenError("You are not signed in.", "Sign in.")
    form = await read_form(request)
    check_form_token(session, form)
    return form
