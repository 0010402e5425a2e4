"""Looking at each part that the platform needs: NetBox, Redis, workers.

A part that is missing is a finding with a way out, never an exception: doctor
and the health tool must work where nothing does.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from netbox_mcp import __version__
from netbox_mcp.dependencies import get_cache, get_netbox, get_settings, get_targets, get_task_manager
from netbox_mcp.replies import Check, HealthReply
from orchestrator.errors import OrchestratorError

MAX_TARGETS = 10
OLDEST_NETBOX = (4, 2)
PATIENCE_SECONDS = 5.0
"""A NetBox that takes longer to say its version is not well, whatever it does later."""


def check_health() -> HealthReply:
    """Look at everything; takes some seconds where hosts do not answer."""
    checks = [*_check_netboxes(), *_check_background()]
    netbox_ok = all(check.ok for check in checks if check.name.startswith("netbox"))
    status = "down" if not netbox_ok else "ok" if all(check.ok for check in checks) else "degraded"
    try:
        dry_run = get_settings().dry_run
    except OrchestratorError as error:
        checks.append(_failed("settings", error))
        status, dry_run = "down", False
    return HealthReply(
        status=status, version=__version__, dry_run=dry_run, checks=checks, cache=_cache_statistics()
    )


def is_ready() -> bool:
    """Whether the default NetBox answers."""
    return check_netbox("default").ok


def check_netbox(target: str) -> Check:
    """Whether one NetBox answers to our token, and its version."""
    name = "netbox" if target == "default" else f"netbox:{target}"
    try:
        client = get_netbox(target)
        status = client.status(PATIENCE_SECONDS)
    except OrchestratorError as error:
        return _failed(name, error)
    if _release(status.version) < OLDEST_NETBOX:
        return Check(
            name=name, ok=False, found=f"NetBox {status.version}", hint="NetBox 4.2 or newer is needed."
        )
    return Check(name=name, ok=True, found=f"NetBox {status.version} at {client.url}")


def _cache_statistics() -> dict[str, int | float]:
    """How reads fared with what this process keeps of all targets; empty where it keeps nothing."""
    try:
        caches = [cache for name in get_targets() if (cache := get_cache(name)) is not None]
    except OrchestratorError:
        return {}  # which the checks tell
    if not caches:
        return {}
    told = [cache.statistics() for cache in caches]
    hits, misses = sum(one.hits for one in told), sum(one.misses for one in told)
    return {
        "hits": hits,
        "misses": misses,
        "ratio": round(hits / (hits + misses), 3) if hits else 0.0,
        "entries": sum(one.entries for one in told),
        "bytes": sum(one.size_bytes for one in told),
    }


def _check_netboxes() -> list[Check]:
    try:
        targets = sorted(get_targets())[:MAX_TARGETS]
    except OrchestratorError as error:
        return [_failed("netbox", error)]
    with ThreadPoolExecutor(MAX_TARGETS) as pool:
        return list(pool.map(check_netbox, targets))


def _check_background() -> Iterator[Check]:
    try:
        info = get_task_manager().queue_info()
        trouble, remedy = get_task_manager().write_trouble() if info.redis_ok else ("", "")
    except OrchestratorError as error:
        yield _failed("redis", error)
        return
    if not info.redis_ok:
        yield Check(name="redis", ok=False, found=info.message, hint=info.hint)
        return
    found, hints = [trouble] if trouble else [], [remedy] if remedy else []
    if not info.redis_durable:
        found.append(
            f"Redis {info.redis_version} keeps no append-only file: a restart loses tasks and journals."
        )
        hints.append("Set 'appendonly yes'.")
    yield Check(
        name="redis",
        ok=not found,
        found=" ".join(found) or f"Redis {info.redis_version}, append-only file on",
        hint=" ".join(hints),
    )
    count = len(info.workers)
    yield Check(
        name="workers",
        ok=count > 0,
        found=f"{count or 'none'} listening on queue {info.queue!r}",
        hint="" if count else "Start one with `netbox-mcp worker`.",
    )


def _failed(name: str, error: OrchestratorError) -> Check:
    return Check(name=name, ok=False, found=error.message, hint=error.hint)


def _release(version: str) -> tuple[int, ...]:
    numbers = version.split("-")[0].split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())
