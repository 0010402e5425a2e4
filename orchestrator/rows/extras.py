"""What describes other objects, and who owns them: the rows of `extras`, `users` and `core`."""

from __future__ import annotations

from orchestrator.object_type import ObjectType, organizational

ROWS = (
    # NetBox keeps no changelog of owners: what a batch made of them could not be taken back with care.
    ObjectType("owners", "users/owners", ensured=False, unique=(("name",),), since="4.5"),
    ObjectType("data_sources", "core/data-sources", unique=(("name",),)),
    ObjectType("config_templates", "extras/config-templates", key_enforced=False),
    ObjectType("config_context_profiles", "extras/config-context-profiles", unique=(("name",),), since="4.4"),
    ObjectType("config_contexts", "extras/config-contexts", unique=(("name",),)),
    ObjectType(
        "custom_field_choice_sets",
        "extras/custom-field-choice-sets",
        unique=(("name",),),
    ),
    ObjectType("custom_links", "extras/custom-links", unique=(("name",),)),
    ObjectType("export_templates", "extras/export-templates", key_enforced=False),
    ObjectType("saved_filters", "extras/saved-filters", slug_from="name", unique=(("name",), ("slug",))),
    ObjectType("webhooks", "extras/webhooks", unique=(("name",),)),
    ObjectType(
        "event_rules",
        "extras/event-rules",
        unique=(("name",),),
        generic={"action_object": ("webhooks",)},
        demanded=("action_object",),
    ),
    organizational("tags", "extras/tags", ensured=False),
    ObjectType("custom_fields", "extras/custom-fields", ensured=False, unique=(("name",),)),
)
