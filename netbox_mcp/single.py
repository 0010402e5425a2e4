"""Single objects from Python: `get_netbox_client().ensure_device(name=..., confirm=True)`."""

from __future__ import annotations

from typing import Any

from netbox_mcp.dependencies import get_engine
from netbox_mcp.service import DEFAULT_TARGET, get_service
from netbox_mcp.sync_apply import SyncProgress
from orchestrator.models import Plan, Report
from orchestrator.netbox.client import NetBoxClient


def get_netbox_client(target: str = DEFAULT_TARGET) -> NetBoxClient:
    """Single `ensure_*` calls on one NetBox, from Python; each is a batch of one, with lock and journal."""

    def apply(document: Any) -> tuple[Plan, Report]:
        applied = get_service().apply_now(document, target, SyncProgress())
        return applied.plan, applied.report

    return NetBoxClient(get_engine(target), apply)
