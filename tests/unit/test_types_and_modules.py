"""Device types with templates, modules, mapped ports and inventory: planned, taken back and exported."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.export import Exported
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.plan_text import render_plan
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, undo

CHASSIS = {"manufacturer": "Corvane", "model": "CH"}
CARD = {"manufacturer": "Corvane", "model": "M"}
TYPES: dict[str, Any] = {
    "device_types": [CHASSIS],
    "module_types": [{**CARD, "module_bay_templates": ["Sub {module}"]}],
}
DEVICE = {"name": "ch-1", "site": "AMS1", "role": "Core", "device_type": CHASSIS}


@pytest.fixture
def netbox() -> MemoryNetBox:
    netbox = MemoryNetBox()
    netbox.create("users", [{"username": "admin"}], "by hand")
    return netbox


def writes(netbox: MemoryNetBox, document: dict[str, Any]) -> int:
    return NetBoxBulkOrchestrator(netbox).plan(document).writes


def export(netbox: MemoryNetBox, template: bool = False, **types: Any) -> Exported:
    seeds = {name: list(netbox.tables[name]) for name in types}
    return NetBoxBulkOrchestrator(netbox).export(seeds, template)


@pytest.mark.parametrize("first", ["the device is there", "all at once"])
def test_a_bay_comes_before_the_module_in_it_though_that_brings_bays(
    netbox: MemoryNetBox, first: str
) -> None:
    apply(netbox, {**TYPES, **({"devices": [DEVICE]} if first == "the device is there" else {})})
    device = {**DEVICE, "module_bays": ["S1", "S2"], "modules": [
        {"module_bay": "S1", "module_type": CARD}, {"module_bay": "S2", "module_type": CARD},
    ]}  # fmt: skip
    assert apply(netbox, {"devices": [device]}).ok
    assert len(netbox.tables["modules"]) == 2
    assert writes(netbox, {"devices": [device]}) == 0


def test_a_module_in_a_bay_that_another_one_brings(netbox: MemoryNetBox) -> None:
    types = {**TYPES, "device_types": [{**CHASSIS, "module_bay_templates": ["S1"]}]}
    modules = [{"module_bay": bay, "module_type": CARD} for bay in ("S1", "Sub 1")]
    plan = NetBoxBulkOrchestrator(netbox).plan({**types, "devices": [{**DEVICE, "modules": modules}]})
    waits = {change.id: change.depends_on for change in plan.changes}
    assert "modules/AMS1/ch-1/S1" in waits["module_bays/AMS1/ch-1/Sub 1"]
    assert "module_bays/AMS1/ch-1/Sub 1" in waits["modules/AMS1/ch-1/Sub 1"]
    assert "modules" not in str(waits["module_bays/AMS1/ch-1/S1"])


def test_a_module_is_called_by_its_bay(netbox: MemoryNetBox) -> None:
    card = {"module_bay": "S1", "module_type": CARD, "serial": "M-1", "asset_tag": "A-1"}
    apply(netbox, {**TYPES, "devices": [{**DEVICE, "module_bays": ["S1"], "modules": [card]}]})
    port = {"name": "e1", "type": "other"}
    apply(netbox, {"interfaces": [{**port, "device": "ch-1", "module": "S1"}]})
    assert [row["module"] for row in netbox.tables["interfaces"].values()] == list(netbox.tables["modules"])
    exported = export(netbox, devices=1).document
    (device,) = exported["devices"]
    assert [one["module"] for one in device["interfaces"]] == ["S1"]
    assert writes(netbox, exported) == 0
    without = {"interfaces": [{"device": "ch-1", "name": "e1", "module": None}]}
    assert "module: S1 -> (none)" in render_plan(NetBoxBulkOrchestrator(netbox).plan(without))
    (plain,) = export(netbox, template=True, devices=1).document["devices"]
    assert plain["modules"] == [{"module_bay": "S1", "module_type": "M"}]


def test_components_by_id_name_others_of_their_device(netbox: MemoryNetBox) -> None:
    ports = [{"name": name, "type": "lc"} for name in ("R1", "R2")]
    front = {"name": "F1", "type": "lc", "rear_port": "R1"}
    apply(netbox, {**TYPES, "devices": [{**DEVICE, "rear_ports": ports, "front_ports": [front]}]})
    before, journal = picture(netbox), MemoryJournal()
    (object_id,) = netbox.tables["front_ports"]
    report = apply(netbox, {"front_ports": [{"id": object_id, "rear_port": "R2"}]}, journal)
    assert report.ok
    second = next(id_ for id_, row in netbox.tables["rear_ports"].items() if row["name"] == "R2")
    assert netbox.tables["front_ports"][object_id]["rear_ports"] == [
        {"position": 1, "rear_port": second, "rear_port_position": 1}
    ]
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_what_netbox_does_not_log_is_left_alone_without_a_journal(netbox: MemoryNetBox) -> None:
    ports = [{"name": name, "type": "lc"} for name in ("R1", "R2")]
    front = {"name": "F1", "type": "lc", "rear_port": "R1"}
    document = {**TYPES, "devices": [{**DEVICE, "rear_ports": ports, "front_ports": [front]}]}
    NetBoxBulkOrchestrator(netbox).apply(
        NetBoxBulkOrchestrator(netbox).plan(document), "b-first", MemoryJournal()
    )
    apply(netbox, {"front_ports": [{"device": "ch-1", "name": "F1", "rear_port": "R2", "label": "x"}]})
    (port,) = netbox.tables["front_ports"].values()
    moved = port["rear_ports"]
    undo(netbox, None)
    (port,) = netbox.tables["front_ports"].values()
    assert (port["label"], port["rear_ports"]) == ("", moved)


def test_nested_lists_are_told_after_they_were_stored(netbox: MemoryNetBox) -> None:
    group = {"name": "G", "vid_ranges": [[1, 100], [200, 300]]}
    plan = NetBoxBulkOrchestrator(netbox).plan({"vlan_groups": [group]})
    assert "vid_ranges: [[1, 100], [200, 300]]" in render_plan(load_plan(dump_plan(plan)))


def test_inventory_items_of_one_name_are_told_apart_by_what_is_above(netbox: MemoryNetBox) -> None:
    items = [
        {"name": "A"}, {"name": "B"}, {"name": "x", "parent": "A"}, {"name": "x", "parent": "B"},
        {"name": "y", "parent": {"name": "x", "parent": "B"}},
    ]  # fmt: skip
    document = {**TYPES, "devices": [{**DEVICE, "inventory_items": items}]}
    apply(netbox, document)
    exported = export(netbox, devices=1).document
    assert exported["devices"][0]["inventory_items"][-1] == items[-1]
    assert writes(netbox, exported) == writes(netbox, document) == 0


def test_reservations_are_told_apart_by_their_units(netbox: MemoryNetBox) -> None:
    ours = {"rack": {"name": "R1", "site": "AMS1"}, "user": "admin", "description": "for us"}
    reserved = [{**ours, "units": [1, 2]}, {**ours, "units": "3"}]
    apply(netbox, {"racks": [{"name": "R1", "site": "AMS1"}], "rack_reservations": reserved})
    exported = export(netbox, rack_reservations=1)
    assert [one["units"] for one in exported.document["rack_reservations"]] == [[1, 2], [3]]
    assert exported.left_out == {}
    assert writes(netbox, exported.document) == 0
    moved = {"match": {"rack": "R1", "units": [3]}, "rack": "R1", "units": [4]}
    apply(netbox, {"rack_reservations": [moved]})
    assert [row["units"] for row in netbox.tables["rack_reservations"].values()] == [[1, 2], [4]]
