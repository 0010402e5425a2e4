"""What a rollback puts back is what was there: addresses of virtual machines, tags that are to go."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import deeds_in, deeds_logged
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Plan
from orchestrator.netbox.changelog import name_types
from orchestrator.netbox.rest import to_wire
from orchestrator.ports import LoggedChange
from orchestrator.testing import Fault, MemoryNetBox
from tests.netbox.contract_rig import named
from tests.unit.batches import MemoryJournal, apply, picture, switches, undo

KINDS = ("virtualization.vminterface", "ipam.fhrpgroup")
ADDRESS = "203.0.113.9/24"


def seed(netbox: MemoryNetBox, document: dict[str, Any]) -> None:
    """An earlier batch."""
    engine = NetBoxBulkOrchestrator(netbox)
    engine.apply(engine.plan(document), "b-0", MemoryJournal())


def away_from(kind: str) -> tuple[MemoryNetBox, dict[str, Any], MemoryJournal, str]:
    """A batch that took an address away from something with the id of an interface that is there as well."""
    netbox, journal = MemoryNetBox(), MemoryJournal()
    seed(netbox, switches(2))
    interface = min(netbox.tables["interfaces"])
    value = f"{kind} {interface}"
    object_type = {"virtualization.vminterface": "vm_interfaces", "ipam.fhrpgroup": "fhrp_groups"}[kind]
    row = OBJECT_TYPES[object_type]
    netbox.tables[object_type][interface] = {"id": interface, **dict.fromkeys((row.label, *row.key))}
    netbox.create("ip_addresses", [{"address": ADDRESS, "assigned_object": value}], "by hand")
    before = picture(netbox)
    document = {"ip_addresses": [{"address": ADDRESS, "device": "sw-02", "interface": "Vlan1"}]}
    assert apply(netbox, document, journal).ok
    assert picture(netbox) != before
    return netbox, before, journal, value


def written(plan: Plan) -> list[Any]:
    return [(change.id, change.before, change.after) for change in plan.changes if change.writes]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("from_changelog", [False, True])
def test_an_address_goes_back_to_what_it_was_on(kind: str, from_changelog: bool) -> None:
    netbox, before, journal, _ = away_from(kind)
    report = undo(netbox, None if from_changelog else journal)
    assert report.ok, report.first_errors
    assert picture(netbox) == before


@pytest.mark.parametrize("kind", KINDS)
def test_journal_and_changelog_make_the_same_plan(kind: str) -> None:
    netbox, _, journal, value = away_from(kind)
    engine = NetBoxBulkOrchestrator(netbox)
    kept, rebuilt = engine.plan_rollback("b-test", journal), engine.plan_rollback("b-test", None)
    (change,) = (change for change in kept.changes if change.writes)
    assert change.after["assigned_object"] == value
    assert written(kept) == written(rebuilt)
    assert kept.digest == rebuilt.digest


def test_journal_and_changelog_tell_the_same_of_an_address() -> None:
    """Also of one that comes from an interface of a device: its id alone, as in every comparison."""
    netbox, journal = MemoryNetBox(), MemoryJournal()
    seed(netbox, switches(2))
    address = {"address": "192.0.2.1/24", "device": "sw-02", "interface": "Vlan1"}
    apply(netbox, {"options": {"metadata": "off"}, "ip_addresses": [address]}, journal)
    told, _ = deeds_in(journal)
    logged = deeds_logged(netbox.logged("netbox-mcp batch b-test"), {})
    (one,) = (deed for deed in told if deed.object_type == "ip_addresses")
    (other,) = (deed for deed in logged if deed.object_type == "ip_addresses")
    first, second = sorted(netbox.tables["interfaces"])
    assert (one.before, one.after) == ({"assigned_object": first}, {"assigned_object": second})
    assert (other.before, other.after) == (one.before, one.after)


@pytest.mark.parametrize(
    ("value", "kind", "object_id"),
    [
        (None, None, None),
        (7, "dcim.interface", 7),
        ("virtualization.vminterface 7", "virtualization.vminterface", 7),
    ],
)
def test_a_generic_value_is_sent_as_type_and_id(value: Any, kind: str | None, object_id: int | None) -> None:
    assert to_wire(OBJECT_TYPES["ip_addresses"], {"assigned_object": value}) == {
        "assigned_object_type": kind,
        "assigned_object_id": object_id,
    }


def logged(object_type: str, **after: Any) -> LoggedChange:
    return LoggedChange(object_type, 1, "create", {}, after, "", "", "", "", "")


def test_types_are_asked_for_only_where_something_has_one() -> None:
    asked: list[set[int]] = []

    def names_of(ids: set[int]) -> dict[int, str]:
        asked.append(ids)
        return {12: "dcim.interface"}

    loose = [logged("sites", name="AMS1"), logged("ip_addresses", assigned_object_type=None)]
    assert name_types(loose, names_of) == loose
    assert asked == []
    bound = [logged("ip_addresses", assigned_object_type=12), logged("ip_addresses", assigned_object_type=99)]
    named_types = [change.after["assigned_object_type"] for change in name_types(bound, names_of)]
    assert named_types == ["dcim.interface", 99]
    assert asked == [{12, 99}]


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.FAILED])
@pytest.mark.parametrize("metadata", ["on", "off"])
def test_tags_go_again_although_no_answer_came(fault: Fault, metadata: str) -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    netbox.create("tags", [named("campus"), named("core")], "by hand")
    sites, options = {"sites": [{"name": "AMS1"}]}, {"metadata": metadata}
    seed(netbox, {**sites, "options": {**options, "tags": ["core"]}})
    before = picture(netbox)
    assert apply(netbox, {**sites, "options": {**options, "tags": ["campus"]}}, journal).ok
    netbox.faults.append(fault)
    report = undo(netbox, journal)
    assert report.ok, report.first_errors
    assert report.write_requests == (1 if fault is Fault.LOST_AFTER else 2)
    assert picture(netbox) == before
