"""Batches on the real NetBox, applied and taken back by the engine: for tests that leave nothing behind."""

from __future__ import annotations

from typing import Any

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import RestNetBox
from tests.unit.batches import MemoryJournal


def apply(netbox: RestNetBox, wanted: dict[str, Any], batch_id: str, *told: str) -> MemoryJournal:
    """Apply a document, after which nothing is left to do. `told` are the warnings of its report."""
    engine, journal = NetBoxBulkOrchestrator(netbox, settle_seconds=0), MemoryJournal()
    report = engine.apply(engine.plan(wanted), batch_id, journal)
    assert report.ok, [error.message for error in report.first_errors]
    assert report.warnings == [*told]
    assert [change.id for change in engine.plan(wanted).changes if change.writes] == []
    return journal


def roll_back(
    netbox: RestNetBox, batch_id: str, journal: MemoryJournal | None, force: bool = False
) -> dict[str, str]:
    """Take a batch back. What stayed, and why."""
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    plan = engine.plan_rollback(batch_id, journal, force)
    report = engine.apply(plan, f"{batch_id}-undone", MemoryJournal())
    assert [error.message for error in report.first_errors] == []
    assert report.ok or plan.conflicts
    return {change.label: change.reason for change in plan.conflicts}
