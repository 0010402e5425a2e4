"""`netbox-mcp doctor`: what can be reached, in which version, and what to do about the rest."""

from __future__ import annotations

import typer
from rich.console import Console

from netbox_mcp.cli.output import ExitCode, JsonFlag, print_json
from netbox_mcp.service import get_service


def doctor(as_json: JsonFlag = False) -> None:
    """Look at the configuration, NetBox, Redis and the workers, and say what to do about each finding.

    Ends with 0 if all is well and 1 otherwise; works with nothing configured.
    """
    health = get_service().health()
    if as_json:
        print_json(health)
    else:
        console = Console(highlight=False, soft_wrap=True)
        for check in health.checks:
            mark, style = ("ok", "green") if check.ok else ("!!", "red")
            console.print(f"[{style}]{mark}[/] {check.name:<8}", end=" ")
            console.print(check.found, markup=False)
            if check.hint:
                console.print(f"            {check.hint}", markup=False)
    if not all(check.ok for check in health.checks):
        raise typer.Exit(ExitCode.ERROR)
