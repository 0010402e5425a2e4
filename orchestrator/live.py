"""What NetBox has: the live side of every comparison.

The rows are kept as NetBox sent them; `Table` finds them again, `canonical_row`
brings them to the notation in which they are compared. reading.py fills this
in for a document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, TEMPLATE_COUNTS, ObjectType, Reading
from orchestrator.generic import ends_of, ends_value, generic_target, shaped_value
from orchestrator.ports import NetBox, Query, Row
from orchestrator.schema import load_schema
from orchestrator.values import host_of, live_value

_LONG_ENOUGH = 60


class Table:
    """The live rows of one object type, found by id, by label (within its parent) and by slug."""

    def __init__(self, row: ObjectType) -> None:
        self.row = row
        self.by_id: dict[int, Row] = {}
        self._by_label: dict[Any, list[Row]] = defaultdict(list)
        self._by_alias: dict[str, list[Row]] = defaultdict(list)
        self._by_other: dict[tuple[str, str], list[Row]] = defaultdict(list)

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows; a row that is there already is passed over."""
        label, above, either = self.row.label, self.row.child_of, self.row.else_of
        for row in rows:
            if row["id"] in self.by_id:
                continue
            self.by_id[row["id"]] = row
            if self.row.ends:
                for one in live_ends(self.row, row):
                    self._by_label[one].append(row)
                continue
            parent = None
            if above:
                parent = live_parent(self.row, row) if either else live_value(row.get(above))
            name = row.get(label)
            if type(name) is dict:  # a choice, or what an assignment is about
                name = live_value(name)
            self._by_label[label_key(self.row, name, parent)].append(row)
            if self.row.alias and row.get(self.row.alias):
                self._by_alias[row[self.row.alias]].append(row)
            for name in self.row.other_keys:
                if row.get(name):
                    self._by_other[name, str(row[name])].append(row)

    def labelled(self, label: Any, parent: Any = None) -> list[Row]:
        """Rows with this label; for components, those of the parent with this id."""
        return self._by_label.get(label_key(self.row, label, parent), [])

    def at(self, place: Any) -> list[Row]:
        """The same, by what `label_key` makes of label and parent; cables, by one of their ends."""
        return self._by_label.get(place, [])

    def also_called(self, alias: str) -> list[Row]:
        """Rows with this slug, or what else they are called by (`ObjectType.alias`)."""
        return self._by_alias.get(alias, [])

    def with_other_key(self, name: str, value: Any) -> list[Row]:
        """Rows whose field `name`, one that can stand in for a missing label, has this value."""
        return self._by_other.get((name, str(value)), [])

    def labels(self) -> list[str]:
        """All labels, for suggestions."""
        if self.row.is_assignment:
            return []
        return [str(row[self.row.label]) for row in self.by_id.values() if row.get(self.row.label)]


def label_key(row: ObjectType, label: Any, parent: Any = None) -> Any:
    """What makes two labels equal: case for devices, the host for addresses, the parent for components.

    Of a remark, the ends of lines and the white space around it: a web form has sent others than a document.
    """
    if label is None or row.ends:
        return None
    text = str(label)
    if row.fold_case:
        text = text.lower()
    if row.by_host:
        text = host_of(text)
    if row.append_only:
        text = text.replace("\r\n", "\n").strip()
    return (parent, text) if row.child_of else text


def live_parent(row: ObjectType, live: Row) -> Any:
    """What a live object hangs on (`ObjectType.parent_token`)."""
    return row.parent_token(lambda name: live_value(live.get(name)))


def live_ends(row: ObjectType, live: Row) -> frozenset[tuple[str, Any]]:
    """All that a live cable connects (generic.py, `ends_of`)."""
    return ends_of(row, lambda name: ends_value(live.get(name)))


def live_above(row: ObjectType, live: Row) -> tuple[str, Any]:
    """The same as field and id (`ObjectType.parent_in`)."""
    return row.parent_in(lambda name: live_value(live.get(name)))


def called(row: ObjectType, live: Row) -> str:
    """How people call a live object: by its label, and by its id where it has none."""
    if row.ends:
        return str(live.get("label") or f"id {live['id']}")
    label = live.get(row.label)
    if isinstance(label, dict):  # a choice, or what an assignment is about
        label = label.get("display") or label.get("label")
    return in_short(row, str(label or f"id {live['id']}"))


def in_short(row: ObjectType, label: str) -> str:
    """A label where people read it: of a remark, which may be pages long, how it begins."""
    if not row.append_only:
        return label
    text = " ".join(label.split())
    return text if len(text) <= _LONG_ENOUGH else f"{text[:_LONG_ENOUGH]}…"


@dataclass(slots=True)
class Live:
    """What was read, by object type. Types that the document does not mention are absent.

    `mentioned` are the types that the document names. `stamps` are the custom fields of the objects that are
    to be updated, by type and id (metadata.py). `holders` are the devices that an address of the document
    may have to leave (release.py). `may_define` tells whether the token may make those definitions of custom
    fields fit that are not (metadata.py), `sees_definitions` whether it may look at them.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    stamps: dict[tuple[str, int], Row] = field(default_factory=dict)
    holders: dict[int, Row] = field(default_factory=dict)
    mentioned: frozenset[str] = frozenset()
    may_define: bool = True
    sees_definitions: bool = True

    def table(self, object_type: str) -> Table:
        """The rows of one type; an empty table when nothing was read."""
        if object_type not in self.tables:
            self.tables[object_type] = Table(OBJECT_TYPES[object_type])
        return self.tables[object_type]

    def custom_field_kinds(self) -> dict[str, str]:
        """The types of the custom fields that were read, by their names."""
        rows = self.table("custom_fields").by_id.values()
        return {row["name"]: str(live_value(row.get("type")) or "") for row in rows}


def canonical_row(row: ObjectType, live: Row) -> dict[str, Any]:
    """A live row with every value in canonical form, generic references as one field."""
    verbatim, notations = _verbatim(row), _notations(row)
    values = {
        key: raw if key in verbatim else live_value(raw, notations.get(key, ""))
        for key, raw in live.items()
        if key not in row.shaped
    }
    values["custom_fields"] = live.get("custom_fields") or {}
    for name in row.shaped:
        values[name] = shaped_value(row, name, live)
    return values


def canonical_field(row: ObjectType, live: Row, name: str) -> Any:
    """One field of `canonical_row`, without the work for all others."""
    if name in row.shaped:
        return shaped_value(row, name, live)
    raw = live.get(name)
    if name == "custom_fields":
        return raw or {}
    if type(raw) in _CANONICAL or name in _verbatim(row):
        return raw
    return live_value(raw, _notations(row).get(name, ""))


def canonical_fields(row: ObjectType, live: Row, names: Iterable[str]) -> dict[str, Any]:
    """Some fields of `canonical_row`, in the order of `names`."""
    apart = _apart(row)
    found: dict[str, Any] = {}
    for name in names:
        raw = live.get(name)
        if name in apart:
            raw = canonical_field(row, live, name)
        elif type(raw) is str:
            raw = raw.strip() or None
        elif type(raw) not in _CANONICAL:
            raw = live_value(raw)
        found[name] = raw
    return found


# Values of these types are canonical as they are.
_CANONICAL = frozenset({bool, int, type(None)})


@cache
def _verbatim(row: ObjectType) -> frozenset[str]:
    """Fields whose JSON means nothing to us."""
    specs = load_schema().get(row.name, {})
    return frozenset(name for name, spec in specs.items() if spec.kind == "json") | {"custom_fields"}


def fields_of(row: ObjectType, managed: Iterable[str] = ()) -> tuple[str, ...]:
    """What every comparison needs: identity, what the document manages, what the planner looks at."""
    told = {*managed}
    fields = {"id", row.label, *row.key, *row.optional_key, *row.other_keys, *row.copied_from, *told}
    if row.alias:
        fields.add(row.alias)
    fields |= row.halves.keys()
    fields.update(row.copied_by(told.__contains__))
    if row.ends:
        fields.add("profile")
    # Of an address, what it is on tells on which device it is.
    fields = fields | row.generic.keys() if row.by_host else fields - row.generic.keys()
    if any(OBJECT_TYPES[name].is_template for name in row.children):
        fields |= {*TEMPLATE_COUNTS}
    return tuple(sorted(fields))


@cache
def _apart(row: ObjectType) -> frozenset[str]:
    """Fields that a look at the type of their value does not settle."""
    return frozenset({*_verbatim(row), *row.shaped, *_notations(row)})


@cache
def _notations(row: ObjectType) -> Mapping[str, str]:
    """Fields whose text NetBox stores in a notation of its own, with the name of that."""
    specs = load_schema().get(row.name, {})
    return {name: spec.notation for name, spec in specs.items() if spec.notation}


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
    known = {*fields_of(row), *load_schema().get(row.name, ()), "last_updated"}
    return tuple(sorted(known - set(row.generic)))


def _lookups(row: ObjectType, keys: Sequence[dict[str, Any]]) -> dict[str, set[Any]]:
    """Filter -> values that together find all keys."""
    lookups: dict[str, set[Any]] = defaultdict(set)
    for key in keys:
        label = key.get(row.label)
        if row.ends:
            for name, one in ends_of(row, key.get):
                lookups[row.pointer_filter(row.label, OBJECT_TYPES[name].model)].add(one)
        elif row.reading is Reading.BY_OBJECT:
            (name,) = row.generic
            lookups[row.filters[name]].add(generic_target(row, name, key[name])[1])
        elif row.child_of:
            name, parent = row.parent_in(key.get)
            lookups[f"{name}_id"].add(parent)
        elif label is None:
            name = next(name for name in row.other_keys if key.get(name))
            lookups[name].add(key[name])
        elif row.by_host:
            lookups["address"].add(host_of(label))
        elif row.label_filter:
            lookups[row.label_filter].add(str(label))
        else:
            lookups[""] = set()  # the whole list
    return lookups


def _match(row: ObjectType, table: Table, key: dict[str, Any]) -> Row | None:
    if row.ends:
        wanted = ends_of(row, key.get)
        return next(
            (live for one in wanted for live in table.at(one) if live_ends(row, live) == wanted), None
        )
    label = key.get(row.label)
    rows = table.labelled(label, row.parent_token(key.get)) if label is not None else table.by_id.values()
    for live in rows:
        values = canonical_row(row, live)
        if all(values.get(name) == value for name, value in key.items() if name != row.label or not label):
            return live
    return None
