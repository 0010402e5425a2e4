"""Which objects an export consists of: what was asked for, what hangs on it, what it refers to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from orchestrator.catalog import OBJECT_TYPES, ObjectType, Reading
from orchestrator.generic import generic_value
from orchestrator.graph import type_order
from orchestrator.live import Live
from orchestrator.ports import NetBox, Query, Row
from orchestrator.schema import load_schema
from orchestrator.values import host_of, live_value

Ids = Mapping[str, Collection[int]]


@dataclass(slots=True)
class Gathered:
    """`rows` are what the document will declare. `known` is what names are looked up in: whole tables of the
    types that are referred to, and every address that shares its host with one that is.
    """

    rows: Live = field(default_factory=Live)
    known: Live = field(default_factory=Live)


def gather(netbox: NetBox, seeds: Ids) -> Gathered:
    """Read the seeds (object type -> ids), their components, and all that they refer to.

    Components come along with a device that was asked for, not with one that is only referred to.
    Raises NetBoxError.
    """
    found = Gathered()
    _take(netbox, found, seeds)
    _take_components(netbox, found)
    while missing := _referred_to(found.rows):
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
        pointers = [row.child_of] if row.child_of else list(row.generic)
        for pointer in pointers:
            owner = row.all_references()[pointer]
            ids = sorted(above[owner].by_id) if owner in above else []
            if ids:
                query = Query(name, _fields(row), row.pointer_filter(pointer), ids)
                _read(netbox, found.rows, [query])


def _referred_to(rows: Live) -> dict[str, set[int]]:
    """What is not there yet of the types that documents declare. Links are followed within a type only:
    a parent, a LAG; the address of a device that is merely referred to is not.
    """
    missing: dict[str, set[int]] = defaultdict(set)
    for name, table in rows.tables.items():
        row = OBJECT_TYPES[name]
        own = {pointer: target for pointer, target in row.links.items() if target == name}
        for pointer, target in {**row.references, **row.generic, **own}.items():
            if OBJECT_TYPES[target].ensured:
                missing[target] |= _targets(row, pointer, table.by_id.values())
    return {
        target: left for target, ids in missing.items() if (left := ids - rows.table(target).by_id.keys())
    }


def _targets(row: ObjectType, pointer: str, rows: Iterable[Row]) -> set[int]:
    values = (
        generic_value(row, pointer, one) if pointer in row.generic else live_value(one.get(pointer))
        for one in rows
    )
    return {value for value in values if isinstance(value, int)}


def _read_names(netbox: NetBox, found: Gathered) -> None:
    """What tells the referred objects apart from others of their type."""
    pointed = {
        target
        for name, table in list(found.rows.tables.items())
        if table.by_id
        for target in OBJECT_TYPES[name].all_references().values()
    }
    rows = [OBJECT_TYPES[name] for name in sorted(_with_parts(pointed))]
    queries = [Query(row.name, _names_of(row)) for row in rows if row.reading is Reading.WHOLE]
    queries.append(Query("custom_fields", ("name", "type")))
    addresses = found.rows.table("ip_addresses").by_id.values()
    if hosts := sorted({host_of(one["address"]) for one in addresses}):
        row = OBJECT_TYPES["ip_addresses"]
        queries.append(Query(row.name, _names_of(row), "address", hosts))
    _read(netbox, found.known, queries)


def _with_parts(names: set[str]) -> set[str]:
    """These types and those that are named to tell their objects apart: the manufacturer of a device type."""
    parts = {
        target
        for name in names
        for pointer, target in OBJECT_TYPES[name].all_references().items()
        if pointer in (*OBJECT_TYPES[name].key, *OBJECT_TYPES[name].optional_key)
    }
    return names if parts <= names else _with_parts(names | parts)


def _names_of(row: ObjectType) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys((row.label, *(("slug",) if row.slug_from else ()), *row.key, *row.optional_key))
    )
