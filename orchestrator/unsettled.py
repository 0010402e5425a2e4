"""Finds out which of the writes of unknown fate NetBox has carried out, after a run that broke off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.deeds import Deed, as_canonical
from orchestrator.diff import kept
from orchestrator.live import find_by_id, find_rows
from orchestrator.metadata import is_own_definition
from orchestrator.models import Action, Intent
from orchestrator.ports import NetBox, Row
from orchestrator.writes import written_by


def find_unsettled(netbox: NetBox, intents: Iterable[Intent], batch_id: str) -> Iterator[Deed]:
    """The deeds that came of intents without an outcome; others' writes are not among them."""
    undoable = [
        intent
        for intent in intents
        if not is_own_definition(intent.object_type, intent.label)
        and intent.action in (Action.CREATE, Action.UPDATE)
    ]
    return (_deed_of(intent, live) for intent, live in find_landed(netbox, undoable, batch_id))


def find_landed(
    netbox: NetBox, intents: Iterable[Intent], batch_id: str, undoes: str = ""
) -> Iterator[tuple[Intent, Row]]:
    """The intents that NetBox has carried out for the batch, each with its object as it is now.

    Of a deleted object, the row has the id alone. `undoes`: the batch takes that one back.
    """
    by_kind: dict[tuple[str, str], list[Intent]] = defaultdict(list)
    for intent in intents:
        by_kind[intent.object_type, intent.action].append(intent)
    for (name, action), some in by_kind.items():
        row = OBJECT_TYPES[name]
        pairs = list(zip(some, _read_back(netbox, row, some), strict=True))
        if action == Action.DELETE:
            yield from ((intent, {"id": intent.sent["id"]}) for intent, live in pairs if live is None)
            continue
        there = [(intent, live) for intent, live in pairs if live is not None]
        sent = [(_fields_of(intent), live) for intent, live in there]
        ours = written_by(netbox, row, Action(action), sent, batch_id, undoes)
        yield from (pair for pair in there if pair[1]["id"] in ours)


def has_its_values(intent: Intent, live: Row) -> bool:
    """Whether an object is as the intent wanted it: that it is ours may come of an earlier write."""
    return kept(OBJECT_TYPES[intent.object_type], _fields_of(intent), live)


def _read_back(netbox: NetBox, row: ObjectType, intents: list[Intent]) -> list[Row | None]:
    if intents[0].action == Action.CREATE:
        return _find_created(netbox, row, [_key_of(intent) for intent in intents])
    return find_by_id(netbox, row, [intent.sent["id"] for intent in intents])


def _find_created(netbox: NetBox, row: ObjectType, keys: list[dict[str, Any]]) -> list[Row | None]:
    """The rows by natural key. What hung on a parent that is gone is gone; NetBox refuses to look for it."""
    if not row.child_of:
        return find_rows(netbox, row, keys)
    ids: dict[str, set[int]] = defaultdict(set)
    above = [row.parent_in(key.get) for key in keys]
    for name, parent in above:
        ids[name].add(parent)
    there = {
        (name, live["id"])
        for name, some in ids.items()
        for live in find_by_id(netbox, OBJECT_TYPES[row.references[name]], sorted(some))
        if live is not None
    }
    found = iter(find_rows(netbox, row, [key for key, one in zip(keys, above, strict=True) if one in there]))
    return [next(found) if one in there else None for one in above]


def _fields_of(intent: Intent) -> Row:
    return {name: value for name, value in intent.sent.items() if name != "id"}


def _key_of(intent: Intent) -> dict[str, Any]:
    """The natural key with the ids that were sent: in the plan, a part of it may not have existed yet."""
    return {name: as_canonical(intent.sent.get(name, value)) for name, value in intent.key.items()}


def _deed_of(intent: Intent, live: Row) -> Deed:
    deed = Deed(intent.object_type, live["id"], intent.label, intent.path, since=intent.at)
    deed.created = intent.action == Action.CREATE
    deed.add({} if deed.created else intent.before, intent.sent)
    return deed  # without `last_updated`: nobody has seen the answer, so the changelog will be asked
