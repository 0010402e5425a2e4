"""A batch that broke off and is gone on with: it ends as if nothing had happened, and can be taken back."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import LeaseLostError, StalePlanError
from orchestrator.models import Plan, Report, Stage
from orchestrator.ports import Row
from orchestrator.resume import Done
from orchestrator.stale import refuse_moved
from orchestrator.testing import Fault, MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, switches, undo
from tests.unit.test_properties import by_id, documents, seeds, slow, world

Engine = NetBoxBulkOrchestrator
MESSAGE = "netbox-mcp batch b-test"


class Killed(BaseException):
    """The worker dies: nothing of ours runs any more."""


def kill_at(
    netbox: MemoryNetBox, request: int, landed: bool, message: str = "netbox-mcp batch b-test"
) -> None:
    """Die at a write request, on the way to NetBox or while NetBox is at work."""
    left = iter(range(request))

    def die(verb: str, object_type: str, rows: Sequence[Row]) -> None:
        if next(left, None) is not None:
            return
        netbox.on_write = None
        if landed:
            sent = [row["id"] for row in rows] if verb == "delete" else rows
            getattr(netbox, verb)(object_type, sent, message)
        raise Killed

    netbox.on_write = die


def broken_off(
    netbox: MemoryNetBox, document: Any, journal: MemoryJournal, request: int, landed: bool
) -> None:
    engine = Engine(netbox, lanes=1, settle_seconds=0.0)
    plan = engine.plan(document)
    kill_at(netbox, request, landed)
    with suppress(Killed):
        engine.apply(plan, "b-test", journal)
    netbox.on_write = None


def resume(netbox: MemoryNetBox, document: Any, journal: MemoryJournal) -> Report:
    engine = Engine(netbox, settle_seconds=0.0)
    done = engine.take_up("b-test", journal)
    return engine.apply(engine.plan(document), "b-test", journal, done=done)


def sizes(netbox: MemoryNetBox) -> dict[str, int]:
    return {name: len(rows) for name, rows in netbox.tables.items() if rows}


@slow
@given(documents(), documents(), seeds, st.integers(0, 12), st.booleans())
def test_what_broke_off_ends_as_if_nothing_had_happened(
    first: dict[str, Any], second: dict[str, Any], seed: int, request: int, landed: bool
) -> None:
    netbox, undisturbed = world(), world()
    for one in (netbox, undisturbed):
        assert Engine(one).apply(Engine(one).plan(first), "b-0", MemoryJournal()).ok
    before, journal = picture(netbox), MemoryJournal()
    created = Counter(sizes(netbox))
    second = by_id(second, netbox, random.Random(seed))
    assert apply(undisturbed, second).ok

    broken_off(netbox, second, journal, request, landed)
    report = resume(netbox, second, journal)
    assert report.ok, report.first_errors
    assert Engine(netbox).plan(second).writes == 0
    assert sizes(netbox) == sizes(undisturbed)

    # The journal has each created object once, and the report tells of both runs.
    made = [one for one in journal.settled() if one.result == "created"]
    assert len({(one.object_type, one.object_id) for one in made}) == len(made)
    assert Counter(one.object_type for one in made) == Counter(sizes(netbox)) - created
    assert report.totals()["created"] == len(made)

    back = undo(netbox, journal)
    assert back.ok, back.first_errors
    assert picture(netbox) == before


@slow
@given(documents(), documents(), seeds, st.integers(0, 12), st.booleans(), st.integers(1, 40))
def test_what_broke_off_and_lost_the_end_of_its_journal_can_be_taken_back(
    first: dict[str, Any], second: dict[str, Any], seed: int, request: int, landed: bool, lost: int
) -> None:
    netbox = world()
    assert Engine(netbox).apply(Engine(netbox).plan(first), "b-0", MemoryJournal()).ok
    before, journal = picture(netbox), MemoryJournal()
    second = by_id(second, netbox, random.Random(seed))
    broken_off(netbox, second, journal, request, landed)
    journal.lose(lost)
    assert resume(netbox, second, journal).ok
    assert Engine(netbox).plan(second).writes == 0
    back = undo(netbox, journal)
    assert back.ok, back.first_errors
    assert picture(netbox) == before


def test_a_created_object_of_which_the_journal_knows_an_update_only_is_deleted() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    before = picture(netbox)
    broken_off(netbox, switches(1), journal, 7, landed=False)  # before the device gets its primary address
    journal.lose(100)
    report = resume(netbox, switches(1), journal)
    assert report.counts["devices"]["updated"] == 1
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


@slow
@given(documents(), documents(), st.integers(0, 8), st.booleans())
def test_a_rollback_that_broke_off_ends_as_if_nothing_had_happened(
    first: dict[str, Any], second: dict[str, Any], request: int, landed: bool
) -> None:
    netbox = world()
    assert Engine(netbox).apply(Engine(netbox).plan(first), "b-0", MemoryJournal()).ok
    before, applied, journal = picture(netbox), MemoryJournal(), MemoryJournal()
    assert apply(netbox, second, applied).ok
    engine = Engine(netbox, lanes=1, settle_seconds=0.0)
    plan = engine.plan_rollback("b-test", applied)
    kill_at(netbox, request, landed, "netbox-mcp batch b-undo (rollback of b-test)")
    with suppress(Killed):
        engine.apply(plan, "b-undo", journal)
    netbox.on_write = None
    done = engine.take_up("b-undo", journal)
    report = engine.apply(engine.plan_rollback("b-test", applied), "b-undo", journal, done=done)
    assert report.ok, report.first_errors
    assert picture(netbox) == before
    assert report.totals()["deleted"] == sum(1 for one in applied.settled() if one.result == "created")


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("request_number", range(7))
def test_totals_are_those_of_an_undisturbed_run(request_number: int, landed: bool) -> None:
    undisturbed, netbox, journal = MemoryNetBox(), MemoryNetBox(), MemoryJournal()
    whole = apply(undisturbed, switches(4)).counts
    broken_off(netbox, switches(4), journal, request_number, landed)
    told = Told()
    engine = Engine(netbox, settle_seconds=0.0)
    done = engine.take_up("b-test", journal)
    report = engine.apply(engine.plan(switches(4)), "b-test", journal, told, done=done)
    assert report.counts == whole
    assert told.total == sum(report.totals().values())


class Told:
    """Progress that remembers the total."""

    total = 0

    def planned(self, plan: Plan, done: int = 0) -> None:
        self.total = done + len(plan.changes)

    def stage(self, stage: Stage, number: int, of: int) -> None: ...

    def settled(self, outcomes: object) -> None: ...


def test_what_failed_is_tried_again_and_counts_once() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    apply(netbox, switches(1, asset_tag="T1"))
    netbox.update("devices", [{"id": min(netbox.tables["devices"]), "name": "other"}], "by hand")
    first = apply(netbox, switches(1, asset_tag="T1"), journal)
    assert (first.totals()["failed"], first.totals()["skipped"] > 0) == (1, True)
    netbox.update("devices", [{"id": min(netbox.tables["devices"]), "asset_tag": None}], "by hand")
    report = resume(netbox, switches(1, asset_tag="T1"), journal)
    assert report.ok
    assert report.totals()["created"] == 2
    assert sum(report.totals().values()) == sum(first.totals().values())


def test_an_address_that_netbox_may_still_be_at_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its database lets a second copy in: nothing is sent again before the first can no longer come."""
    netbox, journal, waits = MemoryNetBox(), MemoryJournal(), []
    apply(netbox, switches(1))
    document = {"ip_addresses": [{"address": "198.51.100.[1-3]/24"}]}
    broken_off(netbox, document, journal, 0, landed=False)
    (late, *_) = [intent.sent for intent in journal.intents()]

    def checkpoint() -> None:
        waits.append(datetime.now(UTC))
        if len(waits) == 1:
            netbox.create("ip_addresses", [late], "netbox-mcp batch b-test")  # NetBox was still at it

    engine = Engine(netbox, settle_seconds=0.3)
    done = engine.take_up("b-test", journal, checkpoint)
    assert waits
    assert datetime.now(UTC) >= waits[0] + timedelta(seconds=0.3)
    assert done.counts == {"ip_addresses": {"created": 1}}
    assert engine.apply(engine.plan(document), "b-test", journal, done=done).totals()["created"] == 3
    assert sum(row["address"].startswith("198.51") for row in netbox.tables["ip_addresses"].values()) == 3


def test_whoever_waits_can_be_stopped() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    apply(netbox, switches(1))
    broken_off(netbox, {"ip_addresses": [{"address": "198.51.100.1/24"}]}, journal, 0, landed=False)

    def stop() -> None:
        raise LeaseLostError("gone")

    with pytest.raises(LeaseLostError):
        Engine(netbox, settle_seconds=60.0).take_up("b-test", journal, stop)
    assert [intent.label for intent in journal.unsettled()] == ["198.51.100.1/24"]  # and it is asked again


def test_a_change_in_two_runs_is_taken_back_to_what_was_before_the_first() -> None:
    """Somebody comes in between the runs: each intent belongs to the outcome of its own run."""
    netbox, journal = MemoryNetBox(), MemoryJournal()
    apply(netbox, {"sites": [{"name": "AMS1", "facility": "old"}]})
    before = picture(netbox)
    document = {**switches(2), "sites": [{"name": "AMS1", "facility": "new"}]}
    broken_off(netbox, document, journal, 5, landed=False)
    assert [one.label for one in journal.settled() if one.result == "updated"] == ["AMS1"]
    netbox.update("sites", [{"id": 1, "facility": "someone's"}], "by hand")
    assert resume(netbox, document, journal).ok
    assert [one.label for one in journal.settled() if one.result == "updated"].count("AMS1") == 2
    assert undo(netbox, journal, force=True).ok
    assert picture(netbox) == before


@pytest.mark.parametrize("landed", [False, True])
def test_interfaces_on_their_way_to_a_device_that_is_gone_by_now_are_lost(landed: bool) -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    apply(
        netbox,
        {
            "devices": [
                {**switches(1)["devices"][0], "interfaces": [], "ip_addresses": [], "primary_ip4": None}
            ]
        },
    )
    document = {"interfaces": [{"device": "sw-01", "name": "Vlan1", "type": "virtual"}]}
    broken_off(netbox, document, journal, 0, landed)
    netbox.delete("devices", [by_name(netbox, "devices", "sw-01")], "by hand")
    engine = Engine(netbox, settle_seconds=0.0)
    assert engine.plan_rollback("b-test", journal).writes == 0
    assert engine.take_up("b-test", journal).total == 0


# -- stored plans


def stored_and_rest(
    netbox: MemoryNetBox, document: Any, between: Callable[[], None] = lambda: None, request: int = 3
) -> tuple[Plan, Plan, Done]:
    engine, journal = Engine(netbox, lanes=1, settle_seconds=0.0), MemoryJournal()
    stored = engine.plan(document)
    broken_off(netbox, document, journal, request, landed=True)
    between()
    return stored, engine.plan(document), engine.take_up("b-test", journal)


@pytest.mark.parametrize("request_number", range(7))
def test_the_rest_of_a_stored_plan_is_still_that_plan(request_number: int) -> None:
    refuse_moved(
        *(parts := stored_and_rest(MemoryNetBox(), switches(3), request=request_number))[:2], done=parts[2]
    )
    netbox = MemoryNetBox()
    apply(netbox, switches(3))
    changed = switches(4, status="planned", primary_ip4=None)
    stored, rest, done = stored_and_rest(netbox, changed, request=request_number)
    refuse_moved(stored, rest, done=done)


def test_what_others_have_moved_meanwhile_is_refused_and_named() -> None:
    netbox = MemoryNetBox()
    apply(netbox, switches(3))

    def someone() -> None:
        (device,) = (row["id"] for row in netbox.tables["devices"].values() if row["name"] == "sw-02")
        netbox.update("devices", [{"id": device, "status": "failed"}], "by hand")

    stored, rest, done = stored_and_rest(netbox, switches(3, status="planned"), someone, request=0)
    with pytest.raises(StalePlanError, match=r"device 'sw-02': status is now 'failed'"):
        refuse_moved(stored, rest, done=done)


def test_a_lost_answer_in_a_later_run_is_read_back_as_in_the_first() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    broken_off(netbox, switches(2), journal, 2, landed=False)
    netbox.faults.append(Fault.LOST_AFTER)
    report = resume(netbox, switches(2), journal)
    assert report.ok
    assert report.counts == apply(MemoryNetBox(), switches(2)).counts


def by_name(netbox: MemoryNetBox, object_type: str, name: str) -> int:
    (found,) = (row["id"] for row in netbox.tables[object_type].values() if row["name"] == name)
    return found


def test_a_link_that_others_have_moved_on_an_object_that_the_plan_leaves_alone_is_refused() -> None:
    netbox = MemoryNetBox()
    apply(netbox, switches(2))

    def someone() -> None:
        update = {"id": by_name(netbox, "devices", "sw-02"), "primary_ip4": None}
        netbox.update("devices", [update], "by hand")

    stored, rest, done = stored_and_rest(netbox, switches(3), someone, request=1)
    assert done.total
    with pytest.raises(StalePlanError, match="device 'sw-02'"):
        refuse_moved(stored, rest, done=done)


@pytest.mark.parametrize("request_number", range(4))
def test_half_a_swap_of_our_own_is_no_move_of_somebody_else(request_number: int) -> None:
    netbox = MemoryNetBox()
    apply(netbox, {"sites": [{"name": "AMS1"}, {"name": "AMS2"}]})
    one, two = by_name(netbox, "sites", "AMS1"), by_name(netbox, "sites", "AMS2")
    document = {"sites": [{"id": one, "name": "AMS2"}, {"id": two, "name": "AMS1"}]}
    stored, rest, done = stored_and_rest(netbox, document, request=request_number)
    if done.total:
        refuse_moved(stored, rest, done=done)
    journal = MemoryJournal()
    assert Engine(netbox).apply(rest, "b-rest", journal, done=done).ok
    assert (by_name(netbox, "sites", "AMS2"), by_name(netbox, "sites", "AMS1")) == (one, two)


def test_what_others_change_while_a_rollback_is_interrupted_is_told_as_left_alone() -> None:
    netbox, applied, journal = MemoryNetBox(), MemoryJournal(), MemoryJournal()
    apply(netbox, switches(1))
    apply(netbox, switches(1, status="planned", primary_ip4=None), applied)
    engine = Engine(netbox, lanes=1, settle_seconds=0.0)
    plan = engine.plan_rollback("b-test", applied)
    assert [change.passes.value for change in plan.changes if change.writes] == ["build", "link"]
    kill_at(netbox, 1, landed=False)
    with suppress(Killed):
        engine.apply(plan, "b-undo", journal)
    netbox.update("devices", [{"id": by_name(netbox, "devices", "sw-01"), "comments": "mine"}], "by hand")
    done = engine.take_up("b-undo", journal)
    assert done.total == 1
    report = engine.apply(engine.plan_rollback("b-test", applied), "b-undo", journal, done=done)
    assert report.totals()["skipped"] == 1
    assert not report.ok


def test_what_failed_in_an_earlier_run_is_not_put_back_by_a_rollback() -> None:
    """Somebody has done by hand what was refused: that is not ours to undo."""
    netbox, journal = MemoryNetBox(), MemoryJournal()
    apply(netbox, switches(2))
    taken, ours = by_name(netbox, "devices", "sw-01"), by_name(netbox, "devices", "sw-02")
    netbox.update("devices", [{"id": taken, "asset_tag": "T1"}], "by hand")
    document = {"devices": [{"id": ours, "asset_tag": "T1", "serial": "S2"}]}
    assert not apply(netbox, document, journal).ok
    netbox.update("devices", [{"id": taken, "asset_tag": None}], "by hand")
    netbox.update("devices", [{"id": ours, "asset_tag": "T1"}], "by hand")
    assert resume(netbox, document, journal).ok
    assert undo(netbox, journal, force=True).ok
    assert (netbox.tables["devices"][ours]["asset_tag"], netbox.tables["devices"][ours]["serial"]) == (
        "T1",
        "",
    )
