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
_PORTS = ("console-port", "console-server-port", "power-port", "power-outlet", "front-port", "rear-port")
_CIRCUITS_END = Attachment("circuits/circuit-terminations", "circuit termination", "termination")
_TUNNELS_END = Attachment("vpn/tunnel-terminations", "tunnel termination", "termination")
_L2VPNS_END = Attachment("vpn/l2vpn-terminations", "L2VPN termination", "assigned_object")
_ADDRESSED = (
    Attachment("dcim/mac-addresses", "MAC address", "assigned_object"),
    Attachment("ipam/fhrp-group-assignments", "FHRP group assignment", "interface"),
    _L2VPNS_END,
    _TUNNELS_END,
)
_SERVES = Attachment("ipam/services", "service", "parent_object")
_GROUPED = Attachment("circuits/circuit-group-assignments", "circuit group assignment", "member")


def _plain(path: str, noun: str, pointer: str) -> Attachment:
    return Attachment(path, noun, pointer, generic=False)


def _at_port(kind: str) -> tuple[Attachment, Attachment]:
    noun = kind.replace("-", " ")
    return (
        Attachment("dcim/inventory-items", "inventory item", "component"),
        Attachment(f"dcim/{kind}s", f"cable at the {noun}", "id", generic=False, cabled=True),
    )


_ON: Mapping[str, tuple[Attachment, ...]] = {
    "manufacturers": (_plain("dcim/inventory-items", "inventory item", "manufacturer"),),
    "inventory_item_roles": (_plain("dcim/inventory-items", "inventory item", "role"),),
    "regions": (_CIRCUITS_END,),
    "site_groups": (_CIRCUITS_END,),
    "sites": (_CIRCUITS_END,),
    "locations": (_CIRCUITS_END,),
    "racks": (_plain("dcim/rack-reservations", "rack reservation", "rack"),),
    "power_feeds": (
        Attachment("dcim/power-feeds", "cable at the power feed", "id", generic=False, cabled=True),
    ),
    "tenants": (
        _plain("dcim/cables", "cable", "tenant"),
        _plain("dcim/rack-reservations", "rack reservation", "tenant"),
        _plain("wireless/wireless-links", "wireless link", "tenant"),
    ),
    "contacts": (_plain("tenancy/contact-assignments", "contact assignment", "contact"),),
    "contact_roles": (_plain("tenancy/contact-assignments", "contact assignment", "role"),),
    "module_types": (_plain("dcim/modules", "module", "module_type"),),
    "devices": (
        _SERVES,
        _plain("dcim/modules", "module", "device"),
        *(
            Attachment(
                f"dcim/{kind}s", f"cabled {kind.replace('-', ' ')}", "device", generic=False, cabled=True
            )
            for kind in _PORTS
        ),
    ),
    "interfaces": (*_ADDRESSED, *_at_port("interface")),
    "vm_interfaces": _ADDRESSED,
    **{
        f"{kind.replace('-', '_')}s": _at_port(kind)
        for kind in ("console-port", "console-server-port", "power-port", "power-outlet")
    },
    "module_bays": (_plain("dcim/modules", "module", "module_bay"),),
    "virtual_machines": (_SERVES,),
    "fhrp_groups": (
        _SERVES,
        _plain("ipam/fhrp-group-assignments", "FHRP group assignment", "group"),
    ),
    "vlans": (_L2VPNS_END,),
    "l2vpns": (_plain("vpn/l2vpn-terminations", "L2VPN termination", "l2vpn"),),
    "tunnels": (_plain("vpn/tunnel-terminations", "tunnel termination", "tunnel"),),
    "provider_networks": (_CIRCUITS_END,),
    "circuits": (_GROUPED, _plain("circuits/circuit-terminations", "circuit termination", "circuit")),
    "virtual_circuits": (
        _GROUPED,
        _plain("circuits/virtual-circuit-terminations", "virtual circuit termination", "virtual_circuit"),
    ),
    "circuit_groups": (_plain("circuits/circuit-group-assignments", "circuit group assignment", "group"),),
}


def attachments_of(object_type: str) -> Iterator[Attachment]:
    """Every list in which something may point to objects of a type."""
    yield from _ON_ANYTHING
    yield from _ON.get(object_type, ())


def in_words(attachment: Attachment, row: Row) -> str:
    """`service 'ssh (TCP/22)'`."""
    return f"{attachment.noun} {str(row.get('display') or row['id'])!r}"
