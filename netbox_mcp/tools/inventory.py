"""The tools that find by name what is asked for most."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from netbox_mcp import inventory
from netbox_mcp.registry import mcp_tool
from netbox_mcp.tools.arguments import Target
from netbox_mcp.tools.read import Limit, ObjectsReply, Offset

Site = Annotated[str | None, Field(description="Name of its site, where the name is not unique")]
DeviceName = Annotated[str, Field(description="Name of the device", min_length=1)]
Named = Annotated[str | None, Field(description="By name")]


@mcp_tool(category="inventory", title="Get a device", read_only=True, verbatim=True)
def netbox_get_device(name: DeviceName, site: Site = None, target: Target = "default") -> dict[str, Any]:
    """One device by its name: where it stands, what it is, its addresses."""
    return inventory.get_device(name, site, target)


@mcp_tool(category="inventory", title="List devices", read_only=True, verbatim=True)
def netbox_list_devices(
    site: Named = None,
    role: Named = None,
    manufacturer: Named = None,
    tenant: Named = None,
    status: Annotated[str | None, Field(description="e.g. active")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    target: Target = "default",
) -> ObjectsReply:
    """Devices by the names of their site, role, manufacturer or tenant, page by page."""
    names = {"site": site, "role": role, "manufacturer": manufacturer, "tenant": tenant, "status": status}
    return ObjectsReply(**inventory.list_devices(names, limit, offset, target))


@mcp_tool(category="inventory", title="Get a site", read_only=True, verbatim=True)
def netbox_get_site_by_name(
    name: Annotated[str, Field(description="Its name or slug", min_length=1)], target: Target = "default"
) -> dict[str, Any]:
    """One site, with how many devices, racks and prefixes it has."""
    return inventory.get_site(name, target)


@mcp_tool(category="inventory", title="Find an address", read_only=True, verbatim=True)
def netbox_find_ip(
    address: Annotated[str, Field(description="e.g. 192.0.2.5", min_length=2)],
    vrf: Annotated[str | None, Field(description="Only in this VRF")] = None,
    target: Target = "default",
) -> dict[str, Any]:
    """Who has an address: its entries with the interface and device, and the prefixes that hold it."""
    return inventory.find_address(address, vrf, target)


@mcp_tool(category="inventory", title="Get a VLAN", read_only=True, verbatim=True)
def netbox_get_vlan_by_name(
    name: Annotated[str, Field(description="Its name", min_length=1)],
    site: Site = None,
    target: Target = "default",
) -> dict[str, Any]:
    """One VLAN by its name."""
    return inventory.get_vlan(name, site, target)


@mcp_tool(category="inventory", title="Interfaces of a device", read_only=True, verbatim=True)
def netbox_get_device_interfaces(
    device: DeviceName,
    site: Site = None,
    limit: Limit = 20,
    offset: Offset = 0,
    target: Target = "default",
) -> ObjectsReply:
    """The interfaces of a device: type, VLANs, cable and what is at its other end."""
    return ObjectsReply(**inventory.get_interfaces(device, site, limit, offset, target))


@mcp_tool(category="inventory", title="Manufacturers", read_only=True, verbatim=True)
def netbox_get_manufacturers(
    limit: Limit = 50, offset: Offset = 0, target: Target = "default"
) -> ObjectsReply:
    """The manufacturers that NetBox knows."""
    return ObjectsReply(**inventory.get_manufacturers(limit, offset, target))
