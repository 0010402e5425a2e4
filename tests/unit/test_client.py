"""Single calls: the same answers as a batch of one."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError, NetBoxError
from orchestrator.models import Plan, Report
from orchestrator.netbox.client import NetBoxClient
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, picture


@pytest.fixture
def netbox() -> MemoryNetBox:
    return MemoryNetBox()


@pytest.fixture
def client(netbox: MemoryNetBox) -> NetBoxClient:
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0.0)

    def apply(document: Any) -> tuple[Plan, Report]:
        plan = engine.plan(document)
        return plan, engine.apply(plan, "b-one", MemoryJournal())

    return NetBoxClient(engine, apply)


def test_references_by_name_slug_key_and_id_mix_freely(client: NetBoxClient, netbox: MemoryNetBox) -> None:
    maker = client.ensure_manufacturer(name="Cisco Systems", slug="cisco", confirm=True).object
    assert maker is not None
    kind = client.ensure_device_type(model="C9300-48P", manufacturer_id=maker["id"], confirm=True).object
    site = client.ensure_site(name="AMS1", status="planned", confirm=True).object
    role = client.ensure_device_role(name="Access", color="4caf50", confirm=True).object
    assert kind is not None
    assert site is not None
    assert role is not None
    made = client.ensure_device(
        name="sw-1",
        site="ams1",
        role_id=role["id"],
        device_type={"manufacturer": "cisco", "model": "C9300-48P"},
        interfaces=[{"name": "Vlan1", "type": "virtual"}],
        ip_addresses=[{"address": "192.0.2.1/24", "interface": "Vlan1"}],
        primary_ip4="192.0.2.1/24",
        confirm=True,
    )
    assert (made.status, made.action, made.batch_id) == ("ok", "created", "b-one")
    assert made.object is not None
    assert made.object["site"]["id"] == site["id"]
    assert netbox.tables["devices"][made.object["id"]]["device_type"] == kind["id"]
    assert netbox.tables["devices"][made.object["id"]]["primary_ip4"] is not None


def test_without_confirm_it_says_what_it_would_do(client: NetBoxClient, netbox: MemoryNetBox) -> None:
    before = picture(netbox)
    would = client.ensure_site(name="AMS1", facility="x")
    assert (would.status, would.action, would.object) == ("confirmation_required", "create", None)
    assert would.after["facility"] == "x"
    assert picture(netbox) == before


def test_again_is_unchanged_and_another_value_is_an_update(
    client: NetBoxClient, netbox: MemoryNetBox
) -> None:
    client.ensure_site(name="AMS1", facility="x", confirm=True)
    writes = netbox.write_requests
    assert client.ensure_site(name="AMS1", facility="x", confirm=True).action == "unchanged"
    assert netbox.write_requests == writes
    changed = client.ensure_site(name="AMS1", facility="y", confirm=True)
    assert (changed.action, changed.before, changed.after) == (
        "updated",
        {"facility": "x"},
        {"facility": "y"},
    )


def test_a_primary_address_alone_is_an_update_too(client: NetBoxClient) -> None:
    device: dict[str, Any] = {
        "name": "sw-1",
        "site": "AMS1",
        "role": "Access",
        "device_type": {"manufacturer": "Cisco", "model": "X"},
        "interfaces": [{"name": "Vlan1", "type": "virtual"}],
        "ip_addresses": [{"address": "192.0.2.1/24", "interface": "Vlan1"}],
    }
    client.ensure_device(**device, confirm=True)
    changed = client.ensure_device(**device, primary_ip4="192.0.2.1/24", confirm=True)
    assert changed.action == "updated"
    assert changed.before == {"primary_ip4": None}


def test_a_field_that_does_not_exist_is_told_before_anything_is_sent(client: NetBoxClient) -> None:
    with pytest.raises(DocumentError, match=r"unknown field of sites.*facility"):
        client.ensure_site(name="AMS1", facilty="x", confirm=True)


def test_what_netbox_refuses_is_an_error_with_its_reason(client: NetBoxClient, netbox: MemoryNetBox) -> None:
    client.ensure_device_role(name="Access", confirm=True)
    parents = {"site": "AMS1", "role": "Access", "device_type": {"manufacturer": "Cisco", "model": "X"}}
    client.ensure_device(name="sw-1", asset_tag="42", confirm=True, **parents)
    with pytest.raises(NetBoxError, match=r"refused the device 'sw-2': .*asset"):
        client.ensure_device(name="sw-2", asset_tag="42", confirm=True, **parents)
