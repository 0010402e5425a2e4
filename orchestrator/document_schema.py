"""The shape of a batch document as JSON Schema, and the catalog in short: for whoever writes documents.

Made from what the planner itself checks against; the planner finds more than a
schema can say (references, duplicates, ranges).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.document import ALLOWED_OPTIONS, SCOPES
from orchestrator.plugin_types import KEYS
from orchestrator.schema import FieldSpec, load_schema

_KINDS = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "choice": "string",
    "string": "string",
    "ports": "array",
    "ends": "array",
    "numbers": "array",
}
_PLUGIN_TYPE = r"^\w+\.\w+$"
_REFERENCE = {"description": 'a name, or what identifies it: {"name": ...}, {"id": ...}'}

OPTION_HELP: Mapping[str, str] = {
    "create_parents": "guarded: a parent that is only mentioned is created, unless a similar one exists; "
    "true: it is in any case; false: never",
    "on_drift": "overwrite: the document wins, the plan marks what someone has changed; keep: such fields "
    "stay as they are in NetBox; fail: an object with drift is a conflict, and nothing of the batch is "
    "written",
    "on_error": "continue: one bad row costs one row; stop: nothing new starts after the first failure; "
    "rollback: the same, and what the batch has done until then is taken back",
    "metadata": "on, true: every object that is written remembers batch and digests; off, false: nothing is "
    "left on objects, no drift is told",
    "expand": "true: ranges in names make one entry per value; false: names are taken as written",
    "absent": "report: the plan lists objects of ours in the scope that the document does not declare; "
    "ignore: they are not looked for. Nothing is deleted in either case",
    "scope": "what `absent: report` looks at: {tag: NAME}, or {site: NAME} with the devices there",
    "tags": "tag names, put on every object that the document declares; parents that are only mentioned get "
    "none",
}
"""What each option means; its first value is the default."""


def document_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a batch document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Batch document",
        "type": "object",
        "properties": {
            "options": {
                "type": "object",
                "properties": {name: _option(name) for name in OPTION_HELP},
                "additionalProperties": False,
            },
            "sources": {"type": "object", "description": "the files that the entries of each list are from"},
            KEYS: {
                "type": "object",
                "description": "by what objects of plugins are told apart: type, and its field or fields",
                "patternProperties": {
                    _PLUGIN_TYPE: {"type": ["string", "array"], "items": {"type": "string"}}
                },
                "additionalProperties": False,
            },
            "defaults": {"type": "object", "properties": {name: {"type": "object"} for name in ENSURED}},
            **{name: {"type": "array", "items": _entry(name)} for name in ENSURED},
        },
        "patternProperties": {_PLUGIN_TYPE: {"type": "array", "items": {"type": ["object", "string"]}}},
        "additionalProperties": False,
    }


def catalog_in_short() -> list[dict[str, Any]]:
    """The object types: by what each is told apart, what it points to, whether documents can declare it."""
    return [
        {
            "object_type": row.name,
            "key": list(row.key),
            "references": {
                name: targets[0] if len(targets) == 1 else list(targets)
                for name, targets in row.pointers().items()
            },
            "holds": list(row.children),
            "declarable": row.ensured,
        }
        for row in OBJECT_TYPES.values()
    ]


def _option(name: str) -> dict[str, Any]:
    described = {"description": OPTION_HELP[name]}
    if name in ALLOWED_OPTIONS:
        return {"enum": list(ALLOWED_OPTIONS[name]), **described}
    if name == "scope":
        kinds = {kind: {"type": "string"} for kind in SCOPES}
        shape = {"properties": kinds, "additionalProperties": False, "maxProperties": 1}
        return {"type": "object", **shape, **described}
    return {"type": "array", "items": {"type": "string"}, **described}


def _entry(object_type: str) -> dict[str, Any]:
    row = OBJECT_TYPES[object_type]
    return {
        "type": ["object", "string"],
        "description": f"told apart by {', '.join(row.key)}",
        "properties": {
            **{name: _field(spec) for name, spec in load_schema()[object_type].items()},
            **{child: {"type": "array"} for child in row.children},
        },
    }


def _field(spec: FieldSpec) -> dict[str, Any]:
    if spec.kind == "reference":
        return _REFERENCE
    shape: dict[str, Any] = {"type": _KINDS[spec.kind]} if spec.kind in _KINDS else {}
    limits = {
        "enum": [int(one) if spec.kind == "integer" else one for one in spec.choices],
        "maxLength": spec.max_length,
        "minimum": spec.minimum,
        "maximum": spec.maximum,
    }
    return shape | {name: limit for name, limit in limits.items() if limit not in (None, [])}
