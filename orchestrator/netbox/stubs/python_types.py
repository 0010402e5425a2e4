"""The types of what an OpenAPI document describes, as a stub writes them down.

Three directions: what NetBox answers, what a write takes, what a filter takes.
Choices stay open (`Literal["active"] | str`): an editor offers them, and a text
that comes from elsewhere is right all the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from orchestrator.netbox.surface import referred

Schema = Mapping[str, Any]
Alternatives = tuple[str, ...]
"""The types that a value may have, one of them enough."""

REFERENCE = "_Reference"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_ENUM_ID = "x-spec-enum-id"
# The lookups of a filter that take the values themselves, and not a part of them.
_WHOLE_VALUE = ("", "n")


class TypeReader:
    """Reads the types of one document; `rows` gathers the classes of all objects that were met."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components
        self._choices = dict(_named_choices(components.values()))
        self.rows: dict[str, dict[str, str]] = {}

    def row(self, component: str) -> str:
        """The class of the objects that a component describes."""
        title = f"{component}Row"
        if title not in self.rows:
            fields = self.rows[title] = {}  # known before it is complete: components name each other
            for name, schema in self._components[component].get("properties", {}).items():
                fields[name] = _joined(self._answered(schema))
        return title

    def written(self, schema: Schema) -> str:
        """The type of a value that a write takes."""
        return _joined(self._written(schema))

    def asked(self, filter_name: str, schema: Schema) -> str:
        """The type of a filter: one value, or any number of them where NetBox takes several."""
        many = schema.get("type") == "array"
        item = schema.get("items", {}) if many else schema
        base, _, lookup = filter_name.partition("__")
        plain, whole = _plain(item), lookup in _WHOLE_VALUE
        items: Alternatives = (plain,)
        choices = item.get("enum") or self._choices.get(item.get(_ENUM_ID, ""))
        if choices and whole:
            items = (_joined((*_literal(choices), plain)),)
        elif plain == "str" and base.endswith("_id"):  # of trees, like regions: by id, and described as text
            items = ("int", "str")
        elif plain == "float":
            items = ("int", "float")
        found = tuple(f"_Some[{one}]" for one in items) if many else items
        return _joined((*found, 'Literal["null"]') if plain == "int" and whole else found)

    def _answered(self, schema: Schema) -> Alternatives:
        name = referred(schema)
        if name:
            target = self._components.get(name, {})
            return (self.row(name),) if target.get("properties") else self._answered(target)
        inside = schema.get("properties", {})
        if inside.keys() == {"value", "label"}:
            title = "NumberChoice" if inside["value"].get("type") == "integer" else "Choice"
            # Where nothing is chosen the answer is null, whatever the description says.
            empty = schema.get("nullable") or "" in inside["value"].get("enum", ())
            return (title, "None") if empty else (title,)
        return self._composed(schema, self._answered, "list", "dict[str, Any]")

    def _written(self, schema: Schema) -> Alternatives:
        name = referred(schema)
        if name:
            target = self._components.get(name, {})
            return (REFERENCE,) if target.get("properties") else self._written(target)
        if "enum" in schema:
            empty = ("None",) if schema.get("nullable") else ()
            return (*_literal(schema["enum"]), _plain(schema), *empty)
        return self._composed(schema, self._written, "Sequence", "Mapping[str, Any]")

    def _composed(
        self, schema: Schema, read: Callable[[Schema], Alternatives], sequence: str, mapping: str
    ) -> Alternatives:
        variants = schema.get("allOf") or schema.get("oneOf") or schema.get("anyOf") or ()
        found = [one for variant in variants for one in read(variant)]
        if not found:
            kind = schema.get("type")
            items = _joined(read(schema.get("items", {}))) if kind == "array" else ""
            found = [f"{sequence}[{items}]" if items else mapping if kind == "object" else _plain(schema)]
        return (*found, "None") if schema.get("nullable") else tuple(found)


def _joined(alternatives: Alternatives) -> str:
    """The alternatives as one type, each named once and None last; a reference may be an id already."""
    named = dict.fromkeys(alternatives)
    if "Any" in named:
        return "Any"
    if REFERENCE in named:
        named.pop("int", None)
    return " | ".join(sorted(named, key=lambda one: one == "None"))


def _plain(schema: Schema) -> str:
    return _PLAIN.get(str(schema.get("type")), "Any")


def _literal(choices: Iterable[Any]) -> Alternatives:
    given = ", ".join(json.dumps(one) for one in choices if isinstance(one, str | int))
    return (f"Literal[{given}]",) if given else ()


def _named_choices(schemas: Iterable[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The values of every choice, by the id by which filters name it without them."""
    for schema in schemas:
        if isinstance(schema, Mapping):
            if _ENUM_ID in schema and "enum" in schema:
                yield schema[_ENUM_ID], [value for value in schema["enum"] if value]
            yield from _named_choices(schema.values())
        elif isinstance(schema, list):
            yield from _named_choices(schema)
