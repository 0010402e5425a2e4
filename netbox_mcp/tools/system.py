"""The tool that tells whether the platform itself is well."""

from __future__ import annotations

from netbox_mcp.registry import mcp_tool
from netbox_mcp.replies import HealthReply
from netbox_mcp.service import get_service


@mcp_tool(category="system", title="Health check", read_only=True)
def netbox_health_check() -> HealthReply:
    """Whether NetBox, Redis and a worker can be reached, their versions, and what to do about what cannot.

    Use it when another tool reports that something is unavailable.
    """
    return get_service().health()
