"""A plan as people read it: what is created, what changes from what to what, one line of sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.generic import pointed
from orchestrator.metadata import METADATA_FIELDS
from orchestrator.models import Absent, Action, Change, Pass, Plan, Planned
from orchestrator.plugin_types import in_use

Names = Mapping[str, Mapping[int, str]]

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.DELETE: "-", Action.CONFLICT: "!"}
_TALLIES = {
    Action.CREATE: "to create",
    Action.UPDATE: "to update",
    Action.DELETE: "to delete",
    Action.CONFLICT: "in conflict",
}
_HEADINGS = {Pass.RELEASE: " (let go first)", Pass.BUILD: "", Pass.LINK: " (link pass)"}
_DRIFT = {"netbox": "changed in NetBox since our last apply", "both": "changed here and in NetBox"}
KEPT = "kept as changed in NetBox since our last apply"
# Fields that say little beside the label, which is printed anyway.
# So many of a list are shown, and the number of the others.
_MANY = 8


@dataclass(frozen=True, slots=True)
class ToldField:
    """One field of a change in words. `was` is None where there was nothing: in what is created.

    `mark` says that somebody else has changed it.
    """

    name: str
    was: str | None
    value: str
    mark: str = ""


def render_plan(plan: Plan, per_group: int | None = None) -> str:
    """The plan as text, grouped by object type; at most `per_group` changes of each group are spelt out.

    `+` creates, `~` updates, `-` deletes, `!` cannot be done, `=` stays as someone has set it in NetBox.
    Fields of an update are shown as old -> new, drift is marked.
    """
    with in_use(plan.types):
        return "\n".join(_plan_lines(plan, per_group))


def _plan_lines(plan: Plan, per_group: int | None) -> list[str]:
    lines: list[str] = []
    for members in told_groups(plan):
        lines.append(f"{heading(members)}: {tally(members)}")
        shown = members if per_group is None else members[:per_group]
        for change in shown:
            lines.extend(_change_lines(change, plan.names))
        if len(members) > len(shown):
            lines.append(f"    ... and {len(members) - len(shown)} more")
        lines.append("")
    if plan.absent:
        lines += [f"Not in the document: {len(plan.absent)}", *_absent_lines(plan.absent, per_group), ""]
    lines.extend(f"Warning: {warning}" for warning in plan.warnings)
    lines.append(summary_line(plan))
    return lines


def _absent_lines(absent: Sequence[Absent], most: int | None) -> Iterator[str]:
    for one in absent[:most]:
        yield f"  = {OBJECT_TYPES[one.object_type].noun} {one.label} (id {one.object_id})"
    if most is not None and len(absent) > most:
        yield f"    ... and {len(absent) - most} more"


def told_groups(plan: Plan) -> Iterator[list[Change]]:
    """What there is to tell, in order: the changes of one type and pass together."""
    told = (change for change in plan.changes if change.action in _SIGNS or change.drift)
    for _, group in groupby(told, key=lambda c: (c.object_type, c.passes)):
        yield list(group)


def heading(group: list[Change]) -> str:
    """What the changes of a group have in common: `devices (link pass)`."""
    return f"{group[0].object_type}{_HEADINGS[group[0].passes]}"


def sign(change: Change) -> str:
    """What is done in one character, see `render_plan`."""
    return _SIGNS.get(change.action, "=")


def summary_line(plan: Plan) -> str:
    """`Plan for default: 12 to create, 3 to update, 40 unchanged.`"""
    totals = plan.totals()
    what = f"Rollback of {plan.undoes} on" if plan.undoes else "Plan for"
    parts = [f"{totals[action.value]} {words}" for action, words in _TALLIES.items()]
    # Creates and updates are always told, so that a nought is seen; the rest only where there is some.
    told = [
        part
        for part, action in zip(parts, _TALLIES, strict=True)
        if totals[action.value] or _usual(plan, action)
    ]
    if not plan.writes:
        told = ["nothing to do", *(part for part in told if part.endswith("in conflict"))]
    return f"{what} {plan.target}: {', '.join(told)}, {totals['unchanged']} unchanged.{_cost(plan)}"


def _usual(plan: Plan, action: Action) -> bool:
    return action in ((Action.UPDATE, Action.DELETE) if plan.undoes else (Action.CREATE, Action.UPDATE))


def _cost(plan: Plan) -> str:
    """What a rollback takes, since deleting is slow in NetBox."""
    deletes = plan.totals()["delete"]
    if not plan.undoes or not deletes:
        return ""
    minutes, rate = (
        plan.seconds / 60,
        deletes / sum(c.seconds for c in plan.changes if c.action is Action.DELETE),
    )
    time = f"{minutes:.0f} minutes" if minutes >= 1.5 else f"{max(1, round(plan.seconds))} s"
    return f" NetBox deletes about {rate:.0f} objects a second: {time}."


def tally(changes: Iterable[Change]) -> str:
    """`12 to create, 3 to update`."""
    actions = [change.action for change in changes]
    parts = [f"{actions.count(action)} {words}" for action, words in _TALLIES.items() if action in actions]
    return ", ".join(parts) or "kept as changed in NetBox"


def _change_lines(change: Change, names: Names) -> Iterator[str]:
    place = f"  [{change.path}]" if change.path else ""
    reason = f": {change.reason}" if change.reason else ""
    yield f"  {sign(change)} {change.label}{place}{reason}"
    for told in told_fields(change, names):
        was = "" if told.was is None else f"{told.was} -> "
        yield f"      {told.name}: {was}{told.value}{f'  ({told.mark})' if told.mark else ''}"
    for name in change.kept_drift:
        yield f"      {name}: {KEPT}"


def told_fields(change: Change, names: Names) -> Iterator[ToldField]:
    """The fields of a change that say something; `names` has the labels of what they point to."""
    row, before = OBJECT_TYPES[change.object_type], _told(change.before)
    for name, value in sorted(_told(change.after).items()):
        shown = _shown_in(row, name, value, names)
        if change.action is not Action.CREATE:
            was = before.get(name)
            told = _shown_in(row, name, was, names)
            yield ToldField(name, told, shown, _drift_mark(change, name))
        elif name not in ("slug", row.label) or row.is_assignment:
            yield ToldField(name, None, shown)


def _shown_in(row: ObjectType, name: str, value: Any, names: Names) -> str:
    """The value of a field in words; of ports that are mapped, each position with where it leads."""
    known = _labels(row, name, value, names)
    if name in row.ends:
        return _listed([_shown(one, known) for _, one in value or ()][:_MANY], len(value or ()))
    if name not in row.mapped or not value:
        return _shown(value, known)
    return _listed(
        [f"{position} to {_shown(port, known)} {its}" for position, port, its in value[:_MANY]], len(value)
    )


def _labels(row: ObjectType, name: str, value: Any, names: Names) -> Mapping[Any, str]:
    """What the ids in a value stand for, as far as that is known."""
    known = {one: names.get(object_type, {}).get(one, "") for object_type, one in pointed(row, name, value)}
    labels: dict[Any, str] = {one: label for one, label in known.items() if label}
    if name in row.generic and not row.by_host:  # which of several types it is says as much as its name
        for object_type, one in pointed(row, name, value):
            labels[value] = f"{OBJECT_TYPES[object_type].word} {labels.get(one, one)}"
    return labels


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without our own two custom fields, which are put back along with the rest."""
    told = dict(fields)
    if told.get("custom_fields"):
        told["custom_fields"] = {k: v for k, v in told["custom_fields"].items() if k not in METADATA_FIELDS}
        if not told["custom_fields"]:
            del told["custom_fields"]
    return told


def _drift_mark(change: Change, name: str) -> str:
    """One word on a field that somebody else has changed; of custom fields, on which."""
    if name != "custom_fields":
        return _DRIFT[change.drift[name]] if name in change.drift else ""
    drift = {field: change.drift.get(f"{name}.{field}") for field in change.after[name]}
    return "; ".join(f"{field}: {_DRIFT[kind]}" for field, kind in drift.items() if kind)


def _shown(value: Any, known: Mapping[Any, str]) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, Planned):
        return value.change_id.partition("/")[2]
    if isinstance(value, tuple):
        return _listed([_shown(item, known) for item in value[:_MANY]], len(value))
    if type(value) in (int, str) and value in known:
        return known[value]
    return repr(value) if isinstance(value, str) else str(value)


def _listed(shown: list[str], number: int) -> str:
    more = f", and {number - len(shown)} more" if number > len(shown) else ""
    return f"[{', '.join(shown)}{more}]"
