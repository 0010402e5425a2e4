"""`netbox-mcp demo`: the whole product from one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    file: Annotated[Path, typer.Argument(help="The document to apply.")] = Path("examples/campus.yaml"),
    leave: Annotated[bool, typer.Option("--exit", help="End when done instead of staying up.")] = False,
) -> None:
    """Bring up NetBox, queue, worker and server on loopback, apply a document twice, and show the difference.

    The first time takes some minutes to install NetBox; Ctrl-C stops everything.
    """
    # Imported here: no other command needs an MCP client.
    from netbox_mcp.cli.demonstration import run_demo

    run_demo(file, leave)
