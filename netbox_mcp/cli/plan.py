"""`netbox-mcp plan`: what a document would change, and nothing more than that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from netbox_mcp.cli.documents import FileArgument, TargetOption, load_document, write_out
from netbox_mcp.cli.output import JsonFlag, print_json, say
from netbox_mcp.cli.plan_view import print_plan
from netbox_mcp.dependencies import get_settings
from netbox_mcp.service import get_service
from orchestrator.plan_json import dump_plan
from workers.errors import how_to_approve


def plan(
    file: FileArgument,
    target: TargetOption = "default",
    out: Annotated[Path | None, typer.Option(help="Also write the plan to this file, as JSON.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what a document would change in NetBox. Writes nothing.

    Where Redis is there the plan is kept, and `netbox-mcp apply --plan ID` applies exactly what was shown.
    """
    service = get_service()
    document = load_document(file)
    made = service.make_plan(document, target)
    body = dump_plan(made)
    if out is not None:
        write_out(body.decode(), out)
    plan_id = service.keep_plan(made, document) if made.applyable else None
    if as_json:
        print_json({"plan_id": plan_id, **orjson.loads(body)})
    else:
        print_plan(made)
    if plan_id is not None:
        if get_settings().require_approval:
            say(how_to_approve(plan_id))
        say(f"To apply exactly this plan: netbox-mcp apply --plan {plan_id}")
