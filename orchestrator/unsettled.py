"""Finds out, for a rollback, which of the writes of unknown fate NetBox has carried out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import NOT_UNDONE, Deed
from orchestrator.live import find_by_id, find_rows
from orchestrator.models import Action, Intent
from orchestrator.ports import NetBox, Row
from orchestrator.writes import written_by


def find_unsettled(netbox: NetBox, intents: Iterable[Intent], batch_id: str) -> Iterator[Deed]:
    """The deeds that came of intents without an outcome; what others have written is not among them."""
    by_kind: dict[tuple[str, str], list[Intent]] = defaultdict(list)
    for intent in intents:
        if intent.object_type not in NOT_UNDONE:
            by_kind[intent.object_type, intent.action].append(intent)
    for (name, action), some in by_kind.items():
        row = OBJECT_TYPES[name]
        if action == Action.CREATE:
            rows = find_rows(netbox, row, [_key_of(intent) for intent in some])
        elif action == Action.UPDATE:
            rows = find_by_id(netbox, row, [intent.sent["id"] for intent in some])
        else:
            continue
        there = [(intent, live) for intent, live in zip(some, rows, strict=True) if live is not None]
        sent = [(_fields_of(intent), live) for intent, live in there]
        ours = written_by(netbox, row, Action(action), sent, batch_id)
        yield from (_deed_of(intent, live) for intent, live in there if live["id"] in ours)


def _fields_of(intent: Intent) -> Row:
    return {name: value for name, value in intent.sent.items() if name != "id"}


def _key_of(intent: Intent) -> dict[str, Any]:
    """The natural key with the ids that were sent: in the plan, a part of it may not have existed yet."""
    return {name: intent.sent.get(name, value) for name, value in intent.key.items()}


def _deed_of(intent: Intent, live: Row) -> Deed:
    deed = Deed(intent.object_type, live["id"], intent.label, intent.path, since=intent.at)
    deed.created = intent.action == Action.CREATE
    deed.add({} if deed.created else intent.before, intent.sent)
    return deed  # without `last_updated`: nobody has seen the answer, so the changelog will be asked
