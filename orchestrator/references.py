"""How documents point at objects: ids, names, mappings of natural keys, lists of tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.desired import Reference
from orchestrator.json_shape import shorten
from orchestrator.values import suggest

_MAX_ID = 2**63 - 1


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
            return Reference(object_type, path, name=value.strip())
        if isinstance(value, Mapping) and value:
            return self._mapped(object_type, value, path)
        if isinstance(value, int) and not isinstance(value, bool):
            hint = f'write "{value}" in quotes for a name, {{id: {value}}} for an id'
            self.problem(path, f"{value} may be a name or an id", hint)
        else:
            hint = "put it in quotes" if isinstance(value, float) else ""
            self.problem(path, f"expected a name or a mapping, got {shorten(value)}", hint)
        return None

    def tags(self, value: Any, path: str) -> tuple[Reference, ...] | None:
        """References to a list of tags."""
        if not isinstance(value, list):
            self.problem(path, "must be a list of tag names")
            return None
        found = [self.reference("tags", item, f"{path}[{index}]") for index, item in enumerate(value)]
        return tuple(reference for reference in found if reference is not None)

    def _mapped(self, object_type: str, value: Mapping[str, Any], path: str) -> Reference | None:
        if set(value) == {"id"}:
            found = self.object_id(value["id"], f"{path}.id")
            return None if found is None else Reference(object_type, path, id=found)
        row = OBJECT_TYPES[object_type]
        allowed = [row.label, "slug", *row.key, *row.optional_key, *row.other_keys]
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
            read = self._part(row.all_references().get(key), part, place)
            if read is None:
                return None
            parts[key] = read
        return Reference(object_type, path, parts=parts)

    def _part(self, object_type: str | None, part: Any, path: str) -> Reference | str | None:
        if isinstance(part, Reference):  # to the entry that this one stands in
            return part
        return self.reference(object_type, part, path) if object_type else self._text(part, path)

    def _text(self, part: Any, path: str) -> str | None:
        """What identifies an object besides references is text, though it may look like a number."""
        if isinstance(part, str) and part.strip():
            return part.strip()
        if isinstance(part, int) and not isinstance(part, bool):
            return str(part)
        hint = "put it in quotes" if isinstance(part, float | bool) else ""
        self.problem(path, f"expected text, got {shorten(part)}", hint)
        return None
