"""What describes other objects, who owns them and who may do what: rows of `extras`, `users` and `core`."""

from __future__ import annotations

from orchestrator.object_type import SET_IN_NETBOX, ObjectType, organizational

# NetBox clears them at every save that names no data file, which its API does not take
# (netbox/models/features.py, SyncedDataMixin).
_SYNCED = dict.fromkeys(("data_source", "auto_sync_enabled"), "choose the file in NetBox itself")

_AT_THE_PERMISSION = "say it at the permission"
_ONE_PERSON = {"password": SET_IN_NETBOX, "permissions": _AT_THE_PERMISSION}

ROWS = (
    # A new user needs a password, which is a secret.
    ObjectType(
        "users",
        "users/users",
        label="username",
        key=("username",),
        refused=_ONE_PERSON,
        ensured=False,
        logged=False,
    ),
    ObjectType(
        "groups",
        "users/groups",
        unique=(("name",),),
        refused={"permissions": _AT_THE_PERMISSION},
        logged=False,
    ),
    ObjectType(
        "permissions", "users/permissions", singular="object permission", key_enforced=False, logged=False
    ),
    ObjectType("owner_groups", "users/owner-groups", unique=(("name",),), since="4.5", logged=False),
    ObjectType("owners", "users/owners", unique=(("name",),), since="4.5", logged=False),
    ObjectType(
        "data_sources", "core/data-sources", unique=(("name",),), refused={"parameters": SET_IN_NETBOX}
    ),
    ObjectType("config_templates", "extras/config-templates", refused=_SYNCED, key_enforced=False),
    ObjectType(
        "config_context_profiles",
        "extras/config-context-profiles",
        unique=(("name",),),
        refused=_SYNCED,
        since="4.4",
    ),
    ObjectType(
        "config_contexts",
        "extras/config-contexts",
        unique=(("name",),),
        refused={**_SYNCED, "tags": "they say which objects get it; add them in NetBox"},
    ),
    ObjectType(
        "custom_field_choice_sets",
        "extras/custom-field-choice-sets",
        unique=(("name",),),
    ),
    ObjectType("custom_links", "extras/custom-links", unique=(("name",),)),
    ObjectType("export_templates", "extras/export-templates", refused=_SYNCED, key_enforced=False),
    ObjectType("saved_filters", "extras/saved-filters", slug_from="name", unique=(("name",), ("slug",))),
    ObjectType(
        "webhooks",
        "extras/webhooks",
        unique=(("name",),),
        refused=dict.fromkeys(("secret", "additional_headers"), SET_IN_NETBOX),
    ),
    ObjectType(
        "event_rules",
        "extras/event-rules",
        unique=(("name",),),
        generic={"action_object": ("webhooks",)},
        demanded=("action_object",),
    ),
    # A mistyped tag is a mistake: a mention alone makes none.
    organizational("tags", "extras/tags", only_declared=True),
    # NetBox fills a new custom field in on every object there is.
    ObjectType(
        "custom_fields",
        "extras/custom-fields",
        unique=(("name",),),
        demanded=("type",),
        create_seconds=1.0,
        update_seconds=1.0,
        delete_seconds=1.0,
    ),
)
