"""Documents and a journal for tests of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Change, Outcome, Plan, Report
from orchestrator.ports import Row
from orchestrator.testing import MemoryNetBox


class MemoryJournal:
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.events: list[tuple[str, str]] = []
        self.outcomes: dict[str, Outcome] = {}

    def open(self, plan: Plan) -> None:
        self.plans.append(plan)

    def intend(self, changes: Sequence[Change], rows: Sequence[Row]) -> None:
        assert len(changes) == len(rows)
        self.events.extend(("intend", change.id) for change in changes)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            assert outcome.change_id not in self.outcomes, f"{outcome.change_id} has two outcomes"
            self.outcomes[outcome.change_id] = outcome
            self.events.append(("settle", outcome.change_id))

    def results(self) -> dict[str, str]:
        return {change_id: outcome.result.value for change_id, outcome in self.outcomes.items()}


def switches(count: int, **fields: Any) -> dict[str, Any]:
    """`count` access switches with an interface, an address and a primary IP each, parents implied."""
    return {
        "devices": [
            {
                "name": f"sw-[01-{count:02}]",
                "site": "AMS1",
                "role": "Access",
                "device_type": {"manufacturer": "Cisco", "model": "C9300-48P"},
                "interfaces": [{"name": "Vlan1", "type": "virtual"}],
                "ip_addresses": [{"address": "192.0.2.{1+0}/24", "interface": "Vlan1"}],
                "primary_ip4": "192.0.2.{1+0}/24",
                **fields,
            }
        ]
    }


def apply(netbox: MemoryNetBox, document: Any, journal: MemoryJournal | None = None, **engine: Any) -> Report:
    """Plan and apply; no time is lost waiting for lost requests."""
    orchestrator = NetBoxBulkOrchestrator(netbox, **{"settle_seconds": 0.0, **engine})
    plan = orchestrator.plan(document)
    return orchestrator.apply(plan, "b-test", journal or MemoryJournal())
