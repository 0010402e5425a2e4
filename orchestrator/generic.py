"""What the value of a field points to; above all generic references, which NetBox keeps in two fields.

Of those, the type of what they point to and its id, canonical is one value: the id where they point to the
first of the types that the catalog has for them (`7` for an interface of a device), and type and id otherwise
(`virtualization.vminterface 7`), so that the two are never taken for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from orchestrator.catalog import BY_MODEL, OBJECT_TYPES, ObjectType


def generic_value(row: ObjectType, name: str, raw: Mapping[str, Any]) -> Any:
    """The canonical value of a field, from a row with `<name>_type` (`dcim.interface`) and `<name>_id`."""
    kind, object_id = raw.get(f"{name}_type"), raw.get(f"{name}_id")
    if object_id is None or kind in (None, _first(row, name)):
        return object_id
    return f"{kind} {object_id}"


def generic_token(row: ObjectType, name: str, object_type: str, object_id: int) -> int | str:
    """The canonical value of a field that points to an object of a type of the catalog."""
    kind = OBJECT_TYPES[object_type].model
    return object_id if kind == _first(row, name) else f"{kind} {object_id}"


def generic_target(row: ObjectType, name: str, value: Any) -> tuple[str, int | None]:
    """The same the other way round: object type and id; no type where the catalog has not that one."""
    if not isinstance(value, str):
        return row.generic[name][0], value
    kind, _, number = value.rpartition(" ")
    return next((one for one in row.generic[name] if OBJECT_TYPES[one].model == kind), ""), int(number)


def generic_fields(row: ObjectType, name: str, value: Any) -> dict[str, Any]:
    """The two fields as NetBox wants them."""
    kind: Any = None if value is None else _first(row, name)
    if isinstance(value, str):
        kind, _, number = value.rpartition(" ")
        value = int(number)
    return {f"{name}_type": kind, f"{name}_id": value}


def mapped_value(name: str, raw: Any) -> Any:
    """The canonical value of a field that maps positions: triples of position, port and its position."""
    position, port, its_position = mapped_parts(name)
    return tuple(sorted((one[position], one[port], one[its_position]) for one in raw or ()))


def mapped_fields(name: str, value: Any) -> list[dict[str, Any]]:
    """The same as NetBox wants it."""
    return [dict(zip(mapped_parts(name), one, strict=True)) for one in value or ()]


def mapped_parts(name: str) -> tuple[str, str, str]:
    """What NetBox calls the parts of each: `position`, `rear_port` and `rear_port_position`."""
    port = name.removesuffix("s")
    return "position", port, f"{port}_position"


def ends_value(raw: Any) -> Any:
    """The canonical value of an end of a cable: pairs of object type and id, in NetBox's order.

    Of a type that the catalog has not, the pair has NetBox's name for it.
    """
    return tuple(
        (BY_MODEL.get(one["object_type"], one["object_type"]), one["object_id"]) for one in raw or ()
    )


def ends_fields(value: Any) -> list[dict[str, Any]]:
    """The same as NetBox wants it."""
    return [
        {"object_type": OBJECT_TYPES[name].model if name in OBJECT_TYPES else name, "object_id": object_id}
        for name, object_id in value or ()
    ]


def ends_in_order(row: ObjectType, value_of: Callable[[str], Any]) -> tuple[tuple[str, Any], ...]:
    """All that a cable connects, the A end first."""
    return tuple(one for name in row.ends for one in value_of(name) or ())


def ends_of(row: ObjectType, value_of: Callable[[str], Any]) -> frozenset[tuple[str, Any]]:
    """The same, whichever end it is at: for comparing, not for walking, since a set has no order."""
    return frozenset(ends_in_order(row, value_of))


def shaped_value(row: ObjectType, name: str, raw: Mapping[str, Any]) -> Any:
    """The canonical value of a field that is more than a plain value or pointer (`ObjectType.shaped`)."""
    if name in row.mapped:
        return mapped_value(name, raw.get(name))
    return ends_value(raw.get(name)) if name in row.ends else generic_value(row, name, raw)


def pointed(row: ObjectType, name: str, value: Any) -> Iterator[tuple[str, int]]:
    """Type and id of everything that a canonical value points to; nothing where that is yet to be created."""
    if name in row.generic:
        object_type, object_id = (
            generic_target(row, name, value) if isinstance(value, int | str) else ("", None)
        )
        if object_type and object_id is not None:
            yield object_type, object_id
    elif name in row.mapped:
        yield from ((row.mapped[name], port) for _, port, _ in value or () if type(port) is int)
    elif name in row.ends:
        yield from ((kind, one) for kind, one in value or () if type(one) is int and kind in OBJECT_TYPES)
    elif target := _target(row, name):
        for one in value if isinstance(value, tuple | list) else (value,):
            if type(one) is int:
                yield target, one


@cache
def pointing_fields(row: ObjectType) -> frozenset[str]:
    """The fields whose values may point to something."""
    return frozenset(row.pointers())


@cache
def _target(row: ObjectType, name: str) -> str:
    """The one type that a field points to; empty for what is no pointer, or points to several types."""
    targets = row.pointers().get(name, ())
    return targets[0] if len(targets) == 1 else ""


def _first(row: ObjectType, name: str) -> str:
    return OBJECT_TYPES[row.generic[name][0]].model
