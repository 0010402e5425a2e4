"""The batch documents that are measured: devices of eight types with eight managed fields each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
Row = dict[str, Any]

DEVICE_FIELDS = ("name", "device_type", "role", "site", "status", "serial", "asset_tag", "description")
INTERFACE_FIELDS = ("device", "name", "type", "enabled", "mgmt_only", "mtu", "label", "description")
INTERFACES_EACH = 4

_TYPES = [f"Model {number}" for number in range(1, 9)]
_ROLES = [f"Role {number}" for number in range(1, 5)]
_SITES = [f"Site {number}" for number in range(1, 5)]
_MAKERS = ["Maker A", "Maker B"]


def parents() -> Document:
    """What has to be there before the devices."""
    return {
        "manufacturers": [{"name": maker} for maker in _MAKERS],
        "sites": [{"name": site} for site in _SITES],
        "device_roles": [{"name": role} for role in _ROLES],
        "device_types": [{"manufacturer": _maker(model), "model": model} for model in _TYPES],
    }


def devices(count: int) -> Document:
    """So many devices, their types by turns."""
    return {"devices": [_device(number) for number in range(count)]}


def devices_with_interfaces(count: int) -> Document:
    """The same devices with their interfaces."""
    return {
        "devices": [
            {**_device(number), "interfaces": [_interface(port) for port in range(INTERFACES_EACH)]}
            for number in range(count)
        ]
    }


def device_rows(document: Document, ids: Mapping[str, Mapping[str, int]]) -> list[Row]:
    """The same devices as NetBox's API takes them; `ids` has the parents' ids by field and name."""
    return [
        {
            **device,
            "device_type": ids["device_type"][device["device_type"]["model"]],
            "role": ids["role"][device["role"]],
            "site": ids["site"][device["site"]],
        }
        for device in document["devices"]
    ]


def _device(number: int) -> Row:
    model = _TYPES[number % len(_TYPES)]
    return {
        "name": f"bench-{number:05}",
        "device_type": {"manufacturer": _maker(model), "model": model},
        "role": _ROLES[number // 2 % len(_ROLES)],
        "site": _SITES[number // 3 % len(_SITES)],
        "status": "active",
        "serial": f"SN{number:08}",
        "asset_tag": f"AT{number:08}",
        "description": f"Measured device {number}",
    }


def _interface(port: int) -> Row:
    """Seven managed fields; the device it is on is the eighth."""
    return {
        "name": f"GigabitEthernet0/{port}",
        "type": "1000base-t",
        "enabled": True,
        "mgmt_only": port == 0,
        "mtu": 9000,
        "label": f"P{port}",
        "description": f"port {port}",
    }


def _maker(model: str) -> str:
    return _MAKERS[_TYPES.index(model) % len(_MAKERS)]
