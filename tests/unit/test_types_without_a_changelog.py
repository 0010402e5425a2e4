"""Groups, permissions, owners: NetBox logs nothing of them, so the values that a batch wrote have to tell."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import FROM_CHANGELOG, NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError, RollbackError
from orchestrator.models import Result
from orchestrator.ports import Row
from orchestrator.testing import Fault, MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, undo

RIGHTS = {
    "permissions": [
        {
            "name": "Edit sites",
            "object_types": ["dcim.site", "dcim.location"],
            "actions": ["view", "change"],
            "constraints": [{"status": "active"}, {"region__slug": "emea"}],
            "groups": ["Operators"],
        }
    ],
    "groups": [{"name": "Operators", "description": "They run it"}],
    "owner_groups": ["Network"],
    "owners": [{"name": "Core team", "group": "Network", "user_groups": ["Operators"]}, "Nobody"],
    "sites": [{"name": "AMS1", "owner": "Core team"}],
}


@pytest.fixture
def netbox() -> MemoryNetBox:
    made = MemoryNetBox()
    made.create("users", [{"username": "kim"}], "by hand")
    return made


def one(netbox: MemoryNetBox, object_type: str, name: str) -> Row:
    return next(row for row in netbox.tables[object_type].values() if row["name"] == name)


def conflicts(netbox: MemoryNetBox, journal: MemoryJournal) -> dict[str, str]:
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    return {change.label: change.reason for change in plan.conflicts}


def changed_by_somebody(netbox: MemoryNetBox, object_type: str, name: str, fields: Row) -> None:
    netbox.update(object_type, [{"id": one(netbox, object_type, name)["id"], **fields}], "by hand")


def test_they_are_made_once_and_taken_back(netbox: MemoryNetBox) -> None:
    before, journal = picture(netbox), MemoryJournal()
    assert apply(netbox, RIGHTS, journal).ok
    assert one(netbox, "owners", "Nobody")["group"] is None
    assert apply(netbox, RIGHTS).write_requests == 0
    assert {entry.object_type for entry in netbox.changelog} == {"sites"}
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_an_update_is_put_back(netbox: MemoryNetBox) -> None:
    apply(netbox, RIGHTS)
    before, journal = picture(netbox), MemoryJournal()
    fewer = {**RIGHTS["permissions"][0], "actions": ["view"], "constraints": None}  # type: ignore[dict-item]
    assert apply(netbox, {"permissions": [fewer]}, journal).totals()["updated"] == 1
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


@pytest.mark.parametrize(
    ("object_type", "name", "fields"),
    [
        ("permissions", "Edit sites", {"actions": ["view", "change", "delete"]}),
        ("permissions", "Edit sites", {"constraints": None}),
        ("owner_groups", "Network", {"name": "Networks"}),
        ("owners", "Core team", {"user_groups": []}),
        ("permissions", "Edit sites", {"description": "relied upon"}),
        ("permissions", "Edit sites", {"users": None}),
    ],
)
def test_what_somebody_changed_since_stays(
    netbox: MemoryNetBox, object_type: str, name: str, fields: dict[str, Any]
) -> None:
    journal = MemoryJournal()
    apply(netbox, RIGHTS, journal)
    if "users" in fields:
        fields = {"users": tuple(netbox.tables["users"])}
    changed_by_somebody(netbox, object_type, name, fields)
    (field,) = fields
    told = conflicts(netbox, journal)
    assert told[name] == f"changed since, NetBox does not log by whom: {field}"
    undo(netbox, journal, force=True)
    assert not netbox.tables[object_type]


def test_a_group_that_somebody_has_joined_stays(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, RIGHTS, journal)
    group = one(netbox, "groups", "Operators")["id"]
    netbox.create("users", [{"username": "jo", "groups": (group,)}], "by hand")
    assert conflicts(netbox, journal) == {"Operators": "others depend on it: user 'jo'"}


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER])
@pytest.mark.parametrize("position", range(5))
def test_a_lost_answer_costs_nothing(netbox: MemoryNetBox, fault: Fault, position: int) -> None:
    before, journal = picture(netbox), MemoryJournal()
    netbox.faults.extend([Fault.NONE] * position + [fault])
    assert apply(netbox, {**RIGHTS, "options": {"metadata": "off"}}, journal, lanes=1).ok
    assert len(netbox.tables["permissions"]) == len(netbox.tables["groups"]) == 1
    assert set(journal.results().values()) == {Result.CREATED.value}
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_a_batch_that_broke_off_knows_its_own_by_their_values(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, {"groups": RIGHTS["groups"], "options": {"metadata": "off"}}, journal)
    journal.outcomes.clear()  # killed between NetBox's answer and the journal
    report = undo(netbox, journal)
    assert (report.ok, netbox.tables["groups"]) == (True, {})


def test_without_a_journal_nothing_is_known_of_them(netbox: MemoryNetBox) -> None:
    apply(netbox, RIGHTS)
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", None)
    assert {change.object_type for change in plan.changes} == {"sites"}
    assert FROM_CHANGELOG in plan.warnings
    with pytest.raises(RollbackError):
        NetBoxBulkOrchestrator(MemoryNetBox()).plan_rollback("b-test", None)


def test_an_export_names_the_owner_and_leaves_rights_alone(netbox: MemoryNetBox) -> None:
    apply(netbox, RIGHTS)
    made = NetBoxBulkOrchestrator(netbox).export({"sites": [one(netbox, "sites", "AMS1")["id"]]})
    assert made.document["sites"][0]["owner"] == "Core team"
    assert made.document.keys().isdisjoint({"groups", "permissions", "owners", "owner_groups"})


@pytest.mark.parametrize("odd", [0, False, "{}", [{"status": "active"}, 5]])
def test_what_is_no_condition_is_not_taken_for_one(netbox: MemoryNetBox, odd: Any) -> None:
    rights = {"name": "all", "object_types": ["dcim.site"], "actions": ["view"], "constraints": odd}
    with pytest.raises(DocumentError) as caught:
        apply(netbox, {"permissions": [rights]})
    assert str(caught.value.problems[0]).startswith("permissions[0].constraints: is no condition")


def test_a_group_gets_its_permissions_from_them(netbox: MemoryNetBox) -> None:
    with pytest.raises(DocumentError) as caught:
        apply(netbox, {"groups": [{"name": "Operators", "permissions": ["Edit sites"]}]})
    assert str(caught.value.problems[0]) == (
        "groups[0].permissions: documents cannot set permissions of groups (say it at the permission)"
    )
