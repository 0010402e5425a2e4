"""A plan on a terminal: creates in green, updates in yellow, deletes in red. In a pipe it is plain text."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.text import Text

from orchestrator.models import Plan
from orchestrator.plan_text import render_plan

_STYLES = {
    "  + ": "green",
    "  ~ ": "yellow",
    "  - ": "red",
    "  ! ": "bold red",
    "  = ": "cyan",
    "Warn": "yellow",
}


def print_plan(plan: Plan, per_group: int | None = None) -> None:
    """Print it on stdout; at most `per_group` changes of each type are spelt out."""
    text = render_plan(plan, per_group)
    if not sys.stdout.isatty():
        print(text)
        return
    console = Console(highlight=False, soft_wrap=True, emoji=False)
    *lines, summary = text.split("\n")
    for line in lines:
        console.print(Text(line, style=_STYLES.get(line[:4], "")))
    console.print(Text(summary, style="bold"))
