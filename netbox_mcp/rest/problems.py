"""Errors over HTTP: problem details (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from netbox_mcp.failures import PROBLEM_TYPE, explain, problem
from netbox_mcp.statuses import STATUS_BY_CODE


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457): `detail` says what, `hint` the way out, `details` each place."""

    title: str
    status: int
    detail: str
    code: str
    hint: str
    retryable: bool
    details: list[dict[str, Any]]
    detail_count: int


def answer_with(error: Exception, status: int | None = None) -> JSONResponse:
    """The answer that tells of an error, with all its details."""
    reply = explain(error, all_details=True)
    status = status or STATUS_BY_CODE.get(reply.code, 500)
    return _AsciiResponse(problem(reply, status), status, media_type=PROBLEM_TYPE)


class _AsciiResponse(JSONResponse):
    """JSON that can repeat whatever was sent, half a character too."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")
