"""What hangs on an object without being of a type in the catalog, and would go or stand in the way with it.

NetBox deletes much of this along with the object and says nothing. Each row of
the table names a list, the field by which its objects point, and the filter
for it; the pointer is checked on our side as well, since NetBox ignores
filters that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.ports import Row


@dataclass(frozen=True, slots=True)
class Attachment:
    """One list of such objects. `generic` pointers are a pair of fields, `<pointer>_type` and `<pointer>_id`.

    With `cabled` only what a cable ends at counts.
    """

    path: str
    noun: str
    pointer: str
    generic: bool = True
    cabled: bool = False

    @property
    def filter(self) -> str:
        """The filter by id."""
        return "id" if self.pointer == "id" else f"{self.pointer}_id"

    def parameters(self, object_type: str) -> list[tuple[str, str | int]]:
        """What is asked for beside the ids."""
        kind = [(f"{self.pointer}_type", OBJECT_TYPES[object_type].model)] if self.generic else []
        return [*kind, *([("cabled", "true")] if self.cabled else [])]

    def target(self, object_type: str, row: Row) -> Any:
        """The id of the object that a row points to; None where it is of another kind, or does not count."""
        if self.cabled and not row.get("cable"):
            return None
        if self.generic and row.get(f"{self.pointer}_type") != OBJECT_TYPES[object_type].model:
            return None
        value = row.get(f"{self.pointer}_id") if self.generic else row.get(self.pointer)
        return value["id"] if isinstance(value, dict) else value


_ON_ANYTHING = (
    Attachment("tenancy/contact-assignments", "contact assignment", "object"),
    Attachment("extras/journal-entries", "journal entry", "assigned_object"),
    Attachment("extras/image-attachments", "image attachment", "object"),
)
# What NetBox lets lie in any of them (dcim/constants.py, LOCATION_SCOPE_TYPES), and circuits end there.
_IN_A_PLACE = (
    Attachment("ipam/vlan-groups", "VLAN group", "scope"),
    Attachment("ipam/prefixes", "prefix", "scope"),
    Attachment("virtualization/clusters", "cluster", "scope"),
    Attachment("wireless/wireless-lans", "wireless LAN", "scope"),
    Attachment("circuits/circuit-terminations", "circuit termination", "termination"),
)
_PORTS = ("console-port", "console-server-port", "power-port", "power-outlet", "front-port", "rear-port")


def _at_port(kind: str) -> tuple[Attachment, Attachment]:
    noun = kind.replace("-", " ")
    return (
        Attachment("dcim/inventory-items", "inventory item", "component"),
        Attachment(f"dcim/{kind}s", f"cable at the {noun}", "id", generic=False, cabled=True),
    )


_ON: Mapping[str, tuple[Attachment, ...]] = {
    "manufacturers": (
        Attachment("dcim/module-types", "module type", "manufacturer", generic=False),
        Attachment("dcim/inventory-items", "inventory item", "manufacturer", generic=False),
    ),
    "regions": _IN_A_PLACE,
    "site_groups": _IN_A_PLACE,
    "sites": (
        *_IN_A_PLACE,
        Attachment("ipam/vlans", "VLAN", "site", generic=False),
        Attachment("virtualization/virtual-machines", "virtual machine", "site", generic=False),
        Attachment("dcim/power-panels", "power panel", "site", generic=False),
    ),
    "locations": (
        *_IN_A_PLACE,
        Attachment("dcim/power-panels", "power panel", "location", generic=False),
    ),
    "racks": (
        Attachment("ipam/vlan-groups", "VLAN group", "scope"),
        Attachment("dcim/rack-reservations", "rack reservation", "rack", generic=False),
        Attachment("dcim/power-feeds", "power feed", "rack", generic=False),
    ),
    "tenants": tuple(
        Attachment(path, noun, "tenant", generic=False)
        for path, noun in (
            ("circuits/circuit-groups", "circuit group"),
            ("circuits/circuits", "circuit"),
            ("circuits/virtual-circuits", "virtual circuit"),
            ("dcim/cables", "cable"),
            ("dcim/power-feeds", "power feed"),
            ("dcim/rack-reservations", "rack reservation"),
            ("dcim/virtual-device-contexts", "virtual device context"),
            ("ipam/aggregates", "aggregate"),
            ("ipam/asn-ranges", "ASN range"),
            ("ipam/asns", "ASN"),
            ("ipam/ip-ranges", "IP range"),
            ("ipam/prefixes", "prefix"),
            ("ipam/route-targets", "route target"),
            ("ipam/vlan-groups", "VLAN group"),
            ("ipam/vlans", "VLAN"),
            ("virtualization/clusters", "cluster"),
            ("virtualization/virtual-machines", "virtual machine"),
            ("vpn/l2vpns", "L2VPN"),
            ("vpn/tunnels", "tunnel"),
            ("wireless/wireless-lans", "wireless LAN"),
            ("wireless/wireless-links", "wireless link"),
        )
    ),
    "vrfs": (
        Attachment("ipam/prefixes", "prefix", "vrf", generic=False),
        Attachment("ipam/ip-ranges", "IP range", "vrf", generic=False),
        Attachment("virtualization/interfaces", "interface of a virtual machine", "vrf", generic=False),
    ),
    "device_roles": (
        Attachment("virtualization/virtual-machines", "virtual machine", "role", generic=False),
    ),
    "platforms": (
        Attachment("virtualization/virtual-machines", "virtual machine", "platform", generic=False),
    ),
    "devices": (
        Attachment("ipam/services", "service", "parent_object"),
        Attachment("dcim/virtual-device-contexts", "virtual device context", "device", generic=False),
        Attachment("dcim/modules", "module", "device", generic=False),
        Attachment("dcim/device-bays", "device bay", "installed_device", generic=False),
        Attachment("dcim/virtual-chassis", "virtual chassis", "master", generic=False),
        Attachment("virtualization/virtual-machines", "virtual machine", "device", generic=False),
        *(
            Attachment(
                f"dcim/{kind}s", f"cabled {kind.replace('-', ' ')}", "device", generic=False, cabled=True
            )
            for kind in _PORTS
        ),
    ),
    "interfaces": (
        Attachment("dcim/mac-addresses", "MAC address", "assigned_object"),
        *_at_port("interface"),
        Attachment("ipam/fhrp-group-assignments", "FHRP group assignment", "interface"),
        Attachment("vpn/l2vpn-terminations", "L2VPN termination", "assigned_object"),
        Attachment("vpn/tunnel-terminations", "tunnel termination", "termination"),
    ),
    **{
        f"{kind.replace('-', '_')}s": _at_port(kind)
        for kind in ("console-port", "console-server-port", "power-port", "power-outlet")
    },
    "module_bays": (Attachment("dcim/modules", "module", "module_bay", generic=False),),
}


def attachments_of(object_type: str) -> Iterator[Attachment]:
    """Every list in which something may point to objects of a type."""
    yield from _ON_ANYTHING
    yield from _ON.get(object_type, ())


def in_words(attachment: Attachment, row: Row) -> str:
    """`service 'ssh (TCP/22)'`."""
    return f"{attachment.noun} {str(row.get('display') or row['id'])!r}"
