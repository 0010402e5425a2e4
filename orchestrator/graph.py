"""In which order object types and changes come, derived from their references.

The order is never written by hand: types follow the catalog's references,
stages follow the edges between changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.desired import Entry, Reference
from orchestrator.layered import per_catalog
from orchestrator.models import Action, Change, Pass, Stage

Node = TypeVar("Node", bound=Hashable)


@per_catalog
def type_order() -> tuple[str, ...]:
    """All object types of the catalog, each after those it refers to; link fields do not count.

    Devices come after the templates that NetBox makes their components from.
    """
    return types_in_order(OBJECT_TYPES)


def types_in_order(types: Mapping[str, ObjectType]) -> tuple[str, ...]:
    """The types of any table in that order. Raises ValueError naming the cycle of their references."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for row in types.values():
        before = (targets for name, targets in row.pointers().items() if name not in row.links)
        along = {one.name for one in types.values() if row.comes_with and row.comes_with in one.parents}
        targets_before = {target for targets in before for target in targets} - {row.name}
        # Sorted: every process must come to the same order, or a plan would have another digest elsewhere.
        sorter.add(row.name, *sorted(targets_before | along))
    try:
        return tuple(sorter.static_order())
    except CycleError as error:
        raise ValueError(f"references form a cycle: {' -> '.join(error.args[1])}") from error


def parents_first(row: ObjectType, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries of a tree, each after those that it may be below by name, otherwise in the order given."""
    if not row.tree or not any(row.tree in entry.fields for entry in entries):
        return entries
    named: dict[Any, list[Entry]] = defaultdict(list)
    for entry in entries:
        for name in (row.label, "slug"):
            named[entry.fields.get(name)].append(entry)
    ordered: dict[Entry, None] = {}
    for entry in entries:
        line = [entry]  # what is above it, as far as it has not come yet
        for one in line:  # grows while it is walked
            above = named.get(_name_of(row, one.fields.get(row.tree)), ())
            line += [other for other in above if other not in line and other not in ordered]
        ordered.update(dict.fromkeys(reversed(line)))
    return list(ordered)


def _name_of(row: ObjectType, reference: Any) -> str:
    """The name or slug by which an entry refers to another one of its type."""
    if not isinstance(reference, Reference):
        return ""
    parts = reference.parts or {}
    return reference.name or str(parts.get(row.label) or parts.get("slug") or "")


def matched(may_be: Mapping[Node, Sequence[int]]) -> dict[Node, int]:
    """As many as possible with one of what each may be, none twice; earlier choices first where they can be.

    By augmenting paths (Berge 1957): whoever finds all taken asks those that took it for their next choice.
    """
    chosen: dict[Node, int] = {}
    owner: dict[int, Node] = {}
    for first in may_be:
        asked_by: dict[int, Node] = {}
        queue, free = [first], None
        for node in queue:  # grows while it is walked
            new = [one for one in may_be[node] if one not in asked_by]
            asked_by.update(dict.fromkeys(new, node))
            free = next((one for one in new if one not in owner), None)
            if free is not None:
                break
            queue += [owner[one] for one in new]
        while free is not None:
            node = asked_by[free]
            given_up = chosen.get(node)
            chosen[node], owner[free] = free, node
            free = given_up
    return chosen


def build_stages(changes: Sequence[Change]) -> list[Stage]:
    """Group the changes that write into stages that can run one after another.

    Changes of one pass and type share a stage, unless one depends on another
    of the same group: then the group is cut into as many levels as it needs.
    Groups that wait for each other, which only what is let go or deleted
    brings about, are cut by how many changes stand before each of theirs.
    """
    by_id = {change.id: change for change in changes}
    edges = {
        change.id: [d for d in change.depends_on if by_id[d].writes] for change in changes if change.writes
    }
    order = list(TopologicalSorter(edges).static_order())
    level, depth = _levels(order, edges, by_id, _kind), _levels(order, edges, by_id, lambda change: None)
    cut: set[Kind] = set()
    while True:
        groups: dict[Group, list[Change]] = defaultdict(list)
        of = {change_id: _group(by_id[change_id], level, depth, cut) for change_id in edges}
        for change_id, group in of.items():
            groups[group].append(by_id[change_id])
        sorter: TopologicalSorter[Group] = TopologicalSorter(dict.fromkeys(groups, ()))
        for change_id, before in edges.items():
            sorter.add(of[change_id], *({of[dep] for dep in before} - {of[change_id]}))
        try:
            return [Stage(group[0][0], group[0][1], tuple(groups[group])) for group in sorter.static_order()]
        except CycleError as error:
            cut |= {group[0] for group in error.args[1]}


Kind = tuple[Pass, str, bool]
Group = tuple[Kind, int]


def _kind(change: Change) -> Kind:
    return (change.passes, change.object_type, change.action is Action.DELETE)


def _group(change: Change, level: Mapping[str, int], depth: Mapping[str, int], cut: set[Kind]) -> Group:
    kind = _kind(change)
    return (kind, depth[change.id] if kind in cut else level[change.id])


def _levels(
    order: Iterable[str],
    edges: Mapping[str, Sequence[str]],
    by_id: Mapping[str, Change],
    kind_of: Callable[[Change], Kind | None],
) -> dict[str, int]:
    """How many changes of its own kind stand before each change, at most."""
    level: dict[str, int] = {}
    for change_id in order:
        kind = kind_of(by_id[change_id])
        before = (level[dep] + 1 for dep in edges[change_id] if kind_of(by_id[dep]) == kind)
        level[change_id] = max(before, default=0)
    return level
