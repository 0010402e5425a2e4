"""Device, module and rack types as the community's devicetype-library writes them: one YAML file each.

The format is that of NetBox's own import and export of types. Component
lists are called `console-ports` there, and `console_port_templates` in NetBox's REST API and in
documents. https://github.com/netbox-community/devicetype-library
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import Problem

FOLDERS: Mapping[str, str] = {
    "device-types": "device_types",
    "module-types": "module_types",
    "rack-types": "rack_types",
}
"""What the library calls its folders, with the object type of the files in each."""

# Beside a type the library has pictures, and says so; whether a device needs power is for its own checks.
_NOT_NETBOX = frozenset({"front_image", "rear_image", "is_powered"})
_SPELT = {"attribute_data": "attributes"}
_MAPPINGS = "port-mappings"
_FRONT_PORTS = "front_port_templates"


def read_type(object_type: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of a document that says the same as a file of the library.

    Only names are changed here: what is in the fields is checked along with the rest of the document.
    """
    lists = {
        OBJECT_TYPES[name].word.removesuffix("_template").replace("_", "-") + "s": name
        for name in OBJECT_TYPES[object_type].children
    }
    entry: dict[str, Any] = {}
    for key, value in raw.items():
        if key in lists:
            entry[lists[key]] = value
        elif key not in _NOT_NETBOX and key != _MAPPINGS:
            entry[_SPELT.get(key, key)] = value
    for mapping in _mappings(raw.get(_MAPPINGS)):
        _map(entry.get(_FRONT_PORTS), mapping)
    return entry


def same_type(entries: Mapping[str, dict[str, Any]]) -> tuple[list[Problem], list[str]]:
    """Files that describe the same type: problems where they differ, remarks where they do not.

    `entries` are those of one object type by the names of their files. In NetBox one would overwrite the
    other, or both would be mixed.
    """
    problems, remarks = [], []
    first: dict[tuple[str, Any, Any], str] = {}
    for file, entry in entries.items():
        for name in ("model", "slug"):
            key = (name, entry.get("manufacturer"), entry.get(name))
            if key[2] is None:
                continue
            other = first.setdefault(key, file)
            if other == file:
                continue
            if entries[other] == entry:
                remarks.append(f"{file} is the same as {other}")
            else:
                message = f"is another {name} {entry[name]!r} of {entry.get('manufacturer')}, as in {other}"
                problems.append(Problem(file, message, "keep one of the two files, or tell them apart"))
            break
    return problems, remarks


def _mappings(raw: Any) -> list[Mapping[str, Any]]:
    return [one for one in raw if isinstance(one, Mapping)] if isinstance(raw, list) else []


def _map(front_ports: Any, mapping: Mapping[str, Any]) -> None:
    """Say on the front port what NetBox 4.5 and later exports beside it."""
    for port in front_ports if isinstance(front_ports, list) else ():
        if isinstance(port, dict) and port.get("name") == mapping.get("front_port"):
            port.setdefault("rear_ports", []).append(
                {
                    "position": mapping.get("front_port_position", 1),
                    "rear_port": mapping.get("rear_port"),
                    "rear_port_position": mapping.get("rear_port_position", 1),
                }
            )
