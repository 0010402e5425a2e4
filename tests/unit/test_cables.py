"""Cables: told apart by what they connect, whichever end is written first."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.graph import matched
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.plan_text import render_plan
from orchestrator.testing import Fault, MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, undo

Document = dict[str, Any]


def port(device: str, name: str) -> Document:
    return {"device": device, "name": name}


def cable(a: Any, b: Any, **fields: Any) -> Document:
    return {"a_terminations": a, "b_terminations": b, **fields}


def switches(*names: str) -> Document:
    kind = {"manufacturer": "Corvane", "model": "S4"}
    interfaces = [{"name": f"e{number}", "type": "1000base-t"} for number in (1, 2, 3, 4)]
    where = {"site": "AMS1", "role": "Access", "device_type": kind}
    return {"devices": [{"name": name, **where, "interfaces": interfaces} for name in names]}


@pytest.fixture
def netbox() -> MemoryNetBox:
    netbox = MemoryNetBox()
    assert apply(netbox, switches("sw-1", "sw-2", "sw-3")).ok
    return netbox


def writes(netbox: MemoryNetBox, *cables: Document) -> int:
    return NetBoxBulkOrchestrator(netbox).plan({"cables": list(cables)}).writes


def problems(netbox: MemoryNetBox, *cables: Document) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        NetBoxBulkOrchestrator(netbox).plan({"cables": list(cables)})
    return [str(one) for one in caught.value.problems]


def test_devices_ports_and_cables_come_in_one_document_and_go_as_they_came() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    before = picture(netbox)
    patch = {"name": "F1", "type": "lc", "rear_port": "R1"}
    document = switches("sw-1", "sw-2")
    document["devices"][1] |= {"rear_ports": [{"name": "R1", "type": "lc"}], "front_ports": [patch]}
    document["cables"] = [
        cable(port("sw-2", "e1"), port("sw-1", "e1"), type="cat6a", length=3, length_unit="m"),
        cable(port("sw-1", "e2"), {"front_port": port("sw-2", "F1")}),
    ]
    assert apply(netbox, document, journal).ok
    assert len(netbox.tables["cables"]) == 2
    assert NetBoxBulkOrchestrator(netbox).plan(document).writes == 0
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


@pytest.mark.parametrize("turned", [False, True])
def test_it_is_the_same_cable_from_either_end(netbox: MemoryNetBox, turned: bool) -> None:
    ends = [[port("sw-1", "e1"), port("sw-1", "e2")], [port("sw-2", "e1")]]
    assert apply(netbox, {"cables": [cable(*ends)]}).ok
    again = cable(*reversed(ends)) if turned else cable(*ends)
    assert writes(netbox, again) == 0
    assert writes(netbox, again, cable(*ends)) == 0  # declared twice
    assert writes(netbox, cable([*reversed(ends[0])], ends[1])) == 0
    text = render_plan(NetBoxBulkOrchestrator(netbox).plan({"cables": [{**again, "label": "C-1"}]}))
    assert "~ sw-1 e1, sw-1 e2 <> sw-2 e1" in text


def test_netbox_own_notation_and_the_id_of_the_cable_will_do(netbox: MemoryNetBox) -> None:
    first, second = list(netbox.tables["interfaces"])[:2]
    ends = [{"object_type": "dcim.interface", "object_id": one} for one in (first, second)]
    apply(netbox, {"cables": [cable([ends[0]], [ends[1]])]})
    assert writes(netbox, cable(port("sw-1", "e1"), port("sw-1", "e2"))) == 0
    (number,) = netbox.tables["cables"]
    assert writes(netbox, {"id": number, "label": "C-1"}) == 1
    assert writes(netbox, {"id": number, "b_terminations": port("sw-2", "e4")}) == 1


def test_one_end_moves_and_moves_back(netbox: MemoryNetBox) -> None:
    apply(netbox, {"cables": [cable(port("sw-1", "e1"), port("sw-2", "e1"))]})
    before, journal = picture(netbox), MemoryJournal()
    moved = {"cables": [cable(port("sw-3", "e1"), port("sw-1", "e1"))]}
    plan = NetBoxBulkOrchestrator(netbox).plan(moved)
    assert "b_terminations: [sw-2 e1] -> [sw-3 e1]" in render_plan(plan)
    assert load_plan(dump_plan(plan)) == plan
    assert apply(netbox, moved, journal).ok
    assert len(netbox.tables["cables"]) == 1
    assert writes(netbox, *moved["cables"]) == 0
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_a_range_at_one_end_makes_a_cable_each(netbox: MemoryNetBox) -> None:
    patch = cable({"device": "sw-1", "name": "e[2-4]"}, [{"interface": {"device": "sw-2", "name": "e{1}"}}])
    assert apply(netbox, {"cables": [{**patch, "label": "P-{1+100}"}]}).ok
    assert [row["label"] for row in netbox.tables["cables"].values()] == ["P-102", "P-103", "P-104"]
    assert writes(netbox, *(cable(port("sw-2", f"e{n}"), port("sw-1", f"e{n}")) for n in (2, 3, 4))) == 0


def test_where_a_profile_is_given_order_and_sides_count(netbox: MemoryNetBox) -> None:
    lanes = [port("sw-2", "e2"), port("sw-2", "e1")]
    wanted = cable(port("sw-1", "e1"), lanes, profile="breakout-1c2p-2c1p")
    apply(netbox, {"cables": [wanted]})
    (row,) = netbox.tables["cables"].values()
    names = [netbox.tables["interfaces"][one["object_id"]]["name"] for one in row["b_terminations"]]
    assert names == ["e2", "e1"]
    assert writes(netbox, wanted) == 0
    assert writes(netbox, {**wanted, "b_terminations": lanes[::-1]}) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_a_place_that_one_cable_leaves_is_taken_by_another(netbox: MemoryNetBox, first: int) -> None:
    apply(netbox, {"cables": [cable(port("sw-1", "e1"), port("sw-2", "e1"))]})
    before, journal = picture(netbox), MemoryJournal()
    both = [
        cable(port("sw-1", "e1"), port("sw-2", "e2")),
        cable(port("sw-3", "e1"), port("sw-2", "e1")),
    ]
    document = {"cables": [both[first], both[1 - first]]}
    plan = NetBoxBulkOrchestrator(netbox).plan(document)
    assert [(change.action, change.label) for change in plan.changes if change.object_type == "cables"] == [
        ("update", "sw-1 e1 <> sw-2 e2"),
        ("create", "sw-3 e1 <> sw-2 e1"),
    ]
    assert apply(netbox, document, journal).ok
    assert writes(netbox, *both) == 0
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


@pytest.mark.parametrize("count", [3, 200])
def test_cables_that_all_move_on_by_one(count: int) -> None:
    netbox = MemoryNetBox()
    document = switches("sw-1", "sw-2")
    for device in document["devices"]:
        device["interfaces"] = [{"name": f"e[1-{count + 1}]", "type": "other"}]
    apply(netbox, document)
    apply(netbox, {"cables": [cable({"device": "sw-1", "name": f"e[1-{count}]"}, port("sw-2", "e{1}"))]})
    before, journal = picture(netbox), MemoryJournal()
    moved = {"cables": [cable({"device": "sw-1", "name": f"e[1-{count}]"}, port("sw-2", "e{1+1}"))]}
    assert apply(netbox, moved, journal).ok
    assert len(netbox.tables["cables"]) == count
    assert writes(netbox, *moved["cables"]) == 0
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_each_finds_one_though_the_first_choices_are_taken() -> None:
    count = 5_000
    chain = {number: [number + 1, number] for number in range(count)}
    last = {count: [count]}  # for which all others have to move down
    assert matched({**chain, **last}) == {number: number for number in range(count + 1)}


def test_cables_that_swap_ends_are_refused(netbox: MemoryNetBox) -> None:
    e1, e2, f1, f2 = (port(f"sw-{device}", f"e{n}") for device in (1, 2) for n in (1, 2))
    apply(netbox, {"cables": [cable(e1, f1), cable(e2, f2)]})
    (swap,) = problems(netbox, cable(e1, f2), cable(e2, f1))
    assert swap.startswith("cables[0]: takes an end that another cable leaves in a circle (cables[0]")


@pytest.mark.parametrize("first", [0, 1])
def test_a_cable_that_is_declared_with_and_without_its_profile(netbox: MemoryNetBox, first: int) -> None:
    one = cable(port("sw-1", "e1"), port("sw-1", "e2"), profile="single-1c1p")
    both = [one, cable(port("sw-1", "e2"), port("sw-1", "e1"))]
    assert writes(netbox, both[first], both[1 - first]) == 1


def test_an_answer_that_was_lost_is_looked_for_by_the_ends(netbox: MemoryNetBox) -> None:
    netbox.faults.extend([Fault.LOST_AFTER])
    report = apply(netbox, {"cables": [cable(port("sw-1", "e1"), port("sw-2", "e1"))]})
    assert report.ok
    assert report.totals()["created"] == 1
    assert len(netbox.tables["cables"]) == 1


def test_what_somebody_has_cabled_since_stays(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, switches("sw-4"), journal)
    (mine,) = [id_ for id_, row in netbox.tables["devices"].items() if row["name"] == "sw-4"]
    ports = [id_ for id_, row in netbox.tables["interfaces"].items() if row["device"] == mine]
    theirs = [(("interfaces", ports[0]),), (("interfaces", min(netbox.tables["interfaces"])),)]
    netbox.create("cables", [cable(*theirs)], "by hand")
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    reasons = {change.label: change.reason for change in plan.conflicts}
    assert "cable" in reasons["sw-4 e1"]
    assert "sw-4" in reasons


def test_what_cannot_be_is_said_with_its_place(netbox: MemoryNetBox) -> None:
    e1, e2, e3, e4 = (port("sw-1", f"e{number}") for number in (1, 2, 3, 4))
    apply(netbox, {"cables": [cable(e1, e2), cable(e3, e4)]})
    ids = max(netbox.tables["cables"])
    assert problems(netbox, cable(e1, e3)) == [
        f"cables[0]: ends where another cable in NetBox ends (id {ids}) "
        "(delete that one there, or leave this one out)"
    ]
    far = [port("sw-2", f"e{number}") for number in (1, 2, 3)]
    assert problems(netbox, cable(far[0], far[1]), cable(far[2], far[0])) == [
        "cables[1]: ends where the cable at cables[0] ends (each termination takes one cable)"
    ]
    assert problems(netbox, cable(far[0], far[0])) == [
        "cables[0]: connects something to itself (name each termination once)"
    ]
    (only_one,) = problems(netbox, {"a_terminations": far[0]})
    assert only_one.startswith("cables[0].b_terminations: ")
    (kind,) = problems(netbox, cable(far[0], {"object_type": "dcim.site", "object_id": 1}))
    assert kind.startswith("cables[0].b_terminations.object_type: a cable cannot end at 'dcim.site'")
    (odd,) = problems(netbox, cable(far[0], {"object_type": ["dcim.site"], "object_id": 1}))
    assert "a cable cannot end at" in odd
    (empty, *_) = problems(netbox, cable([], far[0]))
    assert empty.startswith("cables[0].a_terminations: names nothing to connect")
    (twice,) = problems(netbox, {"id": ids, "label": "X"}, cable(e3, e4, color="ff0000"))
    assert twice.endswith("(declare a cable once, and each termination in one cable)")
    (nothing,) = problems(netbox, cable(far[0], port("sw-2", "e9")))
    assert nothing.startswith("cables[0].b_terminations: there is no interface 'e9'")


def test_cables_within_what_is_exported_come_along(netbox: MemoryNetBox) -> None:
    inside, out = cable(port("sw-1", "e1"), port("sw-2", "e1")), cable(port("sw-1", "e2"), port("sw-3", "e1"))
    apply(netbox, {"cables": [{**inside, "label": "C-1"}, out]})
    devices = [id_ for id_, row in netbox.tables["devices"].items() if row["name"] != "sw-3"]
    exported = NetBoxBulkOrchestrator(netbox).export({"devices": devices}).document
    (told,) = exported["cables"]
    assert told["label"] == "C-1"
    assert "options" not in exported
    assert NetBoxBulkOrchestrator(netbox).plan(exported).writes == 0
