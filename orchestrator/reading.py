"""Reads from NetBox what a document may touch: what to look for, and in which way it is cheapest.

Small tables are read whole, large ones by the names, parents and hosts that
the document mentions, components by their parents. All types are read side by
side; components that are asked for by their parents' ids follow. live.py keeps the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType, Reading
from orchestrator.desired import Desired, Entry, Reference
from orchestrator.generic import ends_value
from orchestrator.graph import type_order
from orchestrator.layered import per_catalog
from orchestrator.live import Live, Table, fields_of, label_key
from orchestrator.ports import Extent, NetBox, Query, Row
from orchestrator.values import host_of, live_value

# Above this many keys we ask how long the whole list is: a filter with many values costs NetBox
# about as much as a page of a thousand rows (measured on 4.7).
_MANY_KEYS = 100


def read_live(desired: Desired, netbox: NetBox) -> Live:
    """Read every object that the document declares or refers to."""
    wanted = _Collector(desired).collect()
    left = [OBJECT_TYPES[name] for name in type_order() if name in wanted]
    whole = _cheaper_whole(left, wanted, netbox)
    live = Live(mentioned=frozenset(wanted))
    while left:
        ready = [row for row in left if row.name in whole or not _asks_parents(row, left)]
        queries = [query for row in ready for query in _queries(row, wanted[row.name], live, whole)]
        _take_in(queries, live, netbox)
        left = [row for row in left if row not in ready]
    _name_ends(live)
    _read_neighbours({name: want for name, want in wanted.items() if name not in whole}, live, netbox)
    return live


def _read_neighbours(wanted: Mapping[str, _Wanted], live: Live, netbox: NetBox) -> None:
    """A component that is named by its id links to others by name: on which device is known only now."""
    queries = []
    for name, want in wanted.items():
        row = OBJECT_TYPES[name]
        if not row.child_of or not want.ids:
            continue
        asked = {
            (one, above)
            for field, target, above in _beside(name)
            for one in _with_what_names_it(target)
            if field in want.fields
        }
        if not row.links.keys().isdisjoint(want.fields):
            asked |= {(name, above) for above in row.parents}
        found = [live.table(name).by_id.get(object_id, {}) for object_id in want.ids]
        for other, above in sorted(asked):
            parents = {live_value(one.get(above)) for one in found} - {None}
            fields = fields_of(OBJECT_TYPES[other], wanted[other].fields if other in wanted else ())
            queries += _asking(OBJECT_TYPES[other], fields, {f"{above}_id": parents})
    _take_in(queries, live, netbox)


def _name_ends(live: Live) -> None:
    """What live cables end at may be on devices that the document does not mention: it comes with them."""
    for table in [one for one in live.tables.values() if one.row.ends]:
        for name, cable in product(table.row.ends, table.by_id.values()):
            for (kind, _), end in zip(ends_value(cable.get(name)), cable.get(name) or (), strict=True):
                if kind in OBJECT_TYPES and end.get("object"):
                    _take_in_nested(OBJECT_TYPES[kind], end["object"], live)


def _take_in_nested(row: ObjectType, nested: Row, live: Live) -> None:
    live.table(row.name).add([nested])
    for above in row.parents:
        if OBJECT_TYPES[row.references[above]].label in (nested.get(above) or {}):
            live.table(row.references[above]).add([nested[above]])


def _take_in(queries: Sequence[Query], live: Live, netbox: NetBox) -> None:
    for query, rows in zip(queries, netbox.read_all(queries), strict=True):
        live.table(query.object_type).add(rows)


# -- what to look for ----------------------------------------------------------------


@dataclass(slots=True)
class _Wanted:
    """What to look for in one type. `parents` has what its objects hang on, by the field that says so,
    `targets` what they connect or are about, by type.
    """

    labels: set[str] = field(default_factory=set)
    others: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    ids: set[int] = field(default_factory=set)
    parents: dict[str, dict[Any, Reference]] = field(default_factory=lambda: defaultdict(dict))
    targets: dict[str, list[Reference]] = field(default_factory=lambda: defaultdict(list))
    fields: set[str] = field(default_factory=set)
    declared: int = 0


class _Collector:
    """Goes through a document once and takes down what it mentions."""

    def __init__(self, desired: Desired) -> None:
        self.desired = desired
        self.wanted: dict[str, _Wanted] = defaultdict(_Wanted)
        # Names that were met, by type: a site is named by thousands of devices.
        self.named: dict[str, set[str]] = defaultdict(set)

    def collect(self) -> dict[str, _Wanted]:
        if self.desired.options.metadata:
            self.wanted["custom_fields"].fields |= {"name", "object_types", "type"}
        for name, entries in self.desired.entries.items():
            row, want = OBJECT_TYPES[name], self.wanted[name]
            want.declared = len(entries)
            for entry in entries:
                self._entry(row, want, entry)
        if any("custom_fields" in want.fields for want in self.wanted.values()):
            self.wanted["custom_fields"].fields |= {"name", "object_types", "type"}
        self._old_names()
        return self.wanted

    def _entry(self, row: ObjectType, want: _Wanted, entry: Entry) -> None:
        fields = entry.fields
        if not fields.keys() <= want.fields:
            want.fields.update(fields)
        if row.reading in _BY_TARGET:
            _want_targets(row, want, fields)
        else:
            _want_named(row, want, fields)
        if row.child_of:
            self._parents(row, want, fields)
        for value in fields.values():
            if type(value) is Reference or type(value) is tuple:
                self._walk(value)
        if entry.match is not None:
            self._walk(entry.match)

    def _parents(self, row: ObjectType, want: _Wanted, fields: Mapping[str, Any]) -> None:
        """What a component hangs on, and so do those that it names without saying on what."""
        for above in row.parents:
            _want_parent(want, above, fields.get(above))
        for name, target, above in _beside(row.name):
            for one in _with_what_names_it(target) if name in fields else ():
                _want_parent(self.wanted[one], above, fields.get(above))

    def _walk(self, value: Any) -> None:
        """A reference, those in its parts, or those in a list."""
        if type(value) is tuple:
            for item in value:
                self._walk(item)
        elif type(value) is Reference and value.entry is None:  # an entry is wanted as such
            if value.parts or value.id is not None:
                self._reference(value)
            elif value.name not in self.named[value.object_type]:
                self.named[value.object_type].add(value.name)
                self._reference(value)

    def _reference(self, reference: Reference) -> None:
        row, want = OBJECT_TYPES[reference.object_type], self.wanted[reference.object_type]
        parts = reference.parts or {}
        if reference.id is not None:
            want.ids.add(reference.id)
        _want_label(row, want, reference.name or parts.get(row.label))
        for other in row.other_keys:
            if parts.get(other):
                want.others[other].add(str(parts[other]))
        for above in row.parents:
            _want_parent(want, above, parts.get(above))
        for part in parts.values():
            self._walk(part)

    def _old_names(self) -> None:
        """Who names a parent by the name that this document gives it means the one with the old name."""
        renamed: dict[tuple[str, Any], list[Reference]] = defaultdict(list)
        for entry in self.desired.all_entries():
            if entry.match is None:
                continue
            row = OBJECT_TYPES[entry.object_type]
            if not row.by_host:
                renamed[row.name, label_key(row, entry.fields.get(row.label))].append(entry.match)
        for name, want in self.wanted.items() if renamed else ():
            for above in OBJECT_TYPES[name].parents:
                parent = OBJECT_TYPES[OBJECT_TYPES[name].references[above]]
                for reference in [] if parent.child_of else list(want.parents[above].values()):
                    for old in _called_before(parent, reference, renamed):
                        _want_parent(want, above, old)
            for target, references in want.targets.items():
                for reference in list(references):
                    references.extend(_called_before(OBJECT_TYPES[target], reference, renamed))


def _called_before(
    row: ObjectType, reference: Reference, renamed: Mapping[tuple[str, Any], Sequence[Reference]]
) -> Sequence[Reference]:
    """By what an object is found that a reference names as the document will have renamed it."""
    if row.by_host or row.is_assignment:
        return ()
    named = reference.name or (reference.parts or {}).get(row.label)
    return renamed.get((row.name, label_key(row, named)), ())


@per_catalog
def _beside(object_type: str) -> tuple[tuple[str, str, str], ...]:
    """The fields by which a component names others of the same device: field, type, and what both hang on."""
    row = OBJECT_TYPES[object_type]
    return tuple(
        (name, target, above)
        for name, targets in row.pointers().items()
        for target in targets
        for above in row.parents
        if target != row.name and above in OBJECT_TYPES[target].parents
    )


@per_catalog
def _with_what_names_it(object_type: str) -> tuple[str, ...]:
    """A type and the components that its objects are called by: modules by their bays."""
    key = OBJECT_TYPES[object_type].key
    return (object_type, *(target for name, target, _ in _beside(object_type) if name in key))


def _want_targets(row: ObjectType, want: _Wanted, fields: Mapping[str, Any]) -> None:
    """What cables end at, or what a remark is about."""
    for reference in (one for end in row.ends for one in fields.get(end, ())):
        want.targets[reference.object_type].append(reference)
    for reference in (fields.get(name) for name in row.generic):
        if isinstance(reference, Reference):
            want.targets[reference.object_type].append(reference)


def _want_named(row: ObjectType, want: _Wanted, fields: Mapping[str, Any]) -> None:
    """An object by its label, or by what can stand in for that."""
    label = fields.get(row.label)
    if label is not None:
        _want_label(row, want, label)
        return
    for other in row.other_keys:
        if fields.get(other):
            want.others[other].add(fields[other])


def _want_label(row: ObjectType, want: _Wanted, label: Any) -> None:
    if not label:
        return
    try:
        # As written: NetBox itself folds case where it matters, and not quite as Python does.
        want.labels.add(host_of(str(label)) if row.by_host else str(label))
    except ValueError:  # not an address: the planner says so, with its path
        return


def _want_parent(want: _Wanted, above: str, parent: Any) -> None:
    """Components are asked for by their parents, which have been read by then."""
    if isinstance(parent, Reference):  # an entry has many components, and a name may stand for it many times
        want.parents[above].setdefault(parent.entry or (parent.id, str(parent)), parent)


# -- how to read it --------------------------------------------------------------------


def _cheaper_whole(
    rows: Iterable[ObjectType], wanted: Mapping[str, _Wanted], netbox: NetBox
) -> dict[str, Extent]:
    """The large tables of which the document mentions so much that they are read whole, with their extent."""
    keys = {row.name: _keys_of(row, wanted[row.name]) for row in rows if row.reading is not Reading.WHOLE}
    many = [name for name, count in keys.items() if count > _MANY_KEYS]
    extents = zip(many, netbox.extents(many), strict=True) if many else ()
    return {name: extent for name, extent in extents if extent.count <= 2 * keys[name]}


def _keys_of(row: ObjectType, want: _Wanted) -> int:
    """About how many values a filter would need."""
    if row.reading in _BY_TARGET:
        return want.declared
    if row.reading is not Reading.BY_PARENT:
        return len(want.labels)
    return max(sum(map(len, want.parents.values())), want.declared)


def _asks_parents(row: ObjectType, unread: Sequence[ObjectType]) -> bool:
    """Whether the ids of what it is asked for by (parents, ends, objects) are yet to be read."""
    if row.reading in _BY_TARGET:
        targets = {one for some in (*row.ends.values(), *row.generic.values()) for one in some}
        return any(one.name in targets for one in unread)
    above = [OBJECT_TYPES[row.references[name]] for name in row.parents]
    return row.reading is Reading.BY_PARENT and any(one in unread for one in above)


def _queries(row: ObjectType, want: _Wanted, live: Live, whole: Mapping[str, Extent]) -> list[Query]:
    """What finds all that is wanted of one type."""
    fields = fields_of(row, want.fields)
    if row.reading is Reading.WHOLE or row.name in whole:
        return [Query(row.name, fields, extent=whole.get(row.name))]
    return _asking(row, fields, {**_FILTERS[row.reading](row, want, live), "id": want.ids})


_Keys = Mapping[str, set[str] | set[int]]


def _asking(row: ObjectType, fields: tuple[str, ...], keys: _Keys) -> list[Query]:
    """A query for each filter that has values: an empty one would mean everything (design rule 9)."""
    return [Query(row.name, fields, name, sorted(values)) for name, values in keys.items() if values]


def asking_for_namesakes(row: ObjectType, fields: tuple[str, ...], rows: Iterable[Row]) -> list[Query]:
    """What finds all objects called like one of these rows: by name or host, unnamed ones by other keys."""
    want = _Wanted()
    for one in rows:
        _want_label(row, want, one.get(row.label))
        for other in () if one.get(row.label) else row.other_keys:
            if one.get(other):
                want.others[other].add(str(one[other]))
    return _asking(row, fields, _FILTERS[row.reading](row, want, Live()))


def _by_name(row: ObjectType, want: _Wanted, live: Live) -> _Keys:
    return {row.label_filter: want.labels, **want.others}


def _by_parent(row: ObjectType, want: _Wanted, live: Live) -> _Keys:
    return {
        f"{name}_id": {
            object_id
            for reference in want.parents[name].values()
            for object_id in _ids_of(reference, live.table(row.references[name]))
        }
        for name in row.parents
    }


def _by_address(row: ObjectType, want: _Wanted, live: Live) -> _Keys:
    return {"address": want.labels}


def _by_ends(row: ObjectType, want: _Wanted, live: Live) -> _Keys:
    return {
        row.pointer_filter(row.label, OBJECT_TYPES[name].model): _targets_there(references, live.table(name))
        for name, references in want.targets.items()
    }


def _by_object(row: ObjectType, want: _Wanted, live: Live) -> _Keys:
    """Ids of several types in one: what is found of others beside that is told apart later."""
    (name,) = row.generic
    some = (_targets_there(references, live.table(one)) for one, references in want.targets.items())
    return {row.filters[name]: set().union(*some)}


def _targets_there(references: Iterable[Reference], table: Table) -> set[int]:
    """The live objects that these may mean, by whatever they are called; which of them is found out later."""
    row, references = table.row, list(references)
    ids = {one.id for one in references if one.id is not None}
    if row.is_assignment:  # called by what it brings together
        return ids | table.by_id.keys()
    parts = (part for one in references for part in (one.name, *(one.parts or {}).values()))
    said = {_folded(row, part) for part in parts if isinstance(part, str | int)}
    names = [name for name in (row.label, row.alias, *row.other_keys) if name]
    return ids | {
        id_
        for id_, live in table.by_id.items()
        if any(_folded(row, live_value(live.get(name))) in said for name in names if live.get(name))
    }


def _folded(row: ObjectType, text: Any) -> str:
    """What is the same in all spellings of a name: case aside, of an address the host."""
    try:
        return host_of(str(text)) if row.by_host else str(text).lower()
    except ValueError:
        return str(text).lower()


_FILTERS: dict[Reading, Callable[[ObjectType, _Wanted, Live], _Keys]] = {
    Reading.BY_NAME: _by_name,
    Reading.BY_PARENT: _by_parent,
    Reading.BY_ADDRESS: _by_address,
    Reading.BY_ENDS: _by_ends,
    Reading.BY_OBJECT: _by_object,
}
_BY_TARGET = frozenset({Reading.BY_ENDS, Reading.BY_OBJECT})


def _ids_of(reference: Reference, table: Table) -> set[int]:
    """The live objects that a reference may mean, by any of its names."""
    if reference.id is not None:
        return {reference.id}
    entry = reference.entry
    if entry is None:
        return _ids_named(reference.parts or {table.row.label: reference.name}, table)
    ids = _ids_named(entry.fields, table)
    return ids if entry.match is None else ids | _ids_of(entry.match, table)


def _ids_named(fields: Mapping[str, Any], table: Table) -> set[int]:
    label = fields.get(table.row.label)
    ids = {row["id"] for row in table.labelled(label)} if label else set()
    for key in table.row.other_keys:
        if fields.get(key):
            ids.update(row["id"] for row in table.with_other_key(key, fields[key]))
    return ids
