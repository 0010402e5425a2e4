"""A plan as people read it: what is created, what changes from what to what, one line of sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.models import Action, Change, Pass, Plan, Planned

Names = Mapping[str, Mapping[int, str]]

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~"}
# Fields that say little beside the label, which is printed anyway.
_QUIET = frozenset({"slug", "name", "model", "address"})


def render_plan(plan: Plan, per_group: int | None = None) -> str:
    """The plan as text, grouped by object type; at most `per_group` changes of each group are spelt out.

    `+` creates, `~` updates. Fields of an update are shown as old -> new.
    """
    lines: list[str] = []
    writing = [change for change in plan.changes if change.writes]
    for (object_type, passes), group in groupby(writing, key=lambda c: (c.object_type, c.passes)):
        members = list(group)
        heading = f"{object_type} (link pass)" if passes is Pass.LINK else object_type
        lines.append(f"{heading}: {_tally(members)}")
        shown = members if per_group is None else members[:per_group]
        for change in shown:
            lines.extend(_change_lines(change, plan.names))
        if len(members) > len(shown):
            lines.append(f"    ... and {len(members) - len(shown)} more")
        lines.append("")
    lines.extend(f"Warning: {warning}" for warning in plan.warnings)
    lines.append(summary_line(plan))
    return "\n".join(lines)


def summary_line(plan: Plan) -> str:
    """`Plan for default: 12 to create, 3 to update, 40 unchanged.`"""
    totals = plan.totals()
    if not plan.writes:
        return f"Plan for {plan.target}: nothing to do, {totals['unchanged']} unchanged."
    return (
        f"Plan for {plan.target}: {totals['create']} to create, {totals['update']} to update, "
        f"{totals['unchanged']} unchanged."
    )


def _tally(changes: Iterable[Change]) -> str:
    actions = [change.action for change in changes]
    parts = [f"{actions.count(action)} to {action.value}" for action in _SIGNS if action in actions]
    return ", ".join(parts)


def _change_lines(change: Change, names: Names) -> Iterator[str]:
    yield f"  {_SIGNS[change.action]} {change.label}" + (f"  [{change.path}]" if change.path else "")
    pointers = {**OBJECT_TYPES[change.object_type].all_references(), "tags": "tags"}
    for name, value in sorted(change.after.items()):
        known = names.get(pointers.get(name, ""), {})
        if change.action is Action.UPDATE:
            yield f"      {name}: {_shown(change.before.get(name), known)} -> {_shown(value, known)}"
        elif name not in _QUIET:
            yield f"      {name}: {_shown(value, known)}"


def _shown(value: Any, known: Mapping[int, str]) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, Planned):
        return value.change_id.partition("/")[2]
    if isinstance(value, tuple):
        return "[" + ", ".join(_shown(item, known) for item in value) + "]"
    if isinstance(value, int) and value in known:
        return known[value]
    return repr(value) if isinstance(value, str) else str(value)
