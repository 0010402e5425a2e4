"""What is asked for most, by name: devices and their interfaces, sites, addresses, VLANs, manufacturers.

Rows as NetBox has them, with the fields that matter; reads.py has everything else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from netbox_mcp.failures import UsageError
from netbox_mcp.finding import find_one, the_one
from netbox_mcp.reads import get_object, get_objects

DEVICE = ["id", "name", "status", "site", "location", "rack", "position", "role", "device_type", "platform"]
DEVICE += ["tenant", "serial", "asset_tag", "primary_ip4", "primary_ip6", "description"]
LISTED = ["id", "name", "status", "site", "role", "device_type", "primary_ip4"]
INTERFACE = ["id", "name", "type", "enabled", "description", "mtu", "mode", "untagged_vlan", "lag", "parent"]
INTERFACE += ["mac_address", "cable", "connected_endpoints"]
ADDRESS = ["id", "address", "vrf", "status", "role", "dns_name", "assigned_object_type", "assigned_object"]
ADDRESS += ["tenant", "description"]
PREFIX = ["id", "prefix", "vrf", "status", "role", "scope", "vlan", "description"]

_NAMED = {
    "site": "dcim.site",
    "role": "dcim.devicerole",
    "tenant": "tenancy.tenant",
    "manufacturer": "dcim.manufacturer",
}


def get_device(name: str, site: str | None, target: str) -> dict[str, Any]:
    """One device. Raises NotThereError, and UsageError where several bear the name."""
    found = the_one("dcim.device", {"name__ie": name, **_at(site, target)}, target)
    return get_object("dcim.device", found["id"], DEVICE, False, target)


def list_devices(
    conditions: Mapping[str, str | None], limit: int, offset: int, target: str
) -> dict[str, Any]:
    """Devices by names of what they belong to. Raises NotThereError where there is no such site, role, ..."""
    filters: dict[str, Any] = {
        f"{name}_id": the_one(object_type, {"name": conditions[name]}, target)["id"]
        for name, object_type in _NAMED.items()
        if conditions.get(name) is not None
    }
    if conditions.get("status") is not None:
        filters["status"] = conditions["status"]
    return get_objects("dcim.device", filters, LISTED, False, limit, offset, "name", target)


def get_site(name: str, target: str) -> dict[str, Any]:
    """One site, by its name or its slug."""
    return get_object("dcim.site", _site_id(name, target), None, False, target)


def find_address(address: str, vrf: str | None, target: str) -> dict[str, Any]:
    """What NetBox has of an address: its entries, and the prefixes that hold it, the narrowest last."""
    try:
        host = str(ipaddress.ip_interface(address.strip()).ip)
    except ValueError:
        raise UsageError(f"{address!r} is no address.", "It looks like 192.0.2.5.") from None
    in_vrf = {"vrf_id": the_one("ipam.vrf", {"name": vrf}, target)["id"]} if vrf is not None else {}
    entries = get_objects("ipam.ipaddress", {"address": host, **in_vrf}, ADDRESS, False, 20, 0, None, target)
    holding = get_objects("ipam.prefix", {"contains": host, **in_vrf}, PREFIX, False, 20, 0, None, target)
    return {"addresses": entries["results"], "prefixes": holding["results"]}


def get_vlan(name: str, site: str | None, target: str) -> dict[str, Any]:
    """One VLAN. Raises NotThereError, and UsageError where several bear the name."""
    found = the_one("ipam.vlan", {"name": name, **_at(site, target)}, target)
    return get_object("ipam.vlan", found["id"], None, False, target)


def get_interfaces(device: str, site: str | None, limit: int, offset: int, target: str) -> dict[str, Any]:
    """The interfaces of one device."""
    found = the_one("dcim.device", {"name__ie": device, **_at(site, target)}, target)
    return get_objects(
        "dcim.interface", {"device_id": found["id"]}, INTERFACE, False, limit, offset, None, target
    )


def get_manufacturers(limit: int, offset: int, target: str) -> dict[str, Any]:
    """The manufacturers, with how many device types each has."""
    fields = ["id", "name", "slug", "description", "devicetype_count"]
    return get_objects("dcim.manufacturer", {}, fields, False, limit, offset, "name", target)


def _at(site: str | None, target: str) -> dict[str, int]:
    return {} if site is None else {"site_id": _site_id(site, target)}


def _site_id(name: str, target: str) -> int:
    """The id of a site by its name, or else its slug."""
    found = find_one("dcim.site", {"name": name}, target) or the_one("dcim.site", {"slug": name}, target)
    return int(found["id"])
