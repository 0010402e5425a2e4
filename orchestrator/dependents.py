"""What depends on the objects that a rollback would delete.

NetBox refuses to orphan some of it and deletes the rest along with the object,
without a word. Components that it made along with an object are told apart:
they go as they came, unless somebody has made something of them since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from orchestrator.catalog import BY_MODEL, OBJECT_TYPES, ObjectType
from orchestrator.deeds import Key
from orchestrator.errors import AccessError, NetBoxError, UnreachableError
from orchestrator.footprints import Footprints, net_change
from orchestrator.generic import pointed
from orchestrator.graph import type_order
from orchestrator.layered import per_catalog
from orchestrator.live import called, canonical_field
from orchestrator.ports import Attached, NetBox, Query, Row

_MAKES_COMPONENTS = frozenset({"device", "module", "virtual_machine"})
"""The fields that point to what NetBox makes a component along with."""


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something that points at an object: which field of what.

    `came_along` marks a component that NetBox itself made along with the
    object; `changed` says who has changed that since.
    """

    object_type: str
    object_id: int
    label: str
    field: str
    came_along: bool = False
    changed: str = ""

    @property
    def key(self) -> Key:
        """What tells the object apart."""
        return self.object_type, self.object_id

    def __str__(self) -> str:
        """`interface 'Gi1/0/1'`."""
        return f"{OBJECT_TYPES[self.object_type].noun} {self.label!r}"


@dataclass(slots=True)
class Dependents:
    """By object: what points at it, and in words what hangs on it beyond the catalog.

    `unseen` are kinds of objects that the token may not see: what of them hangs on something, nobody knows.
    """

    pointing: dict[Key, list[Dependent]] = field(default_factory=lambda: defaultdict(list))
    others: dict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))
    unseen: set[str] = field(default_factory=set)


def read_dependents(netbox: NetBox, created: Mapping[Key, Row], footprints: Footprints) -> Dependents:
    """Look at everything that hangs on these objects, which the batch created. Raises NetBoxError.

    Parents first, so that what came along with an object is looked at as well.
    """
    found = Dependents()
    going: dict[str, set[int]] = defaultdict(set)
    for object_type, object_id in created:
        going[object_type].add(object_id)
    for name in type_order():
        if not going[name]:
            continue
        for row, pointers, rows in _who_points_to(netbox, name, going[name], found):
            came = _came_along(row, pointers, rows, created, footprints)
            for live, pointer in product(rows, pointers):
                one = _dependent(row, pointer, live, came)
                for target in pointed(row, pointer, canonical_field(row, live, pointer)):
                    if target[0] == name and target[1] in going[name]:
                        found.pointing[target].append(one)
                        if one.came_along:
                            going[row.name].add(one.object_id)
        _add_attached(found, name, netbox.attached(name, sorted(going[name])))
        for object_id in sorted(going[name]) if name == "custom_fields" else ():
            definition = created[name, object_id]
            add_holders(netbox, found, definition, definition["object_types"])
    return found


def add_holders(netbox: NetBox, found: Dependents, definition: Row, models: Iterable[str]) -> None:
    """Of some types, all objects that hold anything in a custom field but its default. Raises NetBoxError."""
    rows = [OBJECT_TYPES[BY_MODEL[model]] for model in sorted(models) if model in BY_MODEL]
    queries = [Query(row.name, tuple(sorted({row.label, "custom_fields"}))) for row in rows]
    key = ("custom_fields", int(definition["id"]))
    for row, lives in zip(rows, _what_is_seen(netbox, queries), strict=True):
        if lives is None:  # the values would be gone, and nobody had seen them
            types = row.name.replace("_", " ")
            found.others[key].append(f"what {types} may hold in it, which this token may not see")
        for live in lives or ():
            value = (live.get("custom_fields") or {}).get(definition["name"])
            if value not in (None, "", [], definition.get("default")):
                one = Dependent(row.name, live["id"], called(row, live), "custom_fields")
                found.pointing[key].append(one)


def _who_points_to(
    netbox: NetBox, object_type: str, ids: Collection[int], found: Dependents
) -> Iterator[tuple[ObjectType, list[str], list[Row]]]:
    """What points to objects of a type, and by which fields it may; what cannot be seen is noted."""
    asked = _pointers_to(object_type)
    queries = [_pointing(row, asks, pointers, ids) for row, asks, pointers in asked]
    for (row, asks, pointers), rows in zip(asked, _what_is_seen(netbox, queries), strict=True):
        if rows is None:
            found.unseen.add(row.name.replace("_", " "))
        else:
            some = rows if asks else [one for one in rows if _points_to(row, pointers, one, object_type, ids)]
            yield row, pointers, some


def _points_to(
    row: ObjectType, pointers: Iterable[str], live: Row, object_type: str, ids: Collection[int]
) -> bool:
    """Whether an object points to one of these; where the list has a filter, it has done that."""
    return any(
        name == object_type and one in ids
        for pointer in pointers
        for name, one in pointed(row, pointer, canonical_field(row, live, pointer))
    )


def _what_is_seen(netbox: NetBox, queries: Sequence[Query]) -> list[list[Row] | None]:
    """What each of the queries finds; None where the token may not see it, or a plugin does not answer."""
    try:
        return [*netbox.read_all(queries)]
    except UnreachableError:
        raise
    except NetBoxError:
        return [_seen(netbox, query) for query in queries]


def _seen(netbox: NetBox, query: Query) -> list[Row] | None:
    try:
        return netbox.read(query)
    except AccessError:
        return None
    except NetBoxError as error:
        if isinstance(error, UnreachableError) or not OBJECT_TYPES[query.object_type].of_plugin:
            raise
        return None


def _add_attached(found: Dependents, object_type: str, attached: Attached) -> None:
    """What is found by no pointer: in words what is beyond the catalog, and what carries a tag."""
    found.unseen.update(attached.unseen)
    for object_id, words in attached.words:
        found.others[object_type, object_id].append(words)
    for tagged in attached.tagged:
        one = Dependent(tagged.object_type, tagged.object_id, tagged.label, "tags")
        found.pointing[object_type, tagged.tag_id].append(one)


@per_catalog
def _pointers_to(object_type: str) -> tuple[tuple[ObjectType, str, list[str]], ...]:
    """By which filter what of a type is found that points to objects of another, and in which fields.

    Lists of plugins, whose filters nobody vouches for, are looked through without any.
    """
    found = []
    for row in OBJECT_TYPES.values():
        fields: dict[str, list[str]] = defaultdict(list)
        for name, targets in row.pointers().items():
            asks = row.pointer_filter(name, OBJECT_TYPES[object_type].model)
            if object_type in targets and (asks or (row.of_plugin and name != "tags")):  # those are attached
                fields[asks].append(name)
        found += [(row, asks, names) for asks, names in fields.items()]
    return tuple(found)


def _pointing(row: ObjectType, asks: str, pointers: Iterable[str], ids: Iterable[int]) -> Query:
    """What finds who points at some objects."""
    halves = {half for half, name in row.halves.items() if name in pointers}
    fields = {"id", row.label, *halves, *(name for name in pointers if name not in row.generic)}
    return Query(row.name, tuple(sorted(fields)), asks, sorted(ids) if asks else ())


def _dependent(row: ObjectType, pointer: str, live: Row, came: Mapping[int, str]) -> Dependent:
    object_id = live["id"]
    changed = came.get(object_id, "")
    return Dependent(row.name, object_id, called(row, live), pointer, object_id in came, changed)


def _came_along(
    row: ObjectType,
    pointers: Collection[str],
    rows: Iterable[Row],
    created: Mapping[Key, Row],
    footprints: Footprints,
) -> dict[int, str]:
    """Of components, those that NetBox made along with their parent; who has changed each since."""
    if _MAKES_COMPONENTS.isdisjoint(pointers):
        return {}
    try:
        logged = footprints.of(row.name, [one["id"] for one in rows if (row.name, one["id"]) not in created])
    except AccessError:
        return {}
    return {
        object_id: net_change(footprints.after_ours(entries))
        for object_id, entries in logged.items()
        if footprints.made_along(entries)
    }
