"""Reads what we need to know about fields from NetBox's OpenAPI document.

Run as `python -m orchestrator.netbox.openapi SCHEMA.json OUTPUT.json` to renew
the snapshot that schema.py loads (SCHEMA.json: `/api/schema/?format=json`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.netbox.surface import listed, referred, written
from orchestrator.values import has_notation

_LABEL = re.compile(r"^\* `(?P<value>[^`]*)` - (?P<label>.*)$", re.MULTILINE)
# The version label of NetBox's schema reads "4.7.3 (4.7)": only the release line matters.
_RELEASE_LINE = re.compile(r"\d+\.\d+")
# Fields of the name of one that has a notation: contacts have postal addresses.
_PLAIN_TEXT = frozenset({("contacts", "address")})
# By what an array is made of: ids and numbers, text; anything else is taken as it is.
_LISTS = {"integer": "list", "string": "texts"}
# What the document calls the objects of a type: `DeviceType`.
_TYPES = {row.model.partition(".")[2]: row.name for row in OBJECT_TYPES.values()}


def read_fields(openapi: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Object type -> field -> keyword arguments of FieldSpec (defaults left out)."""
    return {name: _type_fields(openapi, row) for name, row in OBJECT_TYPES.items()}


def _type_fields(openapi: dict[str, Any], row: ObjectType) -> dict[str, dict[str, Any]]:
    methods, components = openapi["paths"][f"/api/{row.path}/"], openapi["components"]["schemas"]
    component = written(methods, components)
    shown = components[listed(methods["get"], components)]["properties"]
    parameters = methods["get"]["parameters"]
    filters = {one["name"] for one in parameters if one["schema"].get("type") == "array"} | {
        *row.asked_singly
    }
    required = set(component.get("required", ()))
    found = {}
    for key, raw in component["properties"].items():
        if raw.get("format") == "binary" or key in row.refused:
            continue
        spec = _spec(key, raw, key in required)
        target = row.untold.get(key) or _target(shown.get(key, {}))
        if target and key != "tags" and spec["kind"] in ("reference", "integer", "list"):
            spec["kind"] = "references" if spec["kind"] == "list" else "reference"
            spec["target"] = target
            spec["filter"] = next((name for name in _filters_for(key, target) if name in filters), "")
        if key in row.mapped:
            spec["kind"] = "ports"
        elif key in row.ends:
            spec["kind"] = "ends"
        elif key in row.key and spec["kind"] == "list":
            spec["kind"] = "numbers"
        if has_notation(key) and (row.name, key) not in _PLAIN_TEXT:
            spec["notation"] = key
        found[key] = {name: value for name, value in spec.items() if value != ""}
    return found


def _target(shown: Mapping[str, Any]) -> str:
    """The object type that a field of an answer shows, briefly or nested; one, or a list of such."""
    shown = shown.get("items", shown)
    component = referred(next(iter(shown.get("allOf", [shown]))))
    return _TYPES.get(re.sub("^(Brief|Nested)", "", component).lower(), "")


def _filters_for(field: str, target: str) -> Iterator[str]:
    """What NetBox may call the filter by the ids that a field points to.

    `site_id`, `asn_id` for `asns`, or by the type: `ip_address_id` for `ipaddresses`, `vlan_id` for all
    fields that point to VLANs. Of several values for one that takes a single value, NetBox heeds the last.
    """
    yield from (f"{field.removesuffix('s')}_id", f"{field}_id", f"{OBJECT_TYPES[target].word}_id")


def _spec(key: str, raw: dict[str, Any], required: bool) -> dict[str, Any]:
    variants = raw.get("oneOf", [])
    text = next((v for v in variants if v.get("type") == "string"), raw)
    kind = _kind(key, raw, variants)
    spec: dict[str, Any] = {
        "kind": kind,
        "required": required,
        "nullable": bool(raw.get("nullable")),
        "blank": kind == "string" and not raw.get("minLength") and not (required and key in ("name", "slug")),
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
    if raw.get("type") == "array":
        return _LISTS.get(raw["items"].get("type"), "json")
    return str(raw.get("type", "json"))


def main() -> None:
    """Write the snapshot."""
    source, target = (Path(argument) for argument in sys.argv[1:3])
    openapi = orjson.loads(source.read_bytes())
    line = _RELEASE_LINE.search(openapi["info"]["version"])
    snapshot = {"netbox": line.group() if line else "", "object_types": read_fields(openapi)}
    target.write_bytes(orjson.dumps(snapshot, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main()
