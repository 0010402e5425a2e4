"""Tenants and contacts: the rows of `tenancy`."""

from __future__ import annotations

from orchestrator.object_type import ObjectType, organizational

ROWS = (
    organizational("tenant_groups", "tenancy/tenant-groups", deferred=("parent",)),
    ObjectType(
        "tenants",
        "tenancy/tenants",
        unique=(("group", "name"), ("group", "slug")),
        optional_key=("group",),
        slug_from="name",
    ),
    ObjectType(
        "contact_groups",
        "tenancy/contact-groups",
        unique=(("parent", "name"),),
        optional_key=("parent",),
        slug_from="name",
    ),
    organizational("contact_roles", "tenancy/contact-roles"),
    ObjectType("contacts", "tenancy/contacts", key_enforced=False),
)
