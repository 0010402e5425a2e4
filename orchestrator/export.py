"""From live objects back to a batch document: what planning it again finds unchanged.

What a document can say only by the id of an object is left out where it can be, and counted in any
case: in another NetBox, or for another site, the same id is something else.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import orjson

from orchestrator.catalog import ENSURED, OBJECT_TYPES, ObjectType
from orchestrator.expand import texts_in
from orchestrator.gathering import Gathered, Ids, gather
from orchestrator.generic import generic_value, mapped_parts, pointed
from orchestrator.live import canonical_row, live_above
from orchestrator.metadata import METADATA_FIELDS, is_own_definition
from orchestrator.ports import NetBox, Row
from orchestrator.referring import all_names
from orchestrator.schema import FieldSpec, load_schema
from orchestrator.values import EMPTY, custom_field_value, host_of, live_value, slugify

Document = dict[str, Any]

_BY_ID_ONLY = frozenset({"object", "multiobject"})
# How an entry inside a device says on which of its components it is.
_WORD_FOR = {"interfaces": "interface"}
# What the maker has given to this one piece.
_HARDWARE = ("mac_address", "wwn", "serial", "asset_tag")
_WORTH_A_DEFAULT = 3


@dataclass(slots=True)
class Exported:
    """`left_out` counts what a document cannot say, by object type and field (`interfaces.untagged_vlan`) or
    object type alone; `by_id` the references that hold in this NetBox only, by what they point to.
    """

    document: Document
    objects: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    by_id: Counter[str] = field(default_factory=Counter)


def export_objects(netbox: NetBox, seeds: Ids, template: bool = False) -> Exported:
    """The document of these objects (object type -> ids), their components and what they refer to.

    A `template` has nothing in it that only one object can have: no serial numbers and asset tags, no
    addresses. Raises NetBoxError.
    """
    return _Writer(gather(netbox, seeds), template).write()


class _Writer:
    """Writes the document of what was gathered."""

    def __init__(self, found: Gathered, template: bool) -> None:
        self._rows = found.rows
        self._template = template
        self._kinds = found.known.custom_field_kinds()
        self._exported = Exported({})
        self._names = all_names(found, self._exported.by_id)
        self._inside = _inside(found)
        # Addresses that several objects have: they are told apart by the interface that they are on.
        self._shared = Counter(map(_host_and_vrf, found.known.table("ip_addresses").by_id.values()))

    def write(self) -> Exported:
        lists: Document = {}
        for name in ENSURED:
            row, placed = OBJECT_TYPES[name], {one["id"] for one, _ in chain(*self._inside[name].values())}
            if self._template and row.by_host:
                continue
            live = [
                one
                for one in self._rows.table(name).by_id.values()
                if one["id"] not in placed and not is_own_definition(name, str(one.get("name")))
            ]
            if entries := self._entries(row, [(one, {}) for one in live]):
                lists[name] = entries
        labels = (entry.get(OBJECT_TYPES[name].label) for name, entry in _all_entries(lists))
        if any("[" in text for label in labels for text in texts_in(label)):
            self._exported.document["options"] = {"expand": False}  # brackets in names are no ranges here
        if defaults := _take_defaults(lists):
            self._exported.document["defaults"] = defaults
        self._exported.document |= lists
        return self._exported

    def _entries(self, row: ObjectType, placed: Sequence[tuple[Row, Document]]) -> list[Document]:
        """The entries of one list, in the order in which people count."""
        entries = []
        for live, where in placed:
            if not self._names[row.name].identifies(live) or (self._template and live[row.label] is None):
                self._exported.left_out[row.name] += 1
            elif row.child_of and not self._declares(*_above(row, live)[1:]):
                self._exported.left_out[row.name] += 1  # the token may not see the device
            else:
                entries.append(self._entry(row, live) | where)
        return sorted(entries, key=_by_label(row))

    def _entry(self, row: ObjectType, live: Row) -> Document:
        self._exported.objects += 1
        values, entry = canonical_row(row, live), Document()
        skipped = {"slug", *row.parents, *row.halves, *(self._own_alone(row) if self._template else ())}
        skipped.update(row.copied_by(lambda source: values.get(source) is not None))
        for name, spec in load_schema()[row.name].items():
            if name not in skipped and values.get(name) not in EMPTY:
                said = self._said(row, name, spec, live, values[name])
                if said not in EMPTY:
                    entry[name] = said
        if row.slug_from and live["slug"] != slugify(str(live[row.slug_from])):
            entry["slug"] = live["slug"]
        return (
            entry
            | self._assignment(row, live, values)
            | self._names[row.name].narrowing(live)
            | self._held(row, live)
        )

    def _assignment(self, row: ObjectType, live: Row, values: Mapping[str, Any]) -> Document:
        """That an address is on no interface, where another one like it is on one."""
        said: Document = {}
        for name in row.generic:
            if not row.by_host:
                said |= self._generic(row, name, live, values[name])
            elif not isinstance(values[name], int | None):  # on a virtual machine
                self._leave_out(row, name)
            elif values[name] is None and self._shared[_host_and_vrf(live)] > 1:
                said[name] = None
        return said

    def _generic(self, row: ObjectType, name: str, live: Row, value: Any) -> Document:
        said = self._names[row.name].pointer(name, live)
        if value is not None and said is None:
            self._leave_out(row, name)
        return {} if said is None else {name: said}

    def _held(self, row: ObjectType, live: Row) -> Document:
        """The lists of what stands inside of an entry."""
        lists: Document = {}
        for name in row.children:
            child = OBJECT_TYPES[name]
            if not (self._template and child.by_host):
                lists[name] = self._entries(
                    child, self._inside[name].get((row.children[name], live["id"]), ())
                )
        return {name: entries for name, entries in lists.items() if entries}

    def _own_alone(self, row: ObjectType) -> set[str]:
        """Fields whose values no other object may have."""
        links = {name for name, target in row.links.items() if OBJECT_TYPES[target].by_host}
        return {*row.other_keys, *links, *_HARDWARE}

    def _said(self, row: ObjectType, name: str, spec: FieldSpec, live: Row, value: Any) -> Any:
        """How a document says the value of a field; None where it cannot."""
        target = row.references.get(name) or row.links.get(name)
        if spec.kind == "tags":
            return [self._names["tags"].of(tag["id"], live) for tag in sorted(live[name], key=_name)]
        if name == "custom_fields":
            return self._custom_fields(row, value)
        if target is not None:
            if name in row.links and OBJECT_TYPES[target].ensured and not self._declares(target, value):
                return None  # the address of a device that is merely referred to stays where it is
            said = self._names[target].of(value, live)
            return self._leave_out(row, name) if said is None else said
        if name in row.lists:
            said = [self._names[row.lists[name]].of(one, live) for one in value]
            return self._leave_out(row, name) if None in said else said
        if name in row.ends:
            said = [{OBJECT_TYPES[kind].word: self._names[kind].of(one, live)} for kind, one in value]
            return self._leave_out(row, name) if any(None in one.values() for one in said) else said
        if name in row.mapped:
            position, port, its_position = mapped_parts(name)
            said = [
                {position: of, port: self._names[row.mapped[name]].of(one, live), its_position: its}
                for of, one, its in value
            ]
            return self._leave_out(row, name) if any(one[port] is None for one in said) else said
        if spec.kind in ("reference", "list"):
            return self._leave_out(row, name)
        if isinstance(value, tuple):
            return list(value)
        return value

    def _declares(self, object_type: str, object_id: int) -> bool:
        return object_id in self._rows.table(object_type).by_id

    def _custom_fields(self, row: ObjectType, values: Mapping[str, Any]) -> Document:
        said: Document = {}
        for name, value in values.items():
            if value in EMPTY or name in METADATA_FIELDS:
                continue
            kind = self._kinds.get(name, "")
            if kind in _BY_ID_ONLY:
                self._leave_out(row, f"custom_fields.{name}")
            else:
                said[name] = custom_field_value(value, kind)
        return said

    def _leave_out(self, row: ObjectType, name: str) -> None:
        self._exported.left_out[f"{row.name}.{name}"] += 1


def _above(row: ObjectType, live: Row) -> tuple[str, str, int]:
    """What an object hangs on: by which field, of which type, and its id."""
    field, object_id = live_above(row, live)
    return field, row.references[field], object_id


_Holder = tuple[str, int]


def _inside(found: Gathered) -> dict[str, dict[_Holder, list[tuple[Row, Document]]]]:
    """What is written inside of another entry: type -> field and id of the other -> rows, and where in it."""
    placed: dict[str, dict[_Holder, list[tuple[Row, Document]]]] = {
        name: defaultdict(list) for name in OBJECT_TYPES
    }
    for name in ENSURED:
        row = OBJECT_TYPES[name]
        for live in found.rows.table(name).by_id.values():
            if row.child_of:
                field, _, object_id = _above(row, live)
                placed[name][field, object_id].append((live, {}))
            for pointer in row.generic if row.by_host else ():
                for target, one in pointed(row, pointer, generic_value(row, pointer, live)):
                    holder = found.rows.table(target).by_id.get(one)
                    if holder is not None and target in _WORD_FOR:
                        field, _, object_id = _above(OBJECT_TYPES[target], holder)
                        placed[name][field, object_id].append((live, {_WORD_FOR[target]: holder["name"]}))
    return placed


def _all_entries(lists: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
    for name, entries in lists.items():
        for entry in entries:
            yield name, entry
            children = {child: entry[child] for child in OBJECT_TYPES[name].children if child in entry}
            yield from _all_entries(children)


def _take_defaults(lists: Mapping[str, Any]) -> Document:
    """Take out of the entries what all of a type have in common."""
    entries: dict[str, list[Document]] = defaultdict(list)
    for name, entry in _all_entries(lists):
        entries[name].append(entry)
    defaults = {name: _in_common(OBJECT_TYPES[name], alike) for name, alike in entries.items()}
    for name, common in defaults.items():
        for entry in entries[name]:
            for key in common:
                del entry[key]
    return {name: common for name, common in defaults.items() if common}


def _in_common(row: ObjectType, entries: Sequence[Document]) -> Document:
    if len(entries) < _WORTH_A_DEFAULT:
        return {}
    first, *others = entries
    own = {"id", "slug", row.label, *row.children, *_WORD_FOR.values(), "tags", "custom_fields"}
    return {
        key: value
        for key, value in first.items()
        if key not in own and all(key in other and _same(other[key], value) for other in others)
    }


def _same(one: Any, other: Any) -> bool:
    """Whether both are the same in a document: 1, 1.0 and true are not."""
    return orjson.dumps(one) == orjson.dumps(other)


def _name(row: Row) -> str:
    return str(row["name"])


def _host_and_vrf(row: Row) -> tuple[str, Any]:
    return host_of(row["address"]), live_value(row.get("vrf"))


def _by_label(row: ObjectType) -> Callable[[Document], list[tuple[bool, int, str]]]:
    """In the order in which people count: Eth2 before Eth10."""

    def order(entry: Document) -> list[tuple[bool, int, str]]:
        parts = re.split(r"([0-9]+)", str(entry.get(row.label, "")))
        return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]

    return order
