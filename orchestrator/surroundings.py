"""Reads what a plan must know beyond the objects that a document names.

Which devices an address may have to leave (their primary address is let go
first, release.py), and whether the token may define our custom fields, or make
them fit for more types (metadata.py). Asks nothing where there is no cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.desired import Desired
from orchestrator.errors import AccessError
from orchestrator.live import Live
from orchestrator.metadata import METADATA_FIELDS, has_custom_fields, missing_definitions, stored_digests
from orchestrator.models import Action, Plan
from orchestrator.ports import NetBox, Query, Row
from orchestrator.reading import read_live


def read_world(desired: Desired, netbox: NetBox) -> Live:
    """Everything that `build_plan` looks at. Raises NetBoxError."""
    if not desired.options.metadata:
        return read_live(desired, netbox)
    try:
        live = read_live(desired, netbox)
    except AccessError:
        return _read_without_definitions(desired, netbox)
    actions = {change.action for change in missing_definitions(live)}
    live.may_define = (Action.CREATE not in actions or netbox.may_create("custom_fields")) and (
        Action.UPDATE not in actions or netbox.may_change("custom_fields")
    )
    return live


def _read_without_definitions(desired: Desired, netbox: NetBox) -> Live:
    """The same for a token that may not see custom fields; raises AccessError if that was not the reason.

    A document that names custom fields of its own cannot do without them: it raises, too.
    """
    plain = replace(desired.options, metadata=False)
    live = read_live(replace(desired, options=plain), netbox)
    live.sees_definitions = False
    return live


def read_details(plan: Plan, live: Live, netbox: NetBox) -> bool:
    """Read what matters only where something differs. Whether there is any, so that the plan is made anew.

    The devices that addresses leave, and what our last apply left on the objects that are written.
    """
    leaving = set(_left(plan, live))
    if leaving:
        live.holders = read_holders(netbox, leaving)
    return _read_stamps(plan, leaving, live, netbox) or bool(leaving)


def _left(plan: Plan, live: Live) -> Iterator[int]:
    """The devices that addresses of the plan are on now and are to leave, or to be on in another place."""
    addresses = live.table("ip_addresses").by_id
    for change in plan.changes:
        if change.object_type == "ip_addresses" and "assigned_object" in change.after:
            interface = addresses.get(change.live_id or 0, {}).get("assigned_object") or {}
            if interface.get("device"):
                yield interface["device"]["id"]


def _read_stamps(plan: Plan, holders: set[int], live: Live, netbox: NetBox) -> bool:
    if not set(METADATA_FIELDS) <= set(live.table("custom_fields").labels()):
        return False
    updated: dict[str, set[int]] = defaultdict(set)
    for change in plan.changes:
        if (
            change.live_id is not None
            and change.writes
            and has_custom_fields(OBJECT_TYPES[change.object_type])
        ):
            updated[change.object_type].add(change.live_id)
    if holders:
        updated["devices"] |= holders
    for name, ids in updated.items():
        rows = netbox.read(Query(name, ("custom_fields",), "id", sorted(ids)))
        live.stamps.update(((name, row["id"]), row["custom_fields"] or {}) for row in rows)
    return any(stored_digests(custom) for custom in live.stamps.values())


def read_holders(netbox: NetBox, device_ids: set[int]) -> dict[int, Row]:
    """Devices by id, with the addresses that are their primary ones."""
    row = OBJECT_TYPES["devices"]
    query = Query(row.name, (row.label, *row.links), "id", sorted(device_ids))
    return {live["id"]: live for live in netbox.read(query)}
