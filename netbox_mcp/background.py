"""The way to the task manager, and what to say where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.failures import UsageError, did_you_mean, shorten
from netbox_mcp.next_steps import way_without_redis
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.layered import is_plugin_type
from workers.errors import RedisUnavailableError
from workers.manager import AsyncTaskManager


@contextmanager
def background(total: int = 0) -> Iterator[AsyncTaskManager]:
    """The task manager; where Redis is missing, the error names the way that `total` objects have without."""
    try:
        manager = get_task_manager()
        yield manager
    except RedisUnavailableError as error:
        sentence = error.message.rstrip(".")
        raise RedisUnavailableError(f"{sentence}; {way_without_redis(total)}.", hint=error.hint) from None


def check_object_type(name: str | None) -> None:
    """Raise UsageError for an object type that does not exist; which ones plugins have is not known here."""
    if name is not None and name not in OBJECT_TYPES and not is_plugin_type(name):
        hint = did_you_mean(name, OBJECT_TYPES) or f"Known: {', '.join(OBJECT_TYPES)}."
        raise UsageError(f"There is no object type {shorten(name, 80)!r}.", hint)
