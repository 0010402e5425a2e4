"""Journal entries: told apart by their text, only ever added to, and gone with a rollback."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.models import Action, Plan
from orchestrator.plan_text import render_plan
from orchestrator.testing import Fault, MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, switches, undo

OUTAGE = """Outage on 2026-11-03.

Power supplies [1-2] were swapped; see the ticket for what the vendor said about the failed one."""


@pytest.fixture
def netbox() -> MemoryNetBox:
    made = MemoryNetBox()
    apply(made, switches(2))
    return made


def remarks(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"journal_entries": list(entries), **more}


def on(device: str, text: str = OUTAGE, **fields: Any) -> dict[str, Any]:
    return {"assigned_object": {"device": device}, "comments": text, **fields}


def plan(netbox: MemoryNetBox, document: dict[str, Any]) -> Plan:
    return NetBoxBulkOrchestrator(netbox).plan(document)


def texts(netbox: MemoryNetBox) -> list[str]:
    return [row["comments"] for row in netbox.tables["journal_entries"].values()]


def test_the_same_text_on_the_same_object_is_written_once(netbox: MemoryNetBox) -> None:
    document = remarks(on("sw-01"), on("sw-02"), {"comments": "checked", "assigned_object": {"site": "AMS1"}})
    assert apply(netbox, document).ok
    assert sorted(texts(netbox)) == [OUTAGE, OUTAGE, "checked"]
    assert apply(netbox, document).write_requests == 0


@pytest.mark.parametrize(
    "about",
    [
        {"device": "SW-01"},
        {"device": {"asset_tag": "A1"}},
        {"site": "ams1"},
        {"site": {"slug": "ams1"}},
        {"device_type": {"slug": "c9300-48p"}},
        {"device_role": "access"},
        {"vlan": "Voice"},
        {"vlan": {"vid": 100}},
        {"vrf": {"rd": "64496:1"}},
        {"ip_address": "192.0.2.1"},
        {"interface": {"device": "SW-01", "name": "Vlan1"}},
        {"l2vpn_termination": {"l2vpn": "lan", "assigned_object": {"vlan": 100}}},
    ],
    ids=str,
)
def test_what_it_is_about_is_found_in_every_spelling(netbox: MemoryNetBox, about: dict[str, Any]) -> None:
    vlan = {"vid": 100, "name": "Voice"}
    parts = {
        "l2vpns": [{"name": "lan", "type": "vxlan"}],
        "vlans": [vlan],
        "vrfs": [{"name": "A", "rd": "64496:1"}],
    }
    terminations = [{"l2vpn": "lan", "assigned_object": {"vlan": 100}}]
    tagged = [{"name": "sw-01", "site": "AMS1", "asset_tag": "A1"}]
    apply(netbox, {**parts, "l2vpn_terminations": terminations, "devices": tagged})
    document = remarks({"assigned_object": about, "comments": "x"})
    assert apply(netbox, document).ok
    assert apply(netbox, document).write_requests == 0


def test_it_is_found_on_what_the_document_renames(netbox: MemoryNetBox) -> None:
    apply(netbox, remarks(on("sw-01")))
    renamed = {"devices": [{"match": {"name": "sw-01", "site": "AMS1"}, "name": "sw-09"}]}
    report = apply(netbox, remarks(on("sw-09"), **renamed))
    assert (report.ok, texts(netbox)) == (True, [OUTAGE])


def test_lines_that_end_otherwise_and_two_that_are_alike_are_it(netbox: MemoryNetBox) -> None:
    """As web forms and scripts leave them; nothing of it is rewritten."""
    device = next(row["id"] for row in netbox.tables["devices"].values() if row["name"] == "sw-01")
    spot = {"assigned_object_type": "dcim.device", "assigned_object_id": device}
    theirs = [OUTAGE.replace("\n", "\r\n") + "\r\n", f" {OUTAGE}"]
    netbox.create("journal_entries", [{**spot, "comments": text} for text in theirs], "by hand")
    assert apply(netbox, remarks(on("sw-01"))).write_requests == 0
    assert texts(netbox) == theirs


def test_another_text_is_another_entry_and_the_first_stays(netbox: MemoryNetBox) -> None:
    apply(netbox, remarks(on("sw-01", "planned")))
    report = apply(netbox, remarks(on("sw-01", "done")))
    assert report.totals()["created"] == 1
    assert texts(netbox) == ["planned", "done"]


def test_the_kind_may_change(netbox: MemoryNetBox) -> None:
    apply(netbox, remarks(on("sw-01", kind="info")))
    (change,) = (one for one in plan(netbox, remarks(on("sw-01", kind="danger"))).changes if one.writes)
    assert (change.action, change.before["kind"], change.after["kind"]) == (Action.UPDATE, "info", "danger")


def test_people_read_how_it_begins(netbox: MemoryNetBox) -> None:
    told = render_plan(plan(netbox, remarks(on("sw-01"), on("sw-01", f"{OUTAGE} It came back."))))
    begins = "Outage on 2026-11-03. Power supplies [1-2] were swapped; see…"
    assert told.count(begins) == 2
    assert all(len(line) < 200 for line in told.splitlines())


def test_it_is_on_something_new_of_the_same_document(netbox: MemoryNetBox) -> None:
    before, journal = picture(netbox), MemoryJournal()
    port = {"interface": {"device": "sw-03", "name": "Vlan1"}}
    document = remarks(on("sw-03", "racked"), {"assigned_object": port, "comments": "up"}, **switches(3))
    assert apply(netbox, document, journal).ok
    assert apply(netbox, document).write_requests == 0
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
@pytest.mark.parametrize("metadata", ["on", "off"])
def test_a_lost_answer_writes_none_twice(netbox: MemoryNetBox, fault: Fault, metadata: str) -> None:
    before, journal = picture(netbox), MemoryJournal()
    netbox.faults.append(fault)
    site = {"assigned_object": {"site": "AMS1"}, "comments": OUTAGE}
    document = remarks(on("sw-01"), on("sw-02"), site, options={"metadata": metadata})
    assert apply(netbox, document, journal).ok
    assert texts(netbox) == [OUTAGE] * 3
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_somebody_elses_remark_keeps_the_object_from_being_taken_back(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, {**switches(3)}, journal)
    apply(netbox, remarks(on("sw-03", "outage")))
    told = NetBoxBulkOrchestrator(netbox).plan_rollback("b-1", journal).conflicts
    assert {one.label: one.reason for one in told}["sw-03"] == "others depend on it: journal entry 'outage'"


def test_what_a_document_no_longer_says_is_not_absent(netbox: MemoryNetBox) -> None:
    tag = {"name": "nightly", "slug": "nightly"}
    apply(netbox, {"tags": [tag], **remarks(on("sw-01", "first", tags=["nightly"]))})
    options = {"absent": "report", "scope": {"tag": "nightly"}}
    made = plan(netbox, remarks(on("sw-01", "second"), options=options))
    assert made.absent == ()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"comments": "x"}, "journal_entries[0].assigned_object: "),
        ({"assigned_object": {"device": "sw-01"}}, "journal_entries[0].comments: "),
        (
            on("sw-01", created_by="admin"),
            "documents cannot set created_by of journal_entries (NetBox notes the user",
        ),
        (on("sw-01", id=7), "journal_entries[0].id: a journal entry cannot be changed (add another one)"),
        ({"comments": "x", "assigned_object": {"tag": "a"}}, "it may be of type manufacturer or region or"),
    ],
)
def test_what_is_wrong_is_said(netbox: MemoryNetBox, entry: dict[str, Any], words: str) -> None:
    with pytest.raises(DocumentError) as caught:
        plan(netbox, remarks(entry))
    assert words in str(caught.value.problems[0])
