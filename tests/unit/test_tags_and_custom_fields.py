"""Tags and custom fields that a document declares: there before who has them, and taken back with them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.models import Plan
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.ports import Row
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, undo

TAGGED = {
    "options": {"tags": ["nightly"]},
    "sites": [{"name": "AMS1", "tags": ["Edge"]}, {"name": "AMS2"}],
    "tags": [{"name": "Edge", "color": "#FF0000"}, "nightly"],
}


@pytest.fixture
def netbox() -> MemoryNetBox:
    return MemoryNetBox()


def plan(netbox: MemoryNetBox, document: dict[str, Any]) -> Plan:
    return NetBoxBulkOrchestrator(netbox).plan(document)


def waits_for(netbox: MemoryNetBox, document: dict[str, Any], change_id: str) -> tuple[str, ...]:
    return next(c.depends_on for c in plan(netbox, document).changes if c.id == change_id)


def problems(netbox: MemoryNetBox, document: dict[str, Any]) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        plan(netbox, document)
    return [str(problem) for problem in caught.value.problems]


def one(netbox: MemoryNetBox, object_type: str, name: str) -> Row:
    return next(row for row in netbox.tables[object_type].values() if row["name"] == name)


def tags_of(netbox: MemoryNetBox, site: str) -> set[str]:
    return {netbox.tables["tags"][tag]["name"] for tag in one(netbox, "sites", site)["tags"]}


# -- tags ------------------------------------------------------------------------------


def test_what_has_a_tag_waits_for_it_wherever_it_is_declared(netbox: MemoryNetBox) -> None:
    backwards = dict(reversed(TAGGED.items()))
    for document in (TAGGED, backwards):
        assert waits_for(netbox, document, "sites/AMS1") == ("tags/Edge", "tags/nightly")
    assert plan(netbox, TAGGED).digest == plan(netbox, backwards).digest
    assert apply(netbox, TAGGED).ok
    assert tags_of(netbox, "AMS1") == {"Edge", "nightly"}
    assert one(netbox, "tags", "Edge")["color"] == "ff0000"
    assert apply(netbox, TAGGED).write_requests == 0


def test_a_tag_is_not_tagged_and_not_made_by_a_mention(netbox: MemoryNetBox) -> None:
    mentioned = {"options": {"create_parents": True}, "sites": [{"name": "AMS1", "tags": ["Edge"]}]}
    assert problems(netbox, mentioned) == ["sites[0].tags[0]: there is no tag 'Edge' (declare it under tags)"]
    assert problems(netbox, {"options": {"tags": ["Edge"]}, "sites": ["AMS1"]}) == [
        "options.tags: there is no tag 'Edge' (declare it under tags)"
    ]


def test_new_tags_join_those_that_are_there(netbox: MemoryNetBox) -> None:
    apply(netbox, {"tags": ["old"], "sites": [{"name": "AMS1", "tags": ["old"]}]})
    before, journal = picture(netbox), MemoryJournal()
    assert apply(netbox, TAGGED, journal).ok
    assert tags_of(netbox, "AMS1") == {"old", "Edge", "nightly"}
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_a_new_tag_that_someone_takes_off_is_drift(netbox: MemoryNetBox) -> None:
    """What the document says of tags is remembered, though one of them had no id when it was planned."""
    apply(netbox, {"tags": ["old"], "sites": [{"name": "AMS1", "tags": ["old"]}]})
    apply(netbox, {"tags": ["new"], "sites": [{"name": "AMS1", "tags": ["new"]}]})
    site, old = one(netbox, "sites", "AMS1"), one(netbox, "tags", "old")
    netbox.update("sites", [{"id": site["id"], "tags": [old["id"]]}], "by hand")
    (change,) = [c for c in plan(netbox, {"sites": [{"name": "AMS1", "tags": ["new"]}]}).changes if c.writes]
    assert change.drift == {"tags": "netbox"}


def test_a_plan_with_new_tags_is_the_same_after_json(netbox: MemoryNetBox) -> None:
    apply(netbox, {"sites": ["AMS1"]})
    made = plan(netbox, TAGGED)
    assert any(change.stamp and change.stamp.tags for change in made.changes)
    assert load_plan(dump_plan(made)) == made


@pytest.mark.parametrize("from_changelog", [False, True])
def test_tags_go_with_the_batch_that_made_them(netbox: MemoryNetBox, from_changelog: bool) -> None:
    netbox.create("sites", [{"name": "AMS1", "slug": "ams1"}], "by hand")
    before, journal = picture(netbox), MemoryJournal()
    assert apply(netbox, TAGGED, journal).ok
    assert undo(netbox, None if from_changelog else journal).ok
    assert picture(netbox) == before


def test_a_tag_that_others_carry_by_now_stays(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, TAGGED, journal)
    edge = one(netbox, "tags", "Edge")
    netbox.create("sites", [{"name": "AMS9", "slug": "ams9", "tags": [edge["id"]]}], "by hand")
    undone = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    assert {c.label: c.reason for c in undone.conflicts} == {"Edge": "others depend on it: site 'AMS9'"}
    assert undo(netbox, journal).totals()["deleted"] == 3
    assert tags_of(netbox, "AMS9") == {"Edge"}


def test_an_export_declares_the_tags_that_it_names(netbox: MemoryNetBox) -> None:
    apply(netbox, TAGGED)
    found = NetBoxBulkOrchestrator(netbox).export({"sites": [one(netbox, "sites", "AMS1")["id"]]})
    assert [tag["name"] for tag in found.document["tags"]] == ["Edge", "nightly"]
    elsewhere = MemoryNetBox()
    assert apply(elsewhere, found.document).ok
    assert tags_of(elsewhere, "AMS1") == {"Edge", "nightly"}
