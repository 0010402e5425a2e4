"""A campus of 300 devices from an empty NetBox, through MCP, queue and worker; and once more, for nothing."""

from __future__ import annotations

from typing import Any

from mcp.client import Client

from netbox_mcp.stack import Stack
from tests.acceptance.conftest import PlainNetBox, Users, apply, call, follow

SITES = ["AMS1", "FRA2", "LYS1", "Zürich HB", "São Paulo"]
TYPES = [
    ("Cisco", "C9300-48P"),
    ("Cisco", "ISR4331/K9"),
    ("Arista", "DCS-7280SR3"),
    ("Arista", "DCS-7050SX3"),
    ("Juniper", "EX4300-48T"),
    ("Juniper", "MX204"),
]
PORTS = [("eth0", "1000base-t"), ("eth1", "10gbase-x-sfpp"), ("eth2", "10gbase-x-sfpp"), ("Vlan1", "virtual")]


def device(number: int) -> dict[str, Any]:
    maker, model = TYPES[number % len(TYPES)]
    address = f"10.{number // 250}.{number % 250}.1/24"
    return {
        "name": f"sw-{number:03}",
        "site": SITES[number % len(SITES)],
        "role": "Access" if number % 3 else "Core",
        "device_type": {"manufacturer": maker, "model": model},
        "status": "active" if number % 7 else "planned",
        "serial": f"SN{number:06}",
        "description": f"rack {number % 12}",
        "interfaces": [
            {"name": name, "type": kind, "enabled": number % 5 != 0, "description": f"{name} of {number}"}
            for name, kind in PORTS
        ],
        "ip_addresses": [
            {"address": address, "interface": "Vlan1", "dns_name": f"sw-{number:03}.example.net"}
        ],
        "primary_ip4": address,
    }


DOCUMENT = {
    "manufacturers": [{"name": name} for name in ("Cisco", "Arista", "Juniper")],
    "sites": [{"name": "São Paulo", "slug": "gru"}, *({"name": name} for name in SITES[:4])],
    "device_types": [{"manufacturer": maker, "model": model, "u_height": 1} for maker, model in TYPES],
    "devices": [device(number) for number in range(300)],
}


def test_three_hundred_devices_from_nothing_and_again_for_nothing(
    stack: Stack, users: Users, netbox: PlainNetBox
) -> None:
    stack.start_worker()
    stack.start_server()

    async def start(client: Client) -> str:
        started = await call(client, "netbox_start_bulk_async", batch=DOCUMENT, confirm=True)
        assert started["status"] == "queued", started
        return str(started["task_id"])

    task_id = users.over_stdio(start)
    status = users.over_http(lambda client: follow(client, task_id))
    assert status["status"] == "completed", status
    parents = len(SITES) + len(TYPES) + 3 + 2 + 2  # makers, roles, and our two custom fields
    assert status["counts"] == {"created": parents + 300 * 6, "updated": 300}

    read_back(netbox)
    messages = {
        row["message"] for row in netbox.all("core/object-changes", changed_object_type="dcim.device")
    }
    assert messages == {f"netbox-mcp batch {status['batch_id']}"}

    entries = netbox.changelog_entries()
    again = users.over_http(lambda client: apply(client, DOCUMENT))
    assert again["status"] == "completed"
    assert set(again["counts"]) == {"unchanged"}
    assert netbox.changelog_entries() == entries


def read_back(netbox: PlainNetBox) -> None:
    """Every object and every field of the document, as NetBox itself tells it."""
    devices = {row["name"]: row for row in netbox.all("dcim/devices")}
    interfaces = {(row["device"]["name"], row["name"]): row for row in netbox.all("dcim/interfaces")}
    addresses = {row["address"]: row for row in netbox.all("ipam/ip-addresses")}
    types = {(row["manufacturer"]["name"], row["model"]): row for row in netbox.all("dcim/device-types")}
    assert (len(devices), len(interfaces), len(addresses), len(types)) == (300, 1200, 300, 6)
    assert {row["name"]: row["slug"] for row in netbox.all("dcim/sites")} == {
        "AMS1": "ams1", "FRA2": "fra2", "LYS1": "lys1", "Zürich HB": "zrich-hb", "São Paulo": "gru",
    }  # fmt: skip
    for wanted in DOCUMENT["devices"]:
        row = devices[wanted["name"]]
        address = addresses[wanted["primary_ip4"]]
        kind = types[wanted["device_type"]["manufacturer"], wanted["device_type"]["model"]]
        assert row["device_type"]["id"] == kind["id"]
        assert row["site"]["name"] == wanted["site"]
        assert row["role"]["name"] == wanted["role"]
        assert row["status"]["value"] == wanted["status"]
        assert row["serial"] == wanted["serial"]
        assert row["description"] == wanted["description"]
        assert row["primary_ip4"]["id"] == address["id"]
        assert address["dns_name"] == wanted["ip_addresses"][0]["dns_name"]
        assert address["assigned_object_id"] == interfaces[wanted["name"], "Vlan1"]["id"]
        for port in wanted["interfaces"]:
            live = interfaces[wanted["name"], port["name"]]
            assert live["type"]["value"] == port["type"]
            assert live["enabled"] == port["enabled"]
            assert live["description"] == port["description"]
