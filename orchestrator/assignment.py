"""What an IP address is on, in every way that a document may say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.catalog import ObjectType
from orchestrator.desired import Reference
from orchestrator.references import HOSTS, ReferenceReader

_HALVES = ("assigned_object_type", "assigned_object_id")
_WAYS = (("interface",), ("fhrp_group",), ("assigned_object",), _HALVES)

SPELLINGS: tuple[str, ...] = tuple(name for way in _WAYS for name in way)
"""The fields that say it; those of HOSTS belong to `interface`."""


def read_assignment(
    row: ObjectType, raw: Mapping[str, Any], path: str, references: ReferenceReader
) -> dict[str, Any]:
    """An IP address with `assigned_object` in place of however it was said. What is wrong is noted.

    Inside a device, `device` is a reference to it; inside a virtual machine likewise.
    """
    rest = {key: value for key, value in raw.items() if key not in (*HOSTS, *SPELLINGS)}
    ways = [way for way in _WAYS if any(name in raw for name in way)]
    hosts = {name: raw[name] for name in HOSTS if raw.get(name) is not None}
    named = [name for name, host in hosts.items() if not isinstance(host, Reference)]
    if len(ways) > 1:
        first, second = (next(name for name in way if name in raw) for way in ways[:2])
        references.problem(f"{path}.{second}", f"given twice: {first} and {second}", "keep one of them")
    elif len(hosts) > 1:
        first, second = hosts
        references.problem(f"{path}.{second}", f"stands beside {first}", "keep one of them")
    elif ways == [("interface",)]:
        rest |= _by_interface(raw["interface"], hosts, path, references)
    elif ways and named:
        references.problem(f"{path}.{named[0]}", f"stands beside {ways[0][-1]}", "keep one of them")
    elif ways == [("fhrp_group",)]:
        group = raw["fhrp_group"]
        found = references.reference("fhrp_groups", group, f"{path}.fhrp_group") if group else None
        rest |= {"assigned_object": found} if found or group is None else {}
    elif ways:
        rest |= {name: raw[name] for name in ways[0] if name in raw}
    elif hosts:
        (host,) = hosts
        hint = (
            f"name the interface, or declare the address under ip_addresses, without {host}, if it is on none"
        )
        references.problem(f"{path}.interface", "which interface?", hint)
    return rest


def _by_interface(
    interface: Any, hosts: Mapping[str, Any], path: str, references: ReferenceReader
) -> dict[str, Any]:
    if interface is None:
        return {"assigned_object": None}
    named = dict(interface) if isinstance(interface, Mapping) else {"name": interface}
    own = next((name for name in HOSTS if name in named), next(iter(hosts), "device"))
    if not named.keys().isdisjoint(("id", *HOSTS)):
        written = [name for name, host in hosts.items() if not isinstance(host, Reference)]
        if written:
            place = f"{path}.{written[0]}"
            references.problem(place, "stands beside an interface with its own", "keep one of them")
            return {}
    elif not hosts:
        hint = "add device: NAME or virtual_machine: NAME"
        references.problem(f"{path}.interface", "an interface needs its device or virtual machine", hint)
        return {}
    else:
        named = {**hosts, **named}
    found = references.reference(HOSTS[own], named, f"{path}.interface")
    return {} if found is None else {"assigned_object": found}
