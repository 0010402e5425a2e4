"""`netbox-mcp demo`: the whole product from one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    file: Annotated[Path, typer.Argument(help="The document to apply.")] = Path("examples/site.yaml"),
    leave: Annotated[bool, typer.Option("--exit", help="End when done instead of staying up.")] = False,
) -> None:
    """Bring up NetBox, queue, worker and server on loopback, and show what they do, act by act.

    A plan of the document, its approval, the document once more, drift, a row that NetBox refuses, and a
    rollback, each with one line that explains it. It ends with exit code 0 if each went as its line says.
    The first time takes some minutes to install NetBox; Ctrl-C stops everything.
    """
    # Imported here: no other command needs an MCP client.
    from netbox_mcp.cli.demonstration import run_demo

    run_demo(file, leave)
