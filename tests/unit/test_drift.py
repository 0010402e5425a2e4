"""Drift over several applies: what others have changed is told, what we have written ourselves never is."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.metadata import BATCH_FIELD, DIGESTS_FIELD, METADATA_FIELDS, field_digest
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import apply, switches

CISCO = {"manufacturer": "Cisco", "model": "C9300-48P"}


@pytest.fixture
def netbox() -> MemoryNetBox:
    return MemoryNetBox()


def told(netbox: MemoryNetBox, document: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What the plan of a document tells of drift, by label."""
    plan = NetBoxBulkOrchestrator(netbox).plan(document)
    return {change.label: dict(change.drift) for change in plan.changes if change.drift}


def device(netbox: MemoryNetBox, name: str) -> dict[str, Any]:
    return next(row for row in netbox.tables["devices"].values() if row["name"] == name)


def by_hand(netbox: MemoryNetBox, name: str, **fields: Any) -> None:
    netbox.update("devices", [{"id": device(netbox, name)["id"], **fields}], "by hand")


def with_options(document: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {**document, "options": options}


def two(**of_the_second: Any) -> dict[str, Any]:
    """Two switches, each with its primary address; fields for the second one alone."""
    document = switches(2)
    (both,) = document["devices"]
    return {"devices": [both, {"name": "sw-02", "site": "AMS1", **of_the_second}]}


def test_what_is_written_is_stamped_with_its_batch_and_a_digest_of_each_field(netbox: MemoryNetBox) -> None:
    apply(netbox, switches(1, serial="A1"))
    stamp = device(netbox, "sw-01")["custom_fields"]
    assert stamp[BATCH_FIELD] == "b-test"
    assert stamp[DIGESTS_FIELD]["serial"] == field_digest("A1")
    # The primary address was written by a change of its own, the rest before it: all of it is there.
    assert stamp[DIGESTS_FIELD]["primary_ip4"] == field_digest(device(netbox, "sw-01")["primary_ip4"])
    assert stamp[DIGESTS_FIELD].keys() == {
        "name", "site", "role", "device_type", "serial", "primary_ip4"
    }  # fmt: skip


def test_what_someone_changes_is_told_and_written_over(netbox: MemoryNetBox) -> None:
    document = switches(2, status="active", serial="A1")
    apply(netbox, document)
    by_hand(netbox, "sw-01", status="offline", comments="not ours")
    assert told(netbox, document) == {"sw-01": {"status": "netbox"}}
    assert told(netbox, switches(2, status="planned")) == {"sw-01": {"status": "both"}}
    assert apply(netbox, document).ok
    assert device(netbox, "sw-01")["status"] == "active"
    assert told(netbox, switches(2, status="planned")) == {}


def test_what_is_kept_is_told_until_someone_settles_it(netbox: MemoryNetBox) -> None:
    apply(netbox, switches(1, status="active", serial="A1"))
    by_hand(netbox, "sw-01", status="offline")
    keeping = with_options(switches(1, status="active", serial="A2"), on_drift="keep")
    for _ in range(2):
        assert apply(netbox, keeping).ok
        assert (device(netbox, "sw-01")["status"], device(netbox, "sw-01")["serial"]) == ("offline", "A2")
        plan = NetBoxBulkOrchestrator(netbox).plan(keeping)
        assert (plan.writes, plan.complete, plan.applyable) == (0, False, False)
        assert told(netbox, keeping) == {"sw-01": {"status": "netbox"}}
    by_hand(netbox, "sw-01", status="active")
    assert NetBoxBulkOrchestrator(netbox).plan(keeping).complete


def test_a_plan_with_drift_cannot_be_applied_where_that_is_forbidden(netbox: MemoryNetBox) -> None:
    apply(netbox, switches(2, status="active"))
    failing = with_options(switches(2, status="offline"), on_drift="fail")
    assert NetBoxBulkOrchestrator(netbox).plan(failing).applyable
    by_hand(netbox, "sw-01", status="planned")
    plan = NetBoxBulkOrchestrator(netbox).plan(failing)
    assert not plan.applyable
    assert [change.label for change in plan.conflicts] == ["sw-01"]


def test_a_primary_address_that_we_took_away_ourselves_is_no_drift(netbox: MemoryNetBox) -> None:
    """It moves to the other switch; the one that loses it is not in that document."""
    apply(netbox, switches(2))
    (both,) = switches(2)["devices"]
    moving = {
        "name": "sw-02",
        "site": "AMS1",
        "ip_addresses": [{"address": "192.0.2.1/24", "interface": "Vlan1"}],
        "primary_ip4": "192.0.2.1/24",
    }
    assert apply(netbox, {"devices": [moving]}).ok
    assert device(netbox, "sw-01")["primary_ip4"] is None
    assert told(netbox, {"devices": [both]}) == {}
    by_hand(netbox, "sw-02", primary_ip4=None)
    assert told(netbox, {"devices": [moving]}) == {"sw-02": {"primary_ip4": "netbox"}}


def test_a_link_that_has_become_what_we_want_is_remembered_as_such(netbox: MemoryNetBox) -> None:
    """Somebody set the out-of-band address as the next document wants it, which writes everything else."""
    second = {"address": "192.0.2.200/24", "interface": "Vlan1"}
    addresses = [{"address": "192.0.2.1/24", "interface": "Vlan1"}, second]
    document = switches(1, ip_addresses=addresses, primary_ip4="192.0.2.1/24", oob_ip="192.0.2.1/24")
    apply(netbox, document)
    ids = {row["address"]: id_ for id_, row in netbox.tables["ip_addresses"].items()}
    by_hand(netbox, "sw-01", oob_ip=ids["192.0.2.200/24"])
    swapped = {**document["devices"][0], "serial": "A2", "status": "planned"}
    swapped |= {"primary_ip4": "192.0.2.200/24", "oob_ip": "192.0.2.200/24"}
    assert apply(netbox, {"devices": [swapped]}).ok
    assert told(netbox, document) == {}


def test_tags_of_others_are_no_drift_and_neither_are_other_tags_of_ours(netbox: MemoryNetBox) -> None:
    tags = netbox.create("tags", [{"name": tag, "slug": tag} for tag in ("lab", "core", "edge")], "by hand")
    ids = {row["name"]: row["id"] for row in tags.rows}
    apply(netbox, switches(1, tags=["lab", "core"]))
    by_hand(netbox, "sw-01", tags=list(ids.values()))
    assert told(netbox, switches(1, tags=["lab", "core"])) == {}
    by_hand(netbox, "sw-01", tags=[ids["edge"], ids["core"]])
    assert told(netbox, switches(1, tags=["core", "lab"])) == {"sw-01": {"tags": "netbox"}}
    apply(netbox, switches(1, tags=["lab", "core"]))
    netbox.create("tags", [{"name": "new", "slug": "new"}], "by hand")
    assert told(netbox, switches(1, tags=["new"])) == {}


def test_an_object_that_is_as_it_should_be_is_not_stamped(netbox: MemoryNetBox) -> None:
    made = netbox.create("sites", [{"name": "AMS1", "slug": "ams1"}], "by hand").rows[0]
    apply(netbox, {"sites": [{"name": "AMS1", "status": "active"}, {"name": "FRA1"}]})
    rows = netbox.tables["sites"]
    stamps = {row["name"]: row["custom_fields"].get(BATCH_FIELD) for row in rows.values()}
    assert stamps == {"AMS1": None, "FRA1": "b-test"}
    assert rows[made["id"]]["last_updated"] == made["last_updated"]


def test_the_first_apply_defines_the_custom_fields() -> None:
    netbox = MemoryNetBox(metadata_fields=False)
    assert NetBoxBulkOrchestrator(netbox).plan(switches(1)).counts()["custom_fields"] == {"create": 2}
    assert apply(netbox, switches(1, status="active")).ok
    assert {row["name"] for row in netbox.tables["custom_fields"].values()} == set(METADATA_FIELDS)
    assert device(netbox, "sw-01")["custom_fields"][BATCH_FIELD] == "b-test"
    assert "custom_fields" not in NetBoxBulkOrchestrator(netbox).plan(switches(2)).counts()
    by_hand(netbox, "sw-01", status="offline")
    assert told(netbox, switches(1, status="active")) == {"sw-01": {"status": "netbox"}}


@pytest.mark.parametrize("option", ["off", False])
def test_without_metadata_nothing_is_left_and_no_drift_told(netbox: MemoryNetBox, option: Any) -> None:
    apply(netbox, switches(1, status="active"))
    by_hand(netbox, "sw-01", status="offline")
    off = with_options(switches(1, status="active", custom_fields={}), metadata=option)
    assert told(netbox, off) == {}
    bare = MemoryNetBox(metadata_fields=False)
    assert apply(bare, off).warnings == []
    assert bare.tables["custom_fields"] == {}


def test_a_token_that_may_not_define_them_does_without_and_says_so() -> None:
    netbox = MemoryNetBox(metadata_fields=False, forbidden=["custom_fields"])
    report = apply(netbox, switches(1))
    assert report.ok
    assert [warning.partition(",")[0] for warning in report.warnings] == ["No metadata is kept"]
    assert apply(netbox, switches(1)).write_requests == 0


@pytest.mark.parametrize(
    ("kind", "written", "returned", "wanted"),
    [
        ("text", "", None, "net"),
        ("datetime", "2025-01-01T12:00:00+00:00", "2025-01-01T12:00:00Z", "2026-01-01T12:00:00Z"),
        ("json", [2, 1], [1, 2], [3]),
        ("json", {"a": 1, "b": [2]}, {"b": [2], "a": 1}, {"a": 2}),
    ],
)
def test_another_notation_in_netbox_is_no_drift(
    netbox: MemoryNetBox, kind: str, written: Any, returned: Any, wanted: Any
) -> None:
    definition = {"name": "fact", "type": kind, "object_types": ["dcim.device"]}
    netbox.create("custom_fields", [definition], "by hand")
    apply(netbox, switches(1, custom_fields={"fact": written}))
    by_hand(netbox, "sw-01", custom_fields={"fact": returned})
    assert told(netbox, switches(1, custom_fields={"fact": wanted})) == {}
