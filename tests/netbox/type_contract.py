"""What every type that a document may declare must be able to: made, made again, changed, taken back.

The entries are made from the catalog and the schema, so that a type that is added is tested, too. The
same function runs against the real NetBox and the one in memory.
"""

from __future__ import annotations

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


def specimen(object_type: str, mark: str) -> Document:
    """A document with one object of the type, and all that it cannot be without, marked as ours."""
    document: Document = {}
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


def check_type(netbox: NetBox, object_type: str, mark: str) -> None:
    """The whole life of one object: two batches make and change it, two rollbacks take them back."""
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    row, document = OBJECT_TYPES[object_type], specimen(object_type, mark)
    made = _apply(engine, document, f"b-{mark}-{object_type}-made")
    assert _writes(engine.plan(document)) == []

    entry = document[object_type][-1]
    entry["description"] = f"{mark} changed"
    assert _writes(engine.plan(document)) == [(object_type, {"description": f"{mark} changed"})]
    changed = _apply(engine, document, f"b-{mark}-{object_type}-changed")
    assert _writes(engine.plan(document)) == []

    if row.tree:
        entry[row.tree] = None
        below = {**entry, row.label: f"{mark} below", row.tree: entry[row.label]}
        document[object_type].insert(0, below)
        nested = _apply(engine, document, f"b-{mark}-{object_type}-nested")
        assert _writes(engine.plan(document)) == []
        _roll_back(engine, nested)
    _roll_back(engine, changed)
    _roll_back(engine, made)
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
