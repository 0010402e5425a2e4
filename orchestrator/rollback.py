"""Makes the plan that takes a batch back: what was updated is restored, what was created is deleted.

Pure: what the batch did (deeds.py) and what has become of it (aftermath.py)
in, a Plan like any other out. What somebody has changed since, and what others
depend on by now, is a conflict with its reason; everything else is undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.aftermath import Aftermath, Dependent
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import Deed, Key
from orchestrator.diff import Fields, same
from orchestrator.graph import type_order
from orchestrator.live import canonical_row
from orchestrator.models import Action, Change, Pass, Plan
from orchestrator.plan import digest_of
from orchestrator.release import release_first
from orchestrator.values import custom_field_value, same_custom_field

_NAMED = 3


def plan_rollback(
    batch_id: str,
    deeds: Sequence[Deed],
    aftermath: Aftermath,
    target: str = "default",
    force: bool = False,
    warnings: Sequence[str] = (),
) -> Plan:
    """Say how to take a batch back.

    `force` overrides that an object was changed since; never that others depend on it.
    """
    draft = _Draft(deeds, aftermath, force)
    draft.find_restores()
    draft.find_deletes()
    draft.keep_what_others_need()
    draft.drop_restores_of_what_goes()
    restores, lost = release_first([*draft.restores()], aftermath.live)
    changes = (*restores, *draft.untouched(), *draft.deletes())
    plan = Plan(target, changes, warnings=(*warnings, *lost), undoes=batch_id, force=force)
    return replace(plan, digest=digest_of(plan))


class _Draft:
    """A rollback in the making: what is restored, what is deleted, and what stays and why."""

    def __init__(self, deeds: Sequence[Deed], aftermath: Aftermath, force: bool) -> None:
        order = {name: place for place, name in enumerate(type_order())}
        self.deeds = sorted(deeds, key=lambda deed: (order[deed.object_type], deed.label, deed.object_id))
        self.aftermath = aftermath
        self.force = force
        self.restored: dict[Key, tuple[Fields, Fields]] = {}
        self.deleted: dict[Key, Deed] = {}
        self.conflicts: dict[Key, str] = {}

    # -- the steps, in order ------------------------------------------------------

    def find_restores(self) -> None:
        """Fields that the batch changed and that are not back yet: (as they are, as they were)."""
        for deed in self.deeds:
            live = self.aftermath.row(deed.key)
            if deed.created or live is None:
                continue
            before, after = _differences(deed, canonical_row(OBJECT_TYPES[deed.object_type], live))
            if after and not self._changed(deed):
                self.restored[deed.key] = (before, after)

    def find_deletes(self) -> None:
        """Objects that the batch created and that are still there as it left them."""
        for deed in self.deeds:
            if deed.created and self.aftermath.row(deed.key) is not None and not self._changed(deed):
                self.deleted[deed.key] = deed

    def _changed(self, deed: Deed) -> bool:
        why = self.aftermath.changed.get(deed.key)
        if why is None or self.force:
            return False
        self.conflicts[deed.key] = why
        return True

    def keep_what_others_need(self) -> None:
        """What stays needs what it points at: that stays as well, and so on until nothing more does."""
        while blocked := {key: why for key in self.deleted if (why := self._needed_by(key))}:
            for key, why in blocked.items():
                del self.deleted[key]
                self.conflicts[key] = why

    def _needed_by(self, key: Key) -> str:
        """Who depends on an object that was to be deleted, in words; empty when nobody does."""
        needs = [str(one) for one in self.aftermath.dependents.get(key, ()) if not self._goes(one, key)]
        needs += self.aftermath.others.get(key, ())
        for one in self.aftermath.dependents.get(key, ()):
            if one.came_along:
                why = "" if self.force else self.aftermath.changed.get(one.key, "")
                needs += [f"{one} ({why})"] if why else []
                needs += [] if one.key in self.deleted else self._needs_of_component(one)
        if not needs:
            return ""
        more = f" and {len(needs) - _NAMED} more" if len(needs) > _NAMED else ""
        return f"others depend on it: {', '.join(needs[:_NAMED])}{more}"

    def _needs_of_component(self, component: Dependent) -> list[str]:
        pointing = self.aftermath.dependents.get(component.key, ())
        return [str(one) for one in pointing if not self._goes(one, component.key)] + [
            *self.aftermath.others.get(component.key, ())
        ]

    def _goes(self, one: Dependent, target: Key) -> bool:
        """Whether something that points at an object is out of its way before that is deleted."""
        if one.key in self.deleted or one.came_along:
            return True
        _, after = self.restored.get(one.key, ({}, {}))
        return one.field in after and after[one.field] != target[1]

    def drop_restores_of_what_goes(self) -> None:
        """Components that came with an object go with it; there is no use in restoring them first."""
        going = {
            one.key
            for key in self.deleted
            for one in self.aftermath.dependents.get(key, ())
            if one.came_along
        }
        for key in going & self.restored.keys():
            del self.restored[key]

    # -- the changes --------------------------------------------------------------

    def restores(self) -> Iterator[Change]:
        """Updates that put back what was there; links once what they point to is back in its place."""
        split = [(deed, *self._split(deed)) for deed in self.deeds if deed.key in self.restored]
        for deed, own, _ in split:
            if own:
                yield self._restore(deed, own, Pass.BUILD, ())
        for deed, own, linked in split:
            if linked:
                yield self._restore(deed, linked, Pass.LINK, self._targets(deed, linked, bool(own)))

    def _split(self, deed: Deed) -> tuple[Fields, Fields]:
        links, (_, after) = OBJECT_TYPES[deed.object_type].links, self.restored[deed.key]
        own = {name: value for name, value in after.items() if name not in links}
        return own, {name: value for name, value in after.items() if name in links}

    def _targets(self, deed: Deed, linked: Fields, after_own: bool) -> tuple[str, ...]:
        links = OBJECT_TYPES[deed.object_type].links
        targets = [(links[name], value) for name, value in linked.items() if value is not None]
        waits = {_id(key) for key in targets if self._builds(key)} | ({_id(deed.key)} if after_own else set())
        return tuple(sorted(waits))

    def _builds(self, key: Key) -> bool:
        """Whether an object has a restore in the build pass."""
        return bool(self.restored.get(key, ({}, {}))[1].keys() - OBJECT_TYPES[key[0]].links.keys())

    def _restore(self, deed: Deed, after: Fields, passes: Pass, depends_on: tuple[str, ...]) -> Change:
        row, (before, _) = OBJECT_TYPES[deed.object_type], self.restored[deed.key]
        return Change(
            id=_id(deed.key) + ("#link" if passes is Pass.LINK else ""),
            object_type=deed.object_type,
            action=Action.UPDATE,
            label=deed.label,
            path=deed.path,
            passes=passes,
            live_id=deed.object_id,
            before={name: before[name] for name in after},
            after=after,
            key=self._lane(deed),
            depends_on=depends_on,
            reason=self.aftermath.changed.get(deed.key, ""),
            seconds=row.update_seconds,
        )

    def untouched(self) -> Iterator[Change]:
        """What needs no undoing any more, and what cannot be undone, with the reason."""
        for deed in self.deeds:
            if deed.key in self.restored or deed.key in self.deleted:
                continue
            why = self.conflicts.get(deed.key, "")
            yield Change(
                id=_id(deed.key),
                object_type=deed.object_type,
                action=Action.CONFLICT if why else Action.UNCHANGED,
                label=deed.label,
                path=deed.path,
                live_id=deed.object_id,
                reason=why,
            )

    def deletes(self) -> Iterator[Change]:
        """Deletes, children before what they hang on."""
        for deed in reversed(self.deeds):
            if deed.key in self.deleted:
                yield self._delete(deed)

    def _delete(self, deed: Deed) -> Change:
        row = OBJECT_TYPES[deed.object_type]
        pointing = self.aftermath.dependents.get(deed.key, ())
        along = [one for one in pointing if one.came_along]
        kinds = {OBJECT_TYPES[one.object_type].name.replace("_", " ") for one in along}
        return Change(
            id=_id(deed.key),
            object_type=deed.object_type,
            action=Action.DELETE,
            label=deed.label,
            path=deed.path,
            live_id=deed.object_id,
            key=self._lane(deed),
            depends_on=tuple(sorted({wait for one in pointing if (wait := self._before(one))})),
            reason=f"with {len(along)} {' and '.join(sorted(kinds))} that came with it" if along else "",
            seconds=row.delete_seconds + row.component_seconds * 3 * len(along),
        )

    def _before(self, one: Dependent) -> str:
        """The change that takes something out of the way of a delete; empty where none has to."""
        row = OBJECT_TYPES[one.object_type]
        if one.key in self.deleted:
            # Other links are let go by NetBox itself when what they point at is deleted.
            return "" if one.field in row.links and one.field != "parent" else _id(one.key)
        if one.key in self.restored:
            return _id(one.key) + ("#link" if one.field in row.links else "")
        return ""

    def _lane(self, deed: Deed) -> dict[str, Any]:
        """The parent whose row other writers would fight for (lanes.py)."""
        row, live = OBJECT_TYPES[deed.object_type], self.aftermath.row(deed.key)
        return {row.lane: canonical_row(row, live).get(row.lane)} if row.lane and live else {}


def _id(key: Key) -> str:
    return f"{key[0]}/id {key[1]}"


def _differences(deed: Deed, now: Mapping[str, Any]) -> tuple[Fields, Fields]:
    """Of the fields that the batch changed, those that are not as they were: (now, then)."""
    was = {name: value for name, value in deed.before.items() if name != "custom_fields"}
    names = [name for name in was if not same(was[name], now.get(name))]
    before, after = {name: now.get(name) for name in names}, {name: was[name] for name in names}
    theirs = now.get("custom_fields") or {}
    custom = {
        name: value
        for name, value in deed.before.get("custom_fields", {}).items()
        if not same_custom_field(value, theirs.get(name))
    }
    if custom:
        before["custom_fields"] = {name: custom_field_value(theirs.get(name)) for name in custom}
        after["custom_fields"] = custom
    return before, after
