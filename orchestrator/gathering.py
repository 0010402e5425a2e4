"""Which objects an export consists of: what was asked for, what hangs on it, what it refers to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator.catalog import OBJECT_TYPES, ObjectType, Reading
from orchestrator.errors import AccessError
from orchestrator.generic import pointed
from orchestrator.graph import type_order
from orchestrator.live import Live, canonical_field, live_ends
from orchestrator.ports import NetBox, Query, Row
from orchestrator.reading import asking_for_namesakes
from orchestrator.schema import load_schema

Ids = Mapping[str, Collection[int]]


@dataclass(slots=True)
class Gathered:
    """`rows` are what the document will declare. `known` is what tells names apart: whole tables of the types
    that are referred to; devices and addresses that share a name or host with one that is.
    """

    rows: Live = field(default_factory=Live)
    known: Live = field(default_factory=Live)


def gather(netbox: NetBox, seeds: Ids) -> Gathered:
    """Read the seeds (object type -> ids), their components, and all that they refer to.

    Components come along with a device that was asked for, and so does the address that is its primary one;
    not with a device that is only referred to. Raises NetBoxError.
    """
    found = Gathered()
    _take(netbox, found, seeds)
    linked = _referred_to(found.rows, with_links=True)
    _take_components(netbox, found)
    _take_cables(netbox, found)
    tried: dict[str, set[int]] = defaultdict(set)
    while missing := _untried(linked, tried, found.rows) or _untried(
        _referred_to(found.rows), tried, found.rows
    ):
        _take(netbox, found, missing)
    _read_names(netbox, found)
    return found


def _take(netbox: NetBox, found: Gathered, ids: Ids) -> None:
    queries = [
        Query(name, _fields(OBJECT_TYPES[name]), "id", sorted(wanted))
        for name, wanted in ids.items()
        if wanted
    ]
    _read(netbox, found.rows, queries)


def _read(netbox: NetBox, live: Live, queries: list[Query]) -> None:
    for query, rows in zip(queries, netbox.read_all(queries) if queries else (), strict=True):
        live.table(query.object_type).add(rows)


def _fields(row: ObjectType) -> tuple[str, ...]:
    """All that can be written; what else a row has is NetBox's to tell, and may cost it much."""
    return tuple(load_schema()[row.name])


def _take_components(netbox: NetBox, found: Gathered) -> None:
    """Interfaces of the devices, then the addresses on them."""
    for name in type_order():
        row, above = OBJECT_TYPES[name], found.rows.tables
        if not row.ensured:
            continue
        for pointer in row.parents or (tuple(row.generic) if row.by_host else ()):
            owner = row.pointers()[pointer][0]
            ids = sorted(above[owner].by_id) if owner in above else []
            if ids:
                rows = netbox.read(Query(name, _fields(row), row.pointer_filter(pointer), ids))
                found.rows.table(name).add(one for one in rows if _on(row, pointer, one, owner))


def _take_cables(netbox: NetBox, found: Gathered) -> None:
    """The cables of which every end has been read: those that lead out of it stay."""
    for row in (one for one in OBJECT_TYPES.values() if one.ends):
        rows = found.rows
        for kind in row.ends[row.label]:
            if ids := sorted(rows.table(kind).by_id):
                asks = row.pointer_filter(row.label, OBJECT_TYPES[kind].model)
                cables = netbox.read(Query(row.name, _fields(row), asks, ids))
                rows.table(row.name).add(
                    live
                    for live in cables
                    if all(one in rows.table(name).by_id for name, one in live_ends(row, live))
                )


def _on(row: ObjectType, pointer: str, live: Row, owner: str) -> bool:
    """Whether a row is on one of this type: an interface of a virtual machine may have the same id."""
    return any(target == owner for target, _ in pointed(row, pointer, canonical_field(row, live, pointer)))


def _untried(wanted: Ids, tried: dict[str, set[int]], rows: Live) -> dict[str, set[int]]:
    """What is not there yet, each once: NetBox names objects, too, that the token may not see."""
    left = {
        name: set(ids) - rows.table(name).by_id.keys() - tried[name]
        for name, ids in wanted.items()
        if OBJECT_TYPES[name].ensured and OBJECT_TYPES[name].logged  # whose it is, is named, not taken along
    }
    for name, ids in left.items():
        tried[name] |= ids
    return {name: ids for name, ids in left.items() if ids}


def _referred_to(rows: Live, with_links: bool = False) -> dict[str, set[int]]:
    """What the rows point to, by type. Of links only those within a type (a parent, a LAG), or all."""
    found: dict[str, set[int]] = defaultdict(set)
    for name, table in list(rows.tables.items()):
        row = OBJECT_TYPES[name]
        left_out = {one for one, target in row.links.items() if not with_links and target != name}
        for pointer in row.pointers().keys() - left_out:
            for target, one in _targets(row, pointer, table.by_id.values()):
                found[target].add(one)
    return found


def _targets(row: ObjectType, pointer: str, rows: Iterable[Row]) -> set[tuple[str, int]]:
    return {target for one in rows for target in pointed(row, pointer, canonical_field(row, one, pointer))}


def _read_names(netbox: NetBox, found: Gathered) -> None:
    """What tells the objects apart from others of their type."""
    rows = found.rows
    pointed = {name for name, ids in _referred_to(rows, with_links=True).items() if ids}
    wanted = _with_parts(pointed)
    queries = []
    for row in map(OBJECT_TYPES.__getitem__, sorted(wanted | rows.tables.keys())):
        if row.reading is Reading.WHOLE and row.name in wanted:
            queries.append(Query(row.name, _names_of(row)))
        elif row.reading in (Reading.BY_NAME, Reading.BY_ADDRESS):
            queries += asking_for_namesakes(row, _names_of(row), rows.table(row.name).by_id.values())
    _read(netbox, found.known, queries)
    with suppress(AccessError):  # then what a value looks like has to do
        _read(netbox, found.known, [Query("custom_fields", ("name", "type"))])


def _with_parts(names: set[str]) -> set[str]:
    """These types and those that are named to tell their objects apart: the manufacturer of a device type."""
    parts = {
        target
        for name in names
        for pointer, targets in OBJECT_TYPES[name].pointers().items()
        for target in targets
        if pointer in (*OBJECT_TYPES[name].key, *OBJECT_TYPES[name].optional_key)
    }
    return names if parts <= names else _with_parts(names | parts)


def _names_of(row: ObjectType) -> tuple[str, ...]:
    slug = ("slug",) if row.slug_from else ()
    return tuple(dict.fromkeys((row.label, *row.halves, *slug, *row.key, *row.optional_key, *row.other_keys)))
