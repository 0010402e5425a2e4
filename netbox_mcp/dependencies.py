"""What is made once per process: settings, targets, the way to NetBox and to Redis.

Thread-safe; `configure` replaces the settings and forgets everything made from
the old ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from netbox_mcp.audit import AuditLog, caller
from netbox_mcp.config import Settings, load_settings
from netbox_mcp.failures import UsageError
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import NetBoxSettings, RestNetBox, load_targets, open_netbox
from orchestrator.netbox.cache import CacheManager
from orchestrator.netbox.endpoints import Audit, Endpoints, Mutation
from orchestrator.netbox.marks import WriteMarks
from orchestrator.ports import Written
from workers.connection import connect_briefly
from workers.engine import engine_on
from workers.errors import PlanRequiredError
from workers.manager import AsyncTaskManager
from workers.write_marks import open_marks

Made = TypeVar("Made")

_lock = threading.RLock()
_made: dict[str, Any] = {}


def configure(settings: Settings) -> None:
    """Use these settings from now on instead of those of the environment."""
    with _lock:
        _made.clear()
        _made["settings"] = settings


def forget() -> None:
    """Forget the settings and everything made from them; the next call reads the environment again."""
    with _lock:
        _made.clear()


def get_settings() -> Settings:
    """The settings of this process. Raises ConfigError."""
    return once("settings", load_settings)


def get_targets() -> dict[str, NetBoxSettings]:
    """The configured NetBoxes by name. Raises ConfigError if there is none."""
    return once("targets", load_targets)


def get_netbox_config(target: str = "default") -> NetBoxSettings:
    """Where one NetBox is and how to talk to it. Raises ConfigError, or UsageError for an unknown target."""
    targets = get_targets()
    if target not in targets:
        raise UsageError(
            f"There is no target {target!r}.", f"Configured: {', '.join(sorted(targets)) or 'none'}."
        )
    return targets[target]


def get_netbox(target: str = "default") -> RestNetBox:
    """The connection to one NetBox. It refuses every write while dry-run is on."""
    return once(f"netbox:{target}", lambda: open_netbox(get_netbox_config(target), marks=get_marks(target)))


def get_marks(target: str = "default") -> WriteMarks:
    """Where our writes to one NetBox are told to those who keep answers of it."""
    return once(f"marks:{target}", lambda: open_marks(get_settings(), get_netbox_config(target)))


def get_cache(target: str = "default") -> CacheManager | None:
    """What is kept of one NetBox; None where nothing is to be."""
    settings = get_settings()
    if not settings.cache:
        return None
    return once(
        f"cache:{target}",
        lambda: CacheManager(settings.cache_ttls, get_marks(target), settings.cache_max_bytes),
    )


def get_endpoints(target: str = "default") -> Endpoints:
    """Every endpoint of one NetBox. What it offers, and what is written, is kept in the state directory."""
    folder = get_settings().state_dir / "surfaces"
    return once(
        f"endpoints:{target}",
        lambda: Endpoints(get_netbox(target), folder, _guard(target), get_cache(target)),
    )


def _guard(target: str) -> Audit:
    """The audit, behind the rule that nothing but plans may be applied where that is so."""
    audit = get_audit(target)

    def guard(mutation: Mutation) -> AbstractContextManager[Callable[[Written], None]]:
        if get_settings().plan_required:
            raise PlanRequiredError
        return audit(mutation)

    return guard


def get_audit(target: str = "default") -> AuditLog:
    """The audit of what is written to one NetBox."""
    settings = get_settings()
    return AuditLog(settings.state_dir, target, settings.redacted_fields)


def get_engine(target: str = "default") -> NetBoxBulkOrchestrator:
    """The bulk engine for one NetBox."""
    return engine_on(get_netbox(target), target, get_settings(), lambda: get_endpoints(target).plugin_lists())


def get_task_manager() -> AsyncTaskManager:
    """The manager of background tasks. Raises RedisUnavailableError where no Redis is configured."""

    def make() -> AsyncTaskManager:
        settings = get_settings()
        return AsyncTaskManager(connect_briefly(settings), settings, caller)

    return once("manager", make)


def once(name: str, make: Callable[[], Made]) -> Made:
    """The thing of that name, made at the first call; a failure is not kept."""
    with _lock:
        if name not in _made:
            _made[name] = make()
        return cast(Made, _made[name])
