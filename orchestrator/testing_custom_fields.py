"""Custom fields in the NetBox in memory (testing.py): definitions, and what may be written into them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.catalog import ENSURED, OBJECT_TYPES, ObjectType
from orchestrator.metadata import BATCH_FIELD, DIGESTS_FIELD, has_custom_fields
from orchestrator.ports import Row

DEFINITION_DEFAULTS: Row = {
    "label": "",
    "group_name": "",
    "description": "",
    "required": False,
    "unique": False,
    "nulls_first": False,
    "default": None,
    "related_object_type": None,
    "choice_set": None,
    "filter_logic": "loose",
    "ui_visible": "always",
    "ui_editable": "yes",
    "is_cloneable": False,
    "search_weight": 1000,
    "weight": 100,
}
# Far from the ids that tests see on their own objects.
_FIRST_METADATA_ID = 900_001

_VALUE_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "text": (lambda value: isinstance(value, str), "Value must be a string."),
    "longtext": (lambda value: isinstance(value, str), "Value must be a string."),
    "url": (lambda value: isinstance(value, str), "Value must be a string."),
    "integer": (lambda value: isinstance(value, int), "Value must be an integer."),
    "boolean": (lambda value: value in (True, False), "Value must be true or false."),
}


def metadata_definitions(moment: str) -> dict[int, Row]:
    """The two custom fields that an apply stamps objects with, as if they had been defined long ago."""
    models = [OBJECT_TYPES[name].model for name in ENSURED if has_custom_fields(OBJECT_TYPES[name])]
    rows: dict[int, Row] = {}
    for name, kind in ((BATCH_FIELD, "text"), (DIGESTS_FIELD, "json")):
        id_ = _FIRST_METADATA_ID + len(rows)
        common = {"id": id_, "created": moment, "last_updated": moment}
        rows[id_] = {**DEFINITION_DEFAULTS, **common, "name": name, "type": kind, "object_types": models}
    return rows


def fields_of(definitions: Mapping[int, Row], row: ObjectType) -> dict[str, Row]:
    """Name -> definition, of the custom fields that objects of a type have."""
    return {one["name"]: one for one in definitions.values() if row.model in one["object_types"]}


def initial_values(fields: Mapping[str, Row]) -> Row:
    """What a new object holds when nothing is said about its custom fields."""
    return {name: one.get("default") for name, one in fields.items()}


def value_refusal(fields: Mapping[str, Row], values: Mapping[str, Any]) -> str:
    """NetBox's words about values that it does not take, empty where it takes them."""
    unknown = [
        f"custom_fields.{name}: Custom field '{name}' does not exist for this object type."
        for name in sorted(values.keys() - fields.keys())
    ]
    if unknown:
        return "; ".join(unknown)
    for name, value in values.items():
        if fields[name].get("required") and value in (None, ""):
            return f"Invalid value for custom field '{name}': Required field cannot be empty."
        accepts, words = _VALUE_RULES.get(fields[name]["type"], (_anything, ""))
        if value not in (None, "") and not accepts(value):
            return f"Invalid value for custom field '{name}': {words}"
    return ""


def definition_refusal(definition: Row) -> str:
    """NetBox's words about a definition that it does not take, empty where it takes it."""
    missing = [name for name in ("name", "type", "object_types") if not definition.get(name)]
    if missing:
        return "; ".join(f"{name}: This field is required." for name in missing)
    if not re.fullmatch(r"\w+", definition["name"], re.ASCII):
        return "name: Only alphanumeric characters and underscores are allowed."
    if "__" in definition["name"]:
        return "name: Double underscores are not permitted in custom field names."
    return ""


def _anything(_value: Any) -> bool:
    return True
