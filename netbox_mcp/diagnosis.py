"""What doctor looks at beyond health: rights, changelog, drift, NetBox's worker, clocks, how quick Redis is.

Each finding comes with what to do about it. Nothing is written, and no delete is
tried out, so whether batches could be taken back is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from netbox_mcp.dependencies import get_engine, get_netbox, get_settings, get_targets, get_task_manager
from netbox_mcp.health import MAX_TARGETS, PATIENCE_SECONDS, check_health
from netbox_mcp.replies import Check, HealthReply
from netbox_mcp.service import DEFAULT_TARGET
from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.errors import OrchestratorError

MOST_CLOCK_SECONDS = 5.0
"""Plans, approvals and the changelog compare moments of several machines."""
_SIDE_BY_SIDE = 4
MOST_LATENCY_MS = 20.0
"""The journal is written before each list write: so much is lost every time."""


class Finding(NamedTuple):
    """What was found of one thing; without a hint it is in order."""

    found: str
    hint: str = ""

    def as_check(self, name: str) -> Check:
        """The same under the name of what was looked at."""
        return Check(name=name, ok=not self.hint, found=self.found, hint=self.hint)


def diagnose() -> HealthReply:
    """Health and all the rest; takes some seconds. Of a part that does not answer only health tells."""
    reply = check_health()
    checks, fine = list(reply.checks), {check.name for check in reply.checks if check.ok}
    if any(name.startswith("netbox") for name in fine):
        for target in sorted(get_targets())[:MAX_TARGETS]:
            suffix = "" if target == DEFAULT_TARGET else f":{target}"
            if f"netbox{suffix}" in fine:
                checks += _about_netbox(target, suffix)
    return reply.model_copy(update={"checks": [*checks, *_about_redis()]})


def _about_netbox(target: str, suffix: str) -> Iterator[Check]:
    with ThreadPoolExecutor(4) as pool:
        status = pool.submit(get_netbox(target).status, PATIENCE_SECONDS)
        looks: dict[str, Callable[[], Finding]] = {
            "rights": pool.submit(_rights, target).result,
            "changelog": pool.submit(_changelog, target).result,
            "drift": pool.submit(_drift, target).result,
            "netbox-rq": lambda: _background(status.result().workers_running),
            "clock": lambda: _clocks("NetBox", status.result().clock_ahead_seconds),
        }
        for name, look in looks.items():
            try:
                finding = look()
            except OrchestratorError as error:
                finding = Finding(error.message, error.hint or "Look at NetBox's log.")
            yield finding.as_check(f"{name}{suffix}")


def _rights(target: str) -> Finding:
    """What the token may do with the object types of documents, and which of those they point to it sees."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        allowed = dict(zip(OBJECT_TYPES, pool.map(get_netbox(target).rights, OBJECT_TYPES), strict=True))
    lacking = {
        verb: [name for name in ENSURED if verb not in allowed[name]] for verb in ("read", "create", "change")
    }
    # Of custom fields the next check tells.
    unseen = [name for name in OBJECT_TYPES if name not in ENSURED and not allowed[name]]
    told = [
        f"{verb} {'any type' if len(names) == len(ENSURED) else ', '.join(names)}"
        for verb, names in lacking.items()
        if names
    ]
    if unseen:
        told.append(f"read {', '.join(unseen)}, to which documents can point")
    if not told:
        return Finding(f"the token may read, create and change all {len(ENSURED)} types of documents")
    if get_settings().dry_run and not lacking["read"] and not unseen:
        return Finding(f"the token may not {'; '.join(told)}; dry-run is on")
    hint = "Give its user object permissions for them, and enable writing on the token."
    return Finding(f"the token may not {'; '.join(told)}", hint)


def _changelog(target: str) -> Finding:
    """Whether rollbacks will find in NetBox's changelog who changed an object since."""
    if get_netbox(target).may_read_changelog():
        return Finding("the token may view it")
    hint = "Let the token's user view object changes (core): rollbacks look there for who changed what since."
    return Finding("the token may not view it", hint)


def _drift(target: str) -> Finding:
    """Whether the two custom fields by which drift is told are there, or can be made."""
    metadata = get_engine(target).metadata()
    if metadata.warning:
        return Finding(metadata.warning, metadata.remedy)
    made = (
        "the first apply makes its custom fields" if metadata.definitions else "its custom fields are there"
    )
    return Finding(f"can be told: {made}")


def _background(count: int) -> Finding:
    """NetBox's own background workers: without them search and webhooks stand still."""
    if count:
        return Finding(f"NetBox has {count} background worker{'s' if count > 1 else ''} of its own running")
    hint = "Start NetBox's service netbox-rq: its search finds nothing new without it."
    return Finding("NetBox has no background worker of its own running", hint)


def _clocks(whose: str, ahead: float | None) -> Finding:
    if ahead is None:
        return Finding(f"{whose} does not tell the time")
    if abs(ahead) <= MOST_CLOCK_SECONDS:
        return Finding(f"that of {whose} agrees with ours")
    way = "ahead of" if ahead > 0 else "behind"
    hint = "Keep both by NTP: plans, approvals and rollbacks compare moments."
    return Finding(f"that of {whose} is {abs(ahead):.0f} s {way} ours", hint)


def _about_redis() -> Iterator[Check]:
    try:
        pulse = get_task_manager().pulse()
    except OrchestratorError:  # which health has told
        return
    slow = pulse.latency_ms > MOST_LATENCY_MS
    hint = "Move Redis nearer: the journal is written to it before each request." if slow else ""
    yield Finding(f"Redis answers in {pulse.latency_ms:.1f} ms", hint).as_check("latency")
    yield _clocks("Redis", pulse.clock_ahead_seconds).as_check("clock:redis")
