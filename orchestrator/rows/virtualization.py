"""Clusters, virtual machines and what hangs on them: the rows of `virtualization`."""

from __future__ import annotations

from orchestrator.object_type import PLACES, ObjectType, Reading, component, organizational

ROWS = (
    organizational("cluster_types", "virtualization/cluster-types"),
    organizational("cluster_groups", "virtualization/cluster-groups"),
    ObjectType(
        "clusters",
        "virtualization/clusters",
        unique=(("name", "group"),),
        optional_key=("group",),
        generic={"scope": PLACES},
        key_enforced=False,
    ),
    ObjectType(
        "virtual_machine_types",
        "virtualization/virtual-machine-types",
        unique=(("name",), ("slug",)),
        slug_from="name",
        fold_case=True,
        since="4.7",
    ),
    ObjectType(
        "virtual_machines",
        "virtualization/virtual-machines",
        unique=(("cluster", "tenant", "name"),),
        optional_key=("cluster", "tenant"),
        deferred=("primary_ip4", "primary_ip6"),
        children={
            "vm_interfaces": "virtual_machine",
            "virtual_disks": "virtual_machine",
            "ip_addresses": "virtual_machine",
        },
        fold_case=True,
        key_enforced=False,
        reading=Reading.BY_NAME,
        lane="cluster",
    ),
    component(
        "vm_interfaces",
        "virtualization/interfaces",
        host="virtual_machine",
        singular="VM interface",
        deferred=("parent", "bridge", "primary_mac_address"),
        asked_singly=("vlan_id",),
    ),
    component("virtual_disks", "virtualization/virtual-disks", host="virtual_machine"),
)
