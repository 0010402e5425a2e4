"""Which interface an IP address is on, in every way that a document may say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.desired import Reference
from orchestrator.json_shape import shorten
from orchestrator.references import ReferenceReader

_TYPE, _ID = "assigned_object_type", "assigned_object_id"
_WAYS = (("interface",), ("assigned_object",), (_TYPE, _ID))

SPELLINGS: tuple[str, ...] = tuple(name for way in _WAYS for name in way)
"""The fields that say it; `device` belongs to `interface`."""


def read_assignment(raw: Mapping[str, Any], path: str, references: ReferenceReader) -> dict[str, Any]:
    """An IP address with `assigned_object` in place of however it was said. What is wrong is noted.

    Inside a device, `device` is a reference to it.
    """
    rest = {key: value for key, value in raw.items() if key not in ("device", *SPELLINGS)}
    ways = [way for way in _WAYS if any(name in raw for name in way)]
    device = raw.get("device")
    if len(ways) > 1:
        first, second = (next(name for name in way if name in raw) for way in ways[:2])
        references.problem(f"{path}.{second}", f"given twice: {first} and {second}", "keep one of them")
        return rest
    if ways == [("interface",)]:
        return rest | _by_interface(raw["interface"], device, path, references)
    if ways and device is not None and not isinstance(device, Reference):
        references.problem(f"{path}.device", f"stands beside {ways[0][-1]}", "keep one of them")
    elif ways == [("assigned_object",)]:
        rest["assigned_object"] = raw["assigned_object"]
    elif ways:
        rest |= _by_content_type(raw, path, references)
    elif device is not None:
        hint = (
            "name the interface, or declare the address under ip_addresses, without device, if it is on none"
        )
        references.problem(f"{path}.interface", "which interface?", hint)
    return rest


def _by_interface(interface: Any, device: Any, path: str, references: ReferenceReader) -> dict[str, Any]:
    if interface is None:
        return {"assigned_object": None}
    named = dict(interface) if isinstance(interface, Mapping) else {"name": interface}
    if not named.keys().isdisjoint(("id", "device")):
        if device is not None and not isinstance(device, Reference):
            references.problem(
                f"{path}.device", "stands beside an interface with its own", "keep one of them"
            )
            return {}
    elif device is None:
        references.problem(f"{path}.interface", "an interface needs its device", "add device: NAME")
        return {}
    else:
        named = {"device": device, **named}
    found = references.reference("interfaces", named, f"{path}.interface")
    return {} if found is None else {"assigned_object": found}


def _by_content_type(raw: Mapping[str, Any], path: str, references: ReferenceReader) -> dict[str, Any]:
    kind, object_id = raw.get(_TYPE), raw.get(_ID)
    if kind is None and object_id is None:
        return {"assigned_object": None}
    known = OBJECT_TYPES["interfaces"].model
    if kind is None or object_id is None:
        missing, given = (_TYPE, _ID) if kind is None else (_ID, _TYPE)
        hint = "give both, or name the interface and its device"
        references.problem(f"{path}.{given}", f"needs {missing} beside it", hint)
    elif kind != known:
        hint = f"this version assigns addresses to {known} only"
        references.problem(f"{path}.{_TYPE}", f"{shorten(kind)} cannot be assigned an address yet", hint)
    else:
        found = references.by_id("interfaces", object_id, f"{path}.{_ID}")
        return {} if found is None else {"assigned_object": found}
    return {}
