"""Plans as JSON and back: what the queue stores, what `--out` writes, what tools read.

A reference to an object that the plan itself makes is `{"$planned": "<change id>"}`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from orchestrator.models import Absent, Action, Change, Pass, Plan, Planned, Stamp
from orchestrator.plugin_types import types_from_data, types_to_data

FORMAT = 2
_PLANNED = "$planned"
_SLICE = 1000
# Fields of a change that are left out while they have their default.
_OPTIONAL = (
    "live_id",
    "before",
    "after",
    "key",
    "depends_on",
    "may_exist",
    "subject",
    "create_only",
    "drift",
    "reason",
)


def dump_plan(plan: Plan) -> bytes:
    """The whole plan as JSON; `load_plan` gives an equal one."""
    return b"".join(dump_parts(plan))


def dump_parts(plan: Plan) -> Iterator[bytes]:
    """The same JSON piece by piece: the whole of a large plan takes as much memory as the plan itself."""
    facts = {
        "format": FORMAT,
        "target": plan.target,
        "digest": plan.digest,
        "on_error": plan.on_error,
        "undoes": plan.undoes,
        "force": plan.force,
        "made_at": plan.made_at,
        "stale_at": plan.stale_at,
        "applyable": plan.applyable,
        "complete": plan.complete,
        "warnings": plan.warnings,
        "counts": plan.counts(),
        "names": plan.names,
        "absent": [[one.object_type, one.object_id, one.label] for one in plan.absent],
    }
    if plan.types:
        facts["types"] = types_to_data(plan.types)
    yield _dump(facts).removesuffix(b"}") + b',"changes":['
    for start in range(0, len(plan.changes), _SLICE):
        some = [_change_record(change) for change in plan.changes[start : start + _SLICE]]
        yield (b"," if start else b"") + _dump(some)[1:-1]
    yield b"]}"


def _dump(value: Any) -> bytes:
    return orjson.dumps(
        value, option=orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_NON_STR_KEYS, default=_planned
    )


def load_plan(data: bytes) -> Plan:
    """The plan that `dump_plan` wrote. Raises ValueError for anything else."""
    raw = orjson.loads(data)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ValueError("this is not a plan of this version")
    return Plan(
        target=raw["target"],
        changes=tuple(_load_change(change) for change in raw["changes"]),
        warnings=tuple(raw["warnings"]),
        on_error=raw["on_error"],
        digest=raw["digest"],
        names={kind: {int(key): label for key, label in some.items()} for kind, some in raw["names"].items()},
        undoes=raw["undoes"],
        force=raw["force"],
        made_at=raw["made_at"],
        stale_at=raw["stale_at"],
        absent=tuple(Absent(*one) for one in raw.get("absent", ())),
        types=types_from_data(raw.get("types", ())),
    )


def _change_record(change: Change) -> dict[str, Any]:
    record: dict[str, Any] = {
        "id": change.id,
        "object_type": change.object_type,
        "action": change.action,
        "label": change.label,
        "path": change.path,
        "pass": change.passes,
        "seconds": round(change.seconds, 3),
    }
    for name in _OPTIONAL:
        value = getattr(change, name)
        if value not in (None, False, "", (), {}):
            record[name] = dict(value) if isinstance(value, Mapping) else value
    if change.stamp is not None:
        stamp = change.stamp
        record["stamp"] = {"digests": dict(stamp.digests), "before": dict(stamp.before)}
        if stamp.tags:
            record["stamp"]["tags"] = stamp.tags
    return record


def _load_change(raw: Mapping[str, Any]) -> Change:
    return Change(
        id=raw["id"],
        object_type=raw["object_type"],
        action=Action(raw["action"]),
        label=raw["label"],
        path=raw["path"],
        passes=Pass(raw["pass"]),
        live_id=raw.get("live_id"),
        before=_revive(raw.get("before", {})),
        after=_revive(raw.get("after", {})),
        key=_revive(raw.get("key", {})),
        depends_on=tuple(raw.get("depends_on", ())),
        may_exist=raw.get("may_exist", False),
        subject=raw.get("subject", ""),
        create_only=tuple(raw.get("create_only", ())),
        drift=raw.get("drift", {}),
        reason=raw.get("reason", ""),
        stamp=_load_stamp(raw["stamp"]) if "stamp" in raw else None,
        seconds=raw["seconds"],
    )


def _load_stamp(raw: Mapping[str, Any]) -> Stamp:
    return Stamp(raw["digests"], raw["before"], _value(raw.get("tags", [])))


def _planned(value: Any) -> Any:
    if isinstance(value, Planned):
        return {_PLANNED: value.change_id}
    raise TypeError(f"{type(value).__name__} has no place in a plan")


def _revive(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical values again: lists of ids are tuples, references that the plan makes are Planned."""
    return {name: _value(value) for name, value in fields.items()}


def _value(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {_PLANNED}:
        return Planned(value[_PLANNED])
    return tuple(map(_value, value)) if isinstance(value, list) else value
