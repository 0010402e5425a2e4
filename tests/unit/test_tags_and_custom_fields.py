"""Tags and custom fields that a document declares: there before who has them, and taken back with them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.models import Plan
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.ports import Query, Row
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


def test_a_field_that_may_hold_what_the_token_cannot_see_stays(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(
        netbox, {"custom_fields": [{"name": "room", "type": "text", "object_types": ["dcim.site"]}]}, journal
    )
    netbox.forbidden.add("read sites")
    (conflict,) = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal).conflicts
    assert conflict.reason == "others depend on it: what sites may hold in it, which this token may not see"


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


# -- custom fields -----------------------------------------------------------------------

ROOM = {"name": "room", "type": "text", "object_types": ["dcim.site"]}
ROOMS = {
    "sites": [{"name": "AMS1", "custom_fields": {"room": "4.11"}}, {"name": "AMS2"}],
    "custom_fields": [ROOM],
}


def value(netbox: MemoryNetBox, site: str, field: str) -> Any:
    (row,) = [row for row in netbox.read(Query("sites", ("name", "custom_fields"))) if row["name"] == site]
    return row["custom_fields"].get(field)


def test_what_sets_a_custom_field_waits_for_its_definition(netbox: MemoryNetBox) -> None:
    backwards = dict(reversed(ROOMS.items()))
    for document in (ROOMS, backwards):
        assert waits_for(netbox, document, "sites/AMS1") == ("custom_fields/room",)
        assert waits_for(netbox, document, "sites/AMS2") == ()
    assert plan(netbox, ROOMS).digest == plan(netbox, backwards).digest
    assert apply(netbox, ROOMS).ok
    assert value(netbox, "AMS1", "room") == "4.11"
    assert apply(netbox, ROOMS).write_requests == 0


def test_what_sets_it_waits_until_it_is_for_its_type(netbox: MemoryNetBox) -> None:
    apply(netbox, {"custom_fields": [{**ROOM, "object_types": ["dcim.rack"]}], "sites": ["AMS1"]})
    assert problems(netbox, {"sites": ROOMS["sites"]}) == [
        "sites[0].custom_fields.room: the custom field 'room' is not for sites "
        "(declare it under custom_fields with dcim.site among its object_types)"
    ]
    wider = {**ROOMS, "custom_fields": [{"name": "room", "object_types": ["dcim.rack", "dcim.site"]}]}
    assert waits_for(netbox, wider, "sites/AMS1") == ("custom_fields/room",)
    before, journal = picture(netbox), MemoryJournal()
    netbox.create("racks", [{"name": "r", "site": one(netbox, "sites", "AMS1")["id"]}], "by hand")
    racks = dict(netbox.tables["racks"])
    assert apply(netbox, wider, journal).ok
    assert undo(netbox, journal).ok
    assert one(netbox, "custom_fields", "room")["object_types"] == ["dcim.rack"]
    assert value(netbox, "AMS1", "room") is None
    assert {**picture(netbox), "racks": {}, "sites": {}} == {**before, "racks": {}, "sites": {}}
    assert netbox.tables["racks"] == racks


def test_values_are_checked_against_what_is_declared(netbox: MemoryNetBox) -> None:
    floor = {"name": "floor", "type": "integer", "object_types": ["dcim.site"]}
    sites = [{"name": "AMS1", "custom_fields": {"floor": "third", "flor": 3}}]
    assert problems(netbox, {"custom_fields": [floor], "sites": sites}) == [
        "sites[0].custom_fields.floor: the custom field 'floor' does not take 'third' "
        "(it is of type integer: give a whole number)",
        "sites[0].custom_fields.flor: there is no custom field 'flor' (did you mean 'floor'?)",
    ]
    assert problems(netbox, {"sites": [{"name": "AMS1", "custom_fields": {"zone": 3}}]}) == [
        "sites[0].custom_fields.zone: there is no custom field 'zone' (declare it under custom_fields)"
    ]


def test_a_new_field_of_a_choice_set_waits_for_that(netbox: MemoryNetBox) -> None:
    document = {
        "sites": [{"name": "AMS1", "custom_fields": {"tier": "gold"}}],
        "custom_fields": [
            {"name": "tier", "type": "select", "object_types": ["dcim.site"], "choice_set": "Tiers"}
        ],
        "custom_field_choice_sets": [{"name": "Tiers", "extra_choices": [["gold", "Gold"]]}],
    }
    assert waits_for(netbox, document, "custom_fields/tier") == ("custom_field_choice_sets/Tiers",)
    before, journal = picture(netbox), MemoryJournal()
    assert apply(netbox, document, journal).ok
    assert undo(netbox, journal).ok
    assert picture(netbox) == before


def test_our_own_two_are_not_the_documents(netbox: MemoryNetBox) -> None:
    own = {"name": "netbox_mcp_batch", "type": "text", "object_types": ["dcim.site"]}
    kept = "the custom field 'netbox_mcp_batch' is kept by netbox-mcp itself (leave it out)"
    assert problems(netbox, {"custom_fields": [own]}) == [f"custom_fields[0]: {kept}"]
    renamed = {"name": "mine", "match": {"name": "netbox_mcp_batch"}}
    assert problems(netbox, {"custom_fields": [renamed]}) == [f"custom_fields[0]: {kept}"]


def test_our_own_two_are_defined_beside_those_of_the_document() -> None:
    netbox = MemoryNetBox(metadata_fields=False)
    made, journal = plan(netbox, ROOMS), MemoryJournal()
    assert made.counts()["custom_fields"] == {"create": 3}
    assert made.digest != plan(netbox, {"sites": [{"name": "AMS1"}, {"name": "AMS2"}]}).digest
    assert apply(netbox, ROOMS, journal).ok
    assert undo(netbox, journal).ok
    names = {row["name"] for row in netbox.tables["custom_fields"].values()}
    assert names == {"netbox_mcp_batch", "netbox_mcp_digests"}


def test_the_type_of_a_custom_field_stays(netbox: MemoryNetBox) -> None:
    apply(netbox, ROOMS)
    assert problems(netbox, {"custom_fields": [{**ROOM, "type": "integer"}]}) == [
        "custom_fields[0].type: the custom field 'room' is of type text, which NetBox does not change "
        "(leave the type out, or declare another field)"
    ]


@pytest.mark.parametrize("from_changelog", [False, True])
@pytest.mark.parametrize("more", [{}, {"required": True}, {"default": "none"}])
def test_a_custom_field_goes_with_the_batch_that_made_it(
    netbox: MemoryNetBox, more: dict[str, Any], from_changelog: bool
) -> None:
    netbox.create("sites", [{"name": "AMS1", "slug": "ams1"}], "by hand")
    before, journal = picture(netbox), MemoryJournal()
    document = {**ROOMS, "custom_fields": [{**ROOM, **more}]}
    if "required" in more:
        document["sites"] = ROOMS["sites"][:1]
    assert apply(netbox, document, journal).ok
    report = undo(netbox, None if from_changelog else journal)
    assert report.ok, report.first_errors
    assert value(netbox, "AMS1", "room") is None
    after = picture(netbox)
    after["sites"][1]["custom_fields"].pop("room", None)  # without a definition, nobody sees it
    assert after == before


def test_a_custom_field_that_others_use_by_now_stays(netbox: MemoryNetBox) -> None:
    journal = MemoryJournal()
    apply(netbox, ROOMS, journal)
    netbox.create("sites", [{"name": "AMS9", "slug": "ams9", "custom_fields": {"room": "9.1"}}], "by hand")
    undone = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    assert {c.label: c.reason for c in undone.conflicts} == {"room": "others depend on it: site 'AMS9'"}
    assert undo(netbox, journal).totals()["deleted"] == 2
    assert value(netbox, "AMS9", "room") == "9.1"


def test_a_custom_field_that_others_use_by_now_stays_as_wide(netbox: MemoryNetBox) -> None:
    apply(netbox, {"custom_fields": [{**ROOM, "object_types": ["dcim.rack"]}]})
    journal = MemoryJournal()
    apply(netbox, ROOMS, journal)
    netbox.create("sites", [{"name": "AMS9", "slug": "ams9", "custom_fields": {"room": "9.1"}}], "by hand")
    undone = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    assert {c.label: c.reason for c in undone.conflicts} == {"room": "others depend on it: site 'AMS9'"}


def test_a_required_custom_field_that_stays_keeps_its_values(netbox: MemoryNetBox) -> None:
    """NetBox lets none of them be empty."""
    netbox.create("sites", [{"name": "AMS1", "slug": "ams1"}], "by hand")
    journal = MemoryJournal()
    apply(netbox, {"sites": ROOMS["sites"][:1], "custom_fields": [{**ROOM, "required": True}]}, journal)
    netbox.create("sites", [{"name": "AMS9", "slug": "ams9", "custom_fields": {"room": "9.1"}}], "by hand")
    undone = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    kept = "AMS1: keeps what it has in the custom field 'room', which is required and stays"
    assert undone.warnings == (kept,)
    assert undo(netbox, journal).first_errors == []
    assert value(netbox, "AMS1", "room") == "4.11"


def test_an_export_of_custom_fields_declares_all_but_ours(netbox: MemoryNetBox) -> None:
    apply(netbox, ROOMS)
    found = NetBoxBulkOrchestrator(netbox).export({"custom_fields": set(netbox.tables["custom_fields"])})
    assert [field["name"] for field in found.document["custom_fields"]] == ["room"]
    assert apply(netbox, found.document).write_requests == 0
    assert apply(MemoryNetBox(), found.document).ok


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", 3, "3"),
        ("boolean", True, 1),
        ("decimal", 1.5, True),
        ("date", "2026-01-31", 20260131),
        ("multiselect", ["a", "b"], "a"),
        ("object", 7, "AMS1"),
        ("multiobject", [7, {"id": 8}], 7),
        ("json", {"a": [1]}, None),
    ],
)
def test_what_a_custom_field_takes(netbox: MemoryNetBox, kind: str, good: Any, bad: Any) -> None:
    def document(value: Any) -> dict[str, Any]:
        sites = [{"name": "AMS1", "custom_fields": {"fact": value}}]
        return {"custom_fields": [{**ROOM, "name": "fact", "type": kind}], "sites": sites}

    assert plan(netbox, document(good)).applyable
    if bad is not None:  # JSON may be anything
        (problem,) = problems(netbox, document(bad))
        assert problem.startswith("sites[0].custom_fields.fact: the custom field 'fact' does not take ")
