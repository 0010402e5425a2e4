"""A batch and the way back: afterwards every object is as it was, whatever happened in between."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine import MAY_LACK, NetBoxBulkOrchestrator
from orchestrator.errors import AccessError, LeaseLostError, NoMessagesError, RejectedError, RollbackError
from orchestrator.plan_text import render_plan
from orchestrator.ports import LoggedChange, Row
from orchestrator.testing import Fault, MemoryNetBox
from orchestrator.writes import batch_message
from tests.unit.batches import MemoryJournal, add_interface_templates, apply, picture, switches, undo
from tests.unit.test_properties import by_id, documents, seeds, slow, world


@pytest.fixture
def netbox() -> MemoryNetBox:
    return MemoryNetBox()


def reasons(netbox: MemoryNetBox, journal: MemoryJournal, force: bool = False) -> dict[str, str]:
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal, force)
    return {change.label: change.reason for change in plan.conflicts}


def test_what_was_created_goes_children_first(netbox: MemoryNetBox) -> None:
    before, journal = picture(netbox), MemoryJournal()
    assert apply(netbox, switches(8), journal).ok
    report = undo(netbox, journal)
    assert report.ok
    assert report.totals()["deleted"] == 4 + 8 * 3
    assert picture(netbox) == before


@slow
@given(documents(), documents(), seeds, st.booleans())
def test_apply_and_rollback_leave_everything_as_it_was(
    first: dict[str, Any], second: dict[str, Any], seed: int, from_changelog: bool
) -> None:
    netbox = world()
    NetBoxBulkOrchestrator(netbox).apply(NetBoxBulkOrchestrator(netbox).plan(first), "b-0", MemoryJournal())
    before, journal = picture(netbox), MemoryJournal()
    second = by_id(second, netbox, random.Random(seed))
    wrote = apply(netbox, second, journal).write_requests > 0
    report = undo(netbox, None if from_changelog and wrote else journal)
    assert report.ok, report.first_errors
    assert picture(netbox) == before


@slow
@given(documents(), documents(), seeds, st.integers(1, 20))
def test_what_a_journal_has_lost_is_known_to_the_changelog(
    first: dict[str, Any], second: dict[str, Any], seed: int, lost: int
) -> None:
    netbox = world()
    NetBoxBulkOrchestrator(netbox).apply(NetBoxBulkOrchestrator(netbox).plan(first), "b-0", MemoryJournal())
    before, journal = picture(netbox), MemoryJournal()
    second = by_id(second, netbox, random.Random(seed))
    apply(netbox, second, journal)
    journal.lose(lost)
    report = undo(netbox, journal)
    assert report.ok, report.first_errors
    assert picture(netbox) == before


def test_a_lost_write_that_changed_nothing_is_nobodys_change(netbox: MemoryNetBox) -> None:
    """NetBox dates it and does not log it."""
    apply(netbox, {"sites": [{"name": "AMS1", "facility": "old"}]})
    engine, journal = NetBoxBulkOrchestrator(netbox), MemoryJournal()
    engine.apply(engine.plan({"sites": [{"name": "AMS1", "facility": "new"}]}), "b-1", journal)
    (row,) = netbox.tables["sites"].values()
    netbox.update("sites", [{"id": row["id"], "facility": "new"}], batch_message("b-1"))
    journal.whole = False
    plan = engine.plan_rollback("b-1", journal)
    assert [change.action.value for change in plan.changes] == ["update"], plan.changes


def test_a_journal_that_may_lack_its_end_is_pointed_out(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, switches(2), journal)
    journal.lose(5)
    engine = NetBoxBulkOrchestrator(netbox)
    assert "knew more of 4 objects" in engine.plan_rollback("b-test", journal).warnings[0]
    netbox.logged = before_4_4
    plan = engine.plan_rollback("b-test", journal)
    assert plan.warnings == (f"{MAY_LACK}. NetBox 4.3 keeps no messages.",)
    assert plan.writes < 4 + 2 * 3


def test_custom_fields_of_others_are_left_alone_where_the_changelog_tells(
    netbox: MemoryNetBox,
) -> None:
    site = {"name": "AMS1", "facility": "old"}
    apply(netbox, {"sites": [site]})
    engine = NetBoxBulkOrchestrator(netbox)
    (row,) = netbox.tables["sites"].values()
    owner = {"name": "owner", "type": "text", "object_types": ["dcim.site"]}
    netbox.create("custom_fields", [owner], "by hand")
    netbox.update("sites", [{"id": row["id"], "custom_fields": {"owner": "alice"}}], "by hand")
    engine.apply(engine.plan({"sites": [{**site, "facility": "new"}]}), "b-1", MemoryJournal())
    netbox.update("sites", [{"id": row["id"], "custom_fields": {"owner": "bob"}}], "by hand")
    engine.apply(
        engine.plan({"sites": [{**site, "facility": "new", "status": "planned"}]}), "b-1", MemoryJournal()
    )
    plan = engine.plan_rollback("b-1", None)
    (change,) = (change for change in plan.changes if change.object_type == "sites")
    assert "owner" not in str(change)
    assert "old" in str(change)


def test_who_may_not_read_the_changelog_takes_back_what_the_journal_knows(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, switches(2), journal)
    journal.whole = False
    netbox.logged = not_for_you
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    assert plan.warnings == (f"{MAY_LACK}. This token may not.",)
    assert plan.writes == 4 + 2 * 3


def not_for_you(message: str) -> list[LoggedChange]:
    raise AccessError("This token may not.")


def before_4_4(message: str) -> list[LoggedChange]:
    raise NoMessagesError("NetBox 4.3 keeps no messages.")


@slow
@given(documents(), documents(), seeds, st.integers(0, 12), st.booleans())
def test_a_batch_that_broke_off_is_taken_back_as_well(
    first: dict[str, Any], second: dict[str, Any], seed: int, requests: int, landed: bool
) -> None:
    netbox = world()
    NetBoxBulkOrchestrator(netbox).apply(NetBoxBulkOrchestrator(netbox).plan(first), "b-0", MemoryJournal())
    before, journal = picture(netbox), MemoryJournal()
    second = by_id(second, netbox, random.Random(seed))
    engine = NetBoxBulkOrchestrator(netbox, lanes=1, settle_seconds=0.0)
    left = iter(range(requests))
    lost = []

    def die(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        """The worker is killed on the way to NetBox, or while NetBox is at work."""
        if lost or next(left, None) is not None:
            return
        lost.append(object_type)
        if landed:
            netbox.on_write = None
            getattr(netbox, verb)(object_type, rows, "netbox-mcp batch b-test")
        raise KeyboardInterrupt

    netbox.on_write = die
    with suppress(KeyboardInterrupt):
        engine.apply(engine.plan(second), "b-test", journal)
    netbox.on_write = None
    report = undo(netbox, journal)
    assert report.ok, report.first_errors
    assert picture(netbox) == before


def test_a_rollback_that_is_made_twice_finds_nothing_to_do(netbox: MemoryNetBox) -> None:
    apply(netbox, {"sites": [{"name": "AMS1", "facility": "old"}]})
    journal = MemoryJournal()
    apply(netbox, {**switches(2), "sites": [{"name": "AMS1", "facility": "new"}]}, journal)
    assert undo(netbox, journal).ok
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    assert plan.writes == 0
    assert plan.conflicts == []


def test_what_someone_has_changed_since_is_refused_alone_and_named(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, switches(3), journal)
    device = next(row for row in netbox.tables["devices"].values() if row["name"] == "sw-02")
    netbox.update("devices", [{"id": device["id"], "comments": "hands off"}], "by hand")
    told = reasons(netbox, journal)
    assert told["sw-02"].startswith("changed since by ")
    assert told["sw-02"].endswith(": comments")
    assert told["AMS1"] == "others depend on it: device 'sw-02'"
    report = undo(netbox, journal)
    assert [row["name"] for row in netbox.tables["devices"].values()] == ["sw-02"]
    assert report.totals()["skipped"] == len(told)
    assert report.totals()["failed"] == 0


def test_batches_can_be_taken_back_one_after_the_other(netbox: MemoryNetBox) -> None:
    engine, journals, before = NetBoxBulkOrchestrator(netbox), [], picture(netbox)
    for number, status in enumerate(["planned", "active", "offline"]):
        journals.append(MemoryJournal())
        engine.apply(engine.plan(switches(2, status=status)), f"b-{number}", journals[-1])
    for number in (2, 1, 0):
        plan = engine.plan_rollback(f"b-{number}", journals[number])
        assert plan.conflicts == []
        assert engine.apply(plan, f"b-undo-{number}", MemoryJournal()).ok
    assert picture(netbox) == before


@pytest.mark.parametrize("requests", range(6))
def test_a_rollback_that_broke_off_is_made_again(netbox: MemoryNetBox, requests: int) -> None:
    before, journal = picture(netbox), MemoryJournal()
    apply(netbox, switches(3), journal)
    left = iter(range(requests))

    def stop() -> None:
        if next(left, None) is None:
            raise LeaseLostError("another worker has taken over")

    engine = NetBoxBulkOrchestrator(netbox, lanes=1)
    with pytest.raises(LeaseLostError):
        engine.apply(engine.plan_rollback("b-test", journal), "b-undo", MemoryJournal(), checkpoint=stop)
    assert reasons(netbox, journal) == {}
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


@pytest.mark.parametrize("requests", range(1, 6))
def test_a_rollback_of_moves_that_broke_off_is_made_again(netbox: MemoryNetBox, requests: int) -> None:
    """What its first part has put back is no change of somebody else's, whatever is left to be done."""
    apply(netbox, switches(2))
    before, journal = picture(netbox), MemoryJournal()
    names = {row["name"]: id_ for id_, row in netbox.tables["devices"].items() if row["name"]}
    swapped = [
        {"id": names["sw-01"], "name": "sw-02", "serial": "S1", "primary_ip4": None},
        {"id": names["sw-02"], "name": "sw-01", "serial": "S2", "primary_ip4": None},
    ]
    assert apply(netbox, {"devices": swapped}, journal).ok
    left = iter(range(requests))

    def stop() -> None:
        if next(left, None) is None:
            raise LeaseLostError("another worker has taken over")

    engine = NetBoxBulkOrchestrator(netbox, lanes=1)
    with suppress(LeaseLostError):
        engine.apply(engine.plan_rollback("b-test", journal), "b-undo", MemoryJournal(), checkpoint=stop)
    assert reasons(netbox, journal) == {}
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_force_overrides_what_someone_has_changed(netbox: MemoryNetBox) -> None:
    before, journal = picture(netbox), MemoryJournal()
    apply(netbox, switches(3), journal)
    device = next(iter(netbox.tables["devices"]))
    netbox.update("devices", [{"id": device, "comments": "hands off"}], "by hand")
    assert undo(netbox, journal, force=True).ok
    assert picture(netbox) == before


def test_what_others_depend_on_stays_even_by_force(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, switches(2), journal)
    device = next(row for row in netbox.tables["devices"].values() if row["name"] == "sw-01")
    by_hand = {"device": device["id"], "name": "eth9", "type": "virtual"}
    netbox.create("interfaces", [by_hand], "by hand")
    told = reasons(netbox, journal, force=True)
    assert told["sw-01"] == "others depend on it: interface 'eth9'"
    undo(netbox, journal, force=True)
    # What stays keeps what it needs: its primary address, and the interface that this is on.
    assert [row["name"] for row in netbox.tables["interfaces"].values()] == ["Vlan1", "eth9"]
    assert [row["name"] for row in netbox.tables["devices"].values()] == ["sw-01"]


def test_what_hangs_on_an_object_beyond_the_catalog_keeps_it(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, switches(2), journal)
    device = next(row for row in netbox.tables["devices"].values() if row["name"] == "sw-01")
    netbox.attachments["devices", device["id"]] = ["service 'ssh'", "journal entry 'outage'"]
    told = reasons(netbox, journal, force=True)
    assert told["sw-01"] == "others depend on it: service 'ssh', journal entry 'outage'"
    assert told["AMS1"] == "others depend on it: device 'sw-01'"


def test_components_that_came_with_a_device_go_with_it(netbox: MemoryNetBox) -> None:
    apply(netbox, {"device_types": [{"manufacturer": {"name": "Cisco"}, "model": "C9300-48P"}]})
    add_interface_templates(netbox, 24)
    before, journal = picture(netbox), MemoryJournal()
    interfaces = [{"name": "Gi1/0/1", "description": "up"}, {"name": "Vlan1", "type": "virtual"}]
    apply(netbox, switches(2, interfaces=interfaces), journal)
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    assert "- sw-01" in render_plan(plan)
    assert "with 24 interfaces that came with it" in render_plan(plan)
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_an_address_by_hand_on_a_component_keeps_the_device(netbox: MemoryNetBox) -> None:
    apply(netbox, {"device_types": [{"manufacturer": {"name": "Cisco"}, "model": "C9300-48P"}]})
    add_interface_templates(netbox, 1)
    journal = MemoryJournal()
    apply(netbox, switches(1), journal)
    came = next(row["id"] for row in netbox.tables["interfaces"].values() if row["name"] == "Gi1/0/1")
    netbox.create("ip_addresses", [{"address": "203.0.113.9/24", "assigned_object": came}], "by hand")
    assert reasons(netbox, journal)["sw-01"] == "others depend on it: IP address '203.0.113.9/24'"
    undo(netbox, journal)
    assert "203.0.113.9/24" in [row["address"] for row in netbox.tables["ip_addresses"].values()]


def test_moves_that_need_a_release_succeed_in_one_batch_and_are_taken_back(netbox: MemoryNetBox) -> None:
    """Two switches swap their names, and a primary address goes from one to the other."""
    apply(netbox, switches(2))
    ids = {row["name"]: row["id"] for row in netbox.tables["devices"].values()}
    document = {
        "devices": [
            {"name": "sw-02", "id": ids["sw-01"]},
            {
                "name": "sw-01",
                "id": ids["sw-02"],
                "ip_addresses": [{"address": "192.0.2.1/24", "interface": "Vlan1"}],
                "primary_ip4": "192.0.2.1/24",
            },
        ]
    }
    before, journal = picture(netbox), MemoryJournal()
    report = apply(netbox, document, journal)
    assert report.ok, report.first_errors
    assert {row["id"]: row["name"] for row in netbox.tables["devices"].values()} == {
        ids["sw-01"]: "sw-02",
        ids["sw-02"]: "sw-01",
    }
    assert NetBoxBulkOrchestrator(netbox).plan(document).writes == 0
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


@pytest.mark.parametrize("field", ["comments", "name"])
def test_a_change_after_a_crash_is_seen_though_nobody_saw_the_answer(
    netbox: MemoryNetBox, field: str
) -> None:
    journal = MemoryJournal()
    engine = NetBoxBulkOrchestrator(netbox, lanes=1, settle_seconds=0.0)

    def die(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        """The list of devices lands, and the worker is killed before it sees the answer."""
        if object_type == "devices":
            netbox.on_write = None
            netbox.create(object_type, rows, "netbox-mcp batch b-test")
            raise KeyboardInterrupt

    netbox.on_write = die
    with suppress(KeyboardInterrupt):
        engine.apply(engine.plan(switches(2, comments="ours")), "b-test", journal)
    device = next(row["id"] for row in netbox.tables["devices"].values() if row["name"] == "sw-01")
    netbox.update("devices", [{"id": device, field: "theirs"}], "by hand")
    if field == "name":  # it is not found by its name any more: nobody knows that it was ours
        assert [change.label for change in engine.plan_rollback("b-test", journal).conflicts] != []
    else:
        assert reasons(netbox, journal)["sw-01"].endswith(": comments")
    undo(netbox, journal)
    assert [row["id"] for row in netbox.tables["devices"].values()] == [device]


def test_failed_rows_are_no_hindrance(netbox: MemoryNetBox) -> None:
    before, journal = picture(netbox), MemoryJournal()

    def refuse(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        bad = {at: "no" for at, row in enumerate(rows) if row.get("name") == "sw-02"}
        if object_type == "devices" and bad:
            raise RejectedError("no", bad)

    netbox.on_write = refuse
    assert apply(netbox, switches(3), journal).totals()["failed"] == 1
    netbox.on_write = None
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


# A single row that is refused has failed: only the first three deletes are lists.
FAULTS = [(at, fault) for at in range(5) for fault in (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.FAILED)]
FAULTS += [(at, Fault.REFUSED) for at in range(3)]


@pytest.mark.parametrize(("at", "fault"), FAULTS)
def test_a_fault_in_any_delete_costs_nothing(netbox: MemoryNetBox, at: int, fault: Fault) -> None:
    before, journal = picture(netbox), MemoryJournal()
    apply(netbox, switches(4), journal)
    netbox.faults.extend([Fault.NONE] * at + [fault])
    assert undo(netbox, journal, lanes=1).ok
    assert picture(netbox) == before


def test_a_rollback_cannot_be_rolled_back(netbox: MemoryNetBox) -> None:
    journal, undone = MemoryJournal(), MemoryJournal()
    apply(netbox, switches(1), journal)
    engine = NetBoxBulkOrchestrator(netbox)
    engine.apply(engine.plan_rollback("b-test", journal), "b-undo", undone)
    with pytest.raises(RollbackError, match="itself a rollback"):
        engine.plan_rollback("b-undo", undone)
    with pytest.raises(RollbackError, match="rollback"):
        engine.plan_rollback("b-undo", None)


def test_a_batch_that_nobody_knows_is_refused(netbox: MemoryNetBox) -> None:
    with pytest.raises(RollbackError, match="knows the batch 'b-nowhere'"):
        NetBoxBulkOrchestrator(netbox).plan_rollback("b-nowhere", None)


def test_vlans_that_others_have_taken_up_stay(netbox: MemoryNetBox) -> None:
    """NetBox would empty the fields that point to them, of all interfaces and without a word."""
    apply(netbox, switches(1))
    vlans, journal = [{"vid": number, "name": f"VLAN {number}"} for number in (10, 20, 30)], MemoryJournal()
    apply(netbox, {"vlans": vlans}, journal)
    first, second, _ = sorted(netbox.tables["vlans"])
    (device,) = netbox.tables["devices"]
    port = {"device": device, "type": "virtual"}
    netbox.create("interfaces", [{**port, "name": "e1", "untagged_vlan": first}], "by hand")
    netbox.create("interfaces", [{**port, "name": "e2", "tagged_vlans": (second,)}], "by hand")
    assert reasons(netbox, journal) == {
        "10": "others depend on it: interface 'e1'",
        "20": "others depend on it: interface 'e2'",
    }


def test_an_assignment_is_called_by_what_it_is_about(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, {"contacts": ["NOC"], "contact_roles": ["Admin"], "sites": ["AMS1"]}, journal)
    contact, role, site = (min(netbox.tables[name]) for name in ("contacts", "contact_roles", "sites"))
    netbox.create("contact_assignments", [{"contact": contact, "role": role, "object": site}], "by hand")
    assert set(reasons(netbox, journal).values()) == {"others depend on it: contact assignment 'NOC'"}
