"""Documents and a journal for tests of the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import orjson

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Change, Intent, Outcome, Plan, Report
from orchestrator.plugin_types import PluginTypes
from orchestrator.ports import History, Row
from orchestrator.testing import MemoryNetBox
from workers.journal_entries import dump, intent_row


class MemoryJournal:
    """Keeps what it is told, in order, as JSON would: a rollback must live on that."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.events: list[tuple[str, str]] = []
        self.outcomes: dict[str, Outcome] = {}
        self.earlier: list[Outcome] = []
        self.run = 1
        self.whole = True
        self._given_up: set[tuple[int, str]] = set()
        self._intents: list[bytes] = []

    def open(self, plan: Plan) -> None:
        self.plans.append(plan)

    def intend(self, changes: Sequence[Change], rows: Sequence[Row]) -> None:
        assert len(changes) == len(rows)
        self.events.extend(("intend", change.id) for change in changes)
        pairs = zip(changes, rows, strict=True)
        self._intents += [dump(intent_row(change, row, self.run)) for change, row in pairs]

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.run not in (0, self.run):
                self.earlier.append(outcome)
                continue
            assert outcome.change_id not in self.outcomes, f"{outcome.change_id} has two outcomes"
            self.outcomes[outcome.change_id] = replace(outcome, run=self.run)
            self.events.append(("settle", outcome.change_id))

    def intents(self) -> Iterator[Intent]:
        return (Intent(**orjson.loads(body)) for body in self._intents)

    def settled(self) -> Iterator[Outcome]:
        return iter([*self.earlier, *self.outcomes.values()])

    def begin_run(self) -> None:
        self.run += 1
        self.earlier += self.outcomes.values()
        self.outcomes = {}

    def reopen(self) -> None:
        """Nothing here counts or reports."""

    def unsettled(self) -> list[Intent]:
        known = {(one.run, one.change_id) for one in self.settled()} | self._given_up
        latest = {intent.change_id: intent for intent in self.intents()}
        return [one for one in latest.values() if (one.run, one.change_id) not in known]

    def give_up(self, intents: Sequence[Intent]) -> None:
        self._given_up |= {(one.run, one.change_id) for one in intents}

    def lose(self, intents: int) -> None:
        """Forget the last intents and what became of them, as the memory of a Redis that went down does."""
        for body in self._intents[-intents:]:
            self.outcomes.pop(orjson.loads(body)["change_id"], None)
        del self._intents[-intents:]
        self.whole = False

    def is_whole(self) -> bool:
        return self.whole

    def undoes(self) -> str:
        return self.plans[-1].undoes if self.plans else ""

    def types(self) -> PluginTypes:
        return self.plans[-1].types if self.plans else ()

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


def undo(netbox: MemoryNetBox, history: History | None, force: bool = False, **engine: Any) -> Report:
    """Plan the rollback of `apply` and carry it out."""
    orchestrator = NetBoxBulkOrchestrator(netbox, **{"settle_seconds": 0.0, **engine})
    plan = orchestrator.plan_rollback("b-test", history, force)
    return orchestrator.apply(plan, "b-undo", MemoryJournal())


def picture(netbox: MemoryNetBox) -> dict[str, dict[int, Row]]:
    """Every object as NetBox shows it, without the times at which it was written."""
    return {
        name: {object_id: _shown(row) for object_id, row in rows.items()}
        for name, rows in netbox.tables.items()
        if rows
    }


def _shown(row: Row) -> Row:
    """A custom field without a value is shown as null, whether it ever had one or not."""
    custom = {name: value for name, value in row.get("custom_fields", {}).items() if value is not None}
    return {**{k: v for k, v in row.items() if k not in ("created", "last_updated")}, "custom_fields": custom}


def add_interface_templates(netbox: MemoryNetBox, number: int) -> None:
    """Let the devices of the first type come with interfaces, from Gi1/0/1 on."""
    device_type = next(iter(netbox.tables["device_types"]))
    rows = [
        {"device_type": device_type, "name": f"Gi1/0/{port}", "type": "1000base-t"}
        for port in range(1, number + 1)
    ]
    netbox.create("interface_templates", rows, "by hand")
