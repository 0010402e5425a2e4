"""What a token may not do is found out before the first write, and named."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import AccessError, RollbackError
from orchestrator.metadata import METADATA_FIELDS
from orchestrator.models import Plan
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, switches

SITE = {"sites": [{"name": "AMS1", "facility": "old"}]}


@pytest.fixture
def netbox() -> MemoryNetBox:
    return MemoryNetBox()


def plan(netbox: MemoryNetBox, document: Any) -> Plan:
    return NetBoxBulkOrchestrator(netbox).plan(document)


def narrow_definitions(netbox: MemoryNetBox) -> None:
    for row in netbox.tables["custom_fields"].values():
        row["object_types"] = ["dcim.site"]


def stamped(netbox: MemoryNetBox, object_type: str) -> bool:
    return any(
        row.get("custom_fields", {}).get(METADATA_FIELDS[0]) for row in netbox.tables[object_type].values()
    )


# -- our custom fields ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("forbidden", "widens"),
    [("update custom_fields", False), ("custom_fields", False), ("create custom_fields", True)],
)
def test_definitions_are_widened_only_by_who_may_change_them(
    netbox: MemoryNetBox, forbidden: str, widens: bool
) -> None:
    narrow_definitions(netbox)
    netbox.forbidden.add(forbidden)
    report = apply(netbox, switches(1))
    assert report.ok
    assert stamped(netbox, "devices") is widens
    told = [one for one in report.warnings if "may not change custom fields" in one]
    assert bool(told) is not widens


def test_definitions_are_made_only_by_who_may_create_them() -> None:
    netbox = MemoryNetBox(metadata_fields=False, forbidden=["create custom_fields"])
    report = apply(netbox, switches(1))
    assert report.ok
    assert any("may not define custom fields" in warning for warning in report.warnings)
    assert not stamped(netbox, "devices")


def test_who_may_not_see_custom_fields_does_without_metadata(netbox: MemoryNetBox) -> None:
    netbox.forbidden.add("read custom_fields")
    report = apply(netbox, switches(1))
    assert report.ok
    assert any("may not view custom fields" in warning for warning in report.warnings)
    assert not stamped(netbox, "devices")
    assert plan(netbox, switches(1)).writes == 0


def test_a_document_with_custom_fields_needs_to_see_them(netbox: MemoryNetBox) -> None:
    netbox.forbidden.add("read custom_fields")
    with pytest.raises(AccessError):
        plan(netbox, switches(1, custom_fields={"floor": "1"}))


def test_other_types_must_be_seen_in_any_case(netbox: MemoryNetBox) -> None:
    netbox.forbidden.add("read sites")
    with pytest.raises(AccessError):
        plan(netbox, SITE)


# -- deletes ------------------------------------------------------------------------------


def changed_and_created(netbox: MemoryNetBox) -> MemoryJournal:
    """A batch whose rollback restores a site and deletes devices, roles and more."""
    apply(netbox, SITE)
    journal = MemoryJournal()
    apply(netbox, {**switches(2), "sites": [{"name": "AMS1", "facility": "new"}]}, journal)
    return journal


def test_a_rollback_that_may_not_delete_does_nothing_at_all(netbox: MemoryNetBox) -> None:
    engine, journal = NetBoxBulkOrchestrator(netbox), changed_and_created(netbox)
    netbox.forbidden |= {"delete devices", "delete device_roles"}
    before, undo = picture(netbox), MemoryJournal()
    back = engine.plan_rollback("b-test", journal)
    with pytest.raises(AccessError, match="does not let this token delete device_roles and devices"):
        engine.apply(back, "b-undo", undo)
    assert picture(netbox) == before
    assert undo.plans == []


def test_only_what_is_deleted_is_asked_for(netbox: MemoryNetBox) -> None:
    engine, journal = NetBoxBulkOrchestrator(netbox), changed_and_created(netbox)
    netbox.forbidden.add("delete sites")  # the site is restored, not deleted
    assert engine.apply(engine.plan_rollback("b-test", journal), "b-undo", MemoryJournal()).ok
    assert not netbox.tables["devices"]


# -- a rollback is the end of it -------------------------------------------------------------


@pytest.mark.parametrize("remembered", [True, False])
def test_a_rollback_that_only_restored_cannot_be_taken_back_either(
    netbox: MemoryNetBox, remembered: bool
) -> None:
    apply(netbox, SITE)
    engine, journal, undo = NetBoxBulkOrchestrator(netbox), MemoryJournal(), MemoryJournal()
    engine.apply(engine.plan({"sites": [{"name": "AMS1", "facility": "new"}]}), "b-1", journal)
    engine.apply(engine.plan_rollback("b-1", journal), "b-11", undo)
    with pytest.raises(RollbackError, match="b-11 was itself a rollback"):
        engine.plan_rollback("b-11", undo if remembered else None)
    assert netbox.changelog[-1].message == "netbox-mcp batch b-11 (rollback of b-1)"


def test_the_remark_does_not_hide_the_batch_itself(netbox: MemoryNetBox) -> None:
    """b-1 and b-11 begin alike, and the rollback's message names b-1: neither is taken for b-1."""
    engine = NetBoxBulkOrchestrator(netbox)
    engine.apply(engine.plan(SITE), "b-1", MemoryJournal())
    engine.apply(engine.plan_rollback("b-1", None), "b-11", MemoryJournal())
    engine.apply(engine.plan(SITE), "b-12", MemoryJournal())
    assert engine.plan_rollback("b-1", None).writes == 0
    assert engine.plan_rollback("b-12", None).writes == 1


# -- conflicts ----------------------------------------------------------------------------------


def test_a_conflict_changes_the_digest(netbox: MemoryNetBox) -> None:
    apply(netbox, {"sites": [{"name": "AMS1", "facility": "a"}, {"name": "AMS2"}]})
    document = {
        "options": {"on_drift": "fail"},
        "sites": [{"name": "AMS1", "facility": "a"}, {"name": "AMS2", "facility": "b"}],
    }
    one = plan(netbox, document)
    (site,) = (row["id"] for row in netbox.tables["sites"].values() if row["name"] == "AMS1")
    netbox.update("sites", [{"id": site, "facility": "theirs"}], "by hand")
    two = plan(netbox, document)
    assert (one.applyable, two.applyable) == (True, False)
    assert one.digest != two.digest


def test_a_custom_field_is_not_the_field_of_its_name(netbox: MemoryNetBox) -> None:
    definition = {"name": "serial", "type": "text", "object_types": ["dcim.device"]}
    netbox.create("custom_fields", [definition], "by hand")
    apply(netbox, switches(1, serial="A", custom_fields={"serial": "B"}))
    (device,) = netbox.tables["devices"]
    netbox.update("devices", [{"id": device, "custom_fields": {"serial": "theirs"}}], "by hand")
    document = {"options": {"on_drift": "keep"}, **switches(1, serial="C", custom_fields={"serial": "B"})}
    (change,) = (one for one in plan(netbox, document).changes if one.drift)
    assert (dict(change.after), change.kept_drift) == ({"serial": "C"}, ["custom_fields.serial"])


def test_a_rollback_says_of_what_it_cannot_see_whether_it_hangs_on_anything(netbox: MemoryNetBox) -> None:
    """Who may only do what the batch did can take it back; a model's token seldom sees everything."""
    engine, journal = NetBoxBulkOrchestrator(netbox), changed_and_created(netbox)
    netbox.forbidden |= {"read virtual_device_contexts", "read journal_entries"}
    rollback = engine.plan_rollback("b-test", journal)
    assert rollback.conflicts == []
    assert rollback.warnings == (
        "This token may not see journal entries, virtual device contexts: "
        "whatever of these hangs on a deleted object goes along unseen",
    )
