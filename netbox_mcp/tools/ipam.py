"""The tools for addresses, prefixes, VLANs and VRFs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netbox_mcp import ipam, writes
from netbox_mcp.ipam import FreeReply, UsageReply
from netbox_mcp.registry import mcp_tool, single_write
from netbox_mcp.tools.arguments import Confirm, Target, given
from netbox_mcp.writes import WriteReply

Prefix = Annotated[str, Field(description="e.g. 192.0.2.0/24")]
Vrf = Annotated[str | None, Field(description="Its VRF, or 'global'; needed where several have it")]
Count = Annotated[int, Field(description="How many", ge=1, le=50)]
Description = Annotated[str | None, Field(description="Optional", max_length=200)]
Status = Annotated[str | None, Field(description="Default: active")]


@mcp_tool(category="ipam", title="Find free addresses", read_only=True)
def netbox_find_available_ip(
    prefix: Prefix, vrf: Vrf = None, count: Count = 1, target: Target = "default"
) -> FreeReply:
    """The first free addresses of a prefix. Looking reserves nothing; netbox_create_ip_address does."""
    return ipam.find_free_addresses(prefix, vrf, count, target)


@mcp_tool(category="ipam", title="Use of a prefix", read_only=True)
def netbox_get_ip_usage(prefix: Prefix, vrf: Vrf = None, target: Target = "default") -> UsageReply:
    """How full a prefix is: its size, and the addresses, ranges and prefixes that NetBox has in it."""
    return ipam.measure_use(prefix, vrf, target)


@single_write(category="ipam", title="Create an address")
def netbox_create_ip_address(
    address: Annotated[str | None, Field(description="With mask, e.g. 192.0.2.5/24")] = None,
    prefix: Annotated[str | None, Field(description="Or take the next free address of this one")] = None,
    vrf: Vrf = None,
    dns_name: Annotated[str | None, Field(description="Asked for again, the same address")] = None,
    device: Annotated[str | None, Field(description="With interface: assign it there")] = None,
    interface: Annotated[str | None, Field(description="Name of the device's interface")] = None,
    status: Status = None,
    description: Description = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Record an address, or take the next free one of a prefix; callers at once get different ones."""
    fields = given(dns_name=dns_name, status=status, description=description)
    return ipam.create_address(address, prefix, vrf, fields, device, interface, confirm, target)


@single_write(category="ipam", title="Create a prefix")
def netbox_create_prefix(
    prefix: Annotated[str | None, Field(description="e.g. 192.0.2.0/24")] = None,
    within: Annotated[str | None, Field(description="Or take the next free one within this prefix")] = None,
    length: Annotated[int | None, Field(description="and of this length", ge=1, le=128)] = None,
    vrf: Vrf = None,
    status: Status = None,
    description: Annotated[str | None, Field(description="Asked for again within, the same prefix")] = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Record a prefix, or take the next free one of a length within another."""
    fields = given(status=status, description=description)
    return ipam.create_prefix(prefix, within, length, vrf, fields, confirm, target)


@mcp_tool(category="ipam", title="Find free VLAN ids", read_only=True)
def netbox_find_available_vlan_id(
    group: Annotated[str | None, Field(description="Name of a VLAN group")] = None,
    site: Annotated[str | None, Field(description="Or of a site")] = None,
    count: Count = 1,
    target: Target = "default",
) -> FreeReply:
    """The first free VLAN ids of a group or a site. Looking reserves nothing; netbox_create_vlan does."""
    return ipam.find_free_vlan_ids(group, site, count, target)


@single_write(category="ipam", title="Create a VLAN", idempotent=True)
def netbox_create_vlan(
    name: Annotated[str, Field(description="e.g. guests", min_length=1, max_length=64)],
    vid: Annotated[int | None, Field(description="Left out: the next free of group", ge=1, le=4094)] = None,
    group: Annotated[str | None, Field(description="Name of its VLAN group")] = None,
    site: Annotated[str | None, Field(description="Or of its site")] = None,
    status: Status = None,
    description: Description = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Record a VLAN, or take the next free id of a group; one of that name there is brought up to date."""
    fields = given(status=status, description=description)
    return ipam.create_vlan(name, vid, group, site, fields, confirm, target)


@single_write(category="ipam", title="Create a VRF", idempotent=True)
def netbox_create_vrf(
    name: Annotated[str, Field(description="e.g. customers", min_length=1, max_length=100)],
    rd: Annotated[str | None, Field(description="Route distinguisher, e.g. 65000:1", max_length=21)] = None,
    description: Description = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Create a VRF, or bring the one of that name up to date."""
    fields = given(name=name, rd=rd, description=description)
    return writes.ensure_object("ipam.vrf", fields, {"name": name}, confirm, target)
