"""What holds for every document, whatever was there before it.

Applied twice is applied once, the order of entries never matters, nothing stands in the way of
a move or a swap, and nobody is ever blamed for what our own applies have written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.live import canonical_row
from orchestrator.metadata import digests_of, field_digest, stored_digests
from orchestrator.models import Change
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.ports import Query
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, apply

SITES = ["AMS1", "Zürich HB", "São Paulo/GRU"]
MODELS = [("Cisco", "X1"), ("Arista", "X1"), ("Juniper", "EX4300-48T/AFI")]
TAGS = ["lab", "core", "edge"]
CUSTOM_FIELDS = {"floor": "integer", "owner": "text", "since": "date", "ratio": "decimal", "extra": "json"}
words = st.text("abc é/", min_size=1, max_size=12).map(str.strip)
plain = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["active", "planned"]),
        "serial": words | st.none(),
        "description": words | st.none(),
        "latitude": st.sampled_from([0, 52.370216, -33.5, 1.25, None]),
        "tags": st.lists(st.sampled_from(TAGS), unique=True),
        "custom_fields": st.fixed_dictionaries(
            {},
            optional={
                "floor": st.sampled_from([0, 3, None]),
                "owner": words | st.none(),
                "since": st.sampled_from(["2024-02-29", "2025-01-01", None]),
                "ratio": st.sampled_from([1.5, 2, None]),
                "extra": st.sampled_from([{"b": [1, {"a": None}], "a": 0}, [2, 1], "text", None]),
            },
        ),
    },
)


@st.composite
def devices(draw: st.DrawFn, number: int, host: int) -> dict[str, Any]:
    """A device with ports and, where it has some, one or two addresses: `host` says which."""
    maker, model = draw(st.sampled_from(MODELS))
    device: dict[str, Any] = {
        "name": f"sw-{number}",
        "site": draw(st.sampled_from(SITES)),
        "role": draw(st.sampled_from(["Core", "Access"])),
        "device_type": {"manufacturer": maker, "model": model},
        **draw(plain),
    }
    ports = draw(st.lists(st.sampled_from(["Vlan1", "et-0/0/1", "Gi 1"]), unique=True))
    device["interfaces"] = [
        {
            "name": port,
            "type": "virtual",
            "mtu": draw(st.sampled_from([1500, 9000])),
            "enabled": draw(st.booleans()),
        }
        for port in ports
    ]
    if ports:
        addresses = [f"10.{net}.{host}.1/{draw(st.sampled_from([24, 32]))}" for net in (0, 1)]
        addresses = addresses[: draw(st.integers(1, 2))]
        device["ip_addresses"] = [
            {"address": address, "interface": draw(st.sampled_from(ports))} for address in addresses
        ]
        for link in ("primary_ip4", "oob_ip"):
            device |= draw(st.sampled_from([{}, {link: None}, {link: addresses[0]}, {link: addresses[-1]}]))
    return device


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Up to six devices; from one document to the next the addresses wander from device to device."""
    count = draw(st.integers(1, 6))
    hosts = draw(st.permutations(range(count)))
    return {
        "options": {"create_parents": True, "tags": draw(st.sampled_from([[], ["edge"]]))},
        "sites": [{"name": site, "description": draw(words | st.none())} for site in SITES],
        "devices": [draw(devices(number, host)) for number, host in enumerate(hosts)],
    }


def world() -> MemoryNetBox:
    """A NetBox with the tags and custom fields that documents name: those are never created on the way."""
    netbox = MemoryNetBox()
    netbox.create("tags", [{"name": tag, "slug": tag} for tag in TAGS], "by hand")
    fields = [
        {"name": name, "type": kind, "object_types": ["dcim.device"]} for name, kind in CUSTOM_FIELDS.items()
    ]
    netbox.create("custom_fields", fields, "by hand")
    return netbox


def by_id(document: dict[str, Any], netbox: MemoryNetBox, shuffle: random.Random) -> dict[str, Any]:
    """The document with the ids of devices that are there, so that names and asset tags go round among them.

    Now and then one of them gets a name of its own, which makes a chain of the circle.
    """
    rows = list(netbox.tables["devices"].values())
    live = {row["name"]: row for row in rows}
    known = [device["name"] for device in document["devices"] if device["name"] in live]
    if sum(row["name"] in known for row in rows) > len(known):
        return document  # the same name at two sites: it would be taken indeed
    others = dict(zip(known, (live[name] for name in shuffle.sample(known, len(known))), strict=True))
    tags = (live[name] for name in shuffle.sample(known, len(known)))
    moved = {
        name: {"name": name, "id": row["id"], "asset_tag": giver["asset_tag"] or f"A{giver['id']}"}
        for (name, row), giver in zip(others.items(), tags, strict=True)
    }
    if moved and "sw-new" not in live and shuffle.random() < 0.3:
        moved[shuffle.choice(known)]["name"] = "sw-new"
    devices = [{**device, **moved.get(device["name"], {})} for device in document["devices"]]
    return {**document, "devices": devices}


def drifted(changes: tuple[Change, ...]) -> Iterator[str]:
    return (f"{change.id}: {dict(change.drift)}" for change in changes if change.drift)


slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 10_000)


@slow
@given(documents())
def test_after_an_apply_nothing_is_left_to_do(document: dict[str, Any]) -> None:
    netbox = world()
    assert apply(netbox, document).ok
    again = NetBoxBulkOrchestrator(netbox).plan(document)
    assert [change for change in again.changes if change.writes] == []


@slow
@given(documents(), documents(), documents(), seeds)
def test_any_document_follows_any_other(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any], seed: int
) -> None:
    """Addresses move while they are primary, devices swap names and asset tags: nothing stands in the way."""
    netbox, shuffle = world(), random.Random(seed)
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    for document in (first, second, third):
        if shuffle.random() < 0.7:
            document = by_id(document, netbox, shuffle)
        plan = engine.plan(document)
        assert list(drifted(plan.changes)) == []
        report = engine.apply(plan, "b-test", MemoryJournal())
        assert report.ok, report.first_errors
        assert report.warnings == list(plan.warnings)
        assert engine.plan(document).writes == 0
        assert list(false_digests(netbox)) == []


def false_digests(netbox: MemoryNetBox) -> Iterator[str]:
    """Stored digests that are not those of what NetBox returns: each would be told as drift some day."""
    for name in ENSURED:
        row = OBJECT_TYPES[name]
        for live in netbox.read(Query(name, ())):
            values = canonical_row(row, live)
            for field, digest in stored_digests(live.get("custom_fields") or {}).items():
                if field == "tags":
                    # Those of others are among them: ours are some of these.
                    tags = values["tags"] or ()
                    ours = [some for size in range(len(tags) + 1) for some in combinations(tags, size)]
                    true = digest in map(field_digest, ours)
                elif field.startswith("custom_fields."):
                    true = digest == digests_of({"custom_fields": live["custom_fields"]})[field]
                else:
                    true = digest == field_digest(values[field])
                if not true:
                    yield f"{name} {live[row.label]}: {field}"


def shuffled(document: dict[str, Any], shuffle: random.Random) -> dict[str, Any]:
    """The same entries, fields and items of lists in another order."""

    def mix(value: Any) -> Any:
        if isinstance(value, list):
            return [mix(item) for item in shuffle.sample(value, len(value))]
        if isinstance(value, dict):
            return {key: mix(value[key]) for key in shuffle.sample(list(value), len(value))}
        return value

    mixed: dict[str, Any] = mix(document)
    for entry, device in zip(
        sorted(mixed["devices"], key=lambda one: one["name"]),
        sorted(document["devices"], key=lambda one: one["name"]),
        strict=True,
    ):
        if "custom_fields" in device:  # in a JSON value the order of a list is part of it
            entry["custom_fields"] = device["custom_fields"]
    return mixed


@slow
@given(documents(), documents(), seeds)
def test_the_order_of_entries_does_not_matter(
    first: dict[str, Any], second: dict[str, Any], seed: int
) -> None:
    """Neither in an empty NetBox nor where there is something to move."""
    netbox, shuffle = world(), random.Random(seed)
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    assert engine.plan(first).digest == engine.plan(shuffled(first, shuffle)).digest
    apply(netbox, first)
    document = by_id(second, netbox, shuffle)
    assert engine.plan(document).digest == engine.plan(shuffled(document, shuffle)).digest


@slow
@given(documents(), documents(), seeds)
def test_a_plan_survives_the_round_trip_through_json(
    first: dict[str, Any], second: dict[str, Any], seed: int
) -> None:
    netbox = world()
    apply(netbox, first)
    document = by_id(second, netbox, random.Random(seed))
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    plan = engine.plan(document)
    loaded = load_plan(dump_plan(plan))
    assert loaded == plan
    assert engine.apply(loaded, "b-test", MemoryJournal()).ok
    assert engine.plan(document).writes == 0
