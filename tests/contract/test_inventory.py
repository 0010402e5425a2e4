"""The tools that find by name what is asked for most, on the real NetBox."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.clients import call
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp


@pytest.fixture(autouse=True)
def every_tool(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("NETBOX_MCP_TOOLSETS", "all")


@pytest.fixture
def site(netbox: NetBoxOverHttp, prefix: str) -> str:
    """A site with two devices, one of which has an interface with an address."""
    document = campus(prefix, devices=1)
    document["devices"].append(
        {
            **document["devices"][0],
            "name": f"{prefix}-core",
            "interfaces": [{"name": "Vlan1", "type": "virtual"}, {"name": "Gi1", "type": "1000base-t"}],
            "ip_addresses": [{"address": "198.51.100.7/24", "interface": "Vlan1", "vrf": f"{prefix}-vrf"}],
            "primary_ip4": {"address": "198.51.100.7/24", "vrf": f"{prefix}-vrf"},
        }
    )
    vrf = netbox.create("ipam/vrfs", name=f"{prefix}-vrf")["id"]
    netbox.create("ipam/prefixes", prefix="198.51.100.0/24", vrf=vrf)
    netbox.create("ipam/prefixes", prefix="198.51.0.0/16", vrf=vrf)
    done = call("netbox_bulk_ensure_devices", batch=document, confirm=True)
    assert done.data["status"] == "completed", done.text
    return f"{prefix} site"


def test_a_device_is_found_by_its_name(site: str, prefix: str) -> None:
    device = call("netbox_get_device", name=f"{prefix.upper()}-CORE").data
    assert (device["name"], device["site"]["name"]) == (f"{prefix}-core", site)
    assert device["primary_ip4"]["address"] == "198.51.100.7/24"
    assert call("netbox_get_device", name=f"{prefix}-core", site=site).data == device
    found = call("netbox_get_device_interfaces", device=f"{prefix}-core")
    assert {row["name"] for row in found.data["results"]} == {"Vlan1", "Gi1"}


def test_devices_are_listed_by_names(site: str, prefix: str) -> None:
    for conditions in (
        {"site": site},
        {"role": f"{prefix} access"},
        {"manufacturer": f"{prefix} Acme", "status": "active"},
    ):
        listed = call("netbox_list_devices", **conditions)
        assert [row["name"] for row in listed.data["results"]] == [f"{prefix}-core", f"{prefix}-sw-1"]
        assert listed.tokens < 600
    assert call("netbox_list_devices", site=site, status="offline").data["count"] == 0
    assert call("netbox_list_devices", site=site, limit=1).data["next_offset"] == 1


def test_an_address_tells_who_has_it_and_what_holds_it(site: str, prefix: str) -> None:
    found = call("netbox_find_ip", address="198.51.100.7", vrf=f"{prefix}-vrf").data
    assert [row["assigned_object"]["device"]["name"] for row in found["addresses"]] == [f"{prefix}-core"]
    assert [row["prefix"] for row in found["prefixes"]] == ["198.51.0.0/16", "198.51.100.0/24"]
    nobody = call("netbox_find_ip", address="198.51.100.8", vrf=f"{prefix}-vrf").data
    assert (nobody["addresses"], len(nobody["prefixes"])) == ([], 2)


def test_sites_vlans_and_manufacturers(netbox: NetBoxOverHttp, site: str, prefix: str) -> None:
    found = call("netbox_get_site_by_name", name=site).data
    assert call("netbox_get_site_by_name", name=found["slug"]).data == found
    netbox.create("ipam/vlans", name=f"{prefix}-v", vid=7, site=found["id"])
    assert call("netbox_get_vlan_by_name", name=f"{prefix}-v", site=site).data["vid"] == 7
    makers = call("netbox_get_manufacturers", limit=100).data
    assert makers["count"] >= 1
    assert {"name", "devicetype_count"} <= makers["results"][0].keys()


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "words"),
    [
        ("netbox_get_device", {"name": "nowhere-1"}, "not_found", "nowhere-1"),
        ("netbox_get_device", {"name": "x", "site": "nowhere"}, "not_found", "nowhere"),
        ("netbox_list_devices", {"role": "nothing"}, "not_found", "nothing"),
        ("netbox_list_devices", {"limit": 1_000}, "invalid_arguments", "limit"),
        ("netbox_find_ip", {"address": "ten"}, "invalid_arguments", "no address"),
        ("netbox_get_vlan_by_name", {"name": "nothing-7"}, "not_found", "nothing-7"),
        ("netbox_get_site_by_name", {"name": ""}, "invalid_arguments", "name"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    netbox: NetBoxOverHttp, tool: str, arguments: dict[str, Any], code: str, words: str
) -> None:
    reply = call(tool, **arguments)
    assert reply.is_error
    assert (reply.data["code"], words in reply.data["message"]) == (code, True), reply.text
