"""Whether a plan made earlier may still be applied: has NetBox moved, is it too old, are there conflicts.

What has moved is found by comparing the plan with one made just now from the
same document; nothing here asks NetBox or a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.deeds import Key
from orchestrator.diff import same
from orchestrator.errors import NotApplyableError, StalePlanError
from orchestrator.generic import pointed
from orchestrator.metadata import is_own_definition
from orchestrator.models import Action, Change, Pass, Plan, Planned
from orchestrator.plugin_types import in_use
from orchestrator.resume import NOTHING_DONE, Done

MAX_NAMED = 5
MAX_DETAILS = 50
_Key = tuple[str, str, str, int]
_ORDER = {Pass.RELEASE: 0, Pass.BUILD: 1, Pass.LINK: 2}
_AGAIN = "Make the plan again, look at it, and apply the new one."


class Dated(Protocol):
    """What knows when NetBox was read for a plan, and until when the plan is good."""

    @property
    def made_at(self) -> str:
        """ISO 8601, UTC; empty if nobody has said."""
        ...

    @property
    def stale_at(self) -> str:
        """ISO 8601, UTC; empty if it is good for ever."""
        ...


def refuse_moved(stored: Plan, fresh: Plan, name: str = "the plan", done: Done = NOTHING_DONE) -> None:
    """Raise StalePlanError, naming what has moved, unless both plans would do the same.

    Of objects that earlier runs have `done` by the stored plan, the fresh plan may ask for what is left.
    """
    moves = what_moved(stored, fresh, done)
    if moves:
        written = "nothing more was written" if done.total else "nothing was written"
        raise StalePlanError(
            f"NetBox has changed since {name} was made; {written}. What has moved: "
            f"{_first(move.message for move in moves)}.",
            hint=_AGAIN,
            moved=[move.as_dict() for move in moves[:MAX_DETAILS]],
        )


def refuse_outdated(plan: Dated, now: datetime, name: str = "The plan") -> None:
    """Raise StalePlanError once the plan is past the time for which it is good."""
    if not plan.stale_at or now < datetime.fromisoformat(plan.stale_at):
        return
    made = datetime.fromisoformat(plan.made_at) if plan.made_at else None
    age = f"more than {_span(datetime.fromisoformat(plan.stale_at) - made)} ago" if made else "too long ago"
    raise StalePlanError(f"{name} was made {age}; nothing was written.", hint=_AGAIN)


def is_blocked(plan: Plan) -> bool:
    """Whether conflicts forbid the plan as a whole. A rollback passes over them."""
    return bool(plan.conflicts) and not plan.undoes


def refuse_unapplyable(plan: Plan) -> None:
    """Raise NotApplyableError if conflicts forbid the plan; one with nothing to do is no such case."""
    if not is_blocked(plan):
        return
    conflicts = plan.conflicts
    with in_use(plan.types):
        told = _first(f"{_named(change)}: {change.reason or 'cannot be carried out'}" for change in conflicts)
    noun = "conflict" if len(conflicts) == 1 else "conflicts"
    raise NotApplyableError(
        f"The plan has {len(conflicts)} {noun}; nothing was written. {told}.",
        hint="Settle them in NetBox or in the document and make the plan again.",
        conflicts=[
            {"path": c.path, "object_type": c.object_type, "label": c.label, "message": c.reason}
            for c in conflicts[:MAX_DETAILS]
        ],
    )


def date_plan(plan: Plan, now: datetime, valid_seconds: int) -> Plan:
    """The plan with the time at which NetBox was read for it, and the time until which it is good."""
    stale_at = now + timedelta(seconds=valid_seconds)
    return replace(
        plan, made_at=now.isoformat(timespec="seconds"), stale_at=stale_at.isoformat(timespec="seconds")
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """An object that is not as the plan found it."""

    object_type: str
    label: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        """As errors carry it."""
        return {"object_type": self.object_type, "label": self.label, "message": self.message}


@dataclass(frozen=True, slots=True)
class _Item:
    """All that a plan wants of one object, its passes taken together; references told by label."""

    change: Change
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    writes: bool
    passing: Mapping[str, Sequence[Any]]
    """All that is written to its fields, also on the way to the last value: a name that is let go first."""

    @property
    def creates(self) -> bool:
        return self.change.action is Action.CREATE


def what_moved(stored: Plan, fresh: Plan, done: Done = NOTHING_DONE) -> list[Moved]:
    """Each object that the plan made just now treats otherwise than the stored one.

    Its message is a sentence: `device 'sw-1': status is now 'offline' (was 'active')`. Empty while the
    digests are equal.
    """
    if stored.digest == fresh.digest:
        return []
    with in_use(stored.types), in_use(fresh.types):
        return _moves(stored, fresh, done)


def _moves(stored: Plan, fresh: Plan, done: Done) -> list[Moved]:
    then, now = _items(stored), _items(fresh)
    moves = [
        Moved(item.change.object_type, item.change.label, f"{_named(item.change)}{said}")
        for key in {**then, **now}
        for item in [now.get(key) or then[key]]
        for said in [_said(then.get(key), now.get(key), stored, done)]
        if said
    ]
    if not moves and not done.total:  # such as another on_error, or another order
        moves.append(Moved("", "", "what would be done is no longer the same"))
    return moves


def _said(then: _Item | None, now: _Item | None, stored: Plan, done: Done) -> str:
    if (then and done.knows(then.change)) or (now and done.knows(now.change)):
        return _more_than_left(then, now)
    return _difference(then, now, stored)


def _more_than_left(then: _Item | None, now: _Item | None) -> str:
    """What a fresh plan would do to an object that was written by the stored one, beyond what that says."""
    if now is None or not now.writes:
        return ""
    if then is None or not then.writes:
        return " would be changed now"
    if now.change.action is Action.DELETE and then.change.action is not Action.DELETE:
        return " would be deleted now"
    other = {name for name, value in now.after.items() if not same(value, then.after.get(name))}
    if not then.creates:
        other |= {name for name, value in now.before.items() if not _left_so(then, name, value)}
    told = {name: (now.before.get(name), then.before.get(name)) for name in sorted(other)}
    return f": {_told_fields(told)}" if told else ""


def _left_so(then: _Item, name: str, value: Any) -> bool:
    """Whether a field has the value that a part of the stored plan has found or left."""
    return any(same(value, one) for one in (then.before.get(name), *then.passing.get(name, ())))


def _difference(then: _Item | None, now: _Item | None, stored: Plan) -> str:
    """What has become of one object between two plans, as the rest of a sentence; empty for nothing."""
    if now is None:
        assert then is not None
        return _no_longer_planned(then)
    if then is None:
        return _newly_planned(now, stored)
    if then.creates != now.creates:
        return " exists by now" if then.creates else " is gone"
    if then.change.live_id != now.change.live_id:
        return f" is another object now (id {now.change.live_id}, was {then.change.live_id})"
    if now.change.action is Action.CONFLICT and then.change.action is not Action.CONFLICT:
        return f" cannot be written any more: {now.change.reason or 'a conflict'}"
    return _fields_moved(then, now) or _other_action(then, now)


def _no_longer_planned(then: _Item) -> str:
    if not then.change.writes:
        return ""
    if then.change.action is Action.DELETE:
        return " is gone"
    return " exists by now" if then.creates else " would not be changed any more"


def _newly_planned(now: _Item, stored: Plan) -> str:
    action = now.change.action
    if action is Action.CREATE:
        known = stored.names.get(now.change.object_type, {}).values()
        return " is gone" if now.change.label in known else " would be created now"
    if action is Action.CONFLICT:
        return f" stands in the way: {now.change.reason or 'a conflict'}"
    told = {Action.UPDATE: " would be changed now", Action.DELETE: " would be deleted now"}
    return told.get(action, "")


def _other_action(then: _Item, now: _Item) -> str:
    """For changes whose fields are the same and that do something else all the same."""
    was, is_now = then.change.action, now.change.action
    if was is is_now or not (then.change.writes or now.change.writes):
        return ""
    if was is Action.DELETE and is_now is Action.UNCHANGED:
        return " is gone"
    return f" would be met with {is_now.value} now (was {was.value})"


def _fields_moved(then: _Item, now: _Item) -> str:
    """Fields that NetBox has otherwise now; what only the document's side of the plan says is no move."""
    if then.creates:
        # Nothing of it is in NetBox: only what it refers to can have moved, and is named by itself.
        changed = {name: (now.after.get(name), value) for name, value in then.after.items()}
        told = {name: pair for name, pair in changed.items() if not same(*pair)}
        return f" would be created otherwise: {_told_fields(told)}" if told else ""
    moved: dict[str, tuple[Any, Any]] = {}
    for name in {**then.before, **now.before}:
        # A field that a plan leaves alone was as the document wants it, which the other plan knows.
        was = then.before.get(name, now.after.get(name))
        lives = now.before.get(name, then.after.get(name))
        if not same(was, lives):
            moved[name] = (lives, was)
    return f": {_told_fields(moved)}" if moved else ""


def _told_fields(fields: Mapping[str, tuple[Any, Any]]) -> str:
    return ", ".join(
        f"{name} is now {_shown(now)} (was {_shown(was)})" for name, (now, was) in fields.items()
    )


def _items(plan: Plan) -> dict[_Key, _Item]:
    """What the plan wants, by object, in the order of the plan.

    Ids of changes will not do: they name parents in full only while these are still to be created.
    """
    labels = _Labels(plan)
    grouped: dict[_Key, list[Change]] = {}
    seen: Counter[Any] = Counter()
    for change in plan.changes:
        if is_own_definition(change.object_type, change.label):
            continue  # our own definitions, which are no part of the digest either
        name = (change.object_type, change.label, change.path)
        seen[change.passes, name] += 1
        grouped.setdefault((*name, seen[change.passes, name]), []).append(change)
    written = _written(plan, labels)
    return {key: _item(changes, labels, written) for key, changes in grouped.items()}


def _written(plan: Plan, labels: _Labels) -> dict[Key, dict[str, list[Any]]]:
    """Every value that the plan writes to the fields of a live object, also on the way to the last one."""
    written: dict[Key, dict[str, list[Any]]] = {}
    for change in plan.changes:
        if change.live_id is not None and change.writes:
            fields = written.setdefault((change.object_type, change.live_id), {})
            for name, value in labels.told(change, change.after):
                fields.setdefault(name, []).append(value)
    return written


def _item(
    changes: Sequence[Change], labels: _Labels, written: Mapping[Key, Mapping[str, Sequence[Any]]]
) -> _Item:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    ordered = sorted(changes, key=lambda change: _ORDER[change.passes])
    for change in ordered:
        # What NetBox has is told by the first change of a field, what it shall have by the last.
        before = {**dict(labels.told(change, change.before)), **before}
        after.update(labels.told(change, change.after))
    main = next((change for change in ordered if change.passes is Pass.BUILD), ordered[0])
    passing = written.get((main.object_type, main.live_id or 0), {})
    return _Item(main, before, after, any(change.writes for change in changes), passing)


class _Labels:
    """The labels behind a plan's references: an object has the same one before and after it exists."""

    def __init__(self, plan: Plan) -> None:
        self._of_changes = {change.id: change.label for change in plan.changes}
        self._of_ids = {
            (change.object_type, change.live_id): change.label
            for change in plan.changes
            if change.live_id is not None
        }
        for object_type, names in plan.names.items():
            for live_id, label in names.items():
                self._of_ids.setdefault((object_type, live_id), label)

    def told(self, change: Change, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The fields with labels for references; custom fields one by one."""
        row = OBJECT_TYPES[change.object_type]
        for name, value in fields.items():
            if name == "custom_fields" and isinstance(value, Mapping):
                yield from ((f"custom field {inner}", one) for inner, one in value.items())
            elif isinstance(value, list | tuple):
                yield name, [self._label(row, name, one) for one in value]
            else:
                yield name, self._label(row, name, value)

    def _label(self, row: ObjectType, name: str, value: Any) -> Any:
        if isinstance(value, Planned):
            return self._of_changes.get(value.change_id, value.change_id)
        return next((self._of_ids.get(key, value) for key in pointed(row, name, value)), value)


def _first(sentences: Iterable[str]) -> str:
    every = list(sentences)
    more = f"; and {len(every) - MAX_NAMED} more" if len(every) > MAX_NAMED else ""
    return "; ".join(every[:MAX_NAMED]) + more


def _named(change: Change) -> str:
    return f"{OBJECT_TYPES[change.object_type].noun} {change.label!r}"


def _shown(value: Any) -> str:
    text = "none" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _span(span: timedelta) -> str:
    """A time as one would say it: `24 hours`."""
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return "a second" if seconds == 1 else f"{seconds} seconds"
