"""What a batch did to each object, gathered from its journal or from NetBox's own changelog.

Several changes of one object (a build and a link change, a release) become one
deed: the values before the first of them, and those after the last. Rolling
back (rollback.py) starts from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import RollbackError
from orchestrator.generic import generic_value
from orchestrator.metadata import is_own_definition
from orchestrator.models import Intent, Outcome, Result
from orchestrator.ports import History, LoggedChange
from orchestrator.schema import load_schema

Key = tuple[str, int]
"""Object type and id."""


@dataclass(slots=True)
class Deed:
    """One object and what a batch did to it. Values are canonical, references are ids.

    `last_updated` is the moment that NetBox gave the object at our last write,
    `since` the moment of our first one, `request_ids` those of our writes.
    """

    object_type: str
    object_id: int
    label: str
    path: str = ""
    created: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    last_updated: str = ""
    since: str = ""
    request_ids: set[str] = field(default_factory=set)

    @property
    def key(self) -> Key:
        """What tells the object apart."""
        return self.object_type, self.object_id

    def link_targets(self) -> Iterator[tuple[str, Key]]:
        """The link fields that the batch wrote, and what they point to."""
        for name, target in OBJECT_TYPES[self.object_type].links.items():
            if isinstance(self.after.get(name), int):
                yield name, (target, self.after[name])

    def add(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """One more write: of each field, the first before-image and the last after-image count."""
        for name, value in before.items():
            if name == "custom_fields":
                self.before[name] = {**(value or {}), **self.before.get(name, {})}
            else:
                self.before.setdefault(name, as_canonical(value))
        for name, value in after.items():
            if name == "custom_fields":
                self.after[name] = {**self.after.get(name, {}), **(value or {})}
            elif name != "id":
                self.after[name] = as_canonical(value)


def gained_models(deed: Deed) -> set[str]:
    """For which types a custom field is that it was not for before: values there go when that is put back."""
    if deed.object_type != "custom_fields":
        return set()
    was = deed.before.get("object_types", deed.after.get("object_types")) or ()
    return set(deed.after.get("object_types") or ()) - ({*was} if not deed.created else set())


def merged(deeds: Iterable[Deed], later: Iterable[Deed]) -> list[Deed]:
    """The deeds with what was found out later about the same objects, or about others."""
    known = {deed.key: deed for deed in deeds}
    for deed in later:
        first = known.setdefault(deed.key, deed)
        if first is not deed:
            first.add({} if first.created else deed.before, deed.after)
            first.last_updated = deed.last_updated
    return list(known.values())


def filled_up(deeds: Iterable[Deed], logged: Iterable[Deed]) -> list[Deed]:
    """The deeds of a journal that may lack some, with those that the changelog tells.

    The changelog has seen every write: where both know a field, what it held before the first of them
    and after the last is as logged.
    """
    known = {deed.key: deed for deed in deeds}
    for deed in logged:
        told = known.setdefault(deed.key, deed)
        if told is deed:
            continue
        told.created = told.created or deed.created
        told.before = {} if told.created else _laid_over(told.before, deed.before)
        told.after = _laid_over(told.after, deed.after)
        told.since = min(told.since, deed.since, key=datetime.fromisoformat)
        # Maybe not that of the last write: one that changed nothing is not logged, and NetBox dates it.
        told.last_updated = ""
        told.request_ids |= deed.request_ids
    return list(known.values())


def _laid_over(fields: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The fields, with the others in their place where both have one; custom fields one by one."""
    both = {**fields, **others}
    if "custom_fields" in both:
        both["custom_fields"] = {
            **(fields.get("custom_fields") or {}),
            **(others.get("custom_fields") or {}),
        }
    return both


def deeds_in(history: History) -> tuple[list[Deed], list[Intent]]:
    """What a journal tells: the deeds, and the intents of which it does not know what became of them.

    Raises RollbackError where the batch was itself a rollback: what that deleted cannot be brought back.
    """
    intents = {(intent.run, intent.change_id): intent for intent in history.intents()}
    deeds: dict[Key, Deed] = {}
    written: dict[str, int] = {}
    for outcome in history.settled():
        intent = intents.pop((outcome.run or 1, outcome.change_id), None)
        if outcome.result is Result.DELETED:
            raise RollbackError(
                "This batch was itself a rollback; what it deleted cannot be brought back.",
                "Apply the document again.",
            )
        if intent is not None and outcome.result in (Result.CREATED, Result.UPDATED):
            _note(deeds, intent, outcome)
            written[outcome.change_id] = intent.run
    # What an earlier run announced, and a later one found undone and wrote itself, came to nothing.
    open_ = [one for one in intents.values() if one.run >= written.get(one.change_id, 0)]
    return list(deeds.values()), open_


def _note(deeds: dict[Key, Deed], intent: Intent, outcome: Outcome) -> None:
    if outcome.object_id is None or is_own_definition(outcome.object_type, outcome.label):
        return
    key = (outcome.object_type, outcome.object_id)
    deed = deeds.get(key)
    if deed is None:
        deed = deeds[key] = Deed(*key, outcome.label, outcome.path, since=intent.at)
    deed.created = deed.created or outcome.result is Result.CREATED
    deed.add({} if deed.created else intent.before, intent.sent)
    deed.last_updated = outcome.last_updated
    if outcome.request_id:
        deed.request_ids.add(outcome.request_id)


def deeds_logged(entries: Iterable[LoggedChange], tags: Mapping[str, int]) -> list[Deed]:
    """What NetBox's changelog tells of a batch. `tags` has the ids of tags by name.

    Raises RollbackError as `deeds_in` does.
    """
    deeds: dict[Key, Deed] = {}
    for entry in entries:
        if entry.action == "delete":
            raise RollbackError(
                "This batch deleted objects, so it was itself a rollback.", "Apply the document again."
            )
        if is_own_definition(entry.object_type, str(entry.after.get("name"))):
            continue
        key = (entry.object_type, entry.object_id)
        deed = deeds.get(key)
        if deed is None:
            deed = deeds[key] = Deed(*key, entry.label, since=entry.time)
        deed.created = deed.created or entry.action == "create"
        before, after = _logged_fields(entry, entry.before, tags), _logged_fields(entry, entry.after, tags)
        written = {name: value for name, value in after.items() if deed.created or before.get(name) != value}
        if not deed.created and "custom_fields" in written:  # those of others have not changed with ours
            written["custom_fields"] = _changed_among(before.get("custom_fields"), written["custom_fields"])
        deed.add({} if deed.created else _as_before(before, written), written)
        deed.request_ids.add(entry.request_id)
    return list(deeds.values())


def _as_before(before: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """What the written fields held before; a custom field that was not defined yet held nothing."""
    was = {name: before.get(name) for name in written}
    if "custom_fields" in written:
        held = was["custom_fields"] or {}
        was["custom_fields"] = {name: held.get(name) for name in written["custom_fields"]}
    return was


def _changed_among(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, Any]:
    """The custom fields that are another value now."""
    had = before or {}
    return {name: value for name, value in (after or {}).items() if had.get(name) != value}


def _logged_fields(entry: LoggedChange, raw: Mapping[str, Any], tags: Mapping[str, int]) -> dict[str, Any]:
    """Fields in the changelog's notation as canonical values; those that cannot be written are left out."""
    row, specs = OBJECT_TYPES[entry.object_type], load_schema()[entry.object_type]
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        if name not in raw or name in row.halves or name in row.unlogged:
            continue
        value = raw[name]
        if name == "tags":
            value = tuple(sorted(tags[tag] for tag in value or () if tag in tags))
        elif spec.kind in ("number", "integer") and value is not None:
            value = float(value)
            value = int(value) if value == int(value) else value
        values[name] = None if value == "" else value
    for name in row.generic:
        if f"{name}_id" in raw:
            values[name] = generic_value(row, name, raw)
    return values


def as_canonical(value: Any) -> Any:
    """Lists of ids come back from JSON as lists; canonical values hold tuples."""
    return tuple(map(as_canonical, value)) if isinstance(value, list) else value
