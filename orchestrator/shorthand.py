"""What people may leave out or write shorter: defaults, `site_id`, a model beside a device.

Defaults yield to what the entry says itself, in whichever spelling. They are
laid under an entry, and under its children, before ranges are expanded, so
that `{1}` in them is filled in like in the entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from orchestrator.assignment import SPELLINGS as ASSIGNED
from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.generic import mapped_parts
from orchestrator.json_shape import shorten
from orchestrator.references import HOSTS, Note
from orchestrator.schema import load_schema

SUGAR = {
    "devices": ("manufacturer", "model"),
    "ip_addresses": ("interface", *HOSTS, "fhrp_group"),
    **{row.name: mapped_parts(name)[1:] for row in OBJECT_TYPES.values() for name in row.mapped},
}
"""Fields that people write and NetBox does not have."""

_BESIDE = ("manufacturer", "model")


@cache
def short_names(row: ObjectType) -> Mapping[str, str]:
    """Keys of an entry that set a field of another name: `site_id` sets `site`."""
    specs = load_schema()[row.name]
    pointers = [name for name, spec in specs.items() if spec.kind == "reference"]
    return {f"{name}_id": name for name in pointers if f"{name}_id" not in specs}


class Defaults:
    """Lays a document's `defaults` under its entries."""

    def __init__(self, defaults: Mapping[str, Mapping[str, Any]], problem: Note) -> None:
        self.problem = problem
        self.of_type = {name: self._own(name, raw, f"defaults.{name}") for name, raw in defaults.items()}

    def under(
        self, row: ObjectType, item: Mapping[str, Any], path: str, parent: str = ""
    ) -> Mapping[str, Any]:
        """An entry as written, with the defaults that it leaves room for, its children likewise.

        `parent` is the field that the entry it stands in will fill.
        """
        own = self._own(row.name, item, path)
        merged = self._laid_under(row.name, own, parent) if row.name in self.of_type else own
        if not row.children:
            return merged
        children = {
            name: [
                one if self._is_whole(OBJECT_TYPES[name], one)
                else self._child(OBJECT_TYPES[name], one, f"{path}.{name}[{index}]", field)
                for index, one in enumerate(merged[name])
            ]
            for name, field in row.children.items()
            if isinstance(merged.get(name), list)
        }  # fmt: skip
        return {**merged, **children} if children else merged

    def _is_whole(self, row: ObjectType, item: Any) -> bool:
        """Whether nothing is to be laid under a nested entry, and nothing in it is written short."""
        if type(item) is not dict or row.children or row.name in self.of_type:
            return False
        return short_names(row).keys().isdisjoint(item)

    def _laid_under(self, object_type: str, own: Mapping[str, Any], parent: str) -> dict[str, Any]:
        defaults = {key: value for key, value in self.of_type[object_type].items() if key != parent}
        merged = {**self._room(object_type, defaults, own), **own}
        if own.get("device_type") is not None:
            merged["device_type"] = _complete_type(own["device_type"], defaults.get("device_type"))
        return merged

    def _child(self, row: ObjectType, item: Any, path: str, parent: str) -> Any:
        item = {row.label: item} if isinstance(item, str) else item
        return self.under(row, item, path, parent) if isinstance(item, Mapping) else item

    def _own(self, object_type: str, raw: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        """What a mapping says for itself: each field in one spelling, a device's type in one field.

        The mapping itself where that is how it is.
        """
        short = short_names(OBJECT_TYPES[object_type])
        for key in raw if not short.keys().isdisjoint(raw) else ():
            if key in short and short[key] in raw:
                self.problem(f"{path}.{key}", f"given twice: {short[key]} and {key}", "keep one of them")
        return _fold_device_type(raw, path, self.problem) if object_type == "devices" else raw

    def _room(self, object_type: str, defaults: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """The defaults that the entry says nothing about."""
        short = short_names(OBJECT_TYPES[object_type])
        taken = {short.get(key, key) for key in own}
        if object_type == "ip_addresses" and not taken.isdisjoint(ASSIGNED):
            taken.update(ASSIGNED if "interface" in own else (*ASSIGNED, *HOSTS))
        for field in OBJECT_TYPES[object_type].mapped:
            ways = (field, *mapped_parts(field)[1:])
            if not taken.isdisjoint(ways):
                taken.update(ways)
        if _only_manufacturer(defaults.get("device_type")):
            taken.add("device_type")
        return {key: value for key, value in defaults.items() if short.get(key, key) not in taken}


def _fold_device_type(raw: Mapping[str, Any], path: str, problem: Note) -> Mapping[str, Any]:
    """`manufacturer` and `model` beside a device name its type; `model` and `device_type` must agree."""
    if raw.keys().isdisjoint(_BESIDE):
        return raw
    rest = {key: value for key, value in raw.items() if key not in _BESIDE}
    beside = {key: raw[key] for key in _BESIDE if raw.get(key) is not None}
    given = raw.get("device_type")
    if "device_type_id" in raw:
        for key in beside:
            problem(f"{path}.{key}", "stands beside device_type_id", "keep one of them")
        return rest
    if not beside:
        return rest
    named = _as_parts(given)
    for key, value in beside.items():
        if str(named.setdefault(key, value)).strip() != str(value).strip():
            message = f"says {shorten(value)}, but device_type says {shorten(named[key])}"
            problem(f"{path}.{key}", message, "keep one of them")
    model = named["model"] if set(named) == {"model"} else None
    rest["device_type"] = model if isinstance(model, str) else named
    return rest


def _complete_type(own: Any, default: Any) -> Any:
    """An entry's device type, completed by what the defaults say of it and the entry does not."""
    said = _as_parts(own)
    beyond = {"id"} if said.keys().isdisjoint(("model", "slug")) else {"id", "model", "slug"}
    left = {key: value for key, value in _as_parts(default).items() if key not in beyond}
    return own if "id" in said or not left else {**left, **said}


def _as_parts(device_type: Any) -> dict[str, Any]:
    if isinstance(device_type, Mapping):
        return dict(device_type)
    return {} if device_type is None else {"model": device_type}


def _only_manufacturer(device_type: Any) -> bool:
    """A manufacturer alone names no type: as a default it waits for a model."""
    return isinstance(device_type, Mapping) and set(device_type) == {"manufacturer"}
