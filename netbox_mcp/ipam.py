"""Addresses, prefixes and VLANs: what is free, how full it is, and taking the next one.

The next free one is NetBox's own choice, made under its own lock: twenty callers
at once get twenty different ones. What is there already is found by name, so
that asking again takes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from netbox_mcp.dependencies import get_endpoints
from netbox_mcp.failures import UsageError
from netbox_mcp.finding import find_one, the_one
from netbox_mcp.sync_apply import one_at_a_time
from netbox_mcp.writes import WriteReply, allocate, ensure_object
from orchestrator.errors import NotThereError
from orchestrator.ports import Row

GLOBAL = "global"
LAST_VLAN_ID = 4094


class FreeReply(BaseModel):
    """What is free, in order; nothing is reserved by looking."""

    within: str
    free: list[str | int]
    more: bool = Field(description="whether there are others")


class UsageReply(BaseModel):
    """How full a prefix is."""

    prefix: str
    vrf: str | None = None
    size: int = Field(description="addresses in it")
    addresses: int = Field(description="recorded in NetBox")
    child_prefixes: int
    ranges: int
    percent: float = Field(description="addresses of size")


def find_free_addresses(prefix: str, vrf: str | None, count: int, target: str) -> FreeReply:
    """The first free addresses of a prefix. Raises NotThereError, UsageError, NetBoxError."""
    found = find_prefix(prefix, vrf, target)
    rows = get_endpoints(target).raw(f"ipam/prefixes/{found['id']}/available-ips", count + 1)
    free = [row["address"] for row in rows]
    return FreeReply(within=found["prefix"], free=free[:count], more=len(free) > count)


def measure_use(prefix: str, vrf: str | None, target: str) -> UsageReply:
    """Count what NetBox has in a prefix. Raises NotThereError, UsageError, NetBoxError."""
    found = find_prefix(prefix, vrf, target)
    endpoints, network = get_endpoints(target), ipaddress.ip_network(found["prefix"])
    inside = {"parent": found["prefix"], **_same_vrf(found)}
    addresses = endpoints.find("ipam.ipaddress").count(**inside)
    return UsageReply(
        prefix=found["prefix"],
        vrf=found["vrf"]["name"] if found["vrf"] else None,
        size=network.num_addresses,
        addresses=addresses,
        child_prefixes=endpoints.find("ipam.prefix").count(within=found["prefix"], **_same_vrf(found)),
        ranges=endpoints.find("ipam.iprange").count(**inside),
        percent=round(100 * addresses / network.num_addresses, 2),
    )


def create_address(
    address: str | None,
    prefix: str | None,
    vrf: str | None,
    fields: Mapping[str, Any],
    device: str | None,
    interface: str | None,
    confirm: bool,
    target: str,
) -> WriteReply:
    """Record an address, or take the next free one of a prefix; with `interface` it is assigned there.

    One with the same DNS name in the prefix is taken for the one that is wanted.
    """
    if (address is None) == (prefix is None):
        raise UsageError("Give either address or prefix.", "With prefix the next free address is taken.")
    if (device is None) != (interface is None):
        raise UsageError("device and interface go together.", "Name both, or none.")
    if "dns_name" in fields:  # NetBox keeps them in lower case
        fields = {**fields, "dns_name": fields["dns_name"].lower()}
    held = {"device": device, "interface": interface} if interface is not None else {}
    if address is not None:
        in_vrf = {"vrf": None if vrf == GLOBAL else vrf} if vrf is not None else {}
        entry = {"address": address, **in_vrf, **fields, **held}
        return ensure_object("ip_addresses", entry, None, confirm, target)
    assert prefix is not None
    found = find_prefix(prefix, vrf, target)
    wanted = {**fields, **_assignment(device, interface, target)}
    place = f"ipam/prefixes/{found['id']}/available-ips"
    named = {"dns_name": fields.get("dns_name"), "parent": found["prefix"], **_same_vrf(found)}
    with one_at_a_time(target):
        there = find_one("ipam.ipaddress", named, target) if "dns_name" in fields else None
        if there is None:
            what = f"the next free address of {found['prefix']}"
            return allocate("ipam.ipaddress", place, wanted, what, confirm, target)
    # Outside: the batch that this makes may have to wait for another one.
    return ensure_object("ip_addresses", {"id": there["id"], **fields, **held}, None, confirm, target)


def create_prefix(
    prefix: str | None,
    within: str | None,
    length: int | None,
    vrf: str | None,
    fields: Mapping[str, Any],
    confirm: bool,
    target: str,
) -> WriteReply:
    """Record a prefix, or take the next free one of a length within another.

    One with the same description within it is taken for the one that is wanted.
    """
    if (prefix is None) == (within is None) or (within is None) != (length is None):
        raise UsageError(
            "Give either prefix, or within and length.", 'For example within="10.0.0.0/16", length=24.'
        )
    if prefix is not None:
        network = _network(prefix)
        chosen = _find_vrf(vrf, target)
        match = {"prefix": network, "vrf_id": chosen["id"] if chosen else "null"}
        in_vrf = {"vrf": chosen["id"]} if chosen else {}
        return ensure_object("ipam.prefix", {"prefix": network, **in_vrf, **fields}, match, confirm, target)
    assert within is not None
    container = find_prefix(within, vrf, target)
    place = f"ipam/prefixes/{container['id']}/available-prefixes"
    with one_at_a_time(target):
        if "description" in fields:
            named = {"description": fields["description"], "mask_length": length}
            inside = {"within": container["prefix"], **_same_vrf(container)}
            there = find_one("ipam.prefix", {**named, **inside}, target)
            if there is not None:
                return ensure_object("ipam.prefix", fields, {"id": there["id"]}, confirm, target)
        what = f"the next free /{length} of {container['prefix']}"
        return allocate("ipam.prefix", place, {"prefix_length": length, **fields}, what, confirm, target)


def create_vlan(
    name: str,
    vid: int | None,
    group: str | None,
    site: str | None,
    fields: Mapping[str, Any],
    confirm: bool,
    target: str,
) -> WriteReply:
    """Record a VLAN, or take the next free id of a group. One of that name there is the one wanted."""
    if group is not None and site is not None:
        raise UsageError("A VLAN belongs to a group or to a site.", "Give one of group and site.")
    found = the_one("ipam.vlangroup", {"name": group}, target) if group is not None else None
    at_site = {"site": the_one("dcim.site", {"name": site}, target)["id"]} if site is not None else {}
    place = (
        {"group_id": found["id"]} if found else {"site_id": at_site.get("site", "null"), "group_id": "null"}
    )
    if vid is None and found is None:
        raise UsageError(
            "Give vid, or a group whose next free id is taken.", "netbox_find_available_vlan_id helps."
        )
    with one_at_a_time(target):
        there = find_one("ipam.vlan", {"name": name, **place}, target)
        if there is not None and vid in (None, there["vid"]):
            return ensure_object("ipam.vlan", {"name": name, **fields}, {"id": there["id"]}, confirm, target)
        if vid is None:
            assert found is not None
            what = f"the next free VLAN id of {found['name']}"
            spot = f"ipam/vlan-groups/{found['id']}/available-vlans"
            return allocate("ipam.vlan", spot, {"name": name, **fields}, what, confirm, target)
        holder = find_one("ipam.vlan", {"vid": vid, **place}, target)
        if holder is not None:
            raise UsageError(
                f"VLAN {vid} there is {holder['name']!r}, not {name!r}.",
                "netbox_update_object renames it; netbox_find_available_vlan_id finds a free one.",
            )
        wanted = {"vid": vid, "name": name, **at_site, **({"group": found["id"]} if found else {}), **fields}
        return ensure_object("ipam.vlan", wanted, {"vid": vid, **place}, confirm, target)


def find_free_vlan_ids(group: str | None, site: str | None, count: int, target: str) -> FreeReply:
    """The first free VLAN ids of a group, or of a site's own VLANs."""
    if (group is None) == (site is None):
        raise UsageError("Give either group or site.", "Ids are unique within a group.")
    endpoints = get_endpoints(target)
    if group is not None:
        found = the_one("ipam.vlangroup", {"name": group}, target)
        rows = endpoints.raw(f"ipam/vlan-groups/{found['id']}/available-vlans", count + 1)
        free = [row["vid"] for row in rows]
    else:
        found = the_one("dcim.site", {"name": site}, target)
        taken = endpoints.find("ipam.vlan").filter(site_id=found["id"], fields=["vid"])
        used = {row["vid"] for row in taken}
        free = [vid for vid in range(1, LAST_VLAN_ID + 1) if vid not in used]
    return FreeReply(within=found["name"], free=free[:count], more=len(free) > count)


def find_prefix(prefix: str, vrf: str | None, target: str) -> Row:
    """The one prefix of that notation. Raises NotThereError; UsageError where several VRFs have it."""
    network = _network(prefix)
    chosen = _find_vrf(vrf, target) if vrf is not None else None
    in_vrf = {} if vrf is None else {"vrf_id": chosen["id"] if chosen else "null"}
    rows = get_endpoints(target).find("ipam.prefix").filter(prefix=network, **in_vrf)
    if not rows:
        raise NotThereError(f"NetBox has no prefix {network}.", "netbox_get_objects lists ipam.prefix.")
    if len(rows) > 1:
        names = ", ".join(sorted(row["vrf"]["name"] if row["vrf"] else GLOBAL for row in rows))
        raise UsageError(f"{len(rows)} prefixes are {network}, in: {names}.", "Say which by vrf.")
    return rows[0]


def _same_vrf(prefix: Row) -> Row:
    """The filter for what is in the VRF of a prefix."""
    return {"vrf_id": prefix["vrf"]["id"] if prefix["vrf"] else "null"}


def _network(prefix: str) -> str:
    try:
        return str(ipaddress.ip_network(prefix.strip()))
    except ValueError as error:
        raise UsageError(f"{prefix!r} is no prefix: {error}.", "It looks like 192.0.2.0/24.") from None


def _find_vrf(name: str | None, target: str) -> Row | None:
    """The VRF of that name; None for the global table."""
    return None if name in (None, GLOBAL) else the_one("ipam.vrf", {"name": name}, target)


def _assignment(device: str | None, interface: str | None, target: str) -> Row:
    if device is None or interface is None:
        return {}
    found = find_one("dcim.interface", {"device": device, "name": interface}, target)
    if found is None:
        raise NotThereError(f"There is no interface {interface!r} on device {device!r}.")
    return {"assigned_object_type": "dcim.interface", "assigned_object_id": found["id"]}
