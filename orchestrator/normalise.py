"""From a batch document to flat lists of entries, one per object.

Nested children and parents are lifted out, ranges expanded, values brought to
their canonical form and checked against NetBox's schema. Every problem is
collected with its path; none stops the rest from being looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.desired import Desired, Entry, Reference
from orchestrator.document import split_document
from orchestrator.errors import Problem
from orchestrator.expand import RangeError, expand_entry
from orchestrator.schema import FieldSpec, load_schema
from orchestrator.values import BadValueError, coerce, suggest

Schema = Mapping[str, Mapping[str, FieldSpec]]

# Fields that people write and NetBox does not have; _sweeten turns them into those it has.
_SUGAR = {"devices": ("manufacturer", "model"), "ip_addresses": ("interface", "device")}


Choices = Mapping[str, Mapping[str, Mapping[str, str]]]


def normalise(data: Any, choices: Choices = MappingProxyType({})) -> Desired:
    """Flatten a batch document (or a legacy list of devices). Problems are in the result, not raised.

    `choices` (object type -> field -> value -> label) replace those of a stock
    NetBox, for one that is configured otherwise.
    """
    desired = Desired()
    document = split_document(data, desired.problems)
    desired.options = document.options
    reader = _Reader(desired, document.defaults, _schema_with(choices))
    for name, items in document.lists.items():
        reader.read_list(OBJECT_TYPES[name], items, document.root or name, None)
    return desired


class _Reader:
    """Reads entries of every type into one Desired."""

    def __init__(self, desired: Desired, defaults: Mapping[str, Mapping[str, Any]], schema: Schema) -> None:
        self.desired = desired
        self.defaults = defaults
        self.schema = schema

    def problem(self, path: str, message: str, hint: str = "") -> None:
        self.desired.problems.append(Problem(path, message, hint))

    def read_list(self, row: ObjectType, items: list[Any], path: str, parent: Entry | None) -> None:
        for index, item in enumerate(items):
            place = f"{path}[{index}]"
            if isinstance(item, str):
                item = {row.label: item}
            if not isinstance(item, Mapping):
                self.problem(place, f"must be a mapping of fields, not {type(item).__name__}")
                continue
            try:
                expanded = list(expand_entry(item, row.label)) if self.desired.options.expand else [item]
            except RangeError as error:
                self.problem(f"{place}.{row.label}", str(error), "options.expand: false turns ranges off")
                continue
            for one in expanded:
                self.read_entry(row, one, place, parent)

    def read_entry(self, row: ObjectType, item: Mapping[str, Any], path: str, parent: Entry | None) -> None:
        raw = {**self.defaults.get(row.name, {}), **item}
        entry = Entry(row.name, path)
        if parent is not None:
            raw = _hang_on(row, raw, parent, path)
        raw = self.sweeten(row, raw, path)
        children = {name: raw.pop(name) for name in row.children if name in raw}
        entry.match = self.read_match(row, raw, path)
        for field, value in raw.items():
            self.read_field(row, entry, str(field), value)
        self.add_option_tags(row, entry)
        self.check_label(row, entry)
        self.desired.entries.setdefault(row.name, []).append(entry)
        for name, value in children.items():
            if isinstance(value, list):
                self.read_list(OBJECT_TYPES[name], value, f"{path}.{name}", entry)
            else:
                self.problem(f"{path}.{name}", "must be a list")

    def read_match(self, row: ObjectType, raw: dict[str, Any], path: str) -> Reference | None:
        given = raw.pop("match", None)
        if "id" in raw:
            given = {"id": raw.pop("id")}
        if given is None:
            return None
        if not isinstance(given, Mapping):
            self.problem(f"{path}.match", "must be a mapping, such as {name: OLD-NAME}")
            return None
        return self.reference(row.name, given, f"{path}.match")

    def read_field(self, row: ObjectType, entry: Entry, field: str, value: Any) -> None:
        path = f"{entry.path}.{field}"
        specs, pointers = self.schema[row.name], row.all_references()
        if isinstance(value, Reference):
            entry.fields[field] = value
        elif (
            field.endswith("_id")
            and field not in specs
            and specs.get(field[:-3], _NO_FIELD).kind == "reference"
        ):
            self.read_id(row, entry, field, value)
        elif field in pointers and value is not None:
            reference = self.reference(pointers[field], value, path)
            if reference is not None:
                entry.fields[field] = reference
        elif field == "tags" and field in specs:
            entry.fields[field] = self.tags(value, path)
        elif field in row.generic:
            entry.fields[field] = None
        elif field in specs:
            self.read_plain(row, entry, field, value, specs[field])
        else:
            names = [*specs, *row.children, *_SUGAR.get(row.name, ()), "id", "match"]
            hint = suggest(field, names) or f"it has: {', '.join(sorted(specs))}"
            self.problem(path, f"unknown field of {row.name}", hint)

    def read_id(self, row: ObjectType, entry: Entry, field: str, value: Any) -> None:
        name, path = field[:-3], f"{entry.path}.{field}"
        if isinstance(value, bool) or not isinstance(value, int):
            self.problem(path, f"expected a NetBox id, got {value!r}")
        elif name in (pointers := row.all_references()):
            entry.fields[name] = Reference(pointers[name], path, id=value)
        else:
            entry.fields[name] = value

    def read_plain(self, row: ObjectType, entry: Entry, field: str, value: Any, spec: FieldSpec) -> None:
        path = f"{entry.path}.{field}"
        if spec.kind == "reference":
            if value is not None:
                self.problem(
                    path, f"{field} cannot be named in a document yet", f"write {field}_id: <NetBox id>"
                )
                return
            if not spec.nullable:
                self.problem(path, f"{field} cannot be empty", "leave it out to keep what NetBox has")
                return
            entry.fields[field] = None
            return
        try:
            entry.fields[field] = coerce(field, spec, value)
        except BadValueError as error:
            self.problem(path, str(error), error.hint)
            if spec.kind == "choice" and str(value).strip():
                self.desired.unknown_choices.append(row.name)

    def reference(self, object_type: str, value: Any, path: str) -> Reference | None:
        """A Reference from a name, a mapping, or None with the problem noted."""
        if isinstance(value, str) and value.strip():
            return Reference(object_type, path, name=value.strip())
        if isinstance(value, Mapping) and value:
            return self.mapped_reference(object_type, value, path)
        if isinstance(value, int) and not isinstance(value, bool):
            field = path.rsplit(".", 1)[-1]
            hint = f'write {field}: "{value}" for a name, {field}_id: {value} for an id'
            self.problem(path, f"{value} may be a name or an id", hint)
        else:
            self.problem(path, f"expected a name or a mapping, got {value!r}")
        return None

    def mapped_reference(self, object_type: str, value: Mapping[str, Any], path: str) -> Reference | None:
        row = OBJECT_TYPES[object_type]
        if set(value) == {"id"} and isinstance(value["id"], int):
            return Reference(object_type, path, id=value["id"])
        pointers = row.all_references()
        allowed = [row.label, "slug", *row.key, *row.optional_key, *row.other_keys]
        parts: dict[str, Any] = {}
        for key, part in value.items():
            if key not in allowed:
                self.problem(
                    f"{path}.{key}", f"does not identify one of {object_type}", suggest(str(key), allowed)
                )
                return None
            if isinstance(part, Reference) or key not in pointers:
                parts[key] = part.strip() if isinstance(part, str) else part
            else:
                parts[key] = self.reference(pointers[key], part, f"{path}.{key}")
                if parts[key] is None:
                    return None
        return Reference(object_type, path, parts=parts)

    def tags(self, value: Any, path: str) -> tuple[Reference, ...]:
        if not isinstance(value, list):
            self.problem(path, "must be a list of tag names")
            return ()
        found = [self.reference("tags", item, f"{path}[{index}]") for index, item in enumerate(value)]
        return tuple(reference for reference in found if reference is not None)

    def add_option_tags(self, row: ObjectType, entry: Entry) -> None:
        names = self.desired.options.tags
        if names and "tags" in self.schema[row.name]:
            wanted = tuple(Reference("tags", "options.tags", name=name) for name in names)
            entry.fields["tags"] = (*entry.fields.get("tags", ()), *wanted)

    def check_label(self, row: ObjectType, entry: Entry) -> None:
        """An entry must say which object it is about."""
        if entry.match is not None or entry.fields.get(row.label) is not None:
            return
        if any(entry.fields.get(field) for field in row.other_keys):
            return
        if any(p.path == f"{entry.path}.{row.label}" for p in self.desired.problems):
            return
        others = " or ".join(("id", *row.other_keys))
        self.problem(
            f"{entry.path}.{row.label}", f"{row.label} is missing", f"or identify the object by {others}"
        )

    def sweeten(self, row: ObjectType, raw: dict[str, Any], path: str) -> dict[str, Any]:
        if row.name == "devices":
            return self.device_type_from(raw, path)
        if row.name == "ip_addresses":
            return self.assignment_from(raw, path)
        return raw

    def device_type_from(self, raw: dict[str, Any], path: str) -> dict[str, Any]:
        """`manufacturer` and `model` beside a device name its type; `model` and `device_type` must agree."""
        rest = {key: value for key, value in raw.items() if key not in ("manufacturer", "model")}
        beside = {key: raw[key] for key in ("manufacturer", "model") if raw.get(key) is not None}
        given = raw.get("device_type")
        if "device_type_id" in raw:
            for key in beside:
                self.problem(f"{path}.{key}", "stands beside device_type_id", "keep one of them")
            return rest
        named = dict(given) if isinstance(given, Mapping) else {} if given is None else {"model": given}
        for key, value in beside.items():
            if str(named.setdefault(key, value)).strip() != str(value).strip():
                self.problem(
                    f"{path}.{key}",
                    f"says {value!r}, but device_type says {named[key]!r}",
                    "keep one of them",
                )
        if named:
            rest["device_type"] = str(named["model"]) if set(named) == {"model"} else named
        return rest

    def assignment_from(self, raw: dict[str, Any], path: str) -> dict[str, Any]:
        """`interface` (and `device`) beside an address name what it is assigned to."""
        rest = {key: value for key, value in raw.items() if key not in ("interface", "device")}
        interface, device = raw.get("interface"), raw.get("device")
        if interface is None and "interface" in raw:
            rest["assigned_object"] = None
        elif isinstance(interface, Mapping):
            rest["assigned_object"] = self.reference("interfaces", interface, f"{path}.interface")
        elif interface is not None and device is None:
            self.problem(f"{path}.interface", "an interface needs its device", "add device: NAME")
        elif interface is not None:
            parts = {"device": device, "name": str(interface)}
            rest["assigned_object"] = self.reference("interfaces", parts, f"{path}.interface")
        return rest


_NO_FIELD = FieldSpec(kind="none")


def _schema_with(choices: Choices) -> Schema:
    schema = {name: dict(fields) for name, fields in load_schema().items()}
    for name, fields in choices.items():
        for field, values in fields.items():
            if field in schema[name]:
                schema[name][field] = replace(schema[name][field], choices=values)
    return schema


def _hang_on(row: ObjectType, raw: dict[str, Any], parent: Entry, path: str) -> dict[str, Any]:
    """Give a nested entry its parent, under the field that the parent's catalog row names."""
    field = OBJECT_TYPES[parent.object_type].children[row.name]
    return {**raw, field: Reference(parent.object_type, path, entry=parent)}
