"""What points at an object, as far as the filters of NetBox's endpoints tell: shown before it is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from netbox_mcp.dependencies import get_endpoints
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import AccessError, BadFilterError
from orchestrator.netbox.endpoints import EndpointWrapper
from orchestrator.netbox.surface import Endpoint

# Each type has a role, a group or a type of its own: these say nothing without the table.
_ANYBODYS = frozenset({"role_id", "group_id", "type_id"})
_ROLE, _GROUP, _TYPE = (frozenset({name}) for name in ("role_id", "group_id", "type_id"))
_BY_TABLE = {
    "circuits/circuit-groups": {"circuits/circuit-group-assignments": _GROUP},
    "circuits/circuit-types": {"circuits/circuits": _TYPE},
    "circuits/virtual-circuit-types": {"circuits/virtual-circuits": _TYPE},
    "dcim/device-roles": {"virtualization/virtual-machines": _ROLE},
    "dcim/inventory-item-roles": {"dcim/inventory-items": _ROLE},
    "dcim/rack-groups": {"dcim/racks": _GROUP},
    "dcim/rack-roles": {"dcim/racks": _ROLE},
    "dcim/site-groups": {"dcim/sites": _GROUP},
    "ipam/roles": {"ipam/ip-ranges": _ROLE, "ipam/prefixes": _ROLE, "ipam/vlans": _ROLE},
    "ipam/vlan-groups": {"ipam/vlans": _GROUP},
    "tenancy/contact-groups": {"tenancy/contacts": _GROUP},
    "tenancy/contact-roles": {"tenancy/contact-assignments": _ROLE},
    "tenancy/tenant-groups": {"tenancy/tenants": _GROUP},
    "users/groups": {"users/permissions": _GROUP, "users/users": _GROUP},
    "virtualization/cluster-groups": {"virtualization/clusters": _GROUP},
    "virtualization/cluster-types": {"virtualization/clusters": _TYPE},
    "vpn/tunnel-groups": {"vpn/tunnels": _GROUP},
    "wireless/wireless-lan-groups": {"wireless/wireless-lans": _GROUP},
}


@dataclass(frozen=True, slots=True)
class Dependents:
    """How many objects of which types point at one; `unseen` are the types that the token may not see."""

    counts: dict[str, int]
    unseen: list[str]


def count_dependents(endpoint: Endpoint, object_id: int, target: str) -> Dependents:
    """Look at every endpoint that has a filter for what points at such an object. Raises NetBoxError."""
    endpoints = get_endpoints(target)
    asked = [
        (endpoints.find(other.path), name)
        for other in endpoints.surface.endpoints.values()
        for name in _pointers(endpoint, other)
    ]
    calls = [partial(_count, other, name, object_id) for other, name in asked]
    models = [other.endpoint.model for other, _ in asked]
    found = list(zip(models, endpoints.side_by_side(calls), strict=True))
    counts: dict[str, int] = {}
    for model, count in found:
        if count:  # pointing twice is one object
            counts[model] = max(count, counts.get(model, 0))
    return Dependents(counts, sorted({model for model, count in found if count is None}))


def _count(other: EndpointWrapper, name: str, object_id: int) -> int | None:
    try:
        return other.count(**{name: object_id})
    except AccessError:
        return None
    except BadFilterError:
        return 0  # NetBox knows no such id there: the filter is about something else of that name


def _pointers(endpoint: Endpoint, other: Endpoint) -> list[str]:
    """The filters by which objects of another type are found that point at one of these, or at what does."""
    row = next((row for row in OBJECT_TYPES.values() if row.path == other.path), None)
    names: set[str] = set()
    if row is not None:
        of_one_type = {**row.references, **row.links, **row.lists}
        own = [name for name, target in of_one_type.items() if OBJECT_TYPES[target].path == endpoint.path]
        names = {row.pointer_filter(name) for name in own}
    if other.path == endpoint.path:
        names.add("parent_id")
    else:
        leaf = endpoint.path.rpartition("/")[2].replace("-", "_")
        names |= {f"{_singular(leaf)}_id", f"{endpoint.model.partition('.')[2]}_id"} - _ANYBODYS
    names |= _BY_TABLE.get(endpoint.path, {}).get(other.path, frozenset())
    return [name for name in sorted(names) if name in other.filters]


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return f"{plural[:-3]}y"
    if plural.endswith(("sses", "xes")):
        return plural[:-2]
    return plural.removesuffix("s") if not plural.endswith("sis") else plural
