"""Remarks on other objects: NetBox's journal, which is only ever added to."""

from __future__ import annotations

from orchestrator.object_type import ObjectType, Reading
from orchestrator.rows import circuits, dcim, devices, ipam, tenancy, virtualization, vpn, wireless

# What merely brings others together (without JournalingMixin in NetBox's models).
_WITHOUT = frozenset(
    {
        "contact_assignments",
        "fhrp_group_assignments",
        "circuit_terminations",
        "circuit_group_assignments",
        "virtual_circuit_terminations",
        "tunnel_terminations",
    }
)
_APPS = (dcim, devices, tenancy, ipam, circuits, virtualization, vpn, wireless)
_JOURNALED = (
    *(row.name for app in _APPS for row in app.ROWS if row.name not in _WITHOUT),
    "data_sources",
    "config_context_profiles",
)

ROWS = (
    ObjectType(
        "journal_entries",
        "extras/journal-entries",
        singular="journal entry",
        label="comments",
        key=("comments", "assigned_object"),
        generic={"assigned_object": _JOURNALED},
        refused={"created_by": "NetBox notes the user of the token that writes"},
        key_enforced=False,
        append_only=True,
        reading=Reading.BY_OBJECT,
    ),
)
