"""What holds for every document: applied twice is applied once, and the order of entries never matters."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, apply

SITES = ["AMS1", "Zürich HB", "São Paulo/GRU"]
MODELS = [("Cisco", "X1"), ("Arista", "X1"), ("Juniper", "EX4300-48T/AFI")]
words = st.text("abc é/", min_size=1, max_size=12).map(str.strip)


@st.composite
def devices(draw: st.DrawFn, number: int) -> dict[str, Any]:
    maker, model = draw(st.sampled_from(MODELS))
    device: dict[str, Any] = {
        "name": f"sw-{number}",
        "site": draw(st.sampled_from(SITES)),
        "role": draw(st.sampled_from(["Core", "Access"])),
        "device_type": {"manufacturer": maker, "model": model},
    }
    device |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(["active", "planned"]),
                "serial": words | st.none(),
                "description": words,
                "latitude": st.sampled_from([0, 52.370216, -33.5, 1.25]),
            },
        )
    )
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
        address = f"10.0.{number}.1/{draw(st.sampled_from([24, 32]))}"
        device["ip_addresses"] = [{"address": address, "interface": draw(st.sampled_from(ports))}]
        if draw(st.booleans()):
            device["primary_ip4"] = address
    return device


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 6))
    return {
        "options": {"create_parents": True},
        "sites": [{"name": site, "description": draw(words)} for site in SITES],
        "devices": [draw(devices(number)) for number in range(count)],
    }


slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(documents())
def test_after_an_apply_nothing_is_left_to_do(document: dict[str, Any]) -> None:
    netbox = MemoryNetBox()
    assert apply(netbox, document).ok
    again = NetBoxBulkOrchestrator(netbox).plan(document)
    assert [change for change in again.changes if change.writes] == []


@slow
@given(documents(), documents())
def test_any_document_follows_any_other(first: dict[str, Any], second: dict[str, Any]) -> None:
    netbox = MemoryNetBox()
    apply(netbox, first)
    report = apply(netbox, second)
    # An address that is primary elsewhere has to be let go first, which this version does not do.
    if report.ok:
        assert NetBoxBulkOrchestrator(netbox).plan(second).writes == 0


@slow
@given(documents(), st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(document: dict[str, Any], random: Any) -> None:
    shuffled = {name: document[name] for name in random.sample(list(document), len(document))}
    for name in ("sites", "devices"):
        shuffled[name] = random.sample(shuffled[name], len(shuffled[name]))
    engine = NetBoxBulkOrchestrator(MemoryNetBox())
    assert engine.plan(document).digest == engine.plan(shuffled).digest


@slow
@given(documents())
def test_a_plan_survives_the_round_trip_through_json(document: dict[str, Any]) -> None:
    plan = NetBoxBulkOrchestrator(MemoryNetBox()).plan(document)
    loaded = load_plan(dump_plan(plan))
    assert loaded == plan
    netbox = MemoryNetBox()
    assert NetBoxBulkOrchestrator(netbox, settle_seconds=0).apply(loaded, "b-test", MemoryJournal()).ok
    assert NetBoxBulkOrchestrator(netbox).plan(document).writes == 0
