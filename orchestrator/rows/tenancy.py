"""Tenants and contacts: the rows of `tenancy`."""

from __future__ import annotations

from orchestrator.object_type import PLACES, ObjectType, nested, organizational

ROWS = (
    organizational("tenant_groups", "tenancy/tenant-groups", deferred=("parent",)),
    ObjectType(
        "tenants",
        "tenancy/tenants",
        unique=(("group", "name"), ("group", "slug")),
        optional_key=("group",),
        slug_from="name",
    ),
    nested("contact_groups", "tenancy/contact-groups"),
    organizational("contact_roles", "tenancy/contact-roles"),
    ObjectType("contacts", "tenancy/contacts", key_enforced=False),
    ObjectType(
        "contact_assignments",
        "tenancy/contact-assignments",
        label="contact",
        key=("object", "contact", "role"),
        unique=(("object", "contact", "role"),),
        demanded=("role",),
        generic={
            "object": (
                *PLACES,
                "racks",
                "devices",
                "manufacturers",
                "power_panels",
                "tenants",
                "providers",
                "provider_accounts",
                "circuits",
                "virtual_circuits",
                "asns",
                "aggregates",
                "prefixes",
                "ip_ranges",
                "ip_addresses",
                "services",
                "clusters",
                "cluster_groups",
                "virtual_machines",
                "l2vpns",
                "tunnel_groups",
                "tunnels",
            )
        },
    ),
)
