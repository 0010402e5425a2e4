"""What has to be let go first, applied: every move and swap lands in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import RejectedError
from orchestrator.models import Pass
from orchestrator.ports import Row
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, switches


@pytest.fixture
def netbox() -> MemoryNetBox:
    """Three switches, each with an address that is its primary one."""
    netbox = MemoryNetBox()
    apply(netbox, switches(3))
    return netbox


def ids_of(netbox: MemoryNetBox, object_type: str = "devices", label: str = "name") -> dict[str, int]:
    return {row[label]: id_ for id_, row in netbox.tables[object_type].items()}


def releases(netbox: MemoryNetBox, document: Any) -> list[str]:
    plan = NetBoxBulkOrchestrator(netbox).plan(document)
    return [change.label for change in plan.changes if change.passes is Pass.RELEASE]


def lands(netbox: MemoryNetBox, document: Any) -> None:
    report = apply(netbox, document)
    assert report.ok, report.first_errors
    assert NetBoxBulkOrchestrator(netbox).plan(document).writes == 0


def holding(number: int, name: str = "sw-01", **fields: Any) -> dict[str, Any]:
    """A switch that is to have the address of switch `number` as its primary one."""
    address = f"192.0.2.{number}/24"
    addresses = [{"address": address, "interface": "Vlan1"}]
    return {"name": name, "site": "AMS1", "ip_addresses": addresses, "primary_ip4": address, **fields}


ROUNDS = {
    "swap": (["sw-02", "sw-01", "sw-03"], 1),
    "circle": (["sw-02", "sw-03", "sw-01"], 1),
    "chain": (["sw-02", "sw-03", "sw-04"], 0),
    "only case": (["SW-02", "Sw-01", "sW-03"], 1),
}


@pytest.mark.parametrize(("names", "aside"), ROUNDS.values(), ids=ROUNDS)
def test_names_go_round(netbox: MemoryNetBox, names: list[str], aside: int) -> None:
    ids = list(ids_of(netbox).values())
    document = {"devices": [{"id": id_, "name": name} for id_, name in zip(ids, names, strict=True)]}
    assert len(releases(netbox, document)) == aside
    lands(netbox, document)
    assert [netbox.tables["devices"][id_]["name"] for id_ in ids] == names


def test_asset_tags_slugs_and_interface_names_swap(netbox: MemoryNetBox) -> None:
    one, two, _ = ids_of(netbox).values()
    lands(netbox, {"devices": [{"id": one, "asset_tag": "A"}, {"id": two, "asset_tag": "B"}]})
    lands(netbox, {"devices": [{"id": one, "asset_tag": "B"}, {"id": two, "asset_tag": "A"}]})
    lands(netbox, {"sites": [{"name": "AMS1", "slug": "a"}, {"name": "AMS2", "slug": "b"}]})
    lands(netbox, {"sites": [{"name": "AMS1", "slug": "b"}, {"name": "AMS2", "slug": "a"}]})
    lands(netbox, {"devices": [{"id": one, "interfaces": [{"name": "Vlan2", "type": "virtual"}]}]})
    ports = [id_ for id_, row in netbox.tables["interfaces"].items() if row["device"] == one]
    lands(netbox, {"interfaces": [{"id": ports[0], "name": "Vlan2"}, {"id": ports[1], "name": "Vlan1"}]})


def test_a_new_device_takes_the_asset_tag_that_another_gives_up(netbox: MemoryNetBox) -> None:
    lands(netbox, {"devices": [{"name": "sw-01", "site": "AMS1", "asset_tag": "A"}]})
    new = {**switches(1)["devices"][0], "name": "sw-09", "asset_tag": "A"}
    del new["ip_addresses"], new["primary_ip4"]
    lands(netbox, {"devices": [new, {"name": "sw-01", "site": "AMS1", "asset_tag": None}]})


def test_primary_addresses_go_round_and_nobody_is_warned(netbox: MemoryNetBox) -> None:
    document = {"devices": [holding(2), holding(3, "sw-02"), holding(1, "sw-03")]}
    assert releases(netbox, document) == ["sw-01", "sw-02", "sw-03"]
    assert NetBoxBulkOrchestrator(netbox).plan(document).warnings == ()
    lands(netbox, document)


def test_who_loses_a_primary_address_is_named(netbox: MemoryNetBox) -> None:
    (warning,) = NetBoxBulkOrchestrator(netbox).plan({"devices": [holding(2)]}).warnings
    assert "moves away from the device 'sw-02', which it was the primary_ip4 of" in warning
    lands(netbox, {"devices": [holding(2)]})


def test_an_address_is_taken_off_while_it_is_primary_and_out_of_band(netbox: MemoryNetBox) -> None:
    lands(netbox, {"devices": [{"name": "sw-01", "site": "AMS1", "oob_ip": "192.0.2.1/24"}]})
    lands(netbox, {"ip_addresses": [{"address": "192.0.2.1/24", "interface": None}]})
    device = netbox.tables["devices"][ids_of(netbox)["sw-01"]]
    assert (device["primary_ip4"], device["oob_ip"]) == (None, None)


def test_an_address_leaves_a_device_whose_name_the_new_one_takes(netbox: MemoryNetBox) -> None:
    """The interface is called the same, and so will be its device: it is another one all the same."""
    ids = ids_of(netbox)
    document = {"devices": [holding(1, id=ids["sw-02"]), {"id": ids["sw-01"], "name": "sw-02"}]}
    assert "sw-01" in releases(netbox, document)
    lands(netbox, document)
    address = ids_of(netbox, "ip_addresses", "address")["192.0.2.1/24"]
    assert netbox.tables["devices"][ids["sw-02"]]["primary_ip4"] == address


def test_a_release_that_fails_takes_with_it_what_waits_for_it(netbox: MemoryNetBox) -> None:
    def refuse(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        if object_type == "devices" and any(row.get("primary_ip4", 0) is None for row in rows):
            raise RejectedError("no", {0: "hands off"})

    netbox.on_write, journal = refuse, MemoryJournal()
    before = dict(netbox.tables["devices"])
    report = apply(netbox, {"devices": [holding(2, status="planned")]}, journal)
    assert report.totals()["failed"] == 1
    skipped = {outcome.label: outcome.message for outcome in journal.outcomes.values() if outcome.message}
    assert skipped["192.0.2.2/24"] == "waits for devices 'sw-02': hands off"
    ids = ids_of(netbox)
    assert netbox.tables["devices"][ids["sw-02"]] == before[ids["sw-02"]]
    assert netbox.tables["devices"][ids["sw-01"]]["status"] == "planned"


def test_a_circle_may_go_by_name_here_and_by_asset_tag_there(netbox: MemoryNetBox) -> None:
    one, two, _ = ids_of(netbox).values()
    lands(netbox, {"devices": [{"id": one, "asset_tag": "A"}, {"id": two, "asset_tag": "B"}]})
    document = {
        "devices": [
            {"id": one, "name": "sw-02", "asset_tag": "C"},
            {"id": two, "name": "sw-09", "asset_tag": "A"},
        ]
    }
    assert len(releases(netbox, document)) == 1
    lands(netbox, document)


def test_namesakes_swap_their_sites_and_keep_their_names(netbox: MemoryNetBox) -> None:
    new = {**switches(1)["devices"][0], "site": "FRA1"}
    del new["ip_addresses"], new["primary_ip4"]
    lands(netbox, {"devices": [new], "options": {"create_parents": True}})
    one, *_, other = netbox.tables["devices"]
    lands(netbox, {"devices": [{"id": one, "site": "FRA1"}, {"id": other, "site": "AMS1"}]})
    assert {netbox.tables["devices"][id_]["name"] for id_ in (one, other)} == {"sw-01"}


def test_an_address_goes_to_a_namesake_at_another_site(netbox: MemoryNetBox) -> None:
    new = {**switches(1)["devices"][0], "site": "FRA1"}
    lands(netbox, {"devices": [new], "options": {"create_parents": True}})
