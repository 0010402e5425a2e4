"""Types of devices and modules, devices, and what hangs on them: the other rows of `dcim`."""

from __future__ import annotations

from orchestrator.object_type import INTERFACES, ObjectType, Reading, component, organizational
from orchestrator.rows.templates import IN_DEVICE_TYPES, IN_MODULE_TYPES, MAPPED_FROM_THE_FRONT

_COMPONENTS = (
    "interfaces",
    "console_ports",
    "console_server_ports",
    "power_ports",
    "power_outlets",
    "cooling_intakes",
    "cooling_outflows",
    "rear_ports",
    "front_ports",
)

_CABLED = (
    "interfaces",
    "console_ports",
    "console_server_ports",
    "power_ports",
    "power_outlets",
    "power_feeds",
    "front_ports",
    "rear_ports",
    "circuit_terminations",
)
"""What NetBox lets a cable end at (dcim/constants.py, CABLE_TERMINATION_MODELS)."""

_AT_CREATION = "NetBox asks it once and forgets it; a new module comes with the components of its type"

ROWS = (
    ObjectType(
        "mac_addresses",
        "dcim/mac-addresses",
        singular="MAC address",
        label="mac_address",
        key=("mac_address",),
        optional_key=("assigned_object",),
        generic={"assigned_object": INTERFACES},
        key_enforced=False,
        reading=Reading.BY_NAME,
    ),
    ObjectType(
        "device_roles",
        "dcim/device-roles",
        unique=(("parent", "name"), ("parent", "slug")),
        slug_from="name",
        deferred=("parent",),
    ),
    ObjectType(
        "platforms",
        "dcim/platforms",
        unique=(("manufacturer", "name"), ("manufacturer", "slug")),
        optional_key=("manufacturer",),
        slug_from="name",
        deferred=("parent",),
    ),
    organizational("inventory_item_roles", "dcim/inventory-item-roles"),
    ObjectType(
        "module_bay_types",
        "dcim/module-bay-types",
        unique=(("manufacturer", "name"), ("manufacturer", "slug")),
        key=("manufacturer", "name"),
        slug_from="name",
        since="4.7",
    ),
    ObjectType(
        "module_type_profiles",
        "dcim/module-type-profiles",
        unique=(("name",),),
        since="4.3",
    ),
    ObjectType(
        "module_types",
        "dcim/module-types",
        unique=(("manufacturer", "model"),),
        label="model",
        key=("manufacturer", "model"),
        children=IN_MODULE_TYPES,
    ),
    ObjectType(
        "device_types",
        "dcim/device-types",
        unique=(("manufacturer", "model"), ("manufacturer", "slug")),
        label="model",
        key=("manufacturer", "model"),
        children=IN_DEVICE_TYPES,
        slug_from="model",
    ),
    ObjectType(
        "virtual_chassis",
        "dcim/virtual-chassis",
        singular="virtual chassis",
        deferred=("master",),
        key_enforced=False,
    ),
    ObjectType(
        "devices",
        "dcim/devices",
        unique=(("site", "tenant", "name"), ("asset_tag",)),
        key=("name", "site"),
        optional_key=("tenant",),
        other_keys=("asset_tag", "serial"),
        deferred=("primary_ip4", "primary_ip6", "oob_ip"),
        children={
            **dict.fromkeys(_COMPONENTS, "device"),
            "module_bays": "device",
            "modules": "device",
            "device_bays": "device",
            "inventory_items": "device",
            "virtual_device_contexts": "device",
            "ip_addresses": "device",
        },
        fold_case=True,
        reading=Reading.BY_NAME,
        lane="device_type",
        create_seconds=0.06,
        delete_seconds=0.12,
        comes_with="device_type",
    ),
    component(
        "virtual_device_contexts",
        "dcim/virtual-device-contexts",
        unique=(("device", "identifier"),),
        deferred=("primary_ip4", "primary_ip6"),
    ),
    component(
        "interfaces",
        "dcim/interfaces",
        templated=True,
        deferred=("parent", "bridge", "lag", "primary_mac_address"),
        asked_singly=("vlan_id",),
    ),
    component("console_ports", "dcim/console-ports", templated=True),
    component("console_server_ports", "dcim/console-server-ports", templated=True),
    component("power_ports", "dcim/power-ports", templated=True),
    component("power_outlets", "dcim/power-outlets", templated=True, deferred=("power_port",)),
    component("module_bays", "dcim/module-bays", templated=True, deferred=("module",)),
    ObjectType(
        "modules",
        "dcim/modules",
        label="module_bay",
        key=("device", "module_bay"),
        unique=(("module_bay",), ("asset_tag",)),
        child_of="device",
        reading=Reading.BY_PARENT,
        lane="device",
        comes_with="module_type",
        refused=dict.fromkeys(("replicate_components", "adopt_components"), _AT_CREATION),
    ),
    component(
        "cooling_intakes", "dcim/cooling-intakes", templated=True, deferred=("cooling_outflow",), since="4.7"
    ),
    component(
        "cooling_outflows", "dcim/cooling-outflows", templated=True, deferred=("cooling_intake",), since="4.7"
    ),
    component("rear_ports", "dcim/rear-ports", templated=True, refused=MAPPED_FROM_THE_FRONT),
    component(
        "front_ports", "dcim/front-ports", templated=True, mapped={"rear_ports": "rear_ports"}, since="4.5"
    ),
    component(
        "inventory_items",
        "dcim/inventory-items",
        templated=True,
        optional_key=("parent",),
        named_once=False,
        unique=(("device", "parent", "name"), ("asset_tag",)),
        generic={"component": _COMPONENTS},
        untold={"parent": "inventory_items"},
    ),
    ObjectType(
        "cables",
        "dcim/cables",
        label="a_terminations",
        key=("a_terminations", "b_terminations"),
        ends={"a_terminations": _CABLED, "b_terminations": _CABLED},
        demanded=("a_terminations", "b_terminations"),
        reading=Reading.BY_ENDS,
        create_seconds=0.1,
        update_seconds=0.1,
        delete_seconds=0.1,
    ),
    component("device_bays", "dcim/device-bays", templated=True, deferred=("installed_device",)),
)
