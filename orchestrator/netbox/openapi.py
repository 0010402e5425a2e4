"""Reads what we need to know about fields from NetBox's OpenAPI document.

Run as `python -m orchestrator.netbox.openapi SCHEMA.json OUTPUT.json` to renew
the snapshot that schema.py loads (SCHEMA.json: `/api/schema/?format=json`).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import orjson

from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.netbox.surface import written

_LABEL = re.compile(r"^\* `(?P<value>[^`]*)` - (?P<label>.*)$", re.MULTILINE)
# The version label of NetBox's schema reads "4.7.3 (4.7)": only the release line matters.
_RELEASE_LINE = re.compile(r"\d+\.\d+")


def read_fields(openapi: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Object type -> field -> keyword arguments of FieldSpec (defaults left out), for all ensured types."""
    return {name: _type_fields(openapi, OBJECT_TYPES[name].path) for name in ENSURED}


def _type_fields(openapi: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    component = written(openapi["paths"][f"/api/{path}/"], openapi["components"]["schemas"])
    required = set(component.get("required", ()))
    links = OBJECT_TYPES[_name_of(path)].all_references()
    return {
        key: _spec(key, raw, key in required, key in links)
        for key, raw in component["properties"].items()
        if raw.get("format") != "binary"
    }


def _name_of(path: str) -> str:
    return next(row.name for row in OBJECT_TYPES.values() if row.path == path)


def _spec(key: str, raw: dict[str, Any], required: bool, is_reference: bool) -> dict[str, Any]:
    variants = raw.get("oneOf", [])
    text = next((v for v in variants if v.get("type") == "string"), raw)
    kind = "reference" if is_reference else _kind(key, raw, variants)
    spec: dict[str, Any] = {
        "kind": kind,
        "required": required,
        "nullable": bool(raw.get("nullable")),
        "blank": kind == "string" and not raw.get("minLength") and key not in ("name", "slug"),
        "max_length": text.get("maxLength"),
        "minimum": raw.get("minimum"),
        "maximum": raw.get("maximum"),
    }
    if "enum" in raw and kind in ("choice", "integer"):
        labels = {m["value"]: m["label"] for m in _LABEL.finditer(raw.get("description", ""))}
        spec["choices"] = {str(value): labels.get(str(value), str(value)) for value in raw["enum"] if value}
        spec["blank"] = "" in raw["enum"]
    return {name: value for name, value in spec.items() if value not in (None, False, {})}


def _kind(key: str, raw: dict[str, Any], variants: list[dict[str, Any]]) -> str:
    if key == "tags":
        return "tags"
    if "enum" in raw:
        return "integer" if raw.get("type") == "integer" else "choice"
    if any(variant.get("type") == "integer" for variant in variants):
        return "reference"
    if variants:
        return "string"
    kinds = {"array": "list", None: "json"}
    declared = raw.get("type")
    return kinds.get(declared, str(declared))


def main() -> None:
    """Write the snapshot."""
    source, target = (Path(argument) for argument in sys.argv[1:3])
    openapi = orjson.loads(source.read_bytes())
    line = _RELEASE_LINE.search(openapi["info"]["version"])
    snapshot = {"netbox": line.group() if line else "", "object_types": read_fields(openapi)}
    target.write_bytes(orjson.dumps(snapshot, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main()
