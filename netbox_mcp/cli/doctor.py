"""`netbox-mcp doctor`: what is there and in order, and what to do about the rest."""

from __future__ import annotations

import typer
from rich.console import Console

from netbox_mcp.cli.output import ExitCode, JsonFlag, print_json
from netbox_mcp.diagnosis import diagnose


def doctor(as_json: JsonFlag = False) -> None:
    """Look at the configuration, NetBox, Redis and the workers, and say what to do about each finding.

    Versions, rights of the token by object type, changelog, custom fields, background workers, what Redis
    keeps and how quick it is, clocks. Writes nothing. Ends with 0 if all is well and 1 otherwise; works
    with nothing configured.
    """
    health = diagnose()
    if as_json:
        print_json(health)
    else:
        console = Console(highlight=False, soft_wrap=True, emoji=False)
        width = max(len(check.name) for check in health.checks)
        for check in health.checks:
            mark, style = ("ok", "green") if check.ok else ("!!", "red")
            console.print(f"[{style}]{mark}[/] {check.name:<{width}}", end=" ")
            console.print(check.found, markup=False)
            if check.hint:
                console.print(f"{'':<{width + 4}}{check.hint}", markup=False)
    if not all(check.ok for check in health.checks):
        raise typer.Exit(ExitCode.ERROR)
