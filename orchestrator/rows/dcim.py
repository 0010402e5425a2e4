"""Places, racks and power: the rows of `dcim` that are no devices."""

from __future__ import annotations

from orchestrator.object_type import ObjectType, nested, organizational, within

ROWS = (
    organizational("manufacturers", "dcim/manufacturers"),
    nested("regions", "dcim/regions"),
    nested("site_groups", "dcim/site-groups"),
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
        "rack_reservations",
        "dcim/rack-reservations",
        label="rack",
        key=("rack", "units"),
        key_enforced=False,
        lane="rack",
    ),
    within("site", "power_panels", "dcim/power-panels"),
    within("power_panel", "power_feeds", "dcim/power-feeds"),
    within("site", "cooling_sources", "dcim/cooling-sources", since="4.7"),
    within("cooling_source", "cooling_feeds", "dcim/cooling-feeds", since="4.7"),
    ObjectType("cable_bundles", "dcim/cable-bundles", unique=(("name",),), since="4.7"),
)
