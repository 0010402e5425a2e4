"""The custom fields that there are once a document is applied: NetBox's, and those that it declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.live import canonical_field
from orchestrator.register import Register


@dataclass(frozen=True, slots=True)
class Definition:
    """One custom field: of which type its values are, and which types of objects have it; None if unknown."""

    kind: str
    models: Sequence[str] | None


def definitions_in(register: Register) -> dict[str, Definition]:
    """Name -> Definition. One that the document renames is known by its new name only."""
    nodes = register.nodes.get("custom_fields", ())
    declared = {node.live["id"] for node in nodes if node.live is not None}
    table = register.live.table("custom_fields")
    found = {
        row["name"]: Definition(_kind(canonical_field(table.row, row, "type")), row.get("object_types"))
        for row in table.by_id.values()
        if row["id"] not in declared
    }
    for node in nodes:
        models = node.fact("object_types")
        found[str(node.fact("name"))] = Definition(_kind(node.fact("type")), models)
    return found


def misfit(kind: str, value: Any) -> str:
    """What a custom field of this type takes, where a value is none of it; empty where it is."""
    fits, takes = _KINDS.get(kind, (_anything, ""))
    return "" if value in (None, "") or fits(value) else takes


def _kind(value: Any) -> str:
    return str(value or "")


def _anything(value: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_object(value: Any) -> bool:
    """An id, or what NetBox itself finds an object by."""
    return _is_whole(value) or isinstance(value, Mapping)


_TEXT = (_is_text, "text")
# NetBox extras/models/customfields.py, CustomField.validate
_KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("text", "longtext", "url", "select", "date", "datetime"), _TEXT),
    "integer": (_is_whole, "a whole number"),
    "decimal": (lambda value: type(value) in (int, float) or _is_text(value), "a number"),
    "boolean": (lambda value: type(value) is bool, "true or false"),
    "multiselect": (
        lambda value: isinstance(value, list) and all(map(_is_text, value)),
        "a list of choices",
    ),
    "object": (_is_object, "the NetBox id of an object"),
    "multiobject": (
        lambda value: isinstance(value, list) and all(map(_is_object, value)),
        "a list of NetBox ids",
    ),
}
