"""The tools that write single objects of any type; each shows first and writes with `confirm`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from netbox_mcp import writes
from netbox_mcp.registry import single_write
from netbox_mcp.tools.arguments import Confirm, Target, given
from netbox_mcp.tools.read import ObjectTypeName
from netbox_mcp.writes import WriteReply

ObjectId = Annotated[int, Field(description="Its id", ge=1)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
WrittenFields = Annotated[
    dict[str, Any],
    Field(description="As NetBox names them; a reference is an id or what identifies it: {'name': 'AMS1'}"),
]


@single_write(category="write", title="Ensure an object", idempotent=True)
def netbox_ensure_object(
    object_type: ObjectTypeName,
    fields: WrittenFields,
    match: Annotated[
        dict[str, Any] | None,
        Field(description="Filters that find it, e.g. {'vid': 10, 'group_id': 3}; default: its name or slug"),
    ] = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Create one object of any type, or set the named fields of the one that is there; other fields stay.

    Calling it again changes nothing. For more than a few objects use the bulk tools.
    """
    return writes.ensure_object(object_type, fields, match, confirm, target)


@single_write(category="write", title="Update an object", idempotent=True)
def netbox_update_object(
    object_type: ObjectTypeName,
    object_id: ObjectId,
    fields: WrittenFields,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Set the named fields of one object, found by its id; all others stay."""
    return writes.update_object(object_type, object_id, fields, confirm, target)


@single_write(category="write", title="Delete an object", idempotent=True)
def netbox_delete_object(
    object_type: ObjectTypeName,
    object_id: ObjectId,
    confirm: Confirm = False,
    with_dependents: Annotated[bool, Field(description="Also where others point at it")] = False,
    target: Target = "default",
) -> WriteReply:
    """Delete one object. Without confirm=true: what would be deleted, and what depends on it."""
    return writes.delete_object(object_type, object_id, confirm, with_dependents, target)


@single_write(category="write", title="Create a manufacturer", idempotent=True)
def netbox_create_manufacturer(
    name: Annotated[Name, Field(description="e.g. Cisco")],
    description: Annotated[str | None, Field(description="Optional")] = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Create a manufacturer, or see that it is there."""
    return _ensure("manufacturers", confirm, target, name=name, description=description)


@single_write(category="write", title="Create a site", idempotent=True)
def netbox_create_site(
    name: Annotated[Name, Field(description="e.g. AMS1")],
    status: Annotated[str | None, Field(description="planned, staging, active, ...")] = None,
    region: Annotated[str | None, Field(description="Name of a region that exists")] = None,
    description: Annotated[str | None, Field(description="Optional")] = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Create a site, or bring the one of that name up to date."""
    return _ensure("sites", confirm, target, name=name, status=status, region=region, description=description)


@single_write(category="write", title="Create a device role", idempotent=True)
def netbox_create_device_role(
    name: Annotated[Name, Field(description="e.g. Access Switch")],
    color: Annotated[str | None, Field(description="Six hexadecimal digits, e.g. 4caf50")] = None,
    description: Annotated[str | None, Field(description="Optional")] = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Create a device role, or bring the one of that name up to date."""
    return _ensure("device_roles", confirm, target, name=name, color=color, description=description)


@single_write(category="write", title="Set a device's status", idempotent=True)
def netbox_update_device_status(
    name: Annotated[Name, Field(description="The device's name")],
    status: Annotated[str, Field(description="planned, staged, active, offline, decommissioning, ...")],
    site: Annotated[str | None, Field(description="Its site, where the name is not unique")] = None,
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Set the status of one device, found by its name."""
    return writes.update_device_status(name, site, status, confirm, target)


@single_write(category="write", title="Delete a manufacturer", idempotent=True)
def netbox_delete_manufacturer(
    name: Annotated[Name, Field(description="Its name")],
    confirm: Confirm = False,
    target: Target = "default",
) -> WriteReply:
    """Delete a manufacturer that nothing depends on any more."""
    return writes.delete_by_name("manufacturers", name, confirm, target)


def _ensure(object_type: str, confirm: bool, target: str, **fields: Any) -> WriteReply:
    return writes.ensure_object(object_type, given(**fields), None, confirm, target)
