"""`netbox-mcp export`: from NetBox to a batch document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from netbox_mcp import exports
from netbox_mcp.cli.document import OutOption
from netbox_mcp.cli.documents import TargetOption, write_out
from netbox_mcp.cli.output import ExitCode, JsonFlag, print_json, say
from orchestrator.yaml_text import dump_yaml


def export(
    site: Annotated[list[str] | None, typer.Option(help="A site with its devices. Can be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="All objects with this tag.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE.FILTER=VALUE", help="What NetBox's filter finds: devices.role=leaf."),
    ] = None,
    template: Annotated[
        bool,
        typer.Option(
            "--template", help="Leave out what only one object has: serial numbers, addresses, MACs."
        ),
    ] = False,
    target: TargetOption = "default",
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a document of what NetBox has: of a site, of a tag, of what a filter finds.

    Devices come with their interfaces and addresses, and everything with what it refers to. Planning the
    document again finds nothing to do, which is tried out at once; if it does not, the exit code is 3. What a
    document could say by NetBox's ids only is left out, and counted. To make a site like another one, use
    --template and change the names: what has a serial number or an address would be moved otherwise.
    """
    chosen = [exports.read_where(one) for one in where or []]
    found = exports.export(site or [], tag or [], chosen, target, template)
    differs = exports.differences(found, target)
    if as_json:
        print_json({**asdict(found), "differs": differs})
    else:
        write_out(dump_yaml(found.document), out)
    say(f"{found.objects} objects." if found.objects else "Nothing was found.")
    for name, count in sorted(found.left_out.items()):
        say(f"Left out, since a document can say it by id only: {name} ({count})")
    for name, count in sorted(found.by_id.items()):
        say(f"Named by its id, which holds in this NetBox only: one of {name} ({count})")
    if differs:
        say(f"Planning it again would not find it unchanged: {differs}")
        raise typer.Exit(ExitCode.WITH_ERRORS)
