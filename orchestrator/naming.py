"""What people call the objects of a plan: ids of changes, titles in reports, names behind live ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from functools import cache
from itertools import count
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.diff import fingerprint
from orchestrator.generic import pointed, pointing_fields
from orchestrator.graph import type_order
from orchestrator.live import called, in_short
from orchestrator.models import Change, Planned
from orchestrator.register import Node, Register

LINK_MARK = "#link"
"""What ends the id of the link change of an object."""


def name_nodes(register: Register) -> None:
    """Give every Node a readable id that does not depend on the order of the document, and sort by it."""
    for name in type_order():
        nodes = register.nodes.get(name, [])
        for node in nodes:
            node.full_name = _full_name(register, node)
            node.id = f"{name}/{'/'.join(node.full_name)}"
            if node.id.endswith(LINK_MARK):  # or it would be taken for another object's link change
                node.id = f"{node.id}~"
        used = {node.id for node in nodes}
        if len(used) < len(nodes):
            _tell_apart(nodes, used)
        nodes.sort(key=lambda node: node.id)


def _tell_apart(nodes: Sequence[Node], used: set[str]) -> None:
    """Where several have the same name, what they say decides which of them keeps it."""
    alike: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        alike[node.id].append(node)
    for base in sorted(alike):
        first, *others = alike[base]
        if others:
            for node in sorted((first, *others), key=lambda node: (node.full_name, _looks(node)))[1:]:
                node.id = next(_others(base, used))
                used.add(node.id)


def title(register: Register, node: Node) -> str:
    """How reports call an object: components after what they hang on, those of plugins by their key."""
    row, parent = node.row, node.parent
    if row.of_plugin:
        before, after = _naming_fields(row)
        names = dict.fromkeys([*before, row.label, *after])
        return " ".join(_called(register, node, name) for name in names if node.fact(name) is not None)
    if parent is None or row.is_assignment:
        return node.label
    field, token = row.parent_in(node.fact) if row.else_of else (row.child_of, parent)
    return f"{label_of(register, row.references[field], token)} {node.label}"


def names_in(register: Register, changes: Sequence[Change]) -> dict[str, dict[int, str]]:
    """Labels of the live objects that the changes refer to."""
    names: dict[str, dict[int, str]] = defaultdict(dict)
    for change in changes:
        row = OBJECT_TYPES[change.object_type]
        pointers = pointing_fields(row)
        for fields in (change.before, change.after):
            for field in pointers & fields.keys():
                value = fields[field]
                if type(value) is Planned:
                    continue
                for object_type, one in pointed(row, field, value):
                    if one not in names[object_type]:
                        told = _end_called if field in row.ends else label_of
                        names[object_type][one] = told(register, object_type, one)
    return {object_type: known for object_type, known in names.items() if known}


def label_of(register: Register, object_type: str, token: Any) -> str:
    """The label of a Node, or of the live object with this id."""
    if isinstance(token, Node):
        return token.label
    live = register.live.table(object_type).by_id.get(token, {})
    row = OBJECT_TYPES[object_type]
    if live and row.is_assignment:
        return called(row, live)
    return in_short(row, str(live.get(row.label) or token))


def _full_name(register: Register, node: Node) -> tuple[str, ...]:
    """All that tells an object apart, parents first; equal interface names on two devices stay apart."""
    if node.full_name:
        return node.full_name
    values = node.values
    found: list[str] = []
    parents, more = _naming_fields(node.row)
    for name in parents:
        token = values.get(name)
        if name in node.row.ends:
            found.append(", ".join(_end_called(register, *one) for one in node.fact(name) or ()))
        elif isinstance(token, Node) and token.row is node.row:
            found = [*_full_name(register, token)]  # which begins with all that the two have in common
        elif isinstance(token, Node) and token.row.child_of in parents:
            found.append(token.label)  # on the same device, which is named already
        elif isinstance(token, Node):
            found += _full_name(register, token)
        elif token is not None:
            found.append(_called(register, node, name))
    if not node.row.is_assignment:
        found.append(node.label)
    if more:
        found += [_called(register, node, name) for name in more if values.get(name) is not None]
    return tuple(found)


def _end_called(register: Register, object_type: str, token: Any) -> str:
    """What a cable ends at, with the object that it hangs on."""
    one = token if isinstance(token, Node) else register.with_id(OBJECT_TYPES[object_type], token)
    return title(register, one) if one is not None else f"{object_type} {token}"


def _called(register: Register, node: Node, name: str) -> str:
    """How what a field points to is called; a part of the key that points to nothing is called by itself."""
    value = node.fact(name)
    if isinstance(value, Node):
        return value.label
    if type(value) is int and name in node.row.references:
        return label_of(register, node.row.references[name], value)
    plain = ", ".join(map(str, value)) if type(value) is tuple else str(value)
    return next((label_of(register, *target) for target in pointed(node.row, name, value)), plain)


@cache
def _naming_fields(row: ObjectType) -> tuple[list[str], list[str]]:
    """References that stand before the label, and what else of the key follows it where that is set."""
    pointers = row.pointers()
    parents = [name for name in (*row.key, row.else_of) if name in pointers]
    if row.tree:
        parents.append(row.tree)
    rest = [name for name in row.key if name != row.label and name not in pointers]
    return parents, [*rest, *(name for name in row.optional_key if name not in parents)]


def _looks(node: Node) -> str:
    plain = {name: repr(value) for name, value in node.values.items() if not isinstance(value, Node)}
    return fingerprint(plain)


def _others(base: str, used: Container[str]) -> Iterator[str]:
    """What else an object can be called whose name is taken."""
    return (name for name in (f"{base}~{number}" for number in count(2)) if name not in used)
