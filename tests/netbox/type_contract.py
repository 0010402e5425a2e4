"""What every type that a document may declare must be able to: made, made again, changed, taken back.

The entries are made from the catalog and the schema, so that a type that is added is tested, too. The
same function runs against the real NetBox and the one in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Plan
from orchestrator.ports import NetBox
from orchestrator.schema import load_schema, required_fields
from tests.unit.batches import MemoryJournal

Document = dict[str, list[dict[str, Any]]]

# A type of interface that can have a LAG, and choices of which not any will do.
_FITTING = {("interfaces", "type"): "1000base-t", ("rack_types", "form_factor"): "4-post-frame"}
_HOST = "192.0.2.77/24"


def specimens(object_types: Iterable[str], mark: str) -> Document:
    """A document with one object of each of these types, and all that they cannot be without, marked."""
    document: Document = {}
    for object_type in object_types:
        _declare(OBJECT_TYPES[object_type], mark, document)
    return document


def _declare(row: ObjectType, mark: str, document: Document) -> None:
    if row.name in document:
        return
    specs = load_schema()[row.name]
    entry: dict[str, Any] = {row.label: _HOST if row.by_host else f"{mark} {row.name}"}
    for name in sorted({*required_fields(row.name), *row.key, *row.optional_key} - {row.label}):
        target = row.all_references().get(name)
        if target is None:
            entry[name] = _FITTING.get((row.name, name)) or next(iter(specs[name].choices), None) or 1
        elif target == row.name:
            continue
        elif OBJECT_TYPES[target].ensured and name in (*row.key, *required_fields(row.name)):
            _declare(OBJECT_TYPES[target], mark, document)
            entry[name] = _reference(OBJECT_TYPES[target], mark)
    document.setdefault(row.name, []).append(entry)


def _reference(row: ObjectType, mark: str) -> dict[str, Any]:
    """All that tells the object apart: its label, and what it hangs on."""
    targets = {name: row.references[name] for name in row.key if name in row.references}
    return {row.label: f"{mark} {row.name}", **{name: f"{mark} {target}" for name, target in targets.items()}}


def check_types(netbox: NetBox, object_types: Iterable[str], mark: str) -> None:
    """The whole life of one object of each type: three batches make and change them, and are taken back."""
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    document = specimens(object_types, mark)
    made = _apply(engine, document, f"b-{mark}-made")
    assert _writes(engine.plan(document)) == []

    new = {"description": f"{mark} changed"}
    for (entry,) in document.values():
        entry |= new
    assert sorted(_writes(engine.plan(document)), key=str) == [(name, new) for name in sorted(document)]
    changed = _apply(engine, document, f"b-{mark}-changed")
    assert _writes(engine.plan(document)) == []

    for name in document:
        if tree := OBJECT_TYPES[name].tree:
            (above,) = document[name]
            document[name].insert(0, {**above, "name": f"{mark} below", tree: above["name"]})
    nested = _apply(engine, document, f"b-{mark}-nested")
    assert _writes(engine.plan(document)) == []

    for batch in (nested, changed, made):
        _roll_back(engine, batch)
    left = [change.id for change in engine.plan(document).changes if change.live_id is not None]
    assert left == []


def _apply(engine: NetBoxBulkOrchestrator, document: Document, batch_id: str) -> tuple[str, MemoryJournal]:
    journal = MemoryJournal()
    report = engine.apply(engine.plan(document), batch_id, journal)
    assert report.ok, [error.message for error in report.first_errors]
    assert report.warnings == []
    return batch_id, journal


def _roll_back(engine: NetBoxBulkOrchestrator, batch: tuple[str, MemoryJournal]) -> None:
    batch_id, journal = batch
    plan = engine.plan_rollback(batch_id, journal)
    assert plan.conflicts == [], [change.reason for change in plan.conflicts]
    report = engine.apply(plan, f"{batch_id}-undone", MemoryJournal())
    assert report.ok, [error.message for error in report.first_errors]


def _writes(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """What a plan would write, our own custom fields aside."""
    return [
        (change.object_type, {name: value for name, value in change.after.items() if name != "custom_fields"})
        for change in plan.changes
        if change.writes
    ]
