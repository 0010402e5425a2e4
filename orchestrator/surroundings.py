"""Reads what a plan must know beyond the objects that a document names.

Which devices an address may have to leave (their primary address is let go
first, release.py), and whether the token may define our custom fields
(metadata.py). Asks nothing where the document gives no cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.desired import Desired, Entry, Reference
from orchestrator.live import Live, ids_of, read_live
from orchestrator.metadata import METADATA_FIELDS, has_custom_fields, stored_digests
from orchestrator.models import Plan
from orchestrator.ports import NetBox, Query, Row


def read_world(desired: Desired, netbox: NetBox) -> Live:
    """Everything that `build_plan` looks at. Raises NetBoxError."""
    live = read_live(desired, netbox)
    leaving = {
        device_id for entry in desired.entries.get("ip_addresses", ()) for device_id in _left_by(entry, live)
    }
    if leaving:
        live.holders = read_holders(netbox, leaving)
    if desired.options.metadata and not set(METADATA_FIELDS) <= set(live.table("custom_fields").labels()):
        live.may_define = netbox.may_create("custom_fields")
    return live


def read_stamps(plan: Plan, live: Live, netbox: NetBox) -> bool:
    """Read what our last apply left on the objects that the plan updates. Whether there is any.

    Where nothing differs it would tell nothing, so it is not read with every object.
    """
    if not set(METADATA_FIELDS) <= set(live.table("custom_fields").labels()):
        return False
    updated: dict[str, set[int]] = defaultdict(set)
    for change in plan.changes:
        if change.live_id is not None and change.writes and has_custom_fields(change.object_type):
            updated[change.object_type].add(change.live_id)
    for name, ids in updated.items():
        rows = netbox.read(Query(name, ("custom_fields",), "id", sorted(ids)))
        live.stamps.update(((name, row["id"]), row["custom_fields"] or {}) for row in rows)
    return any(stored_digests(custom) for custom in live.stamps.values())


def read_holders(netbox: NetBox, device_ids: set[int]) -> dict[int, Row]:
    """Devices by id, with the addresses that are their primary ones."""
    row = OBJECT_TYPES["devices"]
    query = Query(row.name, (row.label, *row.links), "id", sorted(device_ids))
    return {live["id"]: live for live in netbox.read(query)}


def _left_by(entry: Entry, live: Live) -> Iterator[int]:
    """The devices that this address is on now and, as far as can be told, not to stay on."""
    if "assigned_object" not in entry.fields:
        return
    table = live.table("ip_addresses")
    rows = [*table.labelled(entry.fields.get("address"))]
    if entry.match is not None:
        rows += (table.by_id[one] for one in ids_of(entry.match, table) if one in table.by_id)
    wanted: set[int] | None = None
    for row in rows:
        interface = row.get("assigned_object") or {}
        device = interface.get("device")
        if not device:
            continue
        if wanted is None:
            wanted = _interfaces(entry.fields["assigned_object"], live)
        if wanted != {interface["id"]}:
            yield device["id"]


def _interfaces(reference: Any, live: Live) -> set[int]:
    """The live interfaces that a reference may mean."""
    if not isinstance(reference, Reference):
        return set()
    if reference.id is not None:
        return {reference.id}
    parts = reference.entry.fields if reference.entry is not None else reference.parts or {}
    device, name = parts.get("device"), parts.get("name")
    if not isinstance(device, Reference) or name is None:
        return set()
    table = live.table("interfaces")
    return {row["id"] for one in ids_of(device, live.table("devices")) for row in table.labelled(name, one)}
