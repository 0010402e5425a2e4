"""Errors on their way out: one shape for a language model, a pipeline and a person.

Every error becomes `{code, message, hint, retryable, details, detail_count}`. What
was not foreseen keeps its text in the log and shows only its kind.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from orchestrator.errors import OrchestratorError

MAX_DETAILS = 20
MAX_REPLY_CHARS = 7_000
PROBLEM_TYPE = "application/problem+json"
_MAX_TEXT = 400


class ErrorReply(BaseModel):
    """What went wrong, as every face of the platform says it."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = Field(default=False, description="whether the same call may succeed later")
    details: list[dict[str, Any]] = Field(default_factory=list)
    detail_count: int = 0


class UsageError(OrchestratorError):
    """The call itself is wrong: arguments that are missing, unknown or contradict each other."""

    code = "invalid_arguments"

    def __init__(self, message: str, hint: str = "", problems: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message, hint)
        self._problems = problems or []

    def details(self) -> list[dict[str, Any]]:
        """One entry per argument at fault."""
        return self._problems


class TooLargeError(OrchestratorError):
    """The document is too large to be handled while the caller waits."""

    code = "too_large"


class OverLimitError(OrchestratorError):
    """A caller asks more often than it may."""

    code = "rate_limited"
    retryable = True


def explain(error: BaseException, all_details: bool = False) -> ErrorReply:
    """Put an exception into the common shape: the first 20 details and their count, or all of them."""
    if not isinstance(error, OrchestratorError):
        return ErrorReply(
            code="internal_error",
            message=f"Something unforeseen went wrong ({type(error).__name__}).",
            hint="The log of the server has the particulars. Check the state before you repeat a write.",
        )
    details = error.details()
    shown = details if all_details else details[:MAX_DETAILS]
    limit = 10_000 if all_details else _MAX_TEXT
    reply = ErrorReply(
        code=error.code,
        message=shorten(error.message, limit),
        hint=shorten(error.hint, limit),
        retryable=error.retryable,
        details=[{key: _shorten_value(value, limit) for key, value in entry.items()} for entry in shown],
        detail_count=len(details),
    )
    while not all_details and reply.details and len(reply.model_dump_json()) > MAX_REPLY_CHARS:
        reply.details.pop()
    return reply


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean ...?` with the known name that is nearest to a misspelt one, or an empty string."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}?" if close else ""


def complaints(errors: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What pydantic found wrong, as details: where and why, without repeating what was sent."""
    return [
        {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"], "hint": ""}
        for one in errors
    ]


def problem(reply: ErrorReply, status: int) -> dict[str, Any]:
    """The same as problem details over HTTP (RFC 9457): our message is its `detail`."""
    said = reply.model_dump(mode="json")
    title = said["code"].replace("_", " ").capitalize()
    return {"title": title, "status": status, "detail": said.pop("message"), **said}


def shorten(text: str, limit: int) -> str:
    """The text, cut with an ellipsis when it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _shorten_value(value: Any, limit: int) -> Any:
    return shorten(value, limit) if isinstance(value, str) else value
