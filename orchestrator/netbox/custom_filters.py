"""Filters by custom fields, as `cf_owner`: which NetBox honours, and which it would ignore.

They are no part of the OpenAPI document. The rules are those of NetBox 4.7
(`CustomField.to_filter` and `BaseFilterSet.get_additional_lookups`): what it has
for a field depends on its type and on its filter logic. A test asks a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.netbox.surface import BOOLEAN, MANY
from orchestrator.ports import Row

PREFIX = "cf_"
FIELDS = "name,type,filter_logic,object_types"
_OF_NUMBERS = frozenset({"n", "gt", "gte", "lt", "lte", "empty"})
_OF_TEXT = frozenset({"n", "ic", "nic", "isw", "nisw", "iew", "niew", "ie", "nie", "empty"})
_LOOKUPS: Mapping[str, frozenset[str]] = {
    "text": _OF_TEXT,
    "longtext": _OF_TEXT,
    "url": _OF_TEXT,
    "select": _OF_TEXT,
    "integer": _OF_NUMBERS,
    "decimal": _OF_NUMBERS,
    "date": _OF_NUMBERS,
    "datetime": _OF_NUMBERS,
    "object": _OF_NUMBERS,
    "boolean": frozenset(),
    "multiselect": frozenset(),
    "multiobject": frozenset(),
}
_PYTHON_TYPES = {"integer": "int", "decimal": "float", "object": "int", "multiobject": "int"}
_FREE_TEXT = frozenset({"text", "longtext", "url"})


def split_name(name: str) -> tuple[str, str]:
    """`cf_owner__ic` -> the field `owner` and the lookup `ic`. No field has two underscores in a row."""
    field, _, lookup = name.removeprefix(PREFIX).partition("__")
    return field, lookup


def takes(field: Row, lookup: str) -> str:
    """What a filter by this field takes: many values, or true and false."""
    return BOOLEAN if lookup == "empty" or (not lookup and _value(field["type"]) == "boolean") else MANY


def why_ignored(field: Row | None, model: str, lookup: str) -> str:
    """Why NetBox would ignore a filter by this field; empty where it does not."""
    if field is None:
        return "there is no such custom field"
    kind, logic = _value(field["type"]), _value(field["filter_logic"])
    if model not in field["object_types"]:
        return f"{model} does not have this custom field"
    if logic == "disabled":
        return "the filter logic of this custom field is disabled"
    if kind not in _LOOKUPS:
        return f"NetBox cannot filter by a custom field of type {kind}"
    if lookup and kind in _FREE_TEXT and logic == "loose":
        return "this custom field, whose filter logic is loose, is found by any part of it, and only so"
    if lookup and lookup not in _LOOKUPS[kind]:
        return f"a custom field of type {kind} has no {lookup}"
    return ""


def filters_by(field: Row, model: str) -> dict[str, str]:
    """Every filter by this field that NetBox has for a model: its name -> the Python type of one value."""
    kind = _value(field["type"])
    return {
        f"{PREFIX}{field['name']}{f'__{lookup}' if lookup else ''}": (
            "bool" if takes(field, lookup) == BOOLEAN else _PYTHON_TYPES.get(kind, "str")
        )
        for lookup in ("", *sorted(_LOOKUPS.get(kind, ())))
        if not why_ignored(field, model, lookup)
    }


def _value(choice: Any) -> str:
    return str(choice["value"] if isinstance(choice, Mapping) else choice)
