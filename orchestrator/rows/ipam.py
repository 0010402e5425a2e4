"""Addresses, networks, VLANs: the rows of `ipam`."""

from __future__ import annotations

from orchestrator.object_type import INTERFACES, PLACES, SET_IN_NETBOX, ObjectType, Reading, organizational

# NetBox 4.7 keeps them as port mappings, all of which these two would replace.
_PORTS = dict.fromkeys(("protocol", "ports"), 'write port_mappings: ["tcp/22"]')

ROWS = (
    organizational("rirs", "ipam/rirs", singular="RIR"),
    organizational("roles", "ipam/roles"),
    ObjectType(
        "asns", "ipam/asns", singular="ASN", label="asn", key=("asn",), unique=(("asn",),), demanded=("rir",)
    ),
    organizational("asn_ranges", "ipam/asn-ranges", singular="ASN range"),
    ObjectType(
        "aggregates",
        "ipam/aggregates",
        label="prefix",
        key=("prefix",),
        asked_singly=("prefix",),
        key_enforced=False,
    ),
    ObjectType("route_targets", "ipam/route-targets", unique=(("name",),)),
    ObjectType(
        "vrfs",
        "ipam/vrfs",
        singular="VRF",
        unique=(("rd",),),
        other_keys=("rd",),
        key_enforced=False,
    ),
    ObjectType(
        "vlan_groups",
        "ipam/vlan-groups",
        singular="VLAN group",
        unique=(("scope", "name"), ("scope", "slug")),
        optional_key=("scope",),
        slug_from="name",
        generic={"scope": (*PLACES, "racks", "clusters", "cluster_groups")},
    ),
    ObjectType(
        "vlan_translation_policies",
        "ipam/vlan-translation-policies",
        singular="VLAN translation policy",
        unique=(("name",),),
    ),
    ObjectType(
        "vlan_translation_rules",
        "ipam/vlan-translation-rules",
        singular="VLAN translation rule",
        label="local_vid",
        key=("local_vid", "policy"),
        untold={"policy": "vlan_translation_policies"},
        unique=(("policy", "local_vid"), ("policy", "remote_vid")),
    ),
    ObjectType(
        "vlans",
        "ipam/vlans",
        singular="VLAN",
        label="vid",
        key=("vid",),
        optional_key=("group", "site"),
        also_called="name",
        unique=(("vid", "group"), ("name", "group")),
        deferred=("qinq_svlan",),
        key_enforced=False,
    ),
    ObjectType(
        "prefixes",
        "ipam/prefixes",
        singular="prefix",
        label="prefix",
        key=("prefix",),
        optional_key=("vrf",),
        unique_by_setting=(("vrf", "prefix"),),
        generic={"scope": PLACES},
        key_enforced=False,
        reading=Reading.BY_NAME,
    ),
    ObjectType(
        "ip_ranges",
        "ipam/ip-ranges",
        singular="IP range",
        label="start_address",
        key=("start_address", "end_address"),
        optional_key=("vrf",),
        key_enforced=False,
    ),
    ObjectType(
        "fhrp_groups",
        "ipam/fhrp-groups",
        singular="FHRP group",
        label="group_id",
        key=("group_id", "protocol"),
        optional_key=("name",),
        refused={"auth_key": SET_IN_NETBOX},
        key_enforced=False,
    ),
    ObjectType(
        "ip_addresses",
        "ipam/ip-addresses",
        singular="IP address",
        label="address",
        by_host=True,
        key=("address",),
        optional_key=("vrf",),
        unique_by_setting=(("vrf", "address"),),
        generic={"assigned_object": (*INTERFACES, "fhrp_groups")},
        deferred=("nat_inside",),
        key_enforced=False,
        reading=Reading.BY_ADDRESS,
        lane="assigned_object",
    ),
    ObjectType(
        "fhrp_group_assignments",
        "ipam/fhrp-group-assignments",
        singular="FHRP group assignment",
        label="group",
        key=("interface", "group"),
        unique=(("interface", "group"),),
        generic={"interface": INTERFACES},
    ),
    ObjectType(
        "service_templates", "ipam/service-templates", unique=(("name",),), refused=_PORTS, since="4.7"
    ),
    ObjectType(
        "services",
        "ipam/services",
        key=("name", "parent_object"),
        generic={"parent_object": ("devices", "virtual_machines", "fhrp_groups")},
        demanded=("port_mappings",),
        refused=_PORTS,
        since="4.7",
        key_enforced=False,
    ),
)
