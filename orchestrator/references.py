"""How documents point at objects: ids, names, mappings of natural keys, lists of tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.desired import Reference
from orchestrator.generic import mapped_parts
from orchestrator.json_shape import shorten
from orchestrator.schema import FieldSpec, load_schema
from orchestrator.values import BadValueError, coerce, suggest

HOSTS: Mapping[str, str] = {"device": "interfaces", "virtual_machine": "vm_interfaces"}
"""What has interfaces, by the field that names it beside one, and what type those are of."""

_MAX_ID = 2**63 - 1
# So many types are named in a hint: a remark may be about any of ninety.
_FEW_KINDS = 12
# NetBox dcim/constants.py, PORT_POSITION_MIN and PORT_POSITION_MAX
_POSITION = FieldSpec("integer", minimum=1, maximum=1024)


def _first(kinds: Iterable[str]) -> list[str]:
    """Those that a hint names."""
    named = list(kinds)
    rest = len(named) - _FEW_KINDS
    return named if rest <= 0 else [*named[:_FEW_KINDS], f"{rest} more"]


@cache
def _with_notation(row: ObjectType, field: str) -> FieldSpec | None:
    """What the schema says of a field whose text NetBox keeps in a notation of its own."""
    spec = load_schema().get(row.name, {}).get(field)
    return spec if spec is not None and spec.notation and not row.by_host else None


class Note(Protocol):
    """Takes down a problem; whether it is a new one."""

    def __call__(self, path: str, message: str, hint: str = "") -> bool:
        """Where, what, and the way out."""
        ...


class ReferenceReader:
    """Reads what stands in reference fields. What is wrong is noted; None or nothing is returned for it."""

    def __init__(self, problem: Note) -> None:
        self.problem = problem

    def object_id(self, value: Any, path: str) -> int | None:
        """A NetBox id. Everything that reads one reads it here: Python takes True for 1."""
        if type(value) is int and 0 < value <= _MAX_ID:
            return value
        self.problem(path, f"expected a NetBox id, got {shorten(value)}", "a whole number, without quotes")
        return None

    def by_id(self, object_type: str, value: Any, path: str) -> Reference | None:
        """A reference by id."""
        found = self.object_id(value, path)
        return None if found is None else Reference(object_type, path, id=found)

    def reference(self, object_type: str, value: Any, path: str) -> Reference | None:
        """A reference by name or by a mapping."""
        if isinstance(value, str) and value.strip():
            row = OBJECT_TYPES[object_type]
            if row.is_assignment:  # by what it is about: a module by its bay
                return self._mapped(object_type, {row.label: value}, path)
            name = self._noted(object_type, row.label, value.strip(), path)
            return None if name is None else Reference(object_type, path, name=name)
        if type(value) is int and OBJECT_TYPES[object_type].numbered:
            return Reference(object_type, path, name=str(value))
        if isinstance(value, Mapping) and value:
            return self._mapped(object_type, value, path)
        if isinstance(value, int) and not isinstance(value, bool):
            hint = f'write "{value}" in quotes for a name, {{id: {value}}} for an id'
            self.problem(path, f"{value} may be a name or an id", hint)
        else:
            hint = "put it in quotes" if isinstance(value, float) else ""
            self.problem(path, f"expected a name or a mapping, got {shorten(value)}", hint)
        return None

    def several(self, object_type: str, value: Any, path: str) -> tuple[Reference, ...] | None:
        """References to each of a list of objects."""
        if not isinstance(value, list):
            noun = OBJECT_TYPES[object_type].noun
            hint = "write [] for none" if value is None else f"write [{shorten(value)}]"
            self.problem(path, f"must be a list of {noun} names", hint)
            return None
        found = [self.reference(object_type, item, f"{path}[{index}]") for index, item in enumerate(value)]
        return tuple(reference for reference in found if reference is not None)

    def mapped(
        self, row: ObjectType, field: str, value: Any, path: str
    ) -> tuple[tuple[int, Reference, int], ...] | None:
        """Which position of the port maps to which position of which other one: `{rear_port: R1}`."""
        shape = mapped_parts(field)
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            hint = f"write [{{{shape[0]}: 1, {shape[1]}: NAME, {shape[2]}: 1}}]"
            self.problem(path, f"must be a list of mappings, got {shorten(value)}", hint)
            return None
        found: list[tuple[int, Reference, int]] = []
        for index, one in enumerate(value):
            place = f"{path}[{index}]"
            for key in one.keys() - {*shape}:
                self.problem(f"{place}.{key}", f"is no part of {field}", suggest(key, shape))
            port = self.reference(row.mapped[field], one.get(shape[1]), f"{place}.{shape[1]}")
            position, its_position = (self._position(one, name, place) for name in (shape[0], shape[2]))
            if any(position == other for other, _, _ in found):
                self.problem(place, f"{shape[0]} {position} is mapped twice", f"say another {shape[0]}")
            elif port is not None:
                found.append((position, port, its_position))
        return tuple(found)

    def _position(self, mapping: Mapping[str, Any], name: str, path: str) -> int:
        given = mapping.get(name, 1)
        if isinstance(given, str) and given.strip().isdecimal():  # out of a table, or of a range
            given = int(given)
        try:
            return int(coerce(name, _POSITION, given))
        except BadValueError as error:
            self.problem(f"{path}.{name}", str(error), error.hint)
            return 0

    def generic(self, row: ObjectType, field: str, value: Any, path: str) -> Reference | None:
        """A reference to an object of one of several types: `{site: AMS1}`.

        Of interfaces, those of devices and those of virtual machines: `{device: sw-1, name: Vlan1}`.
        """
        return self._one_of(row.generic[field], field, value, path)

    def ends(self, row: ObjectType, field: str, value: Any, path: str) -> tuple[Reference, ...] | None:
        """What a cable connects at one end, one or a list: `{device: sw-1, name: Gi1}`, `{front_port: ...}`.

        Also as NetBox has it: `{object_type: dcim.interface, object_id: 7}`.
        """
        if isinstance(value, list) and not value:
            self.problem(
                path, "names nothing to connect", "a cable has both ends; to remove it, delete it in NetBox"
            )
            return None
        if isinstance(value, list):
            found = [self._end(row, field, one, f"{path}[{at}]") for at, one in enumerate(value)]
        else:
            found = [self._end(row, field, value, path)]
        there = tuple(one for one in found if one is not None)
        return there if len(there) == len(found) else None

    def _end(self, row: ObjectType, field: str, value: Any, path: str) -> Reference | None:
        if not isinstance(value, Mapping) or value.keys() != {"object_type", "object_id"}:
            return self._one_of(row.ends[field], field, value, path)
        types = {OBJECT_TYPES[name].model: name for name in row.ends[field]}
        if isinstance(kind := value["object_type"], str) and kind in types:
            return self.by_id(types[kind], value["object_id"], f"{path}.object_id")
        message = f"a cable cannot end at {shorten(kind)}"
        self.problem(f"{path}.object_type", message, f"one of: {', '.join(types)}")
        return None

    def _one_of(self, targets: tuple[str, ...], field: str, value: Any, path: str) -> Reference | None:
        kinds = {OBJECT_TYPES[name].word: name for name in targets}
        if isinstance(value, Mapping) and len(value) == 1 and (kind := next(iter(value))) in kinds:
            return self.reference(kinds[kind], value[kind], f"{path}.{kind}")
        if isinstance(value, Mapping):
            interfaces = [HOSTS[host] for host in HOSTS if host in value or "id" in value]
            if known := [one for one in interfaces if one in targets]:
                return self.reference(known[0], value, path)
        shape = "{device: NAME, name: NAME}" if "interfaces" in targets else f"{{{next(iter(kinds))}: NAME}}"
        hint = f"write {shape}; it may be of type {' or '.join(_first(kinds))}"
        self.problem(path, f"expected a mapping that says what {field} is, got {shorten(value)}", hint)
        return None

    def generic_by_id(self, row: ObjectType, field: str, raw: Mapping[str, Any], path: str) -> Any:
        """The same, said as NetBox does, by `scope_type` and `scope_id`; both null for none."""
        names = [f"{field}_{half}" for half in ("type", "id")]
        kind, object_id = (raw.get(name) for name in names)
        if kind is None and object_id is None:
            return None
        types = {OBJECT_TYPES[name].model: name for name in row.generic[field]}
        if kind is None or object_id is None:
            missing, given = names if kind is None else reversed(names)
            self.problem(f"{path}.{given}", f"needs {missing} beside it", "give both, or name what it is")
        elif kind not in types:
            message = f"{shorten(kind)} cannot be the {field} of {row.name}"
            self.problem(f"{path}.{names[0]}", message, f"one of: {', '.join(_first(types))}")
        else:
            return self.by_id(types[kind], object_id, f"{path}.{names[1]}")
        return None

    def _mapped(self, object_type: str, value: Mapping[str, Any], path: str) -> Reference | None:
        if set(value) == {"id"}:
            found = self.object_id(value["id"], f"{path}.id")
            return None if found is None else Reference(object_type, path, id=found)
        row = OBJECT_TYPES[object_type]
        if row.ends:
            self.problem(path, f"a {row.noun} is told apart by what it connects", "name it by id")
            return None
        allowed = [row.label, row.alias or "slug", *row.key, *row.optional_key, *row.other_keys]
        parts: dict[str, Any] = {}
        for key, part in value.items():
            place = f"{path}.{key}"
            if key == "id":
                self.problem(place, "stands beside other keys", "an id is enough: leave out the others")
                return None
            if key not in allowed:
                self.problem(place, f"does not identify one of {object_type}", suggest(key, allowed))
                return None
            if part is None and key in row.optional_key:
                parts[key] = None  # the one that has none: `vrf: null` is the global table
                continue
            read = self._part(row, key, part, place)
            if read is None:
                return None
            parts[key] = read
        return Reference(object_type, path, parts=parts)

    def _part(self, row: ObjectType, key: str, part: Any, path: str) -> Any:
        if isinstance(part, Reference):  # to the entry that this one stands in
            return part
        if key in row.generic:
            return self.generic(row, key, part, path)
        if target := row.references.get(key):
            return self.reference(target, part, path)
        if isinstance(part, list):
            return self._numbers(row, key, part, path)
        text = self._text(part, path)
        return None if text is None else self._noted(row.name, key, text, path)

    def _numbers(self, row: ObjectType, field: str, part: list[Any], path: str) -> Any:
        """Which units of a rack: numbers, where that is what tells objects apart."""
        spec = load_schema().get(row.name, {}).get(field)
        if spec is None or spec.kind != "numbers":
            return self._text(part, path)
        try:
            return coerce(field, spec, part)
        except BadValueError as error:
            self.problem(path, str(error), error.hint)
            return None

    def _noted(self, object_type: str, field: str, text: str, path: str) -> str | None:
        """The text in the notation that NetBox has for a field; of addresses, the host is all that counts."""
        spec = _with_notation(OBJECT_TYPES[object_type], field)
        if spec is None:
            return text
        try:
            return str(coerce(field, spec, text))
        except BadValueError as error:
            self.problem(path, str(error), error.hint)
            return None

    def _text(self, part: Any, path: str) -> str | None:
        """What identifies an object besides references is text, though it may look like a number."""
        if isinstance(part, str) and part.strip():
            return part.strip()
        if isinstance(part, int) and not isinstance(part, bool):
            return str(part)
        hint = "put it in quotes" if isinstance(part, float | bool) else ""
        self.problem(path, f"expected text, got {shorten(part)}", hint)
        return None
