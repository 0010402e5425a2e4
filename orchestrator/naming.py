"""What people call the objects of a plan: ids of changes, titles in reports, names behind live ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.diff import fingerprint
from orchestrator.graph import type_order
from orchestrator.models import Change
from orchestrator.register import Node, Register


def name_nodes(register: Register) -> None:
    """Give every Node a readable id that does not depend on the order of the document, and sort by it."""
    used: set[str] = set()
    for name in type_order():
        nodes = register.nodes.get(name, [])
        for node in sorted(nodes, key=lambda node: _sort_key(register, node)):
            base = f"{name}/{'/'.join(_full_name(register, node))}"
            node.id = next(candidate for candidate in _candidates(base) if candidate not in used)
            used.add(node.id)
        nodes.sort(key=lambda node: node.id)


def title(register: Register, node: Node) -> str:
    """How reports call an object: components after the object that they hang on."""
    if node.parent is None:
        return node.label
    return f"{label_of(register, node.row.references[node.row.child_of], node.parent)} {node.label}"


def names_in(register: Register, changes: Sequence[Change]) -> dict[str, dict[int, str]]:
    """Labels of the live objects that the changes refer to."""
    names: dict[str, dict[int, str]] = defaultdict(dict)
    for change in changes:
        pointers = {**OBJECT_TYPES[change.object_type].all_references(), "tags": "tags"}
        for field, value in (*change.before.items(), *change.after.items()):
            object_type = pointers.get(field)
            for one in value if isinstance(value, tuple) else (value,):
                if object_type and isinstance(one, int):
                    names[object_type][one] = label_of(register, object_type, one)
    return dict(names)


def label_of(register: Register, object_type: str, token: Any) -> str:
    """The label of a Node, or of the live object with this id."""
    if isinstance(token, Node):
        return token.label
    live = register.live.table(object_type).by_id.get(token, {})
    return str(live.get(OBJECT_TYPES[object_type].label) or token)


def _full_name(register: Register, node: Node) -> list[str]:
    """All that tells an object apart, parents first; equal interface names on two devices stay apart."""
    row, values, pointers = node.row, node.values, node.row.all_references()
    parents = [name for name in row.key if name != row.label and name in pointers]
    more = [name for name in row.optional_key if values.get(name) is not None]
    return [
        *(part for name in parents for part in _full_names(register, pointers[name], values.get(name))),
        node.label,
        *(label_of(register, pointers[name], values[name]) for name in more),
    ]


def _full_names(register: Register, object_type: str, token: Any) -> list[str]:
    if isinstance(token, Node):
        return _full_name(register, token)
    return [] if token is None else [label_of(register, object_type, token)]


def _sort_key(register: Register, node: Node) -> tuple[list[str], str]:
    plain = {name: repr(value) for name, value in node.values.items() if not isinstance(value, Node)}
    return _full_name(register, node), fingerprint(plain)


def _candidates(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}~{number}"
        number += 1
