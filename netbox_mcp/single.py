"""NetBox from Python: `get_netbox_client().ensure_device(..., confirm=True)`, `.dcim.devices.filter(...)`."""

from __future__ import annotations

from typing import Any

from netbox_mcp.dependencies import get_endpoints, get_engine, once
from netbox_mcp.service import DEFAULT_TARGET, get_service
from netbox_mcp.sync_apply import SyncProgress
from orchestrator.models import Plan, Report
from orchestrator.netbox.client import NetBoxClient


def get_netbox_client(target: str = DEFAULT_TARGET) -> NetBoxClient:
    """One NetBox from Python: one client per target and process, safe to share between threads.

    Each `ensure_*` call is a batch of one, with lock and journal.
    """

    def apply(document: Any) -> tuple[Plan, Report]:
        applied = get_service().apply_now(document, target, SyncProgress())
        return applied.plan, applied.report

    return once(f"client:{target}", lambda: NetBoxClient(get_engine(target), apply, get_endpoints(target)))


class NetBoxClientManager:
    """`get_netbox_client` by its older name."""

    @staticmethod
    def get_client(target: str = DEFAULT_TARGET) -> NetBoxClient:
        """The client of that target."""
        return get_netbox_client(target)
