"""Applying plans to a NetBox in memory: what lands, what does not, and that nothing lands twice."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import LeaseLostError, RejectedError, UnknownOutcomeError
from orchestrator.models import Result
from orchestrator.ports import Row
from orchestrator.testing import Fault, MemoryNetBox
from tests.unit.batches import MemoryJournal, add_interface_templates, apply, switches

CREATED = {"manufacturers": 1, "sites": 1, "device_roles": 1, "device_types": 1, "devices": 40}


@pytest.fixture
def netbox() -> MemoryNetBox:
    return MemoryNetBox()


def names(netbox: MemoryNetBox, object_type: str, field: str = "name") -> list[str]:
    return sorted(row[field] for row in netbox.tables[object_type].values())


def test_a_batch_lands_and_the_second_run_writes_nothing(netbox: MemoryNetBox) -> None:
    report = apply(netbox, switches(40))
    assert report.ok
    assert report.totals()["created"] == 4 + 3 * 40
    assert {name: len(netbox.tables[name]) for name in CREATED} == CREATED
    assert all(device["primary_ip4"] for device in netbox.tables["devices"].values())

    before = netbox.write_requests, len(netbox.changelog)
    again = apply(netbox, switches(40))
    assert again.totals()["unchanged"] == 3 * 40
    assert (netbox.write_requests, len(netbox.changelog)) == before
    assert again.write_requests == 0


def test_the_intent_is_in_the_journal_before_the_request(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    intended: list[int] = []
    netbox.on_write = lambda verb, object_type, rows: intended.append(
        sum(kind == "intend" for kind, _ in journal.events)
    )
    apply(netbox, switches(3), journal, lanes=1)
    sent = [1, 1, 1, 1, 3, 3, 3, 3]  # manufacturer, role, site, type; devices, interfaces, addresses, links
    assert intended == [sum(sent[: at + 1]) for at in range(len(sent))]


def test_one_bad_row_costs_one_row_and_its_dependents(netbox: MemoryNetBox) -> None:
    def refuse_sw_02(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        bad = {at: "name: not this one" for at, row in enumerate(rows) if row.get("name") == "sw-02"}
        if object_type == "devices" and bad:
            raise RejectedError("refused", bad)

    netbox.on_write = refuse_sw_02
    journal = MemoryJournal()
    report = apply(netbox, switches(5), journal)
    assert names(netbox, "devices") == ["sw-01", "sw-03", "sw-04", "sw-05"]
    totals = report.totals()
    assert (totals["failed"], totals["skipped"]) == (1, 3)
    assert [error.message for error in report.first_errors] == ["name: not this one"]
    skipped = [outcome for outcome in journal.outcomes.values() if outcome.result is Result.SKIPPED]
    assert all("'sw-02': name: not this one" in outcome.message for outcome in skipped)
    assert len(journal.outcomes) == 4 + 3 * 5 + 5


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.FAILED])
@pytest.mark.parametrize("position", range(8))
def test_a_fault_in_any_request_costs_nothing(netbox: MemoryNetBox, fault: Fault, position: int) -> None:
    netbox.faults.extend([Fault.NONE] * position + [fault])
    report = apply(netbox, switches(6), lanes=1)
    if fault is Fault.REFUSED and position < 4:
        assert report.totals()["failed"] == 1  # a single row cannot be halved
        return
    assert report.ok
    assert len(netbox.tables["devices"]) == len(netbox.tables["interfaces"]) == 6
    assert names(netbox, "ip_addresses", "address") == [f"192.0.2.{number}/24" for number in range(1, 7)]
    assert all(device["primary_ip4"] for device in netbox.tables["devices"].values())


def test_a_row_that_never_gets_an_answer_is_given_up_alone(netbox: MemoryNetBox) -> None:
    def break_on_sw_03(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        if object_type == "devices" and any(row.get("name") == "sw-03" for row in rows):
            raise UnknownOutcomeError("NetBox failed (HTTP 500).", over=True)

    netbox.on_write = break_on_sw_03
    report = apply(netbox, switches(4))
    assert names(netbox, "devices") == ["sw-01", "sw-02", "sw-04"]
    assert [error.label for error in report.first_errors] == ["sw-03"]
    assert "HTTP 500" in report.first_errors[0].message


def test_an_object_that_someone_else_made_meanwhile_is_brought_up_to_date(netbox: MemoryNetBox) -> None:
    orchestrator = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    plan = orchestrator.plan(switches(3, description="ours"))
    theirs = switches(
        2, description="theirs", name="sw-[02-02]", interfaces=[], ip_addresses=[], primary_ip4=None
    )
    apply(netbox, theirs)
    journal = MemoryJournal()
    report = orchestrator.apply(plan, "b-late", journal)
    assert len(netbox.tables["devices"]) == 3
    assert {row["description"] for row in netbox.tables["devices"].values()} == {"ours"}
    assert journal.outcomes["devices/AMS1/sw-02"].result is Result.UPDATED
    assert report.ok


def test_components_that_come_with_the_type_are_not_created_twice(netbox: MemoryNetBox) -> None:
    apply(netbox, {"device_types": [{"manufacturer": {"name": "Cisco"}, "model": "C9300-48P"}]})
    add_interface_templates(netbox, 24)
    document = switches(
        2, interfaces=[{"name": "Gi1/0/1", "description": "up"}, {"name": "Vlan1", "type": "virtual"}]
    )
    report = apply(netbox, document)
    assert report.ok
    assert len(netbox.tables["interfaces"]) == 2 * 25
    described = [row for row in netbox.tables["interfaces"].values() if row.get("description") == "up"]
    assert len(described) == 2
    assert apply(netbox, document).write_requests == 0


def test_a_component_that_did_not_come_and_has_no_type_fails_alone(netbox: MemoryNetBox) -> None:
    apply(netbox, {"device_types": [{"manufacturer": {"name": "Cisco"}, "model": "C9300-48P"}]})
    add_interface_templates(netbox, 1)
    report = apply(netbox, switches(1, interfaces=[{"name": "Gi9/9"}, {"name": "Vlan1", "type": "virtual"}]))
    assert [error.message for error in report.first_errors] == [
        "did not come with the device type, and type is missing to create it"
    ]
    assert report.totals()["created"] == 5  # site, role, device, Vlan1, address


def test_on_error_stop_starts_nothing_new_after_the_first_failure(netbox: MemoryNetBox) -> None:
    def refuse_devices(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        if object_type == "devices":
            raise RejectedError("no", dict.fromkeys(range(len(rows)), "no"))

    netbox.on_write = refuse_devices
    document = {**switches(2), "options": {"on_error": "stop"}, "ip_addresses": ["203.0.113.1/32"]}
    report = apply(netbox, document, lanes=1)
    totals = report.totals()
    assert totals["failed"] == 2
    assert totals["cancelled"] + totals["skipped"] == 2 * 3 + 1
    assert not netbox.tables["ip_addresses"]


def test_what_the_checkpoint_raises_ends_the_apply_before_the_next_request(netbox: MemoryNetBox) -> None:
    orchestrator = NetBoxBulkOrchestrator(netbox, lanes=1)
    allowed = iter(range(3))

    def checkpoint() -> None:
        if next(allowed, None) is None:
            raise LeaseLostError("another worker has taken over")

    with pytest.raises(LeaseLostError):
        orchestrator.apply(orchestrator.plan(switches(4)), "b-test", MemoryJournal(), checkpoint=checkpoint)
    assert netbox.write_requests == 3


def test_lanes_work_side_by_side_but_never_under_one_parent(netbox: MemoryNetBox) -> None:
    models = [{"manufacturer": "Cisco", "model": f"M{number}"} for number in range(4)]
    document = {
        "device_types": models,
        "devices": [
            {"name": f"m{number}-[01-40]", "site": "AMS1", "role": "Access", "device_type": f"M{number}"}
            for number in range(4)
        ],
    }
    busy: dict[int, set[int]] = {}
    lock, clashes, threads = threading.Lock(), [], set()

    def watch(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        if object_type != "devices":
            return
        mine = {row["device_type"] for row in rows}
        with lock:
            threads.add(threading.get_ident())
            clashes.extend(other & mine for me, other in busy.items() if me != threading.get_ident())
            busy[threading.get_ident()] = mine
        threading.Event().wait(0.01)
        with lock:
            busy[threading.get_ident()] = set()

    netbox.on_write = watch
    assert apply(netbox, document, lanes=3).ok
    assert len(threads) == 3
    assert not any(clashes)


def test_netbox_keeping_a_value_of_its_own_is_told(netbox: MemoryNetBox) -> None:
    class Stubborn(MemoryNetBox):
        def create(self, object_type: str, rows: Sequence[Row], message: str) -> list[Row]:
            changed = [{**row, "description": "mine"} if "description" in row else row for row in rows]
            return super().create(object_type, changed, message)

    report = apply(Stubborn(), switches(1, description="yours"))
    assert report.warnings == ["devices 'sw-01': NetBox did not keep description as it was sent"]


def test_lists_stay_short_once_an_answer_was_lost(netbox: MemoryNetBox) -> None:
    """NetBox in memory is as quick as can be, so that lists become as long as they may."""
    lists: dict[Fault, int] = {}
    for fault in (Fault.NONE, Fault.LOST_AFTER):
        quick = MemoryNetBox()
        quick.faults.append(fault)
        report = apply(quick, {"sites": [f"Site {number}" for number in range(900)]}, lanes=1)
        assert report.ok
        lists[fault] = report.write_requests
    assert lists == {Fault.NONE: 3, Fault.LOST_AFTER: 5}
