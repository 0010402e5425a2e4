"""In which order object types and changes come, derived from their references.

The order is never written by hand: types follow the catalog's references,
stages follow the edges between changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.models import Change, Pass, Stage


def type_order(types: Mapping[str, ObjectType] = OBJECT_TYPES) -> list[str]:
    """All object types, each after those it refers to; link fields do not count.

    Raises ValueError naming the cycle when the catalog's references have one.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for row in types.values():
        sorter.add(row.name, *row.references.values(), *row.generic.values())
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise ValueError(f"references form a cycle: {' -> '.join(error.args[1])}") from error


def build_stages(changes: Sequence[Change]) -> list[Stage]:
    """Group the changes that write into stages that can run one after another.

    Changes of one pass and type share a stage, unless one depends on another
    of the same group: then the group is cut into as many levels as it needs.
    """
    by_id = {change.id: change for change in changes}
    writing = [change for change in changes if change.writes]
    level = _levels(writing, by_id)
    groups: dict[tuple[Pass, str, int], list[Change]] = defaultdict(list)
    for change in writing:
        groups[_group(change, level)].append(change)
    sorter: TopologicalSorter[tuple[Pass, str, int]] = TopologicalSorter(dict.fromkeys(groups, ()))
    for group, members in groups.items():
        earlier = {_group(by_id[dep], level) for change in members for dep in _writing_deps(change, by_id)}
        sorter.add(group, *(earlier - {group}))
    return [Stage(key[0], key[1], tuple(groups[key])) for key in sorter.static_order()]


def _group(change: Change, level: Mapping[str, int]) -> tuple[Pass, str, int]:
    return (change.passes, change.object_type, level[change.id])


def _levels(writing: Iterable[Change], by_id: Mapping[str, Change]) -> dict[str, int]:
    """How many changes of its own pass and type stand before each change, at most."""
    edges = {change.id: list(_writing_deps(change, by_id)) for change in writing}
    level: dict[str, int] = {}
    for change_id in TopologicalSorter(edges).static_order():
        change = by_id[change_id]
        same = [
            level[dep] + 1
            for dep in edges[change_id]
            if (by_id[dep].object_type, by_id[dep].passes) == (change.object_type, change.passes)
        ]
        level[change_id] = max(same, default=0)
    return level


def _writing_deps(change: Change, by_id: Mapping[str, Change]) -> Iterable[str]:
    return (dep for dep in change.depends_on if by_id[dep].writes)
