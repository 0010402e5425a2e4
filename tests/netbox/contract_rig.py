"""What the contract suites stand on: a NetBox with what the port does not offer, and a small world in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.ports import NetBox, Query, Row

MESSAGE = "netbox-mcp batch contract"


@dataclass(frozen=True)
class Rig:
    """A NetBox that is empty, the same one in dry-run, and what the port does not offer."""

    netbox: NetBox
    dry: NetBox
    add_interface_template: Callable[[int, str, str], None]
    changelog: Callable[[], list[tuple[str, str]]]  # (action, message), oldest first
    user: str  # whose token it is
    onlooker: Callable[[], NetBox]  # with a token that may not write
    add_vm_interface: Callable[[], int]


@dataclass(frozen=True)
class World:
    """Two sites, a device type, a device with an interface and an address."""

    netbox: NetBox
    sites: list[int]
    manufacturer: int
    platform: int
    device_type: int
    role: int
    device: int
    interface: int
    address: int

    def device_row(self, **fields: object) -> Row:
        return {"site": self.sites[0], "device_type": self.device_type, "role": self.role, **fields}


def create(netbox: NetBox, object_type: str, *rows: Row) -> list[int]:
    return [row["id"] for row in netbox.create(object_type, rows, MESSAGE).rows]


def named(name: str, **fields: object) -> Row:
    return {"name": name, "slug": name.lower().replace(" ", "-"), **fields}


def read_one(netbox: NetBox, object_type: str, object_id: int, *fields: str) -> Row:
    (row,) = netbox.read(Query(object_type, fields, "id", [object_id]))
    return row


def how_many(netbox: NetBox, object_type: str) -> int:
    (extent,) = netbox.extents([object_type])
    return extent.count


def build_world(netbox: NetBox) -> World:
    sites = create(netbox, "sites", named("AMS1"), named("AMS2"))
    (maker,) = create(netbox, "manufacturers", named("Cisco"))
    (platform,) = create(netbox, "platforms", named("IOS XE", manufacturer=maker))
    (role,) = create(netbox, "device_roles", named("Access"))
    kind = {"manufacturer": maker, "model": "C9300-48P", "slug": "c9300-48p"}
    (device_type,) = create(netbox, "device_types", kind)
    base = {"site": sites[0], "device_type": device_type, "role": role}
    (device,) = create(netbox, "devices", {"name": "sw-1", "asset_tag": "A1", "serial": "S1", **base})
    (port,) = create(netbox, "interfaces", {"device": device, "name": "Vlan1", "type": "virtual"})
    (address,) = create(netbox, "ip_addresses", {"address": "192.0.2.1/24", "assigned_object": port})
    return World(netbox, sites, maker, platform, device_type, role, device, port, address)
