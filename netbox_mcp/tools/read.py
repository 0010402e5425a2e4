"""The tools that read any object type, with the names and arguments of NetBox Labs' MCP server."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from netbox_mcp import reads
from netbox_mcp.registry import mcp_tool
from netbox_mcp.tools.arguments import Target

ObjectTypeName = Annotated[str, Field(description="e.g. dcim.device, ipam.ipaddress")]
Filters = Annotated[
    dict[str, Any],
    Field(
        description="NetBox's own filters, e.g. {'site_id': [1, 2], 'name__ic': 'sw', 'status': 'active'}; "
        "a list: any of these. Unknown ones are errors"
    ),
]
Fields = Annotated[
    list[str] | None,
    Field(description="Only these fields, e.g. ['id', 'name']; name the few you need"),
]
Brief = Annotated[bool, Field(description="Minimal objects")]
Limit = Annotated[int, Field(description="Rows", ge=1, le=reads.MAX_LIMIT)]
Offset = Annotated[int, Field(description="Rows to skip", ge=0)]
Ordering = Annotated[str | list[str] | None, Field(description="Fields; -name: descending")]


class ObjectsReply(BaseModel):
    """One page of objects as NetBox has them."""

    count: int = Field(description="all that match")
    next: str | None
    previous: str | None
    results: list[dict[str, Any]]
    next_offset: int | None = Field(default=None, description="go on here; none: that was all")
    age_seconds: int | None = Field(default=None, description="of an answer from the cache")
    note: str | None = None


@mcp_tool(category="read", title="Get objects", read_only=True, verbatim=True)
def netbox_get_objects(
    object_type: ObjectTypeName,
    filters: Filters,
    fields: Fields = None,
    brief: Brief = False,
    limit: Limit = 5,
    offset: Offset = 0,
    ordering: Ordering = None,
    fresh: Annotated[bool, Field(description="Not from the cache")] = False,
    target: Target = "default",
) -> ObjectsReply:
    """Objects of any type, plugins' too, that match filters, page by page; `count` is how many match in all.

    Filters reach one step: read the site first, then devices by site_id.
    """
    return ObjectsReply(
        **reads.get_objects(object_type, filters, fields, brief, limit, offset, ordering, target, fresh)
    )


@mcp_tool(category="read", title="Get an object by its id", read_only=True, verbatim=True)
def netbox_get_object_by_id(
    object_type: ObjectTypeName,
    object_id: Annotated[int, Field(description="Its id", ge=1)],
    fields: Fields = None,
    brief: Brief = False,
    target: Target = "default",
) -> dict[str, Any]:
    """One object of any type by its id."""
    return reads.get_object(object_type, object_id, fields, brief, target)


@mcp_tool(category="read", title="Search", read_only=True, verbatim=True)
def netbox_search_objects(
    query: Annotated[str, Field(description="A name, address, serial number, asset tag, ...")],
    object_types: Annotated[
        list[str] | None,
        Field(description="Default: devices, sites, addresses, interfaces, racks, VLANs, circuits, VMs"),
    ] = None,
    fields: Fields = None,
    limit: Annotated[int, Field(description="Per type", ge=1, le=reads.MAX_LIMIT)] = 5,
    target: Target = "default",
) -> dict[str, Any]:
    """Find objects of several types by a word: object type -> what matches, brief unless fields are named."""
    return reads.search(query, object_types, fields, limit, target)


@mcp_tool(category="read", title="Changelog", read_only=True, verbatim=True)
def netbox_get_changelogs(
    filters: Annotated[dict[str, Any], Field(description="NetBox's own; {}: all")],
    fields: Fields = None,
    limit: Limit = 5,
    offset: Offset = 0,
    ordering: Ordering = None,
    target: Target = "default",
) -> ObjectsReply:
    """Who changed what and when, newest first, with before and after.

    Filters: changed_object_type (dcim.device), changed_object_id, object_repr, action (create, update,
    delete), user, time_after, time_before (ISO 8601), request_id, q (also a batch_id).
    """
    return ObjectsReply(
        **reads.get_objects(reads.CHANGELOG, filters, fields, False, limit, offset, ordering, target)
    )
