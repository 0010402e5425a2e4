"""The arguments that several tools share, described once for the model that fills them in."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

Batch = Annotated[
    dict[str, Any] | None,
    Field(
        description="The network as it should be: lists of objects by type (manufacturers, sites, "
        "device_roles, platforms, device_types, devices, interfaces, ip_addresses), and optionally `options` "
        "and `defaults`. References are names. Devices may hold interfaces, ip_addresses and primary_ip4. "
        'Ranges make many: "sw-[01-48]"; "{1}" is then the value, "192.0.2.{1+10}/24" counts from it. '
        "Example: "
        '{"devices": [{"name": "sw-[01-48]", "site": "AMS1", "role": "Access", '
        '"device_type": {"manufacturer": "Cisco", "model": "C9300-48P"}}]}'
    ),
]
DevicesData = Annotated[
    list[dict[str, Any]] | None,
    Field(
        description="Instead of batch: a bare list of devices with name, manufacturer, device_type or model, "
        "site, role, status, platform, description, interfaces, ip_addresses. No ranges."
    ),
]
# What netbox_plan_bulk describes need not be read again with every tool.
SameBatch = Annotated[dict[str, Any] | None, Field(description="The document, as for netbox_plan_bulk")]
SameDevicesData = Annotated[
    list[dict[str, Any]] | None, Field(description="Or a list of devices, as for netbox_plan_bulk")
]
InputId = Annotated[
    str | None, Field(description="Or one kept by POST /inputs, or file:NAME", max_length=300)
]
Confirm = Annotated[bool, Field(description="Must be true to write; without it the plan is shown")]
Target = Annotated[str, Field(description="Which configured NetBox")]
TargetOfPlan = Annotated[str | None, Field(description="Which configured NetBox; a plan knows its own")]
TaskId = Annotated[str, Field(description="From netbox_start_bulk_async", min_length=1, max_length=100)]


def given(**fields: Any) -> dict[str, Any]:
    """The fields that the caller has named; of the others nothing is said."""
    return {name: value for name, value in fields.items() if value is not None}
