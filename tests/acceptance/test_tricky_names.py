"""Names that are equal, or look odd, and a device type that brings its interfaces."""

from __future__ import annotations

from netbox_mcp.stack import Stack
from tests.acceptance.conftest import PlainNetBox, Users, apply

DOCUMENT = {
    "device_types": [{"manufacturer": "Cisco", "model": "X-1"}, {"manufacturer": "Arista", "model": "X-1"}],
    "manufacturers": [{"name": "Cisco"}, {"name": "Arista"}, {"name": "Société Générale d'Équipement"}],
    "sites": [{"name": "Zürich/HB"}, {"name": "São Paulo (GRU)"}, {"name": "東京", "slug": "tokyo"}],
    "devices": [
        {
            "name": name,
            "site": site,
            "role": "Zugang/Étage",
            "device_type": {"manufacturer": maker, "model": "X-1"},
            "interfaces": [
                {"name": "Gi1/0/1", "type": "1000base-t"},
                {"name": "Vlan 1/ä", "type": "virtual"},
            ],
        }
        for maker, site, name in [
            ("Cisco", "Zürich/HB", "sw/1-é"),
            ("Arista", "São Paulo (GRU)", "sw/1-é"),
            ("Arista", "東京", "東京-1, [rack 2]"),
        ]
    ],
    "options": {"expand": False},
}


def test_equal_and_odd_names(stack: Stack, users: Users, netbox: PlainNetBox) -> None:
    stack.start_worker()
    status = users.over_stdio(lambda client: apply(client, DOCUMENT))
    assert status["status"] == "completed", status
    devices = {(row["name"], row["site"]["name"]): row for row in netbox.all("dcim/devices")}
    assert {key: row["device_type"]["manufacturer"]["name"] for key, row in devices.items()} == {
        ("sw/1-é", "Zürich/HB"): "Cisco",
        ("sw/1-é", "São Paulo (GRU)"): "Arista",
        ("東京-1, [rack 2]", "東京"): "Arista",
    }
    assert sorted(row["model"] for row in netbox.all("dcim/device-types")) == ["X-1", "X-1"]
    assert len(netbox.all("dcim/interfaces")) == 6

    entries = netbox.changelog_entries()
    again = users.over_stdio(lambda client: apply(client, DOCUMENT))
    assert set(again["counts"]) == {"unchanged"}
    assert netbox.changelog_entries() == entries


def test_a_device_type_with_24_interface_templates(stack: Stack, users: Users, netbox: PlainNetBox) -> None:
    maker = netbox.post("dcim/manufacturers", {"name": "Cisco", "slug": "cisco"})
    kind = netbox.post(
        "dcim/device-types", {"manufacturer": maker["id"], "model": "C9200-24T", "slug": "c9200-24t"}
    )
    netbox.post(
        "dcim/interface-templates",
        [{"device_type": kind["id"], "name": f"Gi1/0/{port}", "type": "1000base-t"} for port in range(1, 25)],
    )
    document = {
        "sites": [{"name": "AMS1"}],
        "devices": [
            {
                "name": "sw-[1-8]",
                "site": "AMS1",
                "role": "Access",
                "device_type": "C9200-24T",
                "interfaces": [
                    {"name": "Gi1/0/[1-4]", "description": "access port {1}"},
                    {"name": "Gi1/0/24", "type": "1000base-t", "mtu": 9000},
                    {"name": "Vlan1", "type": "virtual"},
                ],
                "ip_addresses": [{"address": "192.0.2.{1}/24", "interface": "Gi1/0/24"}],
                "primary_ip4": "192.0.2.{1}/24",
            }
        ],
    }
    stack.start_worker()
    status = users.over_stdio(lambda client: apply(client, document))
    assert status["status"] == "completed", status
    interfaces = {(row["device"]["name"], row["name"]): row for row in netbox.all("dcim/interfaces")}
    assert len(interfaces) == 8 * 25
    assert interfaces["sw-3", "Gi1/0/4"]["description"] == "access port 4"
    assert interfaces["sw-3", "Gi1/0/24"]["mtu"] == 9000
    assert all(row["primary_ip4"] for row in netbox.all("dcim/devices"))

    entries = netbox.changelog_entries()
    again = users.over_stdio(lambda client: apply(client, document))
    assert set(again["counts"]) == {"unchanged"}
    assert netbox.changelog_entries() == entries
