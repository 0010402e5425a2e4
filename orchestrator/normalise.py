"""From a batch document to flat lists of entries, one per object.

Nested children and parents are lifted out, ranges expanded, values brought to
their canonical form and checked against NetBox's schema. Every problem is
collected with its path; none stops the rest from being looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from orchestrator.assignment import read_assignment
from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.desired import Desired, Entry, Reference
from orchestrator.document import split_document
from orchestrator.expand import RangeError, expand_entry
from orchestrator.generic import mapped_parts
from orchestrator.references import ReferenceReader
from orchestrator.schema import FieldSpec, load_schema
from orchestrator.shorthand import SUGAR, Defaults, short_names
from orchestrator.values import BadValueError, coerce, suggest

MAX_OBJECTS = 500_000

Choices = Mapping[str, Mapping[str, Mapping[str, str]]]
Schema = Mapping[str, Mapping[str, FieldSpec]]

_ABSENT = object()


class _TooManyObjectsError(Exception):
    """The document stands for more objects than one batch may have."""


def normalise(data: Any, choices: Choices = MappingProxyType({}), max_objects: int = MAX_OBJECTS) -> Desired:
    """Flatten a batch document (or a legacy list of devices). Problems are in the result, not raised.

    `choices` (object type -> field -> value -> label) replace those of a stock
    NetBox, for one that is configured otherwise.
    """
    desired = Desired()
    document = split_document(data, desired.problems)
    desired.options = document.options
    reader = _Reader(desired, document.defaults, _schema_with(choices), max_objects)
    try:
        for name, items in document.lists.items():
            reader.read_list(OBJECT_TYPES[name], zip(document.places(name), items, strict=False), None)
    except _TooManyObjectsError:
        message = f"stands for more than {max_objects:,} objects"
        desired.problem("document", message, "check its ranges, or split it into several documents")
    return desired


class _Reader:
    """Reads entries of every type into one Desired."""

    def __init__(
        self, desired: Desired, defaults: Mapping[str, Mapping[str, Any]], schema: Schema, max_objects: int
    ) -> None:
        self.desired = desired
        self.schema = schema
        self.plain = _QuickChecks(schema)
        self.left = max_objects
        self.troubled: set[str] = set()
        self.references = ReferenceReader(self.problem)
        self.defaults = Defaults(defaults, self.problem)

    def problem(self, path: str, message: str, hint: str = "") -> bool:
        self.troubled.add(path)
        return self.desired.problem(path, message, hint)

    def read_list(self, row: ObjectType, items: Iterable[tuple[str, Any]], parent: Reference | None) -> None:
        """Read the entries of one list, each with its place; `parent` refers to the entry they stand in."""
        for place, item in items:
            if isinstance(item, str) or (row.numbered and type(item) is int):
                item = {row.label: item}
            if not isinstance(item, dict):
                self.problem(place, f"must be a mapping of fields, not {type(item).__name__}")
                continue
            if parent is None:
                item = self.defaults.under(row, item, place)
            expands = self.desired.options.expand and not row.append_only  # remarks may have brackets
            try:
                expanded = list(expand_entry(item, row.label)) if expands else [item]
            except RangeError as error:
                self.problem(f"{place}.{row.label}", str(error), "options.expand: false turns ranges off")
                continue
            for one in expanded:
                self.read_entry(row, one, place, parent)

    def read_entry(
        self, row: ObjectType, item: Mapping[str, Any], path: str, parent: Reference | None
    ) -> None:
        if self.left == 0:
            raise _TooManyObjectsError
        self.left -= 1
        raw = dict(item)
        entry = Entry(row.name, path)
        if parent is not None:
            self.hang_on(row, raw, parent, path)
        if row.by_host:
            raw = read_assignment(row, raw, path, self.references)
        children = {name: raw.pop(name) for name in row.children if name in raw} if row.children else {}
        for name in raw.keys() & {"match", "id"} if row.append_only else ():
            self.problem(f"{path}.{name}", f"a {row.noun} cannot be changed", "add another one")
            del raw[name]
        if "match" in raw or "id" in raw:
            entry.match = self.read_match(row, raw, path)
        plain, fields = self.plain[row.name], entry.fields
        if row.generic or row.mapped:
            self.fold(row, raw, path)
        for key, value in raw.items():
            if type(value) is Reference or (key in plain and plain[key](value)):
                fields[key] = value
            else:
                self.read_field(row, entry, key, value)
        self.complete(row, entry, item)
        self.desired.entries.setdefault(row.name, []).append(entry)
        if children:
            self.read_children(children, Reference(row.name, path, entry=entry))

    def complete(self, row: ObjectType, entry: Entry, item: Mapping[str, Any]) -> None:
        """What an entry is taken to say besides what is written in it, and what it has to say."""
        if row.else_of:
            self.settle_parent(row, entry)
        if self.desired.options.tags:
            self.add_option_tags(row, entry)
        if entry.fields.get(row.label) is None:
            self.check_label(row, entry, item)

    def read_children(self, children: Mapping[str, Any], parent: Reference) -> None:
        for name, value in children.items():
            if isinstance(value, list):
                placed = ((f"{parent.path}.{name}[{at}]", item) for at, item in enumerate(value))
                self.read_list(OBJECT_TYPES[name], placed, parent)
            else:
                self.problem(f"{parent.path}.{name}", "must be a list")

    def hang_on(self, row: ObjectType, raw: dict[str, Any], parent: Reference, path: str) -> None:
        """Give a nested entry its parent, under the field that the parent's catalog row names."""
        above = OBJECT_TYPES[parent.object_type]
        field = above.children[row.name]
        said = raw.pop(f"{field}_id", None) or raw.get(field)
        if said is not None and parent.entry is not None and said != parent.entry.fields.get(above.label):
            self.problem(f"{path}.{field}", f"the entry stands inside another {above.noun}", "leave it out")
        raw[field] = parent

    def settle_parent(self, row: ObjectType, entry: Entry) -> None:
        """What hangs on one thing or another hangs on one of them, and on no other."""
        given = [name for name in row.parents if entry.fields.get(name) is not None]
        if len(given) > 1:
            self.problem(f"{entry.path}.{given[1]}", f"stands beside {given[0]}", "keep one of them")
        elif given:
            entry.fields.update((name, None) for name in row.parents if name not in given)

    def fold(self, row: ObjectType, raw: dict[str, Any], path: str) -> None:
        """One field in place of the two that NetBox has for it."""
        self.fold_halves(row, raw, path)
        self.fold_ports(row, raw, path)

    def fold_halves(self, row: ObjectType, raw: dict[str, Any], path: str) -> None:
        """One pointer in place of `scope_type` and `scope_id`."""
        for field in row.generic:
            halves = {half: raw.pop(half) for half, of in row.halves.items() if of == field and half in raw}
            if halves and field in raw:
                first = next(iter(halves))
                self.problem(f"{path}.{first}", f"given twice: {field} and {first}", "keep one of them")
            elif halves:
                found = self.references.generic_by_id(row, field, halves, path)
                if found is not None or not any(halves.values()):
                    raw[field] = found

    def fold_ports(self, row: ObjectType, raw: dict[str, Any], path: str) -> None:
        """A list of one in place of `rear_port` and `rear_port_position`, which NetBox had before 4.5."""
        for field in row.mapped:
            _, port, its_position = mapped_parts(field)
            given = {name: raw.pop(name) for name in (port, its_position) if name in raw}
            if given and field in raw:
                first = next(iter(given))
                self.problem(f"{path}.{first}", f"given twice: {field} and {first}", "keep one of them")
            elif given and port not in given:
                self.problem(f"{path}.{its_position}", f"needs {port} beside it", "which port is meant?")
            elif given:
                raw[field] = [given] if given[port] is not None else []

    def read_match(self, row: ObjectType, raw: dict[str, Any], path: str) -> Reference | None:
        given, object_id = raw.pop("match", None), raw.pop("id", None)
        if given is not None and object_id is not None:
            self.problem(f"{path}.match", "stands beside id", "keep one of them")
        elif object_id is not None:
            return self.references.by_id(row.name, object_id, f"{path}.id")
        elif isinstance(given, Mapping):
            # A component is renamed on its own device, unless the match names another.
            own = {} if "id" in given else _own_parent(row, raw)
            return self.references.reference(row.name, {**own, **given}, f"{path}.match")
        elif given is not None:
            self.problem(f"{path}.match", "must be a mapping, such as {name: OLD-NAME}")
        return None

    def read_field(self, row: ObjectType, entry: Entry, key: str, value: Any) -> None:
        """Put one field of the document into the entry, unless something is wrong with it."""
        field = short_names(row).get(key, key)
        spec = self.schema[row.name].get(field)
        if field in row.generic:
            found: Any = self.read_generic(row, field, value, f"{entry.path}.{key}")
        elif spec is None:
            found = self.unknown_field(row, key, f"{entry.path}.{key}")
        elif spec.kind == "reference":
            found = self.read_reference(row, field, key, value, f"{entry.path}.{key}")
        elif field in row.mapped:
            found = self.references.mapped(row, field, value, f"{entry.path}.{key}")
            found = _ABSENT if found is None else found
        elif field in row.ends:
            found = self.references.ends(row, field, value, f"{entry.path}.{key}")
            found = _ABSENT if found is None else found
        elif field in row.lists:
            found = self.references.several(row.lists[field], value, f"{entry.path}.{key}")
            found = _ABSENT if found is None else found
        else:
            found = self.read_plain(row, field, spec, value, entry.path, key)
        if found is not _ABSENT:
            entry.fields[field] = found

    def read_generic(self, row: ObjectType, field: str, value: Any, path: str) -> Any:
        """A Reference, or None to clear."""
        if value is None or isinstance(value, Reference):
            return value
        found = self.references.generic(row, field, value, path)
        return _ABSENT if found is None else found

    def unknown_field(self, row: ObjectType, key: str, path: str) -> Any:
        if reason := row.refused.get(short_names(row).get(key, key)):
            self.problem(path, f"documents cannot set {key} of {row.name}", reason)
            return _ABSENT
        specs = self.schema[row.name]
        names = [*specs, *row.children, *SUGAR.get(row.name, ()), "id", "match"]
        hint = suggest(key, names) or f"it has: {', '.join(sorted(specs))}"
        self.problem(path, f"unknown field of {row.name}", hint)
        return _ABSENT

    def read_reference(self, row: ObjectType, field: str, key: str, value: Any, path: str) -> Any:
        """A Reference, a bare id where the catalog does not know what is pointed to, or None to clear."""
        target = row.references.get(field) or row.links.get(field)
        found: Any = None
        if value is None:
            if self.schema[row.name][field].nullable:
                return None
            self.problem(path, f"{field} cannot be empty", "leave it out to keep what NetBox has")
        elif key != field:
            found = (
                self.references.by_id(target, value, path)
                if target
                else self.references.object_id(value, path)
            )
        elif target:
            found = self.references.reference(target, value, path)
        else:
            hint = f"write {field}_id: <NetBox id>"
            self.problem(path, f"{field} cannot be named in a document yet", hint)
        return _ABSENT if found is None else found

    def read_plain(
        self, row: ObjectType, field: str, spec: FieldSpec, value: Any, path: str, key: str
    ) -> Any:
        try:
            return coerce(field, spec, value)
        except BadValueError as error:
            new = self.problem(f"{path}.{key}", str(error), error.hint)
            if new and spec.kind == "choice" and str(value).strip():
                self.desired.unknown_choices.append(row.name)
            return _ABSENT

    def add_option_tags(self, row: ObjectType, entry: Entry) -> None:
        names = self.desired.options.tags
        if "tags" in row.lists:
            wanted = tuple(Reference("tags", "options.tags", name=name) for name in names)
            entry.fields["tags"] = (*entry.fields.get("tags", ()), *wanted)

    def check_label(self, row: ObjectType, entry: Entry, item: Mapping[str, Any]) -> None:
        """An entry without a label must say in another way which object it is about."""
        path = f"{entry.path}.{row.label}"
        identified = any(entry.fields.get(field) for field in row.other_keys)
        matched = item.get("id") is not None or item.get("match") is not None
        if not identified and not matched and path not in self.troubled:
            others = " or ".join(("id", *row.other_keys))
            self.problem(path, f"{row.label} is missing", f"or identify the object by {others}")


def _own_parent(row: ObjectType, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry says of what it hangs on, in the one spelling that a reference takes."""
    for name in row.parents:
        if name in raw:
            return {name: raw[name]}
        if raw.get(f"{name}_id") is not None:
            return {name: {"id": raw[f"{name}_id"]}}
    return {}


class _QuickChecks(dict[str, Mapping[str, Callable[[Any], bool]]]):
    """Most values of most documents are plain, right and canonical already: a glance is enough for them.

    By type and field; those of a type are made when its first entry is read.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self._schema = schema

    def __missing__(self, object_type: str) -> Mapping[str, Callable[[Any], bool]]:
        checks = {
            field: _quick_check(spec)
            for field, spec in self._schema[object_type].items()
            if not spec.notation and field not in OBJECT_TYPES[object_type].generic
        }
        made = self[object_type] = {field: check for field, check in checks.items() if check is not None}
        return made


def _quick_check(spec: FieldSpec) -> Callable[[Any], bool] | None:
    """Tells at a glance which values `coerce` would return as they are; None where it takes a closer look."""
    if spec.kind == "boolean":
        return lambda value: type(value) is bool
    if spec.kind == "integer" and not spec.choices:
        low = -math.inf if spec.minimum is None else spec.minimum
        high = math.inf if spec.maximum is None else spec.maximum
        return lambda value: type(value) is int and low <= value <= high
    if spec.kind == "choice":
        known = frozenset(choice for choice in spec.choices if choice and choice == choice.strip())
        return lambda value: type(value) is str and value in known
    if spec.kind == "string":
        longest = math.inf if spec.max_length is None else spec.max_length
        return lambda value: type(value) is str and 0 < len(value) <= longest and value == value.strip()
    return None


def _schema_with(choices: Choices) -> Schema:
    schema = {name: dict(fields) for name, fields in load_schema().items()}
    for name, fields in choices.items():
        for field, values in fields.items():
            if field in schema[name]:
                schema[name][field] = replace(schema[name][field], choices=values)
    return schema
