"""Device, module and rack types as the community's devicetype-library writes them: one YAML file each.

The format is that of NetBox's own import and export of types. Component
lists are called `console-ports` there, and `console_port_templates` in NetBox's REST API and in
documents. https://github.com/netbox-community/devicetype-library
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def read_type(object_type: str, raw: Mapping[str, Any], file: str) -> tuple[dict[str, Any], list[Problem]]:
    """The entry of a document that says the same as a file of the library, and what cannot be said.

    Only names are changed here: what is in the fields is checked along with the rest of the document.
    """
    lists = {
        OBJECT_TYPES[name].word.removesuffix("_template").replace("_", "-") + "s": name
        for name in OBJECT_TYPES[object_type].children
    }
    entry: dict[str, Any] = {}
    for key, value in raw.items():
        if key in lists and isinstance(value, list):
            # Copies, since an anchor of YAML may stand for the same port twice.
            entry[lists[key]] = [dict(one) if isinstance(one, dict) else one for one in value]
        elif key in lists and value is not None:
            entry[lists[key]] = value
        elif key not in (*lists, *_NOT_NETBOX, _MAPPINGS):
            entry[_SPELT.get(key, key)] = value
    return entry, list(_map_all(raw.get(_MAPPINGS) or [], entry.get(_FRONT_PORTS), f"{file}: {_MAPPINGS}"))


def same_type(entries: Mapping[str, dict[str, Any]]) -> tuple[list[Problem], list[str]]:
    """Files that describe the same type: problems where they differ, remarks where they do not.

    `entries` are those of one object type by the names of their files. In NetBox one would overwrite the
    other, or both would be mixed.
    """
    problems, remarks = [], []
    first: dict[tuple[str, str, str], str] = {}
    for file, entry in entries.items():
        for name in ("model", "slug"):
            if entry.get(name) is None:
                continue
            other = first.setdefault((name, str(entry.get("manufacturer")), str(entry[name])), file)
            if other == file:
                continue
            if entries[other] == entry:
                remarks.append(f"{file} is the same as {other}")
            else:
                message = f"is another {name} {entry[name]!r} of {entry.get('manufacturer')}, as in {other}"
                problems.append(Problem(file, message, "keep one of the two files, or tell them apart"))
            break
    return problems, remarks


def _map_all(mappings: Any, front_ports: Any, place: str) -> Iterator[Problem]:
    """Say on the front ports what NetBox 4.5 and later exports beside them."""
    if not isinstance(mappings, list):
        yield Problem(place, "must be a list")
        return
    listed = front_ports if isinstance(front_ports, list) else []
    ports = [one for one in listed if isinstance(one, dict)]
    for index, mapping in enumerate(mappings):
        name = mapping.get("front_port") if isinstance(mapping, Mapping) else None
        named = [port for port in ports if port.get("name") == name and name is not None]
        if not named:
            yield Problem(f"{place}[{index}]", "names no front port of the file", "front_port is its name")
        for port in named:
            mapped = port.setdefault("rear_ports", [])
            if isinstance(mapped, list):
                mapped.append(
                    {
                        "position": mapping.get("front_port_position", 1),
                        "rear_port": mapping.get("rear_port"),
                        "rear_port_position": mapping.get("rear_port_position", 1),
                    }
                )
