"""Whether a value that NetBox shows is the one that somebody wants to write, for types beyond the catalog."""

from __future__ import annotations

from typing import Any

from netbox_mcp.failures import UsageError
from orchestrator.ports import Row


def says(live: Any, wanted: Any) -> bool:
    """Whether NetBox's value is already what is wanted.

    A reference is, by its id or by the attributes that are named; lists of references in any order.
    """
    if _is_reference(live) and isinstance(wanted, dict):
        return bool(wanted) and all(says(live.get(name), value) for name, value in wanted.items())
    if isinstance(live, list) and isinstance(wanted, list):
        return len(live) == len(wanted) and _pair_up(live, wanted)
    known = plain(live)
    if known in (None, "") and wanted in (None, ""):
        return True
    if isinstance(known, str | int | float) and isinstance(wanted, str | int | float):
        if isinstance(known, bool) or isinstance(wanted, bool):
            return known is wanted
        return known == wanted or str(known) == str(wanted)
    return bool(known == wanted)


def custom_fields_say(live: Row, wanted: Row) -> bool:
    """Whether the custom fields that are wanted are so already; others do not matter."""
    return all(says(live.get(name), value) for name, value in wanted.items())


def with_tags(live: Row, wanted: Any) -> list[Any]:
    """The tags that are there and those that are wanted: tags are added, never replaced (design rule 4)."""
    if not isinstance(wanted, list):
        raise UsageError("tags is no list.", "Give a list, as in ['core'].")
    there = live.get("tags") or []
    named = [{"name": tag} if isinstance(tag, str) else tag for tag in wanted]
    new = [tag for tag in named if not any(says(one, tag) for one in there)]
    return [*({"id": tag["id"]} for tag in there), *new] if new else there


def plain(live: Any) -> Any:
    """NetBox's value as it would be written: a choice by its value, a reference by its id."""
    if _is_reference(live):
        return live["id"]
    if isinstance(live, dict) and live.keys() == {"value", "label"}:
        return live["value"]
    if isinstance(live, list):
        return [plain(part) for part in live]
    return live


def _pair_up(live: list[Any], wanted: list[Any]) -> bool:
    """Whether each thing wanted is one of those there; references have no order, all else has."""
    if not all(map(_is_reference, live)):
        return all(map(says, live, wanted))
    left = list(live)
    for value in wanted:
        found = next((one for one in left if says(one, value)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _is_reference(live: Any) -> bool:
    """Whether NetBox shows another object here, not data of its own."""
    return isinstance(live, dict) and {"id", "url"} <= live.keys()
