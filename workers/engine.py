"""The engine as it is configured: for workers, and for servers that plan or write themselves."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.plugin_types import PluginLists
from orchestrator.ports import NetBox
from workers.settings import WorkerSettings


def engine_on(
    netbox: NetBox, target: str, settings: WorkerSettings, plugin_lists: Callable[[], PluginLists]
) -> NetBoxBulkOrchestrator:
    """The engine on one NetBox; `plugin_lists` tells of its plugins where that matters."""
    return NetBoxBulkOrchestrator(
        netbox,
        target,
        lanes=settings.lanes,
        settle_seconds=settings.settle_seconds,
        list_seconds=settings.list_seconds,
        plugin_lists=plugin_lists,
    )
