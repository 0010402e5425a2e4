"""Reads what we need to know about fields from NetBox's OpenAPI document.

Run as `python -m orchestrator.netbox.openapi SCHEMA.json OUTPUT.json` to renew
the snapshot that schema.py loads (SCHEMA.json: `/api/schema/?format=json`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import orjson

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.netbox.surface import listed, path_of, referred, written
from orchestrator.plugin_types import PluginList
from orchestrator.values import has_notation

_LABEL = re.compile(r"^\* `(?P<value>[^`]*)` - (?P<label>.*)$", re.MULTILINE)
# The version label of NetBox's schema reads "4.7.3 (4.7)": only the release line matters.
_RELEASE_LINE = re.compile(r"\d+\.\d+")
# Fields of the name of one that has a notation: contacts have postal addresses.
_PLAIN_TEXT = frozenset({("contacts", "address")})
# By what an array is made of: ids and numbers, text; anything else is taken as it is.
_LISTS = {"integer": "list", "string": "texts"}
# The words of a component's name: `ASPathListRule` is an AS path list rule.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_PLUGINS = "plugins/"
_VERBS = frozenset({"get", "post", "patch", "delete"})
# NetBox's own filters of every list. What those of a plugin let through is for the plugin to say.
_RELIED_ON = frozenset({"id", "tag"})


def read_fields(openapi: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Object type -> field -> keyword arguments of FieldSpec (defaults left out)."""
    reader = _Reader(openapi)
    return {
        name: reader.fields(row, reader.filters(row.path) | {*row.asked_singly})
        for name, row in OBJECT_TYPES.items()
    }


def read_plugin_lists(openapi: dict[str, Any], models: Mapping[str, str]) -> dict[str, PluginList]:
    """The lists of plugins that can be written as lists, by what NetBox calls their objects.

    `models` says that, by path. Fields that can be written and never read are secrets, and left out.
    """
    reader = _Reader(openapi)
    rows: dict[str, ObjectType] = {}
    for url, methods in sorted(openapi["paths"].items()):
        path = path_of(url)
        model = models.get(path, "") if path.startswith(_PLUGINS) else ""
        if not model or model in rows or not methods.keys() >= _VERBS or "id" not in reader.filters(path):
            continue
        component = listed(methods["get"], reader.components)
        if not component or not written(methods, reader.components).get("properties"):
            continue
        if component.lower() not in reader.types:  # or nobody could tell which of two a field points to
            noun = " ".join(map(_small, _WORDS.findall(component)))
            rows[model] = reader.types[component.lower()] = ObjectType(model, path, singular=noun, key=())
    return {
        model: PluginList(
            model,
            row.path,
            row.noun,
            reader.fields(row, frozenset()),
            tuple(sorted(reader.filters(row.path) & _RELIED_ON)),
        )
        for model, row in rows.items()
    }


def _small(word: str) -> str:
    return word if word.isupper() and len(word) > 1 else word.lower()


class _Reader:
    """Reads what one OpenAPI document says of lists. `types` has them by what it calls their objects."""

    def __init__(self, openapi: dict[str, Any]) -> None:
        self.paths = openapi["paths"]
        self.components = openapi["components"]["schemas"]
        self.types = {row.model.partition(".")[2]: row for row in OBJECT_TYPES.values()}

    def filters(self, path: str) -> set[str]:
        """The filters of a list that take several values."""
        parameters = self.paths[f"/api/{path}/"]["get"].get("parameters", ())
        return {one["name"] for one in parameters if one["schema"].get("type") == "array"}

    def fields(self, row: ObjectType, filters: Set[str]) -> dict[str, dict[str, Any]]:
        """The fields that can be written, with the keyword arguments of FieldSpec; `filters` may be asked."""
        methods = self.paths[f"/api/{row.path}/"]
        component = written(methods, self.components)
        shown = self.components[listed(methods["get"], self.components)]["properties"]
        required = set(component.get("required", ()))
        found = {}
        for key, raw in component["properties"].items():
            if raw.get("format") == "binary" or raw.get("writeOnly") or key in row.refused:
                continue
            spec = _spec(key, raw, key in required)
            target = self._target(row.untold.get(key, ""), shown.get(key, {}))
            if target and key != "tags" and spec["kind"] in ("reference", "integer", "list"):
                spec["kind"] = "references" if spec["kind"] == "list" else "reference"
                spec["target"] = target.name
                asks = (name for name in _filters_for(key, target.word) if name in filters)
                spec["filter"] = next(asks, "")
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

    def _target(self, untold: str, shown: Mapping[str, Any]) -> ObjectType | None:
        """The object type that a field of an answer shows, briefly or nested; one, or a list of such."""
        if untold:
            return OBJECT_TYPES[untold]
        shown = shown.get("items", shown)
        component = referred(next(iter(shown.get("allOf") or [shown])))
        return self.types.get(re.sub("^(Brief|Nested)", "", component).lower())


def _filters_for(field: str, word: str) -> Iterator[str]:
    """What NetBox may call the filter by the ids that a field points to.

    `site_id`, `asn_id` for `asns`, or by the type: `ip_address_id` for `ipaddresses`, `vlan_id` for all
    fields that point to VLANs. Of several values for one that takes a single value, NetBox heeds the last.
    """
    yield from (f"{field.removesuffix('s')}_id", f"{field}_id", f"{word}_id")


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
        return _LISTS.get(raw.get("items", {}).get("type"), "json")
    return raw["type"] if isinstance(raw.get("type"), str) else "json"


def main() -> None:
    """Write the snapshot."""
    source, target = (Path(argument) for argument in sys.argv[1:3])
    openapi = orjson.loads(source.read_bytes())
    line = _RELEASE_LINE.search(openapi["info"]["version"])
    snapshot = {"netbox": line.group() if line else "", "object_types": read_fields(openapi)}
    target.write_bytes(orjson.dumps(snapshot, option=orjson.OPT_INDENT_2) + b"\n")


if __name__ == "__main__":
    main()
