"""What describes other objects, and who owns them: the rows of `extras`, `users` and `core`."""

from __future__ import annotations

from orchestrator.object_type import SET_IN_NETBOX, ObjectType, organizational

# NetBox clears them at every save that names no data file, which its API does not take
# (netbox/models/features.py, SyncedDataMixin).
_SYNCED = dict.fromkeys(("data_source", "auto_sync_enabled"), "choose the file in NetBox itself")

ROWS = (
    # NetBox keeps no changelog of owners: what a batch made of them could not be taken back with care.
    ObjectType("users", "users/users", label="username", key=("username",), ensured=False),
    ObjectType("owners", "users/owners", ensured=False, unique=(("name",),), since="4.5"),
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
