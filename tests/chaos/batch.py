"""The batch that is disturbed: 200 creates, updates and links, and what NetBox looks like afterwards."""

from __future__ import annotations

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

Document = dict[str, Any]
Picture = dict[str, list[str]]


def before() -> Document:
    """What is there when the batch begins."""
    return {"devices": [_device(f"[01-{HALF}]", status="planned", comments="before")]}


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
    """Every object as text, without ids and times; the same objects twice are there twice."""
    return {path: sorted(repr(_lasting(row)) for row in netbox.rows(path)) for path in PATHS}


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _lasting(one) for name, one in sorted(value.items()) if name not in _PASSING}
    return [_lasting(one) for one in value] if isinstance(value, list) else value


def compare(undisturbed: Picture, found: Picture) -> tuple[list[str], list[str]]:
    """What is lost, or other than it should be, and what is there too often or should not be."""
    lost, extra = [], []
    for path in PATHS:
        wanted, there = Counter(undisturbed[path]), Counter(found[path])
        lost += [f"{path}: {one[:300]}" for one in (wanted - there).elements()]
        extra += [f"{path}: {one[:300]}" for one in (there - wanted).elements()]
    return lost, extra


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
