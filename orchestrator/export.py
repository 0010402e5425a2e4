"""From live objects back to a batch document: what planning it again finds unchanged.

What a document can say only by the id of an object is left out: in another
NetBox, or for another site, the same id is something else.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from orchestrator.catalog import ENSURED, OBJECT_TYPES, ObjectType
from orchestrator.gathering import Gathered, Ids, gather
from orchestrator.generic import generic_value
from orchestrator.live import canonical_row
from orchestrator.metadata import METADATA_FIELDS
from orchestrator.ports import NetBox, Row
from orchestrator.schema import FieldSpec, load_schema
from orchestrator.values import custom_field_value, host_of, live_value, slugify

Document = dict[str, Any]

_BY_ID_ONLY = frozenset({"object", "multiobject"})
# Said in another way: by the place of the entry, or by its own word.
_SAID_OTHERWISE = frozenset({"assigned_object_type", "assigned_object_id", "slug"})
# How an entry inside a device says on which of its components it is.
_WORD_FOR = {"interfaces": "interface"}
_EMPTY: tuple[Any, ...] = (None, "", (), [], {})
_WORTH_A_DEFAULT = 3


@dataclass(slots=True)
class Exported:
    """`left_out` counts what a document cannot say, by object type and field: `interfaces.untagged_vlan`."""

    document: Document
    objects: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


def export_objects(netbox: NetBox, seeds: Ids) -> Exported:
    """The document of these objects (object type -> ids), their components and what they refer to.

    Raises NetBoxError.
    """
    return _Writer(gather(netbox, seeds)).write()


class _Writer:
    """Writes the document of what was gathered."""

    def __init__(self, found: Gathered) -> None:
        self._rows = found.rows
        self._kinds = found.known.custom_field_kinds()
        self._names: dict[str, _Names] = {}
        for name in OBJECT_TYPES:
            self._names[name] = _Names(found, name, self._names)
        self._inside = _inside(found)
        self._exported = Exported({})

    def write(self) -> Exported:
        lists: Document = {}
        for name in ENSURED:
            row, placed = OBJECT_TYPES[name], {one["id"] for one, _ in chain(*self._inside[name].values())}
            live = self._rows.table(name).by_id
            self._exported.objects += len(live)
            entries = [self._entry(row, one) for one in live.values() if one["id"] not in placed]
            if entries:
                lists[name] = sorted(entries, key=_by_label(row))
        if any("[" in str(entry.get(OBJECT_TYPES[name].label)) for name, entry in _all_entries(lists)):
            self._exported.document["options"] = {"expand": False}  # brackets in names are no ranges here
        if defaults := _take_defaults(lists):
            self._exported.document["defaults"] = defaults
        self._exported.document |= lists
        return self._exported

    def _entry(self, row: ObjectType, live: Row) -> Document:
        values, entry = canonical_row(row, live), Document()
        if values.get(row.label) is None and not any(values.get(name) for name in row.other_keys):
            entry["id"] = live["id"]
        for name, spec in load_schema()[row.name].items():
            if name not in _SAID_OTHERWISE and name != row.child_of and values.get(name) not in _EMPTY:
                said = self._said(row, name, spec, live, values[name])
                if said not in _EMPTY:
                    entry[name] = said
        if row.slug_from and live["slug"] != slugify(str(live[row.slug_from])):
            entry["slug"] = live["slug"]
        for name in row.generic:
            if not isinstance(values[name], int | None):  # an address of a virtual machine
                self._leave_out(row, name)
        for child in row.children:
            if inside := self._inside[child].get(live["id"]):
                entries = [self._entry(OBJECT_TYPES[child], one) | where for one, where in inside]
                entry[child] = sorted(entries, key=_by_label(OBJECT_TYPES[child]))
        return entry

    def _said(self, row: ObjectType, name: str, spec: FieldSpec, live: Row, value: Any) -> Any:
        """How a document says the value of a field; None where it cannot."""
        target = row.all_references().get(name)
        if spec.kind == "tags":
            return sorted(tag["name"] for tag in live[name])
        if name == "custom_fields":
            return self._custom_fields(row, value)
        if target is not None:
            away = name in row.links and OBJECT_TYPES[target].ensured and not self._declares(target, value)
            # The address of a device that is merely referred to stays where it is.
            return None if away else self._names[target].of(value)
        if spec.kind in ("reference", "list"):
            return self._leave_out(row, name)
        return value

    def _declares(self, object_type: str, object_id: int) -> bool:
        return object_id in self._rows.table(object_type).by_id

    def _custom_fields(self, row: ObjectType, values: Mapping[str, Any]) -> Document:
        said: Document = {}
        for name, value in values.items():
            if value in _EMPTY or name in METADATA_FIELDS:
                continue
            kind = self._kinds.get(name, "")
            if kind in _BY_ID_ONLY:
                self._leave_out(row, f"custom_fields.{name}")
            else:
                said[name] = custom_field_value(value, kind)
        return said

    def _leave_out(self, row: ObjectType, name: str) -> None:
        self._exported.left_out[f"{row.name}.{name}"] += 1


class _Names:
    """What to call the objects of one type: the name where it is enough, else what tells them apart."""

    def __init__(self, found: Gathered, object_type: str, others: Mapping[str, _Names]) -> None:
        self._row = OBJECT_TYPES[object_type]
        self._others = others
        known = found.known.table(object_type).by_id
        self._rows = known or found.rows.table(object_type).by_id
        self._meant = Counter(self._heard(row) for row in self._rows.values())
        self._slugs = {row.get("slug"): object_id for object_id, row in self._rows.items()}

    def of(self, object_id: int) -> Any:
        """The reference to an object."""
        row = self._rows.get(object_id)
        if row is None:  # made while we were reading
            return {"id": object_id}
        label = row[self._row.label]
        if self._row.child_of:  # named where it hangs itself
            return label
        if self._meant[self._heard(row)] == 1 and self._slugs.get(label, object_id) == object_id:
            return label
        parts = self._parts(row)
        alike = [one for one in self._rows.values() if self._parts(one) == parts]
        if len(alike) > 1 or len(parts) == 1:
            return {"id": object_id}
        return {name: value if value is None else self._part(name, value) for name, value in parts.items()}

    def _heard(self, row: Row) -> Any:
        """What a name in a document is looked up by."""
        label = row.get(self._row.label)
        return host_of(str(label)) if self._row.by_host else label

    def _parts(self, row: Row) -> dict[str, Any]:
        return {name: live_value(row.get(name), name) for name in (*self._row.key, *self._row.optional_key)}

    def _part(self, name: str, value: Any) -> Any:
        target = self._row.all_references().get(name)
        return self._others[target].of(value) if target else value


def _inside(found: Gathered) -> dict[str, dict[int, list[tuple[Row, Document]]]]:
    """What is written inside of another entry: type -> id of the other -> rows, and where in it they are."""
    placed: dict[str, dict[int, list[tuple[Row, Document]]]] = {
        name: defaultdict(list) for name in OBJECT_TYPES
    }
    for name in ENSURED:
        row = OBJECT_TYPES[name]
        for live in found.rows.table(name).by_id.values():
            if row.child_of:
                placed[name][live[row.child_of]["id"]].append((live, {}))
            for pointer, target in row.generic.items():
                holder = found.rows.table(target).by_id.get(generic_value(row, pointer, live))
                if holder is not None:
                    above = holder[OBJECT_TYPES[target].child_of]["id"]
                    placed[name][above].append((live, {_WORD_FOR[target]: holder["name"]}))
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
        if key not in own and all(key in other and other[key] == value for other in others)
    }


def _by_label(row: ObjectType) -> Callable[[Document], list[tuple[bool, int, str]]]:
    """In the order in which people count: Eth2 before Eth10."""

    def order(entry: Document) -> list[tuple[bool, int, str]]:
        parts = re.split(r"([0-9]+)", str(entry.get(row.label, "")))
        return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]

    return order
