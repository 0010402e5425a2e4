"""Reads what has become of the objects of a batch, before it is rolled back: the live side of that plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import Deed, Key, gained_models
from orchestrator.dependents import Dependents, add_holders, read_dependents
from orchestrator.errors import AccessError
from orchestrator.footprints import Footprints, changed_since
from orchestrator.generic import pointed, pointing_fields
from orchestrator.live import Live, all_fields, canonical_field
from orchestrator.metadata import METADATA_FIELDS
from orchestrator.ports import NetBox, Query, Row
from orchestrator.surroundings import read_holders
from orchestrator.values import live_value


@dataclass(slots=True)
class Aftermath:
    """What a rollback must know of NetBox as it is now.

    `changed` says in words who has changed an object since; `dependents` what
    depends on the objects that the batch created; `names` has the labels of
    all that the values before and after point to, by type and id: what is not
    in it is gone.
    """

    live: Live = field(default_factory=Live)
    changed: Mapping[Key, str] = field(default_factory=dict)
    dependents: Dependents = field(default_factory=Dependents)
    names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def row(self, key: Key) -> Row | None:
        """The object as it is now; None when it is gone."""
        return self.live.table(key[0]).by_id.get(key[1])


def read_aftermath(netbox: NetBox, deeds: Sequence[Deed], batch_id: str) -> Aftermath:
    """Look at everything that the batch touched. Raises NetBoxError."""
    found = Aftermath(live=_read_rows(netbox, deeds))
    footprints = Footprints(netbox, deeds, batch_id)
    created = {deed.key for deed in deeds if deed.created}
    changed: dict[Key, str] = {}
    for name, some in _by_type(deeds).items():
        changed |= changed_since(footprints, name, some, found.row, created)
    found.changed = changed
    there = {key: live for key in sorted(created) if (live := found.row(key)) is not None}
    found.dependents = read_dependents(netbox, there, footprints)
    for deed in deeds:
        if (gained := gained_models(deed)) and not deed.created and (live := found.row(deed.key)) is not None:
            add_holders(netbox, found.dependents, live, gained)
    found.names = _read_names(netbox, deeds, found.live)
    _read_kinds(netbox, deeds, found.live)
    _read_holders(netbox, [deed for deed in deeds if deed.object_type == "ip_addresses"], found.live)
    return found


def _by_type(deeds: Iterable[Deed]) -> dict[str, list[Deed]]:
    by_type: dict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        by_type[deed.object_type].append(deed)
    return by_type


def _read_rows(netbox: NetBox, deeds: Sequence[Deed]) -> Live:
    live = Live()
    for name, some in _by_type(deeds).items():
        row = OBJECT_TYPES[name]
        fields = tuple(sorted({*all_fields(row), *row.generic}))
        query = Query(name, fields, "id", sorted(deed.object_id for deed in some))
        live.table(name).add(netbox.read(query))
    return live


def _read_names(netbox: NetBox, deeds: Iterable[Deed], live: Live) -> dict[str, dict[int, str]]:
    """Labels of what the values before the batch and now refer to, so that people need not read ids."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for deed in deeds:
        row = OBJECT_TYPES[deed.object_type]
        there = live.table(deed.object_type).by_id.get(deed.object_id, {})
        for name in pointing_fields(row) & deed.before.keys():
            for value in (deed.before[name], canonical_field(row, there, name)):
                for target, one in pointed(row, name, value):
                    wanted[target].add(one)
    names = {}
    for name, ids in wanted.items():
        if ids:
            label = OBJECT_TYPES[name].label
            rows = netbox.read(Query(name, (label,), "id", sorted(ids)))
            names[name] = {row["id"]: str(row.get(label) or row["id"]) for row in rows}
    return names


def _read_kinds(netbox: NetBox, deeds: Iterable[Deed], live: Live) -> None:
    """The types of the custom fields that go back, so that each is put back as what it was."""
    if any(deed.before.get("custom_fields", {}).keys() - {*METADATA_FIELDS} for deed in deeds):
        with suppress(AccessError):  # then what a value looks like has to do
            live.table("custom_fields").add(netbox.read(Query("custom_fields", ("name", "type"))))


def _read_holders(netbox: NetBox, addresses: Iterable[Deed], live: Live) -> None:
    """Where addresses are now and where they go back to: a device may have to let one go (release.py)."""
    before = {place for deed in addresses if isinstance(place := deed.before.get("assigned_object"), int)}
    if before:
        query = Query("interfaces", ("name", "device"), "id", sorted(before))
        live.table("interfaces").add(netbox.read(query))
    interfaces = (row.get("assigned_object") or {} for row in live.table("ip_addresses").by_id.values())
    devices = {live_value(interface.get("device")) for interface in interfaces} - {None}
    if devices:
        live.holders = read_holders(netbox, devices)
