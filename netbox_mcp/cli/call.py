"""`netbox-mcp tools` and `netbox-mcp call`: every tool that a model has, for a person or a script.

execution.py is imported where it is used: it brings the MCP library, which no other command needs.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import anyio
import orjson
import typer

from netbox_mcp.cli.output import ExitCode, JsonFlag, print_columns, print_json
from netbox_mcp.failures import UsageError
from netbox_mcp.registry import ALL_TOOLSETS
from workers.status import TaskState


def tools(
    category: Annotated[str | None, typer.Option(help="Only this toolset: bulk, read, write, ...")] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the tools that a language model can use; `netbox-mcp call` calls one."""
    from netbox_mcp.execution import serialize_registry_for_api

    rows = serialize_registry_for_api([ALL_TOOLSETS], category)
    if as_json:
        print_json({"tools": rows})
        return
    heads = [
        (row["name"], row["category"], "reads" if row["read_only"] else "writes", _first(row)) for row in rows
    ]
    print_columns([("TOOL", "TOOLSET", "NETBOX", "WHAT FOR"), *heads])


def call(
    tool: Annotated[str, typer.Argument(help="Its name, as `netbox-mcp tools` lists it.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Its arguments; a VALUE that is JSON counts as such."),
    ] = None,
    given: Annotated[
        str, typer.Option("--arguments", help="All arguments as one JSON object; - reads it from stdin.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Call a tool and print its answer, which is JSON in any case.

    netbox-mcp call netbox_get_objects object_type=dcim.device 'filters={"site": "ams1"}' 'fields=["name"]'
    """
    from netbox_mcp.execution import execute_tool

    text = sys.stdin.read() if given == "-" else given
    values = {**_object(text), **dict(_pair(tool, one) for one in arguments or [])}
    answer = anyio.run(execute_tool, tool, values, [ALL_TOOLSETS])
    print_json(answer)
    if answer.get("status") == TaskState.COMPLETED_WITH_ERRORS:
        raise typer.Exit(ExitCode.WITH_ERRORS)


def _object(text: str) -> dict[str, Any]:
    try:
        values = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        raise UsageError(f"--arguments is no JSON: {error}.", "Give one object with the arguments.") from None
    if not isinstance(values, dict):
        raise UsageError("--arguments is no JSON object.", 'For example {"object_type": "dcim.device"}.')
    return values


def _pair(tool: str, text: str) -> tuple[str, Any]:
    from netbox_mcp.execution import takes_text

    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r} is no NAME=VALUE.", "For example object_type=dcim.device.")
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value
    if isinstance(read, str):
        return name, read
    return name, value if takes_text(tool, name) and not isinstance(read, list) else read


def _first(row: dict[str, Any]) -> str:
    """The first sentence of a description."""
    return str(row["description"]).partition("\n")[0].partition(". ")[0].rstrip(".")
