"""Reads from NetBox what a document may touch: the live side of every comparison.

Small tables are read whole, large ones by the names, parents and hosts that
the document mentions, components by their parents. The rows are kept as NetBox
sent them; `Table` finds them again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType, Reading
from orchestrator.desired import Desired, Reference
from orchestrator.graph import type_order
from orchestrator.ports import NetBox, Query, Row
from orchestrator.schema import load_schema
from orchestrator.values import host_of, live_value

# Above this many keys we ask how long the whole list is: a filter with many values costs NetBox
# about as much as a page of a thousand rows (measured on 4.7).
_MANY_KEYS = 100


class Table:
    """The live rows of one object type, found by id, by label (within its parent) and by slug."""

    def __init__(self, row: ObjectType) -> None:
        self.row = row
        self.by_id: dict[int, Row] = {}
        self._by_label: dict[Any, list[Row]] = defaultdict(list)
        self._by_slug: dict[str, list[Row]] = defaultdict(list)
        self._by_other: dict[tuple[str, str], list[Row]] = defaultdict(list)

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows; a row that is there already is passed over."""
        for row in rows:
            if row["id"] in self.by_id:
                continue
            self.by_id[row["id"]] = row
            self._by_label[label_key(self.row, row.get(self.row.label), _parent_id(self.row, row))].append(
                row
            )
            if row.get("slug"):
                self._by_slug[row["slug"]].append(row)
            for name in self.row.other_keys:
                if row.get(name):
                    self._by_other[name, str(row[name])].append(row)

    def labelled(self, label: Any, parent: Any = None) -> list[Row]:
        """Rows with this label; for components, those of the parent with this id."""
        return self._by_label.get(label_key(self.row, label, parent), [])

    def slugged(self, slug: str) -> list[Row]:
        """Rows with this slug."""
        return self._by_slug.get(slug, [])

    def with_other_key(self, name: str, value: Any) -> list[Row]:
        """Rows whose field `name`, one that can stand in for a missing label, has this value."""
        return self._by_other.get((name, str(value)), [])

    def labels(self) -> list[str]:
        """All labels, for suggestions."""
        return [str(row[self.row.label]) for row in self.by_id.values() if row.get(self.row.label)]


def label_key(row: ObjectType, label: Any, parent: Any = None) -> Any:
    """What makes two labels equal: case for devices, the host for addresses, the parent for components."""
    if label is None:
        return None
    text = str(label)
    if row.fold_case:
        text = text.lower()
    if row.by_host:
        text = host_of(text)
    return (parent, text) if row.child_of else text


def _parent_id(row: ObjectType, live: Row) -> Any:
    return live_value(live.get(row.child_of)) if row.child_of else None


@dataclass(slots=True)
class Live:
    """What was read, by object type. Types that the document does not mention are absent.

    `stamps` are the custom fields of the objects that are to be updated, by type
    and id (metadata.py). `holders` are the devices that an address of the document may have to leave
    (release.py). `may_define` tells whether the token may define custom fields;
    it is only asked for where those for metadata are not all there (metadata.py).
    """

    tables: dict[str, Table] = field(default_factory=dict)
    stamps: dict[tuple[str, int], Row] = field(default_factory=dict)
    holders: dict[int, Row] = field(default_factory=dict)
    may_define: bool = True

    def table(self, object_type: str) -> Table:
        """The rows of one type; an empty table when nothing was read."""
        if object_type not in self.tables:
            self.tables[object_type] = Table(OBJECT_TYPES[object_type])
        return self.tables[object_type]


def read_live(desired: Desired, netbox: NetBox) -> Live:
    """Read every object that the document declares or refers to, parents first."""
    wanted = _collect(desired)
    live = Live()
    for name in type_order():
        if name in wanted:
            _read_table(OBJECT_TYPES[name], wanted[name], live, netbox)
    return live


@dataclass(slots=True)
class _Wanted:
    """What to look for in one type."""

    labels: set[str] = field(default_factory=set)
    others: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    ids: set[int] = field(default_factory=set)
    parents: list[Reference] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    declared: int = 0


def _collect(desired: Desired) -> dict[str, _Wanted]:
    wanted: dict[str, _Wanted] = defaultdict(_Wanted)
    if desired.options.metadata:
        wanted["custom_fields"].fields |= {"name", "object_types", "type"}
    for entry in desired.all_entries():
        row, want = OBJECT_TYPES[entry.object_type], wanted[entry.object_type]
        want.declared += 1
        want.fields.update(entry.fields)
        _want_label(row, want, entry.fields.get(row.label))
        for other in row.other_keys:
            if entry.fields.get(other) and entry.fields.get(row.label) is None:
                want.others[other].add(entry.fields[other])
        _want_parent(row, want, entry.fields.get(row.child_of))
        if "custom_fields" in entry.fields:
            wanted["custom_fields"].fields |= {"name", "object_types"}
    for reference in desired.references():
        _want_reference(wanted, reference)
    _want_old_names(desired, wanted)
    return wanted


def _want_old_names(desired: Desired, wanted: dict[str, _Wanted]) -> None:
    """Who names a parent by the name that this document gives it means the one with the old name."""
    renamed: dict[tuple[str, Any], list[Reference]] = defaultdict(list)
    for entry in desired.all_entries():
        row = OBJECT_TYPES[entry.object_type]
        if entry.match is not None and not row.child_of and not row.by_host:
            renamed[row.name, label_key(row, entry.fields.get(row.label))].append(entry.match)
    for name, want in wanted.items() if renamed else ():
        row = OBJECT_TYPES[name]
        parent = OBJECT_TYPES[row.references[row.child_of]] if row.child_of else row
        for reference in list(want.parents):
            named = reference.name or (reference.parts or {}).get(parent.label)
            want.parents += renamed.get((parent.name, label_key(parent, named)), ())


def _want_reference(wanted: dict[str, _Wanted], reference: Reference) -> None:
    if reference.entry is not None:
        return  # wanted as an entry already
    row, want = OBJECT_TYPES[reference.object_type], wanted[reference.object_type]
    parts = reference.parts or {}
    if reference.id is not None:
        want.ids.add(reference.id)
    _want_label(row, want, reference.name or parts.get(row.label))
    for other in row.other_keys:
        if parts.get(other):
            want.others[other].add(str(parts[other]))
    _want_parent(row, want, parts.get(row.child_of))


def _want_label(row: ObjectType, want: _Wanted, label: Any) -> None:
    if not label:
        return
    try:
        # As written: NetBox itself folds case where it matters, and not quite as Python does.
        want.labels.add(host_of(str(label)) if row.by_host else str(label))
    except ValueError:  # not an address: the planner says so, with its path
        return


def _want_parent(row: ObjectType, want: _Wanted, parent: Any) -> None:
    """Components are asked for by their parents, which have been read by then."""
    if not row.child_of or not isinstance(parent, Reference):
        return
    # Those inside one entry follow each other: once is enough.
    if parent.entry is None or not want.parents or want.parents[-1].entry is not parent.entry:
        want.parents.append(parent)


def _read_table(row: ObjectType, want: _Wanted, live: Live, netbox: NetBox) -> None:
    table = live.table(row.name)
    fields = _fields_of(row, want)
    for query in _READERS[row.reading](row, want, live, netbox, fields):
        table.add(netbox.read(query))


def _fields_of(row: ObjectType, want: _Wanted) -> tuple[str, ...]:
    """What every comparison needs: identity, what the document manages, what the planner looks at."""
    fields = {"id", row.label, *row.key, *row.optional_key, *row.other_keys, *want.fields}
    if row.slug_from:
        fields.add("slug")
    if row.generic:
        fields.discard("assigned_object")
        fields |= {"assigned_object_type", "assigned_object_id", "assigned_object"}
    if row.name == "device_types":
        fields |= {"interface_template_count", "manufacturer"}
    return tuple(sorted(fields))


def _whole(
    row: ObjectType, want: _Wanted, live: Live, netbox: NetBox, fields: tuple[str, ...]
) -> list[Query]:
    return [Query(row.name, fields)]


def _by_name(
    row: ObjectType, want: _Wanted, live: Live, netbox: NetBox, fields: tuple[str, ...]
) -> list[Query]:
    if _whole_is_cheaper(row, len(want.labels), netbox):
        return [Query(row.name, fields)]
    return _keyed(row, fields, {f"{row.label}__ie": want.labels, "id": want.ids, **want.others})


def _by_parent(
    row: ObjectType, want: _Wanted, live: Live, netbox: NetBox, fields: tuple[str, ...]
) -> list[Query]:
    parents = live.table(row.references[row.child_of])
    ids = {object_id for reference in want.parents for object_id in ids_of(reference, parents)}
    if _whole_is_cheaper(row, max(len(ids), want.declared), netbox):
        return [Query(row.name, fields)]
    return _keyed(row, fields, {f"{row.child_of}_id": ids, "id": want.ids})


def ids_of(reference: Reference, table: Table) -> set[int]:
    """The live objects that a reference may mean, by any of its names."""
    if reference.id is not None:
        return {reference.id}
    named: list[Mapping[str, Any]] = [{table.row.label: reference.name}, reference.parts or {}]
    ids: set[int] = set()
    if reference.entry is not None:
        named.append(reference.entry.fields)
        if reference.entry.match is not None:
            ids |= ids_of(reference.entry.match, table)
    for fields in named:
        rows = table.labelled(fields[table.row.label]) if fields.get(table.row.label) else []
        others = [table.with_other_key(key, fields[key]) for key in table.row.other_keys if fields.get(key)]
        ids |= {row["id"] for found in (rows, *others) for row in found}
    return ids


def _by_address(
    row: ObjectType, want: _Wanted, live: Live, netbox: NetBox, fields: tuple[str, ...]
) -> list[Query]:
    if _whole_is_cheaper(row, len(want.labels), netbox):
        return [Query(row.name, fields)]
    return _keyed(row, fields, {"address": want.labels, "id": want.ids})


def _keyed(row: ObjectType, fields: tuple[str, ...], keys: Mapping[str, set[str] | set[int]]) -> list[Query]:
    """One query per filter that has values: an empty one would mean everything (design rule 9)."""
    return [Query(row.name, fields, name, sorted(values)) for name, values in keys.items() if values]


_Reader = Callable[[ObjectType, _Wanted, Live, NetBox, tuple[str, ...]], list[Query]]
_READERS: dict[Reading, _Reader] = {
    Reading.WHOLE: _whole,
    Reading.BY_NAME: _by_name,
    Reading.BY_PARENT: _by_parent,
    Reading.BY_ADDRESS: _by_address,
}


def _whole_is_cheaper(row: ObjectType, keys: int, netbox: NetBox) -> bool:
    return keys > _MANY_KEYS and netbox.count(row.name) <= 2 * keys


def canonical_row(row: ObjectType, live: Row) -> dict[str, Any]:
    """A live row with every value in canonical form, generic references as one field."""
    verbatim = _verbatim(row.name)
    values = {key: raw if key in verbatim else live_value(raw, key) for key, raw in live.items()}
    values["custom_fields"] = live.get("custom_fields") or {}
    for name, object_type in row.generic.items():
        values[name] = _generic_id(object_type, name, live)
    return values


def canonical_field(row: ObjectType, live: Row, name: str) -> Any:
    """One field of `canonical_row`, without the work for all others."""
    if name in row.generic:
        return _generic_id(row.generic[name], name, live)
    raw = live.get(name)
    if name == "custom_fields":
        return raw or {}
    return raw if type(raw) in _CANONICAL or name in _verbatim(row.name) else live_value(raw, name)


_CANONICAL = frozenset({bool, int, type(None)})


def _generic_id(object_type: str, name: str, live: Row) -> Any:
    """What hangs on something else, a VM's interface for one, must not look as if it hung on nothing."""
    kind, object_id = live.get(f"{name}_type"), live.get(f"{name}_id")
    return object_id if kind in (None, OBJECT_TYPES[object_type].model) else f"{kind} {object_id}"


@cache
def _verbatim(object_type: str) -> frozenset[str]:
    """Fields whose JSON means nothing to us."""
    specs = load_schema().get(object_type, {})
    return frozenset(name for name, spec in specs.items() if spec.kind == "json") | {"custom_fields"}


def find_by_id(netbox: NetBox, row: ObjectType, ids: Sequence[int]) -> list[Row | None]:
    """The live row for each id, or None where it is gone. One read for all."""
    rows = {
        live["id"]: live for live in netbox.read(Query(row.name, all_fields(row), "id", sorted(set(ids))))
    }
    return [rows.get(wanted) for wanted in ids]


def find_rows(netbox: NetBox, row: ObjectType, keys: Sequence[dict[str, Any]]) -> list[Row | None]:
    """The live row for each natural key (canonical values, references as ids), or None.

    Used to learn what became of objects that were, or may have been, created.
    """
    table = Table(row)
    for filter_name, values in _lookups(row, keys).items():
        table.add(netbox.read(Query(row.name, all_fields(row), filter_name, sorted(values))))
    return [_match(row, table, key) for key in keys]


def all_fields(row: ObjectType) -> tuple[str, ...]:
    """Everything that can be written, and when it last was."""
    known = {*_fields_of(row, _Wanted()), *load_schema().get(row.name, ()), "last_updated"}
    return tuple(sorted(known - set(row.generic)))


def _lookups(row: ObjectType, keys: Sequence[dict[str, Any]]) -> dict[str, set[Any]]:
    """Filter -> values that together find all keys."""
    lookups: dict[str, set[Any]] = defaultdict(set)
    for key in keys:
        label = key.get(row.label)
        if row.child_of:
            lookups[f"{row.child_of}_id"].add(key[row.child_of])
        elif label is None:
            name = next(name for name in row.other_keys if key.get(name))
            lookups[name].add(key[name])
        elif row.by_host:
            lookups["address"].add(host_of(label))
        else:
            lookups[f"{row.label}__ie" if row.fold_case else row.label].add(str(label))
    return lookups


def _match(row: ObjectType, table: Table, key: dict[str, Any]) -> Row | None:
    label = key.get(row.label)
    rows = table.labelled(label, key.get(row.child_of)) if label is not None else table.by_id.values()
    for live in rows:
        values = canonical_row(row, live)
        if all(values.get(name) == value for name, value in key.items() if name != row.label or not label):
            return live
    return None
