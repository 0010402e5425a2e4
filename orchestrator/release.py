"""What has to be let go before a change can be made: the changes that come first, and the edges to them.

NetBox refuses to move an address while it is the primary one of its device, and
two objects that swap a unique name stand in each other's way. Works on changes
alone, so that plans and rollback plans are put in order by the same rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.diff import Fields
from orchestrator.generic import ends_in_order, pointed
from orchestrator.layered import per_catalog
from orchestrator.live import Live, called, canonical_field, canonical_row
from orchestrator.models import Action, Change, Pass, Planned
from orchestrator.ports import Row
from orchestrator.register import SHARED_ROLES
from orchestrator.schema import load_schema
from orchestrator.values import host_of, live_value

Edges = dict[str, set[str]]
Key = tuple[Any, ...]
Ends = tuple[tuple[str, Any], ...]


def release_first(changes: Sequence[Change], live: Live) -> tuple[list[Change], list[str]]:
    """The changes with what must be let go before them, and a warning for each object that loses something.

    Changes of one object keep their ids; those that have to wait get more to wait for.
    """
    releases: list[Change] = []
    edges: Edges = defaultdict(set)
    warnings = _let_addresses_go(changes, live, releases, edges)
    warnings += _let_members_go(changes, live, releases, edges)
    restored: dict[str, Fields] = {}
    _let_names_go(changes, live, releases, edges, restored)
    _let_ends_go(changes, live, edges)
    if not edges:
        return list(changes), []
    passing = {(release.object_type, release.live_id): release.after for release in releases}
    waiting = [
        _restoring(change, restored.get(change.id), passing).after_these(edges.get(change.id, ()))
        for change in changes
    ]
    return [*releases, *waiting], warnings


def _restoring(change: Change, back: Fields | None, passing: Mapping[Key, Mapping[str, Any]]) -> Change:
    if not back:
        return change
    aside = {name: passing[change.object_type, change.live_id][name] for name in back}
    return replace(change, before={**change.before, **aside}, after={**change.after, **back})


# -- addresses that are primary where they are ----------------------------------


def _let_addresses_go(
    changes: Sequence[Change], live: Live, releases: list[Change], edges: Edges
) -> list[str]:
    moving = {
        change.live_id: change
        for change in changes
        if change.object_type == "ip_addresses" and change.action is Action.UPDATE
        and "assigned_object" in change.after
    }  # fmt: skip
    if not moving:
        return []
    links = {change.live_id: change for change in changes if _links_device(change)}
    interfaces = {change.id: change for change in changes if change.object_type == "interfaces"}
    warnings = []
    for address_id, change in sorted(moving.items(), key=lambda item: item[1].id):
        holder = _holder(change, live, interfaces)
        fields = held_as(holder, address_id)
        if not fields:
            continue
        link = links.get(holder["id"])
        if link is not None and _lets_go(link, fields):
            edges[change.id].add(link.id)
            continue
        release = _release(OBJECT_TYPES["devices"], holder, dict.fromkeys(fields), change.path, releases)
        edges[change.id].add(release.id)
        if link is not None:
            edges[link.id].add(release.id)
        if link is None or set(fields) - link.after.keys():
            warnings.append(
                f"{change.path or change.label}: {change.label!r} moves away from the device "
                f"{holder.get('name')!r}, which it was the {' and '.join(fields)} of"
            )
    return warnings


def held_as(holder: Row, address_id: int | None) -> list[str]:
    """The fields in which a device has an address as its own: primary or out-of-band."""
    return [name for name in OBJECT_TYPES["devices"].links if live_value(holder.get(name)) == address_id]


def _links_device(change: Change) -> bool:
    return change.object_type == "devices" and change.passes is Pass.LINK and change.live_id is not None


def _lets_go(link: Change, fields: Iterable[str]) -> bool:
    """Whether a change that is planned anyway does it, and waits for nothing itself."""
    return link.after.keys() == set(fields) and not any(link.after.values())


def _holder(change: Change, live: Live, interfaces: Mapping[str, Change]) -> Row:
    """The device that an address leaves; empty where it stays on it, or was on none."""
    there = live.table("ip_addresses").by_id.get(change.live_id or 0, {})
    device_id = live_value((there.get("assigned_object") or {}).get("device"))
    if device_id is None or _device_of(change.after["assigned_object"], live, interfaces) == device_id:
        return {}
    return live.holders.get(device_id, {})


def _device_of(interface: Any, live: Live, interfaces: Mapping[str, Change]) -> Any:
    if isinstance(interface, Planned):
        return interfaces[interface.change_id].after.get("device")
    interface_id = interface if isinstance(interface, int) else 0  # not of a virtual machine
    return live_value(live.table("interfaces").by_id.get(interface_id, {}).get("device"))


# -- who leads what it leaves: the master of a virtual chassis, a primary MAC address ----------


def _let_members_go(changes: Sequence[Change], live: Live, releases: list[Change], edges: Edges) -> list[str]:
    """NetBox lets nobody leave what points to it as its own; that has to let go first."""
    links = {(change.object_type, change.live_id): change for change in changes if change.passes is Pass.LINK}
    going = {(change.object_type, change.live_id) for change in changes if change.action is Action.DELETE}
    warnings = []
    for change, row, holder, link in _leaders(changes, live):
        key = (row.name, holder["id"])
        planned = links.get(key)
        if planned is not None and _lets_go(planned, [link]):
            edges[change.id].add(planned.id)
            continue
        release = _release(row, holder, {link: None}, change.path, releases)
        edges[change.id].add(release.id)
        if planned is not None:
            edges[planned.id].add(release.id)
        if key not in going and (planned is None or link not in planned.after):
            warnings.append(
                f"{change.path or change.label}: {change.label!r} leaves the {row.noun} "
                f"{called(row, holder)!r}, which it was the {link.replace('_', ' ')} of"
            )
    return warnings


def _leaders(changes: Sequence[Change], live: Live) -> Iterator[tuple[Change, ObjectType, Row, str]]:
    """Who leaves what has it as its own; that, its type, and the field by which it does."""
    for change in changes:
        ways = _ways_back(change.object_type) if change.action is Action.UPDATE else ()
        for field, holder_type, link in (way for way in ways if way[0] in change.after):
            there = live.table(change.object_type).by_id.get(change.live_id or 0, {})
            now = canonical_field(OBJECT_TYPES[change.object_type], there, field)
            for name, one in pointed(OBJECT_TYPES[change.object_type], field, now):
                # What it is in comes with the object; more of that is known where the document names it.
                nested = there.get(field)
                known = live.table(name).by_id.get(one, {})
                holder = {**(nested if isinstance(nested, dict) else {}), **known, "id": one}
                leads = live_value(holder.get(link)) == change.live_id
                if name == holder_type and leads and change.after[field] != now:
                    yield change, OBJECT_TYPES[name], holder, link


@per_catalog
def _ways_back(object_type: str) -> tuple[tuple[str, str, str], ...]:
    """Fields by which objects of a type are in others that link to them; the type of those; the link."""
    pointers = OBJECT_TYPES[object_type].pointers()
    return tuple(
        (field, row.name, link)
        for row in OBJECT_TYPES.values()
        for link, target in row.links.items()
        for field, targets in pointers.items()
        if target == object_type != row.name and row.name in targets
    )


# -- what one cable leaves and another one takes --------------------------------


def _let_ends_go(changes: Sequence[Change], live: Live, edges: Edges) -> None:
    """Nothing is the end of two cables: who takes one waits for the one that leaves it, or is deleted."""
    cables = [change for change in changes if OBJECT_TYPES[change.object_type].ends and change.writes]
    ends = {change.id: _ends_now_and_then(change, live) for change in cables}
    leaving = {one: name for name, (now, then) in ends.items() for one in now if one not in then}
    waits = [
        _Wait(name, leaving[one], "")
        for name, (now, then) in ends.items()
        for one in then
        if one not in now and one in leaving
    ]
    # Of those that wait for each other none can be the first: NetBox will refuse one of them.
    while first := _one_of_a_circle(waits):
        waits = [wait for wait in waits if wait.change != first]
    for wait in waits:
        edges[wait.change].add(wait.leaver)


def _ends_now_and_then(change: Change, live: Live) -> tuple[Ends, Ends]:
    row = OBJECT_TYPES[change.object_type]
    now, then = _before(row, change, live), _after(row, change, live)
    return ends_in_order(row, now.get), ends_in_order(row, then.get)


# -- names that swap, or move on from one object to the next --------------------------


@dataclass(frozen=True, slots=True)
class _Wait:
    """A change that takes a place, and the one that leaves it."""

    change: str
    leaver: str
    field: str


def _let_names_go(
    changes: Sequence[Change], live: Live, releases: list[Change], edges: Edges, restored: dict[str, Fields]
) -> None:
    by_type: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        if change.passes is Pass.BUILD and change.writes:
            by_type[change.object_type].append(change)
    for name, some in by_type.items():
        row = OBJECT_TYPES[name]
        waits = [
            wait
            for constraint in (*row.unique, *row.unique_by_setting)
            for wait in _waits(row, constraint, some, live)
        ]
        _vacate(row, waits, {change.id: change for change in some}, live, releases, edges, restored)


def _waits(
    row: ObjectType, constraint: tuple[str, ...], changes: Sequence[Change], live: Live
) -> Iterator[_Wait]:
    leaving: dict[Key, list[Change]] = defaultdict(list)
    for place, leaver in _leaving(row, constraint, changes, live):
        leaving[place].append(leaver)
    if not leaving:
        return
    for change in changes:
        now, then = _before(row, change, live), _after(row, change, live)
        taken = _key(row, constraint, then)
        # Who stays where it is takes nobody's place, unless it will not share it any longer.
        if taken is None or (taken == _key(row, constraint, now) and not _shares(row, then, now)):
            continue
        for leaver in leaving.get(taken, ()):
            beside = _shared(row, then) and _shared(row, _before(row, leaver, live))
            if leaver.id != change.id and not beside:
                yield _Wait(change.id, leaver.id, constraint[-1])


def _vacate(
    row: ObjectType,
    waits: list[_Wait],
    by_id: Mapping[str, Change],
    live: Live,
    releases: list[Change],
    edges: Edges,
    restored: dict[str, Fields],
) -> None:
    """Who takes a place waits for who leaves it; where that goes round in a circle, one steps aside first.

    A circle may go by a name here and an asset tag there. What is to be deleted steps aside at once: its
    delete may itself have to wait for who takes its place.
    """
    while aside := _one_of_a_circle(waits) or _one_that_goes(waits, by_id):
        change = by_id[aside]
        there = live.table(row.name).by_id[change.live_id or 0]
        asked = [wait for wait in waits if wait.leaver == aside]
        passing = {field: _aside(row, field, there) for field in sorted({wait.field for wait in asked})}
        release = _release(row, there, passing, change.path, releases)
        # It may leave its place by another field (its site), and has its name back afterwards.
        if change.action is not Action.DELETE:
            restored[aside] = {field: there.get(field) for field in passing if field not in change.after}
        for waiting in (aside, *(wait.change for wait in asked)):
            edges[waiting].add(release.id)
        waits = [wait for wait in waits if wait.leaver != aside]
    for wait in waits:
        edges[wait.change].add(wait.leaver)


def _leaving(
    row: ObjectType, constraint: tuple[str, ...], changes: Sequence[Change], live: Live
) -> Iterator[tuple[Key, Change]]:
    for change in changes:
        goes = change.action is Action.DELETE
        told = {*constraint, "role"} if row.by_host else set(constraint)
        if not goes and (change.action is not Action.UPDATE or not told & change.after.keys()):
            continue
        there = _before(row, change, live)
        now, then = _key(row, constraint, there), {**there, **change.after}
        if now is not None and (goes or now != _key(row, constraint, then) or _shares(row, there, then)):
            yield now, change


def _shares(row: ObjectType, now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
    """Whether an address takes on a role in which others may have the same one beside it."""
    return _shared(row, then) and not _shared(row, now)


def _shared(row: ObjectType, values: Mapping[str, Any]) -> bool:
    """Whether others of the same role may have the same address."""
    return row.by_host and values.get("role") in SHARED_ROLES


def _before(row: ObjectType, change: Change, live: Live) -> Mapping[str, Any]:
    there = live.table(row.name).by_id.get(change.live_id or 0)
    return {} if there is None else canonical_row(row, there)


def _after(row: ObjectType, change: Change, live: Live) -> Mapping[str, Any]:
    if change.action is Action.CREATE:
        return change.after
    if change.action is not Action.UPDATE:
        return {}
    return {**_before(row, change, live), **change.after}


def _key(row: ObjectType, constraint: tuple[str, ...], values: Mapping[str, Any]) -> Key | None:
    if values.get(constraint[-1]) in (None, ""):
        return None
    return tuple(_compared(row, name, values.get(name)) for name in constraint)


def _compared(row: ObjectType, name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if row.by_host and name == row.label:
        return host_of(value)
    return value.lower() if row.fold_case else value


def _one_that_goes(waits: Sequence[_Wait], by_id: Mapping[str, Change]) -> str:
    return next((wait.leaver for wait in waits if by_id[wait.leaver].action is Action.DELETE), "")


def _one_of_a_circle(waits: Sequence[_Wait]) -> str:
    """A change that, in the end, waits for itself; empty where there is none."""
    graph: dict[str, list[str]] = defaultdict(list)
    for wait in waits:
        graph[wait.change].append(wait.leaver)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return str(min(error.args[1]))
    return ""


def _aside(row: ObjectType, field: str, live: Row) -> Any:
    """A value that nobody else has: none where the object may go without, else one that tells why."""
    if row.by_host and field == row.label:
        return _passing_address(str(live[field]), live["id"])
    spec = load_schema()[row.name][field]
    if spec.nullable and field != row.label:
        return None
    mark = f"-moving-{live['id']}" if field == "slug" else f" (moving {live['id']})"
    return str(live[field])[: (spec.max_length or 100) - len(mark)] + mark


def _passing_address(address: str, object_id: int) -> str:
    """One that nobody has: of the block reserved by RFC 1112 section 4, or the discard block of RFC 6666."""
    base = IPv6Address("100::") if ":" in address else IPv4Address("240.0.0.0")
    return f"{base + object_id}/{base.max_prefixlen}"


# -- one release ------------------------------------------------------------------


def _release(
    row: ObjectType, live: Row, after: Mapping[str, Any], path: str, releases: list[Change]
) -> Change:
    """The release change of an object; there is one, whatever it has to let go."""
    release_id = f"{row.name}/id {live['id']}#release"
    theirs = {name: live_value(live.get(name)) for name in after}
    for at, known in enumerate(releases):
        if known.id == release_id:
            both = replace(known, before={**known.before, **theirs}, after={**known.after, **after})
            releases[at] = both
            return both
    release = Change(
        id=release_id,
        object_type=row.name,
        action=Action.UPDATE,
        label=called(row, live),
        path=path,
        passes=Pass.RELEASE,
        live_id=live["id"],
        before=theirs,
        after=dict(after),
        seconds=row.update_seconds,
    )
    releases.append(release)
    return release
