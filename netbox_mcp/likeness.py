"""Whether a value that NetBox shows is the one that somebody wants to write, for types beyond the catalog."""

from __future__ import annotations

from typing import Any

from orchestrator.ports import Row


def says(live: Any, wanted: Any) -> bool:
    """Whether NetBox's value is already what is wanted: by value, id, or the attributes that are named."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return all(says(live.get(name), value) for name, value in wanted.items())
    if isinstance(live, list) and isinstance(wanted, list):
        return len(live) == len(wanted) and all(map(says, live, wanted))
    known = plain(live)
    if known in (None, "") and wanted in (None, ""):
        return True
    return bool(known == wanted) or (isinstance(known, float) and str(known) == str(wanted))


def with_tags(live: Row, wanted: Any) -> list[Any]:
    """The tags that are there and those that are wanted: tags are added, never replaced (design rule 4)."""
    there = live.get("tags") or []
    named = [{"name": tag} if isinstance(tag, str) else tag for tag in wanted]
    new = [tag for tag in named if not any(says(one, tag) for one in there)]
    return [*there, *new] if not new else [*({"id": tag["id"]} for tag in there), *new]


def plain(live: Any) -> Any:
    """NetBox's value as it would be written: a choice by its value, a reference by its id."""
    if isinstance(live, dict):
        return live.get("value", live.get("id", live))
    if isinstance(live, list):
        return [plain(part) for part in live]
    return live
