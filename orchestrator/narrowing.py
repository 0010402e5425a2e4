"""Which of several candidates is meant: what rows, Nodes and the values of an entry have in common.

Used by resolve.py, where a name alone does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from orchestrator.catalog import ObjectType
from orchestrator.live import canonical_field
from orchestrator.ports import Row
from orchestrator.register import SHARED_ROLES, Node


def agrees(row: ObjectType, values: Mapping[str, Any], live: Row) -> bool:
    """Whether a live row with the same label is the one meant: it has the key fields that the entry sets."""
    for name in row.key:
        if name == row.label or name in row.parents:
            continue  # it was found by them
        if name in values and canonical_field(row, live, name) != values[name]:
            return False
    says_nothing = row.tells_all and values.keys().isdisjoint(row.optional_key)
    for name in row.optional_key:
        # Without a VRF the global table is meant; elsewhere what is left out matches anything.
        given = says_nothing or name in values
        if given and canonical_field(row, live, name) != values.get(name):
            return False
    shared = row.by_host and values.get("role") in SHARED_ROLES and "assigned_object" in values
    return not shared or canonical_field(row, live, "assigned_object") == values["assigned_object"]


def shares_key(row: ObjectType, values: Mapping[str, Any], live: Row) -> bool:
    """Whether a live row with the same label has all else that must be the same of the key."""
    names = (name for name in row.key if name != row.label)
    return all(canonical_field(row, live, name) == values.get(name) for name in names)


def fits(node: Node, scope: Mapping[str, Any]) -> bool:
    """Whether an object is where the one is that refers to it: a rack's location is at the rack's site."""
    return all(node.fact(name) == scope[name] for name in _places(node.row) if name in scope)


@cache
def _places(row: ObjectType) -> tuple[str, ...]:
    return tuple(name for name in row.key if name in row.references and name not in row.parents)


def narrow_addresses(row: ObjectType, values: Mapping[str, Any], rows: list[Row]) -> list[Row]:
    """Where NetBox allows duplicates: the one on the same interface, then the one with the same mask."""
    for name in ("assigned_object", "role", "address"):
        if name in values:
            same = [live for live in rows if canonical_field(row, live, name) == values[name]]
            rows = same or rows
    return rows


def narrow(found: list[Node], scope: Mapping[str, Any]) -> list[Node]:
    """Of several objects those that have most in common with the values of who refers to them."""
    for name in scope:
        if len(found) < 2:
            break
        same = [node for node in found if name in node.values and node.values[name] == scope[name]]
        found = same or found
    return found
