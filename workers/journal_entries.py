"""What a journal holds: intents (about to be done) and outcomes (done), and how to page through them.

Shared by the journal in Redis and the one in SQLite, so that both keep the
same and read alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import orjson

from orchestrator.errors import OrchestratorError
from orchestrator.models import Change, Intent, Outcome, Pass, Planned, Result


@dataclass(frozen=True, slots=True)
class OutcomePage:
    """Some outcomes in the order in which they were settled; `next_cursor` None: these were the last."""

    outcomes: tuple[Outcome, ...]
    next_cursor: str | None


Counts = dict[str, dict[str, int]]
"""Object type -> result -> number."""

_PLANNED = "$planned"
_OUTCOME_FIELDS = frozenset(field.name for field in fields(Outcome))


def intent_row(change: Change, sent: Mapping[str, Any], run: int = 1) -> dict[str, Any]:
    """An intent as plain JSON types."""
    return {
        "change_id": change.id,
        "action": change.action.value,
        "object_type": change.object_type,
        "label": change.label,
        "path": change.path,
        "live_id": change.live_id,
        "before": change.before_image(),
        "after": dict(change.after),
        "key": dict(change.key),
        "sent": dict(sent),
        "passes": change.passes.value,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "run": run,
    }


def dump(value: Any) -> bytes:
    """JSON; what JSON does not know (a date) as text, references to what is not there yet as `$planned`."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS)


def _plain(value: Any) -> Any:
    if isinstance(value, Planned):
        return {_PLANNED: value.change_id}
    return dict(value) if isinstance(value, Mapping) else str(value)


def intent_from(row: Mapping[str, Any]) -> Intent:
    """An intent from plain JSON types. Lists of ids stay lists; whoever compares them knows (deeds.py)."""
    return Intent(**{**row, "after": _revived(row["after"]), "key": _revived(row["key"])})


def _revived(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in fields.items()}


def _value(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {_PLANNED}:
        return Planned(value[_PLANNED])
    return list(map(_value, value)) if isinstance(value, list) else value


def outcome_from(row: Mapping[str, Any]) -> Outcome:
    """An outcome from plain JSON types."""
    known = {"result": Result(row["result"]), "passes": Pass(row["passes"]), "run": row.get("run") or 1}
    told = {name: value for name, value in row.items() if name in _OUTCOME_FIELDS}
    return Outcome(**{**told, **known})


def read_cursor(cursor: str | None) -> int:
    """The position that a cursor stands for. Raises BadCursorError for one that is not ours."""
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 15:
        raise BadCursorError(cursor)
    return int(cursor)


class BadCursorError(OrchestratorError):
    """The cursor is not one that a report has given."""

    code = "bad_cursor"

    def __init__(self, cursor: str) -> None:
        super().__init__(
            f"{cursor[:40]!r} is not a cursor of a report.",
            hint="Leave it out for the first page, then pass what the page gave as next_cursor.",
        )
