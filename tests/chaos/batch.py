"""The batch that is disturbed: 200 creates, updates and links, and what NetBox looks like afterwards."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.integration.worker_process import NetBoxOverHttp

HALF = 25
"""As many devices are there before as come with the batch."""
SIZE = 8 * HALF
PATHS = (
    "dcim/manufacturers",
    "dcim/sites",
    "dcim/device-roles",
    "dcim/device-types",
    "dcim/devices",
    "dcim/interfaces",
    "ipam/ip-addresses",
    "extras/custom-fields",
)
# What differs from one NetBox to the next though it says the same, or belongs to the moment.
_PASSING = {"id", "url", "display_url", "created", "last_updated", "assigned_object_id", "netbox_mcp_batch"}
# Digests by field: those of references are made of ids, so only the fields can be compared.
_DIGESTS = "netbox_mcp_digests"

Document = dict[str, Any]
Row = dict[str, Any]
Picture = dict[str, list[Row]]


def before() -> Document:
    """What is there when the batch begins."""
    return {"devices": [_device(f"[01-{HALF}]", status="planned", comments="before")]}


def part(number: int) -> Document:
    """Batch `number` of several that share all parents: 25 devices with an interface each."""
    interfaces = [{"name": "Vlan1", "type": "virtual"}]
    return {"devices": [{**_device(f"{number}-[01-{HALF}]", status="active"), "interfaces": interfaces}]}


def document() -> Document:
    """25 devices to update and 25 to create; 50 interfaces, addresses and primary addresses."""
    return {
        "devices": [
            {
                **_device(f"[01-{2 * HALF}]", status="active", comments="after"),
                "interfaces": [{"name": "Vlan1", "type": "virtual", "description": "management"}],
                "ip_addresses": [{"address": "192.0.2.{1+0}/24", "interface": "Vlan1"}],
                "primary_ip4": "192.0.2.{1+0}/24",
            }
        ]
    }


def _device(names: str, **fields: str) -> Document:
    return {
        "name": f"sw-{names}",
        "site": "AMS1",
        "role": "Access",
        "device_type": {"manufacturer": "Cisco", "model": "C9300-48P"},
        **fields,
    }


def take_picture(netbox: NetBoxOverHttp) -> Picture:
    """Every object without ids and times; the same objects twice are there twice."""
    return {path: [_lasting(row) for row in netbox.rows(path)] for path in PATHS}


def stamps(netbox: NetBoxOverHttp) -> set[str]:
    """The batches that objects say they were written by."""
    rows = [row for path in PATHS for row in netbox.rows(path)]
    return {batch for row in rows if (batch := (row.get("custom_fields") or {}).get("netbox_mcp_batch"))}


def without_counters(picture: Picture) -> Picture:
    """Leave out what NetBox counts itself: `interface_count` and the like."""
    return {
        path: [{name: one for name, one in row.items() if not name.endswith("_count")} for row in rows]
        for path, rows in picture.items()
    }


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: sorted(one or {}) if name == _DIGESTS else _lasting(one)
            for name, one in sorted(value.items())
            if name not in _PASSING
        }
    # NetBox hands out tags, object types and the like in no particular order.
    return sorted(map(_lasting, value), key=repr) if isinstance(value, list) else value


def compare(undisturbed: Picture, found: Picture) -> tuple[list[str], list[str]]:
    """What is lost, or other than it should be, and what is there too often or should not be.

    An object that is there with other values counts once, as lost.
    """
    lost, doubled = [], []
    for path in PATHS:
        wanted, there = _by_text(undisturbed[path]), _by_text(found[path])
        missing, extra = [*(wanted - there).elements()], [*(there - wanted).elements()]
        lost += [f"{path} {_difference(one, extra)}" for one in missing]
        doubled += [f"{path} {one[:300]}" for one in extra]
    return lost, doubled


def _by_text(rows: list[Row]) -> Counter[str]:
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


def _difference(missing: str, extra: list[str]) -> str:
    """What an object should be and is not; the one that is there in its place is taken out of `extra`."""
    wanted = json.loads(missing)
    for text in extra:
        there = json.loads(text)
        if all(there.get(name) == wanted.get(name) for name in ("display", "device", "assigned_object")):
            extra.remove(text)
            names = [name for name in wanted if there.get(name) != wanted[name]]
            told = [f"{name} {there.get(name)!r} instead of {wanted[name]!r}" for name in names]
            return f"{wanted['display']}: {', '.join(told)}"
    return f"is missing: {missing[:300]}"


def created_twice(netbox: NetBoxOverHttp) -> list[str]:
    """Objects that NetBox's changelog says were created more than once, under whatever id."""
    entries: list[dict[str, Any]] = []
    while page := netbox.rows("core/object-changes", action="create", offset=len(entries)):
        entries += page
    named = Counter((one["changed_object_type"], _name(one)) for one in entries)
    return [f"{kind} {name}" for (kind, name), number in named.items() if number > 1]


def _name(entry: dict[str, Any]) -> str:
    """Its name in the changelog; that of an interface is not enough."""
    return f"{entry['object_repr']} of {(entry['postchange_data'] or {}).get('device', '')}"
