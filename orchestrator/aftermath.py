"""Reads what has become of the objects of a batch, before it is rolled back.

Their rows as they are now, who has changed them since, and what else depends
on those that would be deleted: objects that NetBox would refuse to orphan, and
those that it would delete along with them without a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.deeds import Deed, Key
from orchestrator.graph import type_order
from orchestrator.live import Live, all_fields, canonical_row, find_by_id, find_rows
from orchestrator.models import Action, Change, Intent
from orchestrator.ports import LoggedChange, NetBox, Query, Row
from orchestrator.surroundings import read_holders
from orchestrator.writes import batch_message, written_by


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something that points at an object: which field of what.

    `came_along` marks a component that NetBox itself made along with the
    object; it goes as it came.
    """

    object_type: str
    object_id: int
    label: str
    field: str
    came_along: bool = False

    @property
    def key(self) -> Key:
        """What tells the object apart."""
        return self.object_type, self.object_id

    def __str__(self) -> str:
        """`interface 'Gi1/0/1'`."""
        return f"{OBJECT_TYPES[self.object_type].noun} {self.label!r}"


@dataclass(slots=True)
class Aftermath:
    """The live side of a rollback.

    `changed` says in words who has changed an object since; `dependents` what
    points at the objects that the batch created; `others` what hangs on them
    that the catalog does not know, in words.
    """

    live: Live = field(default_factory=Live)
    changed: dict[Key, str] = field(default_factory=dict)
    dependents: dict[Key, list[Dependent]] = field(default_factory=lambda: defaultdict(list))
    others: dict[Key, list[str]] = field(default_factory=lambda: defaultdict(list))

    def row(self, key: Key) -> Row | None:
        """The object as it is now; None when it is gone."""
        return self.live.table(key[0]).by_id.get(key[1])


def read_aftermath(netbox: NetBox, deeds: Iterable[Deed], batch_id: str) -> Aftermath:
    """Look at everything that the batch touched. Raises NetBoxError."""
    found = Aftermath()
    by_type: dict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        by_type[deed.object_type].append(deed)
    for name, some in by_type.items():
        row = OBJECT_TYPES[name]
        fields = tuple(sorted({*all_fields(row), *row.generic, *row.counted}))
        found.live.table(name).add(netbox.read(Query(name, fields, "id", sorted(d.object_id for d in some))))
    created = {deed.key for some in by_type.values() for deed in some if deed.created}
    for name, some in by_type.items():
        _read_changes(netbox, name, some, batch_id, created, found)
    _read_dependents(netbox, by_type, found)
    _read_counts(netbox, by_type, found)
    _read_holders(netbox, by_type.get("ip_addresses", ()), found)
    return found


def read_names(netbox: NetBox, changes: Iterable[Change]) -> dict[str, dict[int, str]]:
    """Labels of the objects that the changes refer to, so that people need not read ids."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        pointers = {**OBJECT_TYPES[change.object_type].all_references(), "tags": "tags"}
        for name, value in (*change.before.items(), *change.after.items()):
            if name in pointers:
                values = value if isinstance(value, tuple) else (value,)
                wanted[pointers[name]].update(one for one in values if isinstance(one, int))
    names = {}
    for name, ids in wanted.items():
        if ids:
            label = OBJECT_TYPES[name].label
            rows = netbox.read(Query(name, (label,), "id", sorted(ids)))
            names[name] = {live["id"]: str(live.get(label) or live["id"]) for live in rows}
    return names


def find_unsettled(netbox: NetBox, intents: Iterable[Intent], batch_id: str) -> Iterator[Deed]:
    """Of the writes of unknown fate, those that NetBox has carried out."""
    by_kind: dict[tuple[str, str], list[Intent]] = defaultdict(list)
    for intent in intents:
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
    deed.created = intent.action == "create"
    deed.add({} if deed.created else intent.before, intent.sent)
    return deed  # without `last_updated`: nobody has seen the answer, so the changelog will be asked


def _read_changes(
    netbox: NetBox, object_type: str, deeds: list[Deed], batch_id: str, created: set[Key], found: Aftermath
) -> None:
    """Who has changed objects whose `last_updated` has moved; nobody, where only NetBox itself has."""
    moved = {
        deed.object_id: deed
        for deed in deeds
        if (row := found.row(deed.key)) is not None and row.get("last_updated") != deed.last_updated
    }
    if not moved:
        return
    logged: dict[int, list[LoggedChange]] = defaultdict(list)
    for entry in netbox.logged_since(object_type, sorted(moved), min(map(_since, moved.values()))):
        logged[entry.object_id].append(entry)
    for object_id, entries in logged.items():
        deed = moved[object_id]
        later = _after_ours(deed, entries, batch_message(batch_id))
        # What was changed and then changed back, by the rollback of a later batch for one, is as we left it.
        what = _differing(later[0].before, later[-1].after) if later else []
        if what := [name for name in what if not _lost_ours(deed, name, later[0].before, found, created)]:
            found.changed[deed.key] = _in_words(later[-1], what)


def _since(deed: Deed) -> str:
    """From where to read the changelog; an hour early where only our own clock is known, not NetBox's."""
    if deed.last_updated:
        return deed.last_updated
    return (datetime.fromisoformat(deed.since) - timedelta(hours=1)).isoformat()


def _after_ours(deed: Deed, entries: list[LoggedChange], message: str) -> list[LoggedChange]:
    """What was logged after our own last write of an object."""
    ours = [
        place
        for place, entry in enumerate(entries)
        if entry.request_id in deed.request_ids or entry.message == message
    ]
    if ours:
        return entries[ours[-1] + 1 :]
    return [entry for entry in entries if entry.time >= (deed.last_updated or deed.since)]


def _in_words(entry: LoggedChange, fields: Iterable[str]) -> str:
    return f"changed since by {entry.user or 'someone'} at {entry.time[:19]}Z: {', '.join(fields)}"


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = (name for name in {*before, *after} if not name.startswith("_"))
    return sorted(name for name in names if _known(before.get(name)) != _known(after.get(name)))


def _known(value: Any) -> Any:
    """A custom field that is new is null everywhere; that is no change of any object."""
    return {key: one for key, one in value.items() if one is not None} if isinstance(value, dict) else value


def _lost_ours(
    deed: Deed, field: str, before: Mapping[str, Any], found: Aftermath, created: set[Key]
) -> bool:
    """Whether a link only went because what it pointed to was created by the batch and is gone already."""
    target = OBJECT_TYPES[deed.object_type].links.get(field)
    if target is None or not before.get(field):
        return False
    key = (target, before[field])
    return key in created and found.row(key) is None


def _read_dependents(netbox: NetBox, by_type: Mapping[str, list[Deed]], found: Aftermath) -> None:
    """Parents first, so that what came along with an object is looked at as well."""
    going: dict[str, set[int]] = {
        name: {deed.object_id for deed in some if deed.created and found.row(deed.key) is not None}
        for name, some in by_type.items()
    }
    ours = {deed.key for some in by_type.values() for deed in some if deed.created}
    requests = {one for some in by_type.values() for deed in some for one in deed.request_ids}
    since = min((deed.since for some in by_type.values() for deed in some), default="")
    for name in type_order():
        if not going.get(name):
            continue
        for row, pointer in _pointers_to(name):
            rows = _pointing(netbox, row, pointer, going[name])
            strangers = [live for live in rows if (row.name, live["id"]) not in ours]
            came = _came_along(netbox, row, pointer, strangers, requests, since, found)
            going.setdefault(row.name, set()).update(came)
            for live in rows:
                target: int = canonical_row(row, live)[pointer]
                label = str(live.get(row.label) or f"id {live['id']}")
                one = Dependent(row.name, live["id"], label, pointer, live["id"] in came)
                found.dependents[name, target].append(one)
                if live.get("cable"):
                    found.others[name, target].append(f"a cable at the {one}")


def _pointers_to(object_type: str) -> Iterator[tuple[ObjectType, str]]:
    for row in OBJECT_TYPES.values():
        for name, target in row.all_references().items():
            if target == object_type and row.pointer_filter(name):
                yield row, name


def _pointing(netbox: NetBox, row: ObjectType, pointer: str, ids: set[int]) -> list[Row]:
    fields = {"id", row.label, pointer}
    if pointer in row.generic:
        fields |= {f"{pointer}_type", f"{pointer}_id"}
    if row.name == "interfaces":
        fields |= {"cable", "device"}
    return netbox.read(Query(row.name, tuple(sorted(fields)), row.pointer_filter(pointer), sorted(ids)))


def _came_along(
    netbox: NetBox,
    row: ObjectType,
    pointer: str,
    strangers: list[Row],
    requests: set[str],
    since: str,
    found: Aftermath,
) -> set[int]:
    """Components that NetBox made in the very request that made their parent, as its changelog tells."""
    if row.child_of != pointer or not strangers:
        return set()
    came: set[int] = set()
    for entry in netbox.logged_since(row.name, sorted(live["id"] for live in strangers), since):
        if entry.request_id in requests:
            came |= {entry.object_id} if entry.action == "create" else set()
        else:
            what = _differing(entry.before, entry.after) or [entry.action]
            found.changed[row.name, entry.object_id] = _in_words(entry, what)
    return came


def _read_counts(netbox: NetBox, by_type: Mapping[str, list[Deed]], found: Aftermath) -> None:
    """What hangs on objects that would be deleted, of types beyond the catalog: NetBox counts it for us."""
    for name, some in by_type.items():
        row = OBJECT_TYPES[name]
        rows = [live for deed in some if deed.created and (live := found.row(deed.key)) is not None]
        counted = [live for live in rows if any(live.get(count) for count in row.counted)]
        brought = _brought_by_types(netbox, row, counted) if name == "devices" else {}
        for live in counted:
            own = brought.get(_id(live.get("device_type")), {})
            for count in row.counted:
                more = int(live.get(count) or 0) - int(own.get(_template(count)) or 0)
                if more > 0:
                    words = count.removesuffix("_count").removeprefix("count_").replace("_", " ")
                    found.others[name, live["id"]].append(f"{more} {words}{'s' if more > 1 else ''}")


def _brought_by_types(netbox: NetBox, row: ObjectType, devices: list[Row]) -> dict[int, Row]:
    """How many components of each kind a device comes with, by the id of its type."""
    types = sorted({_id(live["device_type"]) for live in devices})
    if not types:
        return {}
    fields = tuple(_template(count) for count in row.counted)
    return {live["id"]: live for live in netbox.read(Query("device_types", fields, "id", types))}


def _template(count: str) -> str:
    return count.replace("_count", "_template_count")


def _read_holders(netbox: NetBox, addresses: Iterable[Deed], found: Aftermath) -> None:
    """Where addresses are now and where they go back to: a device may have to let one go (release.py)."""
    before = {place for deed in addresses if (place := deed.before.get("assigned_object")) is not None}
    if before:
        query = Query("interfaces", ("name", "device"), "id", sorted(before))
        found.live.table("interfaces").add(netbox.read(query))
    devices = {
        _id((live.get("assigned_object") or {}).get("device"))
        for live in found.live.table("ip_addresses").by_id.values()
    } - {None}
    if devices:
        found.live.holders = read_holders(netbox, devices)


def _id(nested: Any) -> Any:
    return nested["id"] if isinstance(nested, Mapping) else nested
