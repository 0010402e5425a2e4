"""What an apply leaves on the objects that it writes, and what can be told from it the next time.

Two custom fields: the id of the batch that wrote the object last, and a digest
of every field that a document managed then. They tell drift: a value that is
no longer what our last apply wrote. They never stand in for reading (design,
rule 3), and an object that needs no other change is not stamped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.diff import Fields, canonical_json
from orchestrator.live import Live
from orchestrator.models import Action, Change, Pass, Stamp
from orchestrator.ports import Row
from orchestrator.schema import load_schema
from orchestrator.values import custom_field_value, live_value

BATCH_FIELD = "netbox_mcp_batch"
DIGESTS_FIELD = "netbox_mcp_digests"
METADATA_FIELDS = (BATCH_FIELD, DIGESTS_FIELD)

DRIFT_IN_NETBOX = "netbox"
DRIFT_IN_BOTH = "both"

_PATH = "options.metadata"
_DEFINITIONS: Mapping[str, Mapping[str, Any]] = {
    BATCH_FIELD: {
        "type": "text",
        "label": "Batch",
        "description": "The batch of netbox-mcp that wrote this object last",
        "filter_logic": "exact",
        "ui_visible": "if-set",
    },
    DIGESTS_FIELD: {
        "type": "json",
        "label": "Digests",
        "description": "What that batch wrote, as digests; tells what was changed since",
        "filter_logic": "disabled",
        "ui_visible": "hidden",
    },
}
# NetBox 4.7 fills a new custom field in on every object there is.
_DEFINE_SECONDS = 1.0


@cache
def has_custom_fields(row: ObjectType) -> bool:
    """Whether objects of a type can be stamped."""
    return "custom_fields" in load_schema().get(row.name, {})


def is_own_definition(object_type: str, name: str) -> bool:
    """Whether this is one of our two custom fields: no rollback takes them back, later batches need them."""
    return object_type == "custom_fields" and name in METADATA_FIELDS


def field_digest(value: Any) -> str:
    """A short digest of one canonical value."""
    return blake2b(canonical_json(value), digest_size=4).hexdigest()


def digests_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Field -> digest of what is written; each custom field on its own, and not our own two."""
    return {name: field_digest(value) for name, value in _single(values)}


def stored_digests(custom_fields: Mapping[str, Any]) -> dict[str, str]:
    """What our last apply wrote to an object, field by field; empty where it never did."""
    stored = custom_fields.get(DIGESTS_FIELD)
    return dict(stored) if isinstance(stored, Mapping) else {}


def stored_stamp(custom_fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the two custom fields hold, to be put back by a rollback."""
    return {name: custom_fields.get(name) for name in METADATA_FIELDS}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left to write of an update once drift has been looked at."""

    before: Fields
    after: Fields
    drift: dict[str, str]
    stamp: Stamp | None


@dataclass(slots=True)
class Metadata:
    """How this plan deals with the two custom fields.

    `definitions` are the changes that make them, or make them fit for more
    object types. It is not `active` where the document turned it off or the
    token may not see or define custom fields.
    """

    active: bool = False
    on_drift: str = "overwrite"
    stamps: Mapping[tuple[str, int], Row] = field(default_factory=dict)
    definitions: list[Change] = field(default_factory=list)
    warning: str = ""
    remedy: str = ""

    def judge(
        self, row: ObjectType, wanted: Mapping[str, Any], live: Row, before: Fields, after: Fields
    ) -> Verdict:
        """Tell drift in the fields that differ, and keep NetBox's value where the document says so.

        `wanted` holds all fields that the document manages, as it writes them.
        """
        if not after:
            return Verdict(before, after, {}, None)
        custom = self.stamps.get((row.name, live.get("id", 0))) or live.get("custom_fields") or {}
        stored = stored_digests(custom)
        drift = _drift(wanted, before, after, stored) if stored and self.active else {}
        if drift and self.on_drift == "keep":
            before, after = _without(before, drift), _without(after, drift)
        return Verdict(before, after, drift, self._stamp(row, wanted, custom, stored, after, drift))

    def stamp_released(self, changes: list[Change]) -> list[Change]:
        """What we let go ourselves (release.py) is no drift the next time, even where nothing follows."""
        let_go = {
            (change.object_type, change.live_id): change
            for change in changes
            if change.passes is Pass.RELEASE and has_custom_fields(OBJECT_TYPES[change.object_type])
        }
        if not (self.active and let_go):
            return changes
        return [
            self._with_released(change, let_go.get((change.object_type, change.live_id)))
            for change in changes
        ]

    def _with_released(self, change: Change, release: Change | None) -> Change:
        if release is None or not change.writes:
            return change
        custom = self.stamps.get((change.object_type, change.live_id or 0)) or {}
        stamp = change.stamp or Stamp(stored_digests(custom), stored_stamp(custom))
        return replace(change, stamp=Stamp({**stamp.digests, **digests_of(release.after)}, stamp.before))

    def stamp_new(self, row: ObjectType) -> Stamp | None:
        """The stamp of an object that is created."""
        return _NEW if self.active and has_custom_fields(row) else None

    def _stamp(
        self,
        row: ObjectType,
        wanted: Mapping[str, Any],
        custom: Mapping[str, Any],
        stored: Mapping[str, str],
        after: Fields,
        drift: Mapping[str, str],
    ) -> Stamp | None:
        if not (self.active and after and has_custom_fields(row)):
            return None
        written = {name for name, _ in _single(after)}
        new_tags = () if _all_there(wanted.get("tags")) else wanted["tags"]
        known = {
            name: field_digest(value)
            for name, value in _single(wanted)
            # Tags are merged with those that are there; ours alone are what we answer for.
            if (name not in written or (name == "tags" and not new_tags)) and name not in drift
        }
        return Stamp({**stored, **known}, stored_stamp(custom), new_tags)


_NEW = Stamp(before={BATCH_FIELD: None, DIGESTS_FIELD: None})


def read_metadata(live: Live, active: bool, on_drift: str) -> Metadata:
    """What has to be defined in NetBox before objects can be stamped; nothing where it has been."""
    if not active:
        return Metadata()
    if not live.sees_definitions:
        return _off(on_drift, "this token may not view custom fields", "Let its user view custom fields.")
    rows = {row["name"]: row for row in live.table("custom_fields").by_id.values()}
    for name, attributes in _DEFINITIONS.items():
        if name in rows and live_value(rows[name].get("type")) != attributes["type"]:
            why = f"the custom field {name!r} is not of type {attributes['type']}"
            return _off(on_drift, why, "Rename or delete it in NetBox; the name is taken by this platform.")
    definitions = missing_definitions(live)
    if definitions and not live.may_define:
        if any(change.action is Action.CREATE for change in definitions):
            return _off(
                on_drift, "this token may not define custom fields", "Let its user add custom fields."
            )
        why = "this token may not change custom fields, and ours lack object types"
        return _off(on_drift, why, "Let its user change custom fields.")
    return Metadata(active=True, on_drift=on_drift, stamps=live.stamps, definitions=definitions)


def missing_definitions(live: Live) -> list[Change]:
    """What makes the two custom fields, or makes them fit for all object types that can be stamped."""
    rows = {row["name"]: row for row in live.table("custom_fields").by_id.values()}
    models = tuple(sorted(_stamped_models(live)))
    changes = []
    for name, attributes in _DEFINITIONS.items():
        if name not in rows:
            changes.append(_define(name, attributes, models))
        elif missing := set(models) - set(rows[name].get("object_types") or ()):
            changes.append(_widen(rows[name], missing))
    return changes


def _stamped_models(live: Live) -> Iterator[str]:
    """What can be stamped; of the types that an older NetBox may not have, those that the document names."""
    for row in OBJECT_TYPES.values():
        if row.ensured and has_custom_fields(row) and (not row.since or row.name in live.mentioned):
            yield row.model


def _off(on_drift: str, why: str, remedy: str) -> Metadata:
    warning = (
        f"No metadata is kept, so no drift will be told: {why} (options.metadata: off ends this warning)"
    )
    return Metadata(on_drift=on_drift, warning=warning, remedy=remedy)


def _define(name: str, attributes: Mapping[str, Any], models: tuple[str, ...]) -> Change:
    return Change(
        id=f"custom_fields/{name}",
        object_type="custom_fields",
        action=Action.CREATE,
        label=name,
        path=_PATH,
        after={
            "name": name,
            "object_types": models,
            "group_name": "netbox-mcp",
            "ui_editable": "hidden",
            "search_weight": 0,
            "is_cloneable": False,
            **attributes,
        },
        key={"name": name},
        seconds=_DEFINE_SECONDS,
    )


def _widen(row: Row, missing: set[str]) -> Change:
    before = tuple(sorted(row.get("object_types") or ()))
    return Change(
        id=f"custom_fields/{row['name']}",
        object_type="custom_fields",
        action=Action.UPDATE,
        label=row["name"],
        path=_PATH,
        live_id=row["id"],
        before={"object_types": before},
        after={"object_types": tuple(sorted({*before, *missing}))},
        key={"name": row["name"]},
        seconds=_DEFINE_SECONDS,
    )


def _drift(
    wanted: Mapping[str, Any], before: Fields, after: Fields, stored: Mapping[str, str]
) -> dict[str, str]:
    """Of the fields that differ, those in which NetBox has moved since our last apply, and who else has."""
    found: dict[str, str] = {}
    mine, theirs = dict(_single(wanted)), dict(_single(before))
    for name, _ in _single(after):
        known = stored.get(name)
        if known is None:
            continue
        as_before = (name != "tags" or _all_there(mine[name])) and field_digest(mine[name]) == known
        if name == "tags":
            # Those of others are among them: one of ours is missing only if we still want the same ones.
            if as_before:
                found[name] = DRIFT_IN_NETBOX
        elif field_digest(theirs.get(name)) != known:
            found[name] = DRIFT_IN_NETBOX if as_before else DRIFT_IN_BOTH
    return found


def _all_there(tags: Iterable[Any] | None) -> bool:
    """Whether the plan makes none of these tags: what is still to be made has no id."""
    return all(type(tag) is int for tag in tags or ())


def _without(fields: Fields, names: Mapping[str, str]) -> Fields:
    left = {name: value for name, value in fields.items() if name not in names}
    if "custom_fields" in left:
        custom = {
            name: value
            for name, value in left["custom_fields"].items()
            if f"custom_fields.{name}" not in names
        }
        left["custom_fields"] = custom
        if not custom:
            del left["custom_fields"]
    return left


def _single(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields with their values, custom fields one by one as `custom_fields.<name>`; not our own two."""
    for name, value in values.items():
        if name != "custom_fields":
            yield name, value
            continue
        for key, one in (value or {}).items():
            if key not in METADATA_FIELDS:
                yield f"custom_fields.{key}", _one_notation(custom_field_value(one))


def _one_notation(value: Any) -> Any:
    """The same for all that NetBox may return for what was sent: empty text, moments, ids in any order."""
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return sorted(value, key=repr)
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value).isoformat()
    except ValueError:
        return value or None
