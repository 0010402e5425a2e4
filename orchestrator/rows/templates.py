"""What devices and modules of a type come with: the component templates, rows of `dcim`."""

from __future__ import annotations

from typing import Any

from orchestrator.object_type import ObjectType, component

MAPPED_FROM_THE_FRONT = {"front_ports": "front ports say which rear ports they map to: rear_ports"}
"""Why rear ports do not say it, too."""


def _template(name: str, or_host: str = "module_type", **more: Any) -> ObjectType:
    return component(name, f"dcim/{name.replace('_', '-')}", host="device_type", or_host=or_host, **more)


ROWS = (
    _template("interface_templates", deferred=("parent", "bridge")),
    _template("console_port_templates"),
    _template("console_server_port_templates"),
    _template("power_port_templates"),
    _template("power_outlet_templates"),
    _template("cooling_intake_templates", since="4.7"),
    _template("cooling_outflow_templates", since="4.7"),
    _template("rear_port_templates", refused=MAPPED_FROM_THE_FRONT),
    _template("front_port_templates", mapped={"rear_ports": "rear_port_templates"}, since="4.5"),
    _template("module_bay_templates"),
    _template("device_bay_templates", or_host=""),
    _template(
        "inventory_item_templates",
        or_host="",
        optional_key=("parent",),
        named_once=False,
        unique=(("device_type", "parent", "name"),),
        untold={"parent": "inventory_item_templates"},
        generic={
            "component": (
                "interface_templates",
                "console_port_templates",
                "console_server_port_templates",
                "power_port_templates",
                "power_outlet_templates",
                "cooling_intake_templates",
                "cooling_outflow_templates",
                "front_port_templates",
                "rear_port_templates",
            )
        },
    ),
)

IN_DEVICE_TYPES = {row.name: "device_type" for row in ROWS}
"""What may stand inside of a device type, with the field that points to it."""

IN_MODULE_TYPES = {row.name: "module_type" for row in ROWS if row.else_of}
"""What may stand inside of a module type."""
