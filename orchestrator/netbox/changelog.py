"""NetBox's changelog: what to ask it for, and its entries as LoggedChange (ports.py).

An entry names the request that made it. The message that came with a write is
on the objects that were written, not on what NetBox changed along with them
(components of a new device, what a delete takes along or clears).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.catalog import BY_MODEL, OBJECT_TYPES
from orchestrator.errors import NetBoxError
from orchestrator.ports import LoggedChange, Row
from orchestrator.schema import load_schema

CHANGELOG_PATH = "core/object-changes"
# Without `changed_object`, which would be the whole object as it is now.
_FIELDS = (
    "id,time,user_name,request_id,action,changed_object_type,changed_object_id,"
    "object_repr,message,prechange_data,postchange_data"
)
CHANGELOG_PARAMETERS: tuple[tuple[str, str | int], ...] = (("fields", _FIELDS),)
"""What every question to the changelog has in common."""


def parse_moment(text: str) -> datetime:
    """An ISO 8601 moment; without a zone it is UTC. Raises NetBoxError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NetBoxError(f"{text!r} is no moment in ISO 8601; the changelog was not asked.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_message(kept: str, message: str) -> bool:
    """Whether the message of an entry is this one, or this one with a remark in brackets behind it."""
    kept = kept.strip()
    return kept == message or kept.startswith(f"{message} (")


def parse_entry(entry: Mapping[str, Any]) -> LoggedChange | None:
    """One entry, or None when it is about an object type that the catalog does not know."""
    object_type = BY_MODEL.get(entry["changed_object_type"])
    if object_type is None:
        return None
    return LoggedChange(
        object_type=object_type,
        object_id=int(entry["changed_object_id"]),
        action=_value(entry["action"]),
        before=entry["prechange_data"] or {},
        after=entry["postchange_data"] or {},
        user=entry["user_name"] or "",
        time=entry["time"],
        request_id=entry["request_id"],
        message=entry["message"] or "",
        label=entry["object_repr"],
    )


def name_types(
    changes: Iterable[LoggedChange], names_of: Callable[[set[int]], Mapping[int, str]]
) -> list[LoggedChange]:
    """The entries with types by name, as rows show them; NetBox logs the ids of its content types.

    `names_of` is only asked where there are any. A type that it does not know keeps its id.
    """
    changes = list(changes)
    ids = {
        type_id
        for change in changes
        for row in (change.before, change.after)
        for name in _type_fields(change)
        for type_id in _several(row.get(name))
    }
    names = names_of(ids) if ids else {}
    return [
        replace(
            change, before=_named(change, change.before, names), after=_named(change, change.after, names)
        )
        for change in changes
    ]


def _type_fields(change: LoggedChange) -> list[str]:
    """The fields that hold content types: what a pointer points to, and what a definition is for."""
    specs = load_schema().get(change.object_type, {})
    halves = [f"{name}_type" for name in OBJECT_TYPES[change.object_type].generic]
    return [*halves, *(name for name in ("object_types", "related_object_type") if name in specs)]


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _named(change: LoggedChange, row: Row, names: Mapping[int, str]) -> Row:
    named: Row = {}
    for name in (name for name in _type_fields(change) if name in row):
        known = [names.get(one, one) for one in _several(row[name])]
        named[name] = sorted(known) if isinstance(row[name], list) else next(iter(known), None)
    return row | named


def _value(choice: Any) -> str:
    """NetBox shows a choice as {"value", "label"}."""
    return str(choice["value"] if isinstance(choice, Mapping) else choice)
