"""`netbox-mcp stubs`: what a NetBox offers, for editors and type checkers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netbox_mcp.cli.documents import TargetOption
from netbox_mcp.cli.output import JsonFlag, print_json, say
from netbox_mcp.dependencies import get_netbox
from netbox_mcp.failures import UsageError
from netbox_mcp.service import DEFAULT_TARGET
from orchestrator.netbox.stubs import make_stubs
from orchestrator.netbox.whole_files import write_whole


def stubs(
    out: Annotated[
        Path, typer.Option(help="The folder to write to; pyright looks into `typings` by itself.")
    ] = Path("typings"),
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonFlag = False,
) -> None:
    """Write type stubs with the apps, endpoints, filters and fields of a NetBox, plugins' too.

    With them an editor completes and checks `client.dcim.devices.filter(site="ams1")`, and mypy and pyright
    refuse what is misspelt; no program need be changed. pyright, and what is built on it, reads the folder
    typings beside a program; mypy wants mypy_path = "typings". Run it again when NetBox, a plugin or a
    custom field has changed: as long as they are the same, so are the files.
    """
    files = make_stubs(get_netbox(target))
    for name, content in files.items():
        try:
            write_whole(out / name, content.encode())
        except OSError as error:
            reason = (error.strerror or "error").lower()
            raise UsageError(
                f"{out / name} cannot be written: {reason}.", "Choose another folder with --out."
            ) from None
    if as_json:
        print_json({"target": target, "folder": str(out), "files": [str(out / name) for name in files]})
        return
    for name, content in files.items():
        print(f"{out / name}  {len(content.encode()) // 1000 or '<1'} kB")
    say(f'For mypy set mypy_path = "{out}"; for pyright stubPath = "{out}", which is "typings" by itself.')
