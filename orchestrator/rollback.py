"""Makes the plan that takes a batch back: what was updated is restored, what was created is deleted.

Pure: what the batch did (deeds.py) and what has become of it (aftermath.py)
in, a Plan like any other out. What somebody has changed since, and what others
depend on by now, is a conflict with its reason; everything else is undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.aftermath import Aftermath
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import Deed, Key, gained_models
from orchestrator.dependents import Dependent
from orchestrator.diff import Fields, same
from orchestrator.generic import pointed
from orchestrator.graph import type_order
from orchestrator.live import called, canonical_row
from orchestrator.models import Action, Change, Pass, Plan
from orchestrator.plan import digest_of
from orchestrator.release import held_as, release_first
from orchestrator.values import custom_field_value, named, same_custom_field

_NAMED = 3
# NetBox's work for each component that goes along with a deleted object (measured on 4.7).
_COMPONENT_SECONDS = 0.03


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
    draft.keep_addresses_that_others_need()
    draft.drop_restores_of_what_goes()
    draft.drop_values_that_go_along()
    writes, lost = release_first([*draft.restores(), *draft.deletes()], aftermath.live)
    told = (*warnings, *draft.warnings, *_of_the_unseen(aftermath), *lost)
    plan = Plan(
        target,
        (*writes, *draft.untouched()),
        warnings=told,
        names=aftermath.names,
        undoes=batch_id,
        force=force,
    )
    return replace(plan, digest=digest_of(plan))


def _of_the_unseen(aftermath: Aftermath) -> list[str]:
    if not (unseen := aftermath.dependents.unseen):
        return []
    kinds = ", ".join(sorted(unseen))
    return [f"This token may not see {kinds}: whatever of these hangs on a deleted object goes along unseen"]


class _Draft:
    """A rollback in the making: what is restored, what is deleted, and what stays and why."""

    def __init__(self, deeds: Sequence[Deed], aftermath: Aftermath, force: bool) -> None:
        order = {name: place for place, name in enumerate(type_order())}
        self.deeds = sorted(deeds, key=lambda deed: (order[deed.object_type], deed.label, deed.object_id))
        self.aftermath = aftermath
        self.pointing = aftermath.dependents.pointing
        self.kinds = aftermath.live.custom_field_kinds()
        self.force = force
        self.warnings: list[str] = []
        self.restored: dict[Key, tuple[Fields, Fields]] = {}
        self.deleted: dict[Key, Deed] = {}
        self.conflicts: dict[Key, str] = {}
        # What came along with an object, and with which.
        self.along = {one.key: key for key, some in self.pointing.items() for one in some if one.came_along}

    # -- the steps, in order ------------------------------------------------------

    def find_restores(self) -> None:
        """Fields that the batch changed and that are not back yet: (as they are, as they were)."""
        for deed in self.deeds:
            live = self.aftermath.row(deed.key)
            if deed.created or live is None:
                continue
            before, after = self._differences(deed, canonical_row(OBJECT_TYPES[deed.object_type], live))
            why = after and (self._changed(deed) or self._points_nowhere(deed, after))
            if why:
                self.conflicts[deed.key] = why
            elif after:
                self.restored[deed.key] = (before, after)

    def find_deletes(self) -> None:
        """Objects that the batch created and that are still there as it left them."""
        for deed in self.deeds:
            if deed.created and self.aftermath.row(deed.key) is not None:
                if why := self._changed(deed):
                    self.conflicts[deed.key] = why
                else:
                    self.deleted[deed.key] = deed

    def _changed(self, deed: Deed) -> str:
        return "" if self.force else self.aftermath.changed.get(deed.key, "")

    def _points_nowhere(self, deed: Deed, after: Fields) -> str:
        """Whether a value to be put back points to what is gone; NetBox would refuse it."""
        row = OBJECT_TYPES[deed.object_type]
        for name in (name for name in after if name in row.pointers()):
            for target, one in pointed(row, name, after[name]):
                if one not in self.aftermath.names.get(target, {}):
                    return f"its {name} was {OBJECT_TYPES[target].noun} {one}, which is gone"
        return ""

    def keep_what_others_need(self) -> None:
        """What stays needs what it points at: that stays as well, and so on until nothing more does."""
        while blocked := {key: needs for key in self._taking() if (needs := self._needs(key))}:
            for key, needs in blocked.items():
                self.deleted.pop(key, None)
                self.restored.pop(key, None)
                self.conflicts[key] = f"others depend on it: {named(needs, _NAMED)}"

    def _taking(self) -> list[Key]:
        """What takes something away from others: the deletes, and custom fields that are for less again."""
        gained = {deed.key for deed in self.deeds if gained_models(deed)}
        return [
            *self.deleted,
            *(key for key, (_, after) in self.restored.items() if key in gained and "object_types" in after),
        ]

    def _needs(self, key: Key) -> list[str]:
        """What depends on an object that was to be deleted, and on what came along with it, in words."""
        needs = []
        for one in self.pointing.get(key, ()):
            if not self._goes(one, key):
                needs.append(str(one))
            elif one.came_along and one.key not in self.deleted:
                needs += [f"{one} ({one.changed})"] if one.changed and not self.force else []
                needs += self._needs(one.key)
        # What is on a device and in one of its bays is one thing.
        return list(dict.fromkeys(needs + self.aftermath.dependents.others.get(key, [])))

    def _goes(self, one: Dependent, target: Key) -> bool:
        """Whether something that points at an object is out of its way before that is deleted."""
        if one.key in self.deleted or self.along.get(one.key) in self.deleted:
            return True
        _, after = self.restored.get(one.key, ({}, {}))
        row = OBJECT_TYPES[one.object_type]
        if one.field == "custom_fields":
            return self._field_name(target) in after.get("custom_fields", {})
        return one.field in after and target not in pointed(row, one.field, after[one.field])

    def keep_addresses_that_others_need(self) -> None:
        """An address that is primary by now on a device which stays as it is stays there, too."""
        for key in [key for key, (_, after) in self.restored.items() if "assigned_object" in after]:
            if holder := self._holder_that_stays(key):
                del self.restored[key]
                self.conflicts[key] = holder

    def _holder_that_stays(self, key: Key) -> str:
        live = self.aftermath.live
        there = (live.table(key[0]).by_id[key[1]].get("assigned_object") or {}).get("device") or {}
        holder = live.holders.get(there.get("id", 0), {})
        fields = [
            name for name in held_as(holder, key[1]) if not self._lets_go(("devices", holder["id"]), name)
        ]
        back = pointed(OBJECT_TYPES[key[0]], "assigned_object", self.restored[key][1]["assigned_object"])
        homes = [live.table(name).by_id.get(one, {}).get("device") or {} for name, one in back]
        home = homes[0] if homes else {}
        if not fields or home.get("id") == there["id"]:
            return ""
        return f"device {holder.get('name')!r} has it as its {' and '.join(fields)}"

    def _lets_go(self, key: Key, field: str) -> bool:
        if key in self.deleted:
            return True
        _, after = self.restored.get(key, ({}, {}))
        return field in after

    def drop_restores_of_what_goes(self) -> None:
        """Components that came with an object go with it; there is no use in restoring them first."""
        for key in [key for key in self.restored if self.along.get(key) in self.deleted]:
            del self.restored[key]

    def drop_values_that_go_along(self) -> None:
        """NetBox takes the values of a custom field away with it, and lets no required one be emptied."""
        taken, required = self._taken_away(), self._required_that_stay()
        for key, (before, after) in list(self.restored.items()):
            model, custom = OBJECT_TYPES[key[0]].model, after.get("custom_fields", {})
            along = {name for name in custom if (name, model) in taken}
            kept = {name for name in required & custom.keys() - along if custom[name] is None}
            label = called(OBJECT_TYPES[key[0]], self.aftermath.row(key) or {"id": key[1]})
            self.warnings += [
                f"{label}: keeps what it has in the custom field {name!r}, which is required and stays"
                for name in sorted(kept)
            ]
            if not along and not kept:
                continue
            before, after = _less(before, along | kept), _less(after, along | kept)
            if after:
                self.restored[key] = (before, after)
            else:
                del self.restored[key]

    def _required_that_stay(self) -> set[str]:
        """The custom fields of the batch that stay and must have a value, by name."""
        kept = [deed.key for deed in self.deeds if gained_models(deed) and deed.key in self.conflicts]
        return {self._field_name(key) for key in kept if (self.aftermath.row(key) or {}).get("required")}

    def _taken_away(self) -> set[tuple[str, str]]:
        """The custom fields that will be no more, by name, each with the types that they are taken from."""
        taking = {key for key in self._taking() if key[0] == "custom_fields"}
        return {
            (self._field_name(deed.key), model)
            for deed in self.deeds
            if deed.key in taking
            for model in gained_models(deed)
        }

    def _field_name(self, key: Key) -> str:
        return str((self.aftermath.row(key) or {}).get("name"))

    def _differences(self, deed: Deed, now: Mapping[str, Any]) -> tuple[Fields, Fields]:
        """Of the fields that the batch changed, those that are not as they were: (now, then)."""
        then = {**now, **deed.before}
        copied = OBJECT_TYPES[deed.object_type].copied_by(lambda source: then.get(source) is not None)
        was = {name: value for name, value in deed.before.items() if name not in ("custom_fields", *copied)}
        names = [name for name in was if not same(was[name], now.get(name))]
        before, after = {name: now.get(name) for name in names}, {name: was[name] for name in names}
        theirs = now.get("custom_fields") or {}
        custom = {
            name: value
            for name, value in deed.before.get("custom_fields", {}).items()
            if not same_custom_field(value, theirs.get(name), self.kinds.get(name, ""))
        }
        for name in [name for name in custom if name not in theirs]:
            del custom[name]  # NetBox shows every custom field that there is
            self.warnings.append(f"{deed.label}: the custom field {name!r} is gone, and so is what it held")
        if custom:
            before["custom_fields"] = {
                name: custom_field_value(theirs.get(name), self.kinds.get(name, "")) for name in custom
            }
            after["custom_fields"] = custom
        return before, after

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
        waits = {_id(key) for key in targets if self._builds(key) or key in self.conflicts} | (
            {_id(deed.key)} if after_own else set()
        )
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
        row, pointing = OBJECT_TYPES[deed.object_type], self.pointing.get(deed.key, ())
        along = [one for one in pointing if one.came_along and one.key not in self.deleted]
        return Change(
            id=_id(deed.key),
            object_type=deed.object_type,
            action=Action.DELETE,
            label=deed.label,
            path=deed.path,
            live_id=deed.object_id,
            key=self._lane(deed),
            depends_on=tuple(sorted({wait for one in pointing if (wait := self._cleared_by(one))})),
            reason=_with(along, self.aftermath.changed.get(deed.key, "")),
            seconds=row.delete_seconds + _COMPONENT_SECONDS * len(along),
        )

    def _cleared_by(self, one: Dependent) -> str:
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


def _less(fields: Fields, names: set[str]) -> Fields:
    """The fields without some custom fields."""
    custom = {name: value for name, value in fields["custom_fields"].items() if name not in names}
    others = {name: value for name, value in fields.items() if name != "custom_fields"}
    return {**others, "custom_fields": custom} if custom else others


def _with(along: Sequence[Dependent], changed: str) -> str:
    """What goes with a delete, and what somebody has made of it since (by force only)."""
    kinds = " and ".join(sorted({OBJECT_TYPES[one.object_type].name.replace("_", " ") for one in along}))
    told = [f"with {len(along)} {kinds} that came with it"] if along else []
    told += [f"{one} {one.changed}" for one in along if one.changed][:_NAMED]
    return "; ".join([*([changed] if changed else []), *told])


def _id(key: Key) -> str:
    return f"{key[0]}/id {key[1]}"
