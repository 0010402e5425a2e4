"""Places, racks and power: the rows of `dcim` that are no devices."""

from __future__ import annotations

from orchestrator.object_type import ObjectType, organizational

ROWS = (
    organizational("manufacturers", "dcim/manufacturers"),
    ObjectType(
        "regions",
        "dcim/regions",
        unique=(("parent", "name"), ("parent", "slug")),
        optional_key=("parent",),
        slug_from="name",
    ),
    ObjectType(
        "site_groups",
        "dcim/site-groups",
        unique=(("parent", "name"), ("parent", "slug")),
        optional_key=("parent",),
        slug_from="name",
    ),
    organizational("sites", "dcim/sites"),
    ObjectType(
        "locations",
        "dcim/locations",
        unique=(("site", "parent", "name"), ("site", "parent", "slug")),
        key=("name", "site"),
        optional_key=("parent",),
        slug_from="name",
    ),
    organizational("rack_roles", "dcim/rack-roles"),
    organizational("rack_groups", "dcim/rack-groups", since="4.7"),
    ObjectType(
        "rack_types",
        "dcim/rack-types",
        unique=(("manufacturer", "model"), ("manufacturer", "slug")),
        label="model",
        key=("manufacturer", "model"),
        slug_from="model",
    ),
    ObjectType(
        "racks",
        "dcim/racks",
        unique=(("location", "name"), ("location", "facility_id"), ("asset_tag",)),
        key=("name", "site"),
        optional_key=("location",),
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
        "power_panels",
        "dcim/power-panels",
        unique=(("site", "name"),),
        key=("name", "site"),
        lane="site",
    ),
    ObjectType(
        "power_feeds",
        "dcim/power-feeds",
        unique=(("power_panel", "name"),),
        key=("name", "power_panel"),
        lane="power_panel",
    ),
    ObjectType(
        "cooling_sources",
        "dcim/cooling-sources",
        unique=(("site", "name"),),
        key=("name", "site"),
        lane="site",
        since="4.7",
    ),
    ObjectType(
        "cooling_feeds",
        "dcim/cooling-feeds",
        unique=(("cooling_source", "name"),),
        key=("name", "cooling_source"),
        lane="cooling_source",
        since="4.7",
    ),
    ObjectType("cable_bundles", "dcim/cable-bundles", unique=(("name",),), since="4.7"),
)
