"""The platform over HTTP, below /api/v1.

Every tool can be called with `POST /execute`; what a pipeline needs most has an
address of its own. auth.py decides who may come here at all, and each route says
which scope it needs (permission.py).
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from netbox_mcp.auth import REST_PATH
from netbox_mcp.failures import PROBLEM_TYPE, UsageError, complaints
from netbox_mcp.rest import plans, tasks, tools
from netbox_mcp.rest.body_limit import BodyLimit
from netbox_mcp.rest.problems import ProblemDetails, answer_with
from orchestrator.errors import OrchestratorError

__all__ = ["BodyLimit", "add_routes"]


def add_routes(app: FastAPI) -> None:
    """Put the routes on the application, and the one shape of errors around them."""
    router = APIRouter(
        prefix=REST_PATH, responses={"default": {"model": ProblemDetails, "content": {PROBLEM_TYPE: {}}}}
    )
    for part in (tools, tasks, plans):
        router.include_router(part.router)
    app.include_router(router)

    async def nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
        await _nothing_here(app, Request(scope))(scope, receive, send)

    app.mount("/api", nothing_here)  # whatever the method

    @app.exception_handler(RequestValidationError)
    def tell_what_is_wrong(_request: Request, error: RequestValidationError) -> JSONResponse:
        # The first part of a place is "body" or "query".
        problems = complaints({**one, "loc": one["loc"][1:]} for one in error.errors())
        return answer_with(UsageError("The request cannot be understood.", "See the details.", problems))

    @app.exception_handler(OrchestratorError)
    def tell(_request: Request, error: OrchestratorError) -> JSONResponse:
        return answer_with(error)

    @app.exception_handler(HTTPException)
    def tell_in_our_shape(_request: Request, error: HTTPException) -> JSONResponse:
        return answer_with(UsageError(f"{error.detail}."), error.status_code)

    @app.exception_handler(Exception)
    def tell_what_was_unforeseen(_request: Request, error: Exception) -> JSONResponse:
        return answer_with(error)


def _nothing_here(app: FastAPI, request: Request) -> JSONResponse:
    nothing = UsageError(
        f"There is nothing at {request.url.path} for {request.method}.",
        f"{REST_PATH}/openapi.json describes what there is.",
    )
    taken = _methods_at(app, request.url.path)
    answer = answer_with(nothing, 405 if taken else 404)
    if taken:
        answer.headers["allow"] = ", ".join(taken)
    return answer


def _methods_at(app: FastAPI, path: str) -> list[str]:
    """The methods that a path is there for, by the description of the API."""
    for described, methods in app.openapi()["paths"].items():
        if compile_path(described)[0].match(path):
            return sorted(method.upper() for method in methods)
    return []
