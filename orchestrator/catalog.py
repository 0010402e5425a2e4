"""The object types we know: one row each, holding only what NetBox's schema cannot tell.

Documents name object types as here (`device_types`). Everything that treats
types differently reads it from this table; what the schema knows (field
types, choices, limits) comes from schema.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Reading(StrEnum):
    """How live rows are fetched."""

    WHOLE = "whole"  # small tables, read at once: also yields "did you mean" and slug collisions
    BY_NAME = "by_name"  # large tables, asked for by the names that the document mentions
    BY_PARENT = "by_parent"  # components, asked for by the id of the object they hang on
    BY_ADDRESS = "by_address"  # IP addresses, asked for by host


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One NetBox list endpoint and how objects in it are told apart.

    `key` are the fields that identify an object, `optional_key` those that
    narrow it down when an entry sets them, `other_keys` unique fields that can
    stand in for a missing name. With `by_host` the label is an address and its
    host is what counts. `references` maps fields to the object types
    they point to; `links` are references written in the link pass, because the
    object they point to may itself need this one. `unique` are the sets of fields
    that NetBox's models let exist once; a set does not bind where its last field
    is empty, and text is compared as `fold_case` says; `unique_by_setting` are those that
    hold where NetBox is configured so (release.py). `counted` are fields in
    which NetBox counts what hangs on an object and is of no type in this
    catalog. `copied_from` has, by reference, the fields that NetBox copies from what it points to at every
    save, whatever was sent. `lane` names the field whose row in the
    database concurrent writers would fight for.

    The costs are seconds of NetBox's work per row, measured on NetBox 4.7 with
    two cores; they only decide how long a list write becomes.
    """

    name: str
    path: str
    singular: str = ""
    label: str = "name"
    key: tuple[str, ...] = ("name",)
    optional_key: tuple[str, ...] = ()
    other_keys: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    generic: Mapping[str, str] = field(default_factory=dict)
    children: Mapping[str, str] = field(default_factory=dict)
    unique: tuple[tuple[str, ...], ...] = ()
    unique_by_setting: tuple[tuple[str, ...], ...] = ()
    counted: tuple[str, ...] = ()
    copied_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    child_of: str = ""
    slug_from: str = ""
    fold_case: bool = False
    by_host: bool = False
    key_enforced: bool = True
    reading: Reading = Reading.WHOLE
    lane: str = ""
    ensured: bool = True
    create_seconds: float = 0.02
    update_seconds: float = 0.03
    delete_seconds: float = 0.05
    component_seconds: float = 0.01

    @property
    def noun(self) -> str:
        """One object of this type, in words."""
        return self.singular or self.name.removesuffix("s").replace("_", " ")

    @property
    def model(self) -> str:
        """What NetBox calls the type where it names content types: `dcim.devicetype`."""
        return f"{self.path.partition('/')[0]}.{self.noun.replace(' ', '').lower()}"

    @property
    def can_be_implied(self) -> bool:
        """Whether a mere mention is enough to create one (design: `create_parents`)."""
        return self.ensured and bool(self.slug_from)

    @property
    def tree(self) -> str:
        """The field that points to another object of the type, where that is part of what it is called."""
        return next((name for name in self.optional_key if self.references.get(name) == self.name), "")

    @property
    def slug_scope(self) -> tuple[str, ...]:
        """Within what a slug must be unique, as far as it is known when an object is made."""
        scope = next((fields[:-1] for fields in self.unique if fields[-1] == "slug"), ())
        return tuple(name for name in scope if name not in self.links)

    @property
    def template_count(self) -> str:
        """Where a device type counts the templates that make components of this type along with a device."""
        return f"{self.noun.replace(' ', '_')}_template_count" if self.child_of == "device" else ""

    def all_references(self) -> dict[str, str]:
        """Every field that points to another object, with its type."""
        return {**self.references, **self.generic, **self.links}

    def pointer_filter(self, name: str) -> str:
        """NetBox's filter for the objects whose field points to given ids; empty for what is no pointer.

        NetBox refuses (HTTP 400) ids that do not exist. Where the target is a
        tree (roles, platforms), who points to its descendants is found, too.
        """
        if name in self.generic:
            return f"{self.generic[name].removesuffix('s')}_id"
        return f"{name}_id" if name in self.all_references() else ""


def _component(
    name: str,
    path: str,
    references: Mapping[str, str] = MappingProxyType({}),
    links: Mapping[str, str] = MappingProxyType({}),
) -> ObjectType:
    """What hangs on a device: told apart by its name there, and read along with it."""
    return ObjectType(
        name,
        path,
        unique=(("device", "name"),),
        key=("device", "name"),
        references={"device": "devices", **references},
        links=links,
        child_of="device",
        reading=Reading.BY_PARENT,
        lane="device",
    )


_ROWS = (
    ObjectType(
        "manufacturers",
        "dcim/manufacturers",
        slug_from="name",
        unique=(("name",), ("slug",)),
    ),
    ObjectType(
        "regions",
        "dcim/regions",
        unique=(("parent", "name"), ("parent", "slug")),
        optional_key=("parent",),
        slug_from="name",
        references={"parent": "regions"},
    ),
    ObjectType(
        "site_groups",
        "dcim/site-groups",
        unique=(("parent", "name"), ("parent", "slug")),
        optional_key=("parent",),
        slug_from="name",
        references={"parent": "site_groups"},
    ),
    ObjectType(
        "tenant_groups",
        "tenancy/tenant-groups",
        unique=(("name",), ("slug",)),
        slug_from="name",
        links={"parent": "tenant_groups"},
    ),
    ObjectType(
        "tenants",
        "tenancy/tenants",
        unique=(("group", "name"), ("group", "slug")),
        optional_key=("group",),
        slug_from="name",
        references={"group": "tenant_groups"},
    ),
    ObjectType(
        "sites",
        "dcim/sites",
        unique=(("name",), ("slug",)),
        slug_from="name",
        references={"region": "regions", "group": "site_groups", "tenant": "tenants"},
    ),
    ObjectType(
        "locations",
        "dcim/locations",
        unique=(("site", "parent", "name"), ("site", "parent", "slug")),
        key=("name", "site"),
        optional_key=("parent",),
        slug_from="name",
        references={"site": "sites", "parent": "locations", "tenant": "tenants"},
    ),
    ObjectType(
        "rack_roles",
        "dcim/rack-roles",
        unique=(("name",), ("slug",)),
        slug_from="name",
    ),
    ObjectType(
        "rack_types",
        "dcim/rack-types",
        unique=(("manufacturer", "model"), ("manufacturer", "slug")),
        label="model",
        key=("manufacturer", "model"),
        slug_from="model",
        references={"manufacturer": "manufacturers"},
    ),
    ObjectType(
        "racks",
        "dcim/racks",
        unique=(("location", "name"), ("location", "facility_id"), ("asset_tag",)),
        key=("name", "site"),
        optional_key=("location",),
        references={
            "site": "sites",
            "location": "locations",
            "role": "rack_roles",
            "rack_type": "rack_types",
            "tenant": "tenants",
        },
        copied_from={
            "rack_type": (
                "form_factor",
                "width",
                "u_height",
                "starting_unit",
                "desc_units",
                "outer_width",
                "outer_height",
                "outer_depth",
                "outer_unit",
                "mounting_depth",
                "weight",
                "weight_unit",
                "max_weight",
                "cooling_capability",
                "cooling_capacity",
            )
        },
        key_enforced=False,
        lane="site",
    ),
    ObjectType(
        "vrfs",
        "ipam/vrfs",
        singular="VRF",
        unique=(("rd",),),
        other_keys=("rd",),
        references={"tenant": "tenants"},
        key_enforced=False,
    ),
    ObjectType(
        "device_roles",
        "dcim/device-roles",
        unique=(("parent", "name"), ("parent", "slug")),
        slug_from="name",
        links={"parent": "device_roles"},
    ),
    ObjectType(
        "platforms",
        "dcim/platforms",
        unique=(("manufacturer", "name"), ("manufacturer", "slug")),
        optional_key=("manufacturer",),
        slug_from="name",
        references={"manufacturer": "manufacturers"},
        links={"parent": "platforms"},
    ),
    ObjectType(
        "device_types",
        "dcim/device-types",
        unique=(("manufacturer", "model"), ("manufacturer", "slug")),
        label="model",
        key=("manufacturer", "model"),
        counted=(
            "interface_template_count",
            "console_port_template_count",
            "console_server_port_template_count",
            "power_port_template_count",
            "power_outlet_template_count",
            "front_port_template_count",
            "rear_port_template_count",
            "device_bay_template_count",
            "module_bay_template_count",
            "inventory_item_template_count",
        ),
        slug_from="model",
        references={"manufacturer": "manufacturers", "default_platform": "platforms"},
    ),
    ObjectType(
        "devices",
        "dcim/devices",
        unique=(("site", "tenant", "name"), ("asset_tag",)),
        key=("name", "site"),
        optional_key=("tenant",),
        other_keys=("asset_tag", "serial"),
        references={
            "device_type": "device_types",
            "role": "device_roles",
            "site": "sites",
            "platform": "platforms",
            "tenant": "tenants",
            "location": "locations",
            "rack": "racks",
        },
        links={"primary_ip4": "ip_addresses", "primary_ip6": "ip_addresses", "oob_ip": "ip_addresses"},
        children={
            "interfaces": "device",
            "console_ports": "device",
            "console_server_ports": "device",
            "power_ports": "device",
            "power_outlets": "device",
            "module_bays": "device",
            "ip_addresses": "device",
        },
        fold_case=True,
        reading=Reading.BY_NAME,
        lane="device_type",
        create_seconds=0.06,
        delete_seconds=0.12,
        counted=("front_port_count", "rear_port_count", "device_bay_count", "inventory_item_count"),
    ),
    _component(
        "interfaces",
        "dcim/interfaces",
        references={"vrf": "vrfs"},
        links={"parent": "interfaces", "bridge": "interfaces", "lag": "interfaces"},
    ),
    _component("console_ports", "dcim/console-ports"),
    _component("console_server_ports", "dcim/console-server-ports"),
    _component("power_ports", "dcim/power-ports"),
    _component("power_outlets", "dcim/power-outlets", links={"power_port": "power_ports"}),
    _component("module_bays", "dcim/module-bays"),
    ObjectType(
        "ip_addresses",
        "ipam/ip-addresses",
        singular="IP address",
        label="address",
        by_host=True,
        key=("address",),
        optional_key=("vrf",),
        unique_by_setting=(("vrf", "address"),),
        references={"vrf": "vrfs", "tenant": "tenants"},
        generic={"assigned_object": "interfaces"},
        links={"nat_inside": "ip_addresses"},
        key_enforced=False,
        reading=Reading.BY_ADDRESS,
        lane="assigned_object",
    ),
    ObjectType("tags", "extras/tags", slug_from="name", ensured=False, unique=(("name",), ("slug",))),
    ObjectType("custom_fields", "extras/custom-fields", ensured=False, unique=(("name",),)),
)

OBJECT_TYPES: Mapping[str, ObjectType] = {row.name: row for row in _ROWS}
"""Every known type by name. Those with `ensured=False` can be referred to but not yet declared."""

ENSURED: tuple[str, ...] = tuple(row.name for row in _ROWS if row.ensured)
"""The types that a document may declare."""

TEMPLATE_COUNTS: tuple[str, ...] = tuple(row.template_count for row in _ROWS if row.template_count)
"""The fields in which a device type counts what comes along with each of its devices."""
