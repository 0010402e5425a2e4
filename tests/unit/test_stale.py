"""What has moved between two plans of one document, in words; and which plans may not be applied."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import NotApplyableError, StalePlanError
from orchestrator.models import Action, Change, Plan
from orchestrator.plan import digest_of
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.stale import date_plan, refuse_moved, refuse_outdated, refuse_unapplyable, what_moved
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import apply, switches

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AS_IT_IS = switches(2, status="active")
WANTED = switches(2, status="offline")


@pytest.fixture
def netbox() -> MemoryNetBox:
    """Two switches that are active; the documents want them offline."""
    netbox = MemoryNetBox()
    apply(netbox, AS_IT_IS)
    return netbox


def planned(netbox: MemoryNetBox, document: Any = WANTED) -> Plan:
    return NetBoxBulkOrchestrator(netbox).plan(document)


def id_of(netbox: MemoryNetBox, object_type: str, label: str) -> int:
    return next(
        key
        for key, row in netbox.tables[object_type].items()
        if label in (row.get("name"), row.get("address"))
    )


def set_field(netbox: MemoryNetBox, object_type: str, label: str, **fields: Any) -> None:
    netbox.tables[object_type][id_of(netbox, object_type, label)].update(fields)


def told(stored: Plan, fresh: Plan) -> list[str]:
    return [moved.message for moved in what_moved(stored, fresh)]


def test_nothing_has_moved(netbox: MemoryNetBox) -> None:
    stored = load_plan(dump_plan(planned(netbox)))
    assert told(stored, planned(netbox)) == []
    refuse_moved(stored, planned(netbox))


def test_the_digest_survives_being_kept(netbox: MemoryNetBox) -> None:
    for plan in (planned(netbox), planned(MemoryNetBox())):
        assert digest_of(load_plan(dump_plan(plan))) == plan.digest


def test_a_field_that_the_plan_touches(netbox: MemoryNetBox) -> None:
    stored = planned(netbox)
    set_field(netbox, "devices", "sw-01", status="planned")
    assert told(stored, planned(netbox)) == ["device 'sw-01': status is now 'planned' (was 'active')"]


def test_a_field_that_somebody_has_set_as_the_plan_would(netbox: MemoryNetBox) -> None:
    stored = planned(netbox)
    set_field(netbox, "devices", "sw-01", status="offline")
    assert told(stored, planned(netbox)) == ["device 'sw-01': status is now 'offline' (was 'active')"]


def test_a_field_that_was_as_it_should_be(netbox: MemoryNetBox) -> None:
    stored = planned(netbox, AS_IT_IS)
    assert stored.writes == 0
    set_field(netbox, "devices", "sw-02", status="planned")
    fresh = planned(netbox, AS_IT_IS)
    assert told(stored, fresh) == ["device 'sw-02': status is now 'planned' (was 'active')"]


def test_a_field_that_the_document_does_not_name_is_no_move(netbox: MemoryNetBox) -> None:
    stored = planned(netbox)
    set_field(netbox, "devices", "sw-01", comments="painted red")
    assert told(stored, planned(netbox)) == []


def test_a_link(netbox: MemoryNetBox) -> None:
    stored = planned(netbox)
    set_field(netbox, "devices", "sw-01", primary_ip4=None)
    assert told(stored, planned(netbox)) == ["device 'sw-01': primary_ip4 is now none (was '192.0.2.1/24')"]


def test_an_object_that_is_gone(netbox: MemoryNetBox) -> None:
    stored = planned(netbox)
    address = id_of(netbox, "ip_addresses", "192.0.2.2/24")
    set_field(netbox, "devices", "sw-02", primary_ip4=None)
    del netbox.tables["ip_addresses"][address]
    assert told(stored, planned(netbox)) == [
        "device 'sw-02': primary_ip4 is now none (was '192.0.2.2/24')",
        "IP address '192.0.2.2/24' is gone",
    ]


def test_what_exists_by_now_is_told_without_what_only_follows_from_it() -> None:
    netbox = MemoryNetBox()
    document = {"options": {"metadata": "off"}, **switches(2)}
    stored = planned(netbox, document)
    apply(netbox, {"options": {"metadata": "off"}, "sites": [{"name": "AMS1"}]})
    # The devices refer to the site by its id now; that is no news of theirs.
    assert told(stored, planned(netbox, document)) == ["site 'AMS1' exists by now"]


def test_another_order_of_errors_is_told_though_no_object_differs(netbox: MemoryNetBox) -> None:
    stored = planned(netbox)
    other = planned(netbox, {"options": {"on_error": "stop"}, **WANTED})
    assert told(stored, other) == ["what would be done is no longer the same"]


def test_the_refusal_names_the_first_and_holds_them_all() -> None:
    netbox = MemoryNetBox()
    document = {"options": {"metadata": "off"}, **switches(60)}
    stored = planned(netbox, document)
    apply(netbox, document)
    with pytest.raises(StalePlanError) as caught:
        refuse_moved(stored, planned(netbox, document), "plan p-1")
    message = caught.value.message
    assert message.startswith("NetBox has changed since plan p-1 was made; nothing was written.")
    assert message.count("exists by now") == 5
    assert message.endswith("; and 179 more.")  # 4 parents, and 3 objects for each of 60 switches
    assert len(caught.value.details()) == 50
    assert caught.value.details()[0].keys() == {"object_type", "label", "message"}


def test_a_plan_grows_old() -> None:
    plan = date_plan(Plan("default", ()), NOW, valid_seconds=86_400)
    assert (plan.made_at, plan.stale_at) == ("2026-11-01T12:00:00+00:00", "2026-11-02T12:00:00+00:00")
    refuse_outdated(plan, NOW + timedelta(hours=23))
    with pytest.raises(StalePlanError, match="Plan p-1 was made more than 24 hours ago"):
        refuse_outdated(plan, NOW + timedelta(hours=24), "Plan p-1")
    refuse_outdated(Plan("default", ()), NOW)  # nobody has dated it


def test_conflicts_forbid_a_plan_and_emptiness_does_not() -> None:
    site = Change("sites/A", "sites", Action.UPDATE, "A", "sites[0]", live_id=1, after={"name": "A"})
    conflict = replace(site, id="sites/B", label="B", action=Action.CONFLICT, reason="changed in NetBox")
    refuse_unapplyable(Plan("default", ()))
    refuse_unapplyable(Plan("default", (site,)))
    refuse_unapplyable(Plan("default", (site, conflict), undoes="b-1"))  # a rollback passes over it
    with pytest.raises(NotApplyableError) as caught:
        refuse_unapplyable(Plan("default", (site, conflict)))
    assert "The plan has 1 conflict; nothing was written. site 'B': changed in NetBox." in str(caught.value)
    assert caught.value.details()[0]["path"] == "sites[0]"
