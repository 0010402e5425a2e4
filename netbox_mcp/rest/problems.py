"""Errors over HTTP: problem details (RFC 9457), and the status that each of our codes has there."""

from __future__ import annotations

import json
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from netbox_mcp.failures import PROBLEM_TYPE, explain, problem

_CODES_BY_STATUS = {
    403: ("forbidden",),
    404: ("unknown_input", "unknown_task", "unknown_target", "not_found"),
    409: (
        "task_ended",
        "nothing_to_resume",
        "stale_plan",
        "not_applyable",
        "stored_plan_changed",
        "idempotency_conflict",
        "batch_unfinished",
        "cannot_roll_back",
        "plan_required",
        "not_approved",
        "dry_run",
        "target_busy",
        "rejected",
    ),
    413: ("too_large",),
    422: ("invalid_arguments", "invalid_document", "invalid_filter", "unknown_name", "bad_cursor"),
    429: ("rate_limited",),
    502: ("netbox_error", "netbox_access_denied", "unknown_outcome"),
    503: (
        "netbox_unreachable",
        "redis_unavailable",
        "invalid_configuration",
        "worker_not_signed_off",
        "journal_unavailable",
        "lease_lost",
    ),
}
STATUS_BY_CODE = {code: status for status, codes in _CODES_BY_STATUS.items() for code in codes}


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
