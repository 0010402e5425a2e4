"""NetBox's changelog: what to ask it for, and its entries as LoggedChange (ports.py).

An entry names the request that made it. The message that came with a write is
on the objects that were written, not on what NetBox changed along with them
(components of a new device, what a delete takes along or clears).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import NetBoxError
from orchestrator.ports import LoggedChange

CHANGELOG_PATH = "core/object-changes"
# Without `changed_object`, which would be the whole object as it is now.
_FIELDS = (
    "id,time,user_name,request_id,action,changed_object_type,changed_object_id,"
    "object_repr,message,prechange_data,postchange_data"
)
_TYPES: Mapping[str, str] = {row.model: row.name for row in OBJECT_TYPES.values()}


def changelog_parameters(page_size: int) -> list[tuple[str, str | int]]:
    """What every question to the changelog has in common; pages go by id."""
    return [("fields", _FIELDS), ("ordering", "id"), ("limit", page_size)]


def parse_moment(text: str) -> datetime:
    """An ISO 8601 moment; without a zone it is UTC. Raises NetBoxError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NetBoxError(f"{text!r} is no moment in ISO 8601; the changelog was not asked.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_entry(entry: Mapping[str, Any]) -> LoggedChange | None:
    """One entry, or None when it is about an object type that the catalog does not know."""
    object_type = _TYPES.get(entry["changed_object_type"])
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


def _value(choice: Any) -> str:
    """NetBox shows a choice as {"value", "label"}."""
    return str(choice["value"] if isinstance(choice, Mapping) else choice)
