"""What the demo prints: the line that opens an act, plans with their signs, what became of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netbox_mcp.cli.output import errors
from orchestrator.models import Action, Result

console = Console(highlight=False, emoji=False, soft_wrap=True)
_SIGNS = {
    Action.CREATE.value: ("+", "green"),
    Action.UPDATE.value: ("~", "yellow"),
    Action.DELETE.value: ("-", "red"),
    Action.CONFLICT.value: ("!", "bold red"),
}
_TALLIES = {action.value: f"to {action.value}" for action in (Action.CREATE, Action.UPDATE, Action.DELETE)}


def show_act(number: int, of: int, title: str, explanation: str) -> None:
    """The line that says what is about to be seen."""
    console.print()
    console.print(Text.assemble((f"{number}/{of} {title}: ", "bold"), (explanation, "bold cyan")))


def show_plan(plan: Mapping[str, Any]) -> None:
    """A plan as the client got it: a sample of its changes, and how many there are of each kind."""
    for line in (*plan.get("samples", ()), *plan.get("conflicts", ())):
        action, _, rest = str(line).partition(" ")
        sign, style = _SIGNS.get(action, (action, ""))
        console.print(Text(f"  {sign} {rest}", style=style))
    totals = ", ".join(f"{count:,} {_TALLIES.get(what, what)}" for what, count in plan["totals"].items())
    name = f"Plan {plan['plan_id']}" if plan.get("plan_id") else "Plan"
    note(plan.get("cost") or f"{name}: {totals}.")


def show_report(status: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]], seconds: float) -> None:
    """How a task ended, and what became of the objects of each type."""
    results = [one.value for one in Result if any(row.get(one.value) for row in counts.values())]
    note(f"Batch {status['batch_id']}: {status['status']} in {seconds:.0f} s.")
    table = Table("object type", *results)
    for object_type, row in counts.items():
        table.add_row(object_type, *(str(row.get(result) or "") for result in results))
    if results:
        console.print(table)
    for error in status.get("first_errors") or ():
        place = f" ({error['path']})" if error.get("path") else ""
        errors.print(
            f"  {error.get('object_type', '')} {error.get('label', '')}{place}: {error.get('message', '')}",
            markup=False,
            style="red",
        )


def show_differences(headings: Sequence[str], inventories: Sequence[Mapping[str, int]]) -> None:
    """Counts of the same object types at several moments, of those types that came or went."""
    table = Table("in NetBox", *headings)
    for object_type in inventories[0]:
        row = [inventory[object_type] for inventory in inventories]
        if len(set(row)) > 1:
            table.add_row(object_type, *(f"{count:,}" for count in row))
    console.print(table)


def note(text: str) -> None:
    """One line of what happened."""
    console.print(Text(f"  {text}"))
