"""The clock and the changelog of the NetBox in memory (testing.py), in the notation of the real one.

NetBox logs model fields: references by id (content types are named, as
RestNetBox does), tags by name, decimals as text. Its changelog leaves out
when an object was made and changed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.catalog import ObjectType
from orchestrator.ports import LoggedChange, Row

_NOT_LOGGED = frozenset({"id", "created", "last_updated"})
_DECIMAL_PLACES = {"u_height": 1, "position": 1, "weight": 2, "latitude": 6, "longitude": 6}
_EMPTY_TEXT = frozenset({"face"})  # a choice that NetBox stores as "" where it has none

Tables = dict[str, dict[int, Row]]


class MemoryClock:
    """Tells the time, and never the same twice."""

    def __init__(self) -> None:
        self._last = datetime.now(UTC)

    def now(self) -> str:
        """A moment after all that were told before, as NetBox writes it."""
        self._last = max(datetime.now(UTC), self._last + timedelta(microseconds=1))
        return self._last.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class MemoryLog:
    """What was written, oldest first."""

    def __init__(self, clock: MemoryClock, user: str) -> None:
        self.entries: list[LoggedChange] = []
        self._clock = clock
        self._user = user

    def add(
        self,
        tables: Tables,
        row: ObjectType,
        before: Row | None,
        after: Row | None,
        message: str,
        request: str,
    ) -> None:
        """One object was created (no `before`), updated or deleted (no `after`)."""
        if not row.logged:
            return
        there = after or before or {}
        self.entries.append(
            LoggedChange(
                object_type=row.name,
                object_id=there["id"],
                action="create" if before is None else "delete" if after is None else "update",
                before=_logged(tables, row, before) if before else {},
                after=_logged(tables, row, after) if after else {},
                user=self._user,
                time=self._clock.now(),
                request_id=request,
                message=message,
                label=_label(tables, row, there),
            )
        )


def _label(tables: Tables, row: ObjectType, live: Row) -> str:
    """What NetBox calls an object in its changelog."""
    name, more = str(live.get(row.label)), ""
    if row.name == "devices":
        more = live["asset_tag"]
        if not live["name"]:
            kind = tables["device_types"][live["device_type"]]
            name = f"{tables['manufacturers'][kind['manufacturer']]['name']} {kind['model']}"
            more = more or live["id"]
    elif row.name == "interfaces":
        more = live["label"]
    elif row.name == "custom_fields":
        name = live["label"] or live["name"].replace("_", " ").capitalize()
    return f"{name} ({more})" if more else name


def _logged(tables: Tables, row: ObjectType, live: Row) -> Row:
    return {
        name: _logged_value(tables, row, name, value)
        for name, value in live.items()
        if name not in _NOT_LOGGED and name not in row.unlogged
    }


def _logged_value(tables: Tables, row: ObjectType, name: str, value: Any) -> Any:
    if name == "tags":
        return sorted(tables["tags"][tag]["name"] for tag in value)
    if value is None:
        return "" if name in _EMPTY_TEXT else None
    if name == "object_types":
        return sorted(value)
    if name in _DECIMAL_PLACES and not isinstance(value, str):  # module bays have a position, too, in words
        return f"{float(value):.{_DECIMAL_PLACES[name]}f}"
    return value
