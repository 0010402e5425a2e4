"""What NetBox has of our making, within a scope, that a document no longer declares.

It is reported and left alone: nothing is ever deleted because it is absent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.desired import Desired, Options
from orchestrator.errors import DocumentError, Problem
from orchestrator.live import called
from orchestrator.metadata import BATCH_FIELD, has_custom_fields
from orchestrator.models import Absent, Plan
from orchestrator.ports import NetBox, Query, Row
from orchestrator.values import named

_TOLD = 5


def with_absent(plan: Plan, desired: Desired, netbox: NetBox) -> Plan:
    """The plan with what is absent from the document, where its options ask for that.

    Looked at are the types that the document declares; objects of the scope count that carry the mark of one
    of our applies. Raises DocumentError where the scope is not in NetBox, NetBoxError.
    """
    if desired.options.absent != "report":
        return plan
    declared: dict[str, set[int]] = defaultdict(set)
    for change in plan.changes:
        if change.live_id is not None:
            declared[change.object_type].add(change.live_id)
    absent = tuple(
        Absent(row.name, live["id"], called(row, live))
        for row, live in _in_scope(desired, netbox)
        if live["id"] not in declared[row.name] and (live.get("custom_fields") or {}).get(BATCH_FIELD)
    )
    if not absent:
        return plan
    few = named([f"{OBJECT_TYPES[one.object_type].noun} {one.label!r}" for one in absent], _TOLD)
    warning = f"{len(absent)} of our objects in the scope are not in the document and stay as they are: {few}"
    return replace(plan, absent=absent, warnings=(*plan.warnings, warning))


def _in_scope(desired: Desired, netbox: NetBox) -> Iterator[tuple[ObjectType, Row]]:
    """The objects of the scope, of the types that the document declares."""
    marked = [row for row in map(OBJECT_TYPES.__getitem__, desired.entries) if has_custom_fields(row)]
    rows = [row for row in marked if not row.append_only]
    kind, name = desired.options.scope
    scope = OBJECT_TYPES["tags" if kind == "tag" else "sites"]
    known = netbox.read(Query(scope.name, ("name", "slug")))
    there = [one for one in known if one["name"] == name] or [one for one in known if one["slug"] == name]
    if not there and kind == "site" and _declares(desired, name):
        return
    if not there:
        problem = Problem(f"options.scope.{kind}", f"there is no {kind} {name!r}", "name one that NetBox has")
        raise DocumentError([problem])
    queries = list(_queries(rows, desired.options, there[0], netbox))
    for query, found in zip(queries, netbox.read_all(queries), strict=True):
        yield from ((OBJECT_TYPES[query.object_type], live) for live in found)


def _declares(desired: Desired, site: str) -> bool:
    """Whether the document itself makes the site: nothing is there yet, and nothing absent."""
    sites = desired.entries.get("sites", ())
    return any(site in (entry.fields.get("name"), entry.fields.get("slug")) for entry in sites)


def _queries(rows: list[ObjectType], options: Options, scope: Row, netbox: NetBox) -> Iterator[Query]:
    if options.scope[0] == "tag":
        yield from (Query(row.name, _fields(row), "tag", [scope["slug"]]) for row in rows)
        return
    inside = [row for row in rows if row.child_of == "device"]
    devices = netbox.read(Query("devices", ("name",), "site_id", [scope["id"]])) if inside else []
    for row in rows:
        if row.references.get("site") == "sites":
            yield Query(row.name, _fields(row), "site_id", [scope["id"]])
        elif row in inside and devices:
            yield Query(row.name, _fields(row), "device_id", [one["id"] for one in devices])


def _fields(row: ObjectType) -> tuple[str, ...]:
    return tuple({row.label, "custom_fields"})
