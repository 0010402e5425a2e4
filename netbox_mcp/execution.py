"""Tools without MCP: called by REST and the command line, and told about in one list.

Arguments are checked as the MCP server checks them, and answers are the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from mcp.server.mcpserver.tools.base import Tool
from mcp_types import CallToolResult
from pydantic import ValidationError

from netbox_mcp.access import EVERYTHING, require
from netbox_mcp.failures import MAX_DETAILS, UsageError, complaints, shorten
from netbox_mcp.registry import ToolSpec, find_tool, load_tools, select_tools
from netbox_mcp.schemas import lean_schema, without_null
from orchestrator.json_shape import check_json

DOCUMENTS = frozenset({"batch", "devices_data"})


class _NobodyWaits:
    """Stands in for MCP's Context: progress has nobody to be told to."""

    async def report_progress(self, *_: object) -> None:
        """Ignore."""


async def execute_tool(
    name: str, arguments: Mapping[str, Any], toolsets: list[str], scopes: Collection[str] = EVERYTHING
) -> dict[str, Any]:
    """Call a tool of these toolsets, for a caller with these scopes, and return its answer as data.

    Raises UsageError for an unknown tool and for unknown or wrong arguments, ForbiddenError for a tool that
    the scopes do not open, and what the tool raises.
    """
    spec = find_tool(name, [one.name for one in select_tools(toolsets)])
    require(scopes, spec.scope)
    refuse_unknown_arguments(spec, arguments)
    tool = _tool(spec)
    try:
        checked = tool.fn_metadata.validate_arguments(dict(arguments))
    except ValidationError as error:
        raise argument_error(name, error) from None
    directly = {tool.context_kwarg: _NobodyWaits()} if tool.context_kwarg else {}
    answer = await tool.fn_metadata.call_fn(tool.fn, tool.is_async, checked, directly)
    result = tool.fn_metadata.convert_result(answer)
    if not isinstance(result, CallToolResult):
        raise TypeError(f"{name} asks its caller for input, and nobody is there")
    return answer_of(spec, result.structured_content or {})


def answer_of(spec: ToolSpec, content: dict[str, Any]) -> dict[str, Any]:
    """What a tool said, in the form that its output schema has."""
    return content if spec.verbatim else dict(without_null(content))


def serialize_registry_for_api(
    toolsets: list[str],
    category: str | None = None,
    name: str | None = None,
    scopes: Collection[str] = EVERYTHING,
) -> list[dict[str, Any]]:
    """The tools that these toolsets have and these scopes open, with their schemas.

    All of them, or those of one category, or with `name` in theirs.
    """
    return [
        {
            "name": spec.name,
            "title": spec.title,
            "category": spec.category,
            "description": spec.description,
            "read_only": spec.read_only,
            "destructive": spec.destructive,
            "idempotent": spec.idempotent,
            "scope": spec.scope.value,
            "input_schema": lean_schema(_tool(spec).parameters),
            "output_schema": lean_schema(
                _tool(spec).output_schema or {}, of_answer=True, with_null=spec.verbatim
            ),
        }
        for spec in select_tools(toolsets)
        if spec.scope in scopes and category in (None, spec.category) and (name or "") in spec.name
    ]


def takes_text(name: str, argument: str) -> bool:
    """Whether an argument of a tool is text, whatever it looks like: a serial number may be all digits."""
    spec = load_tools().get(name)
    schema = _tool(spec).parameters.get("properties", {}).get(argument, {}) if spec is not None else {}
    kinds = {part.get("type") for part in schema.get("anyOf", [schema])}
    return "string" in kinds and not kinds & {"object", "integer", "number", "boolean"}


def refuse_unknown_arguments(spec: ToolSpec, arguments: Mapping[str, Any]) -> None:
    """Raise UsageError for arguments that the tool does not have: a misspelt `confirm` must not pass.

    And for what cannot be sent on as JSON: half a character, infinity, a number beyond 64 bits. Documents
    are looked through by the planner, which names the place.
    """
    known = list(_tool(spec).parameters.get("properties", {}))
    unknown = [name for name in arguments if name not in known]
    if unknown:
        problems = [_unknown_argument(name, known) for name in unknown[:MAX_DETAILS]]
        raise UsageError(f"{spec.name} does not take {problems[0]['path']!r}.", problems[0]["hint"], problems)
    wrong = [
        asdict(one)
        for name, value in arguments.items()
        if name not in DOCUMENTS
        for one in check_json({name: value})
    ]
    if wrong:
        raise UsageError(f"{spec.name}: {wrong[0]['path']}: {wrong[0]['message']}.", wrong[0]["hint"], wrong)


def _unknown_argument(name: str, known: list[str]) -> dict[str, Any]:
    name = shorten(name, 80)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known) or 'none'}"
    return {"path": name, "message": "unknown argument", "hint": hint}


def argument_error(name: str, error: ValidationError) -> UsageError:
    """Which argument is wrong and why, without repeating what was sent."""
    problems = complaints(error.errors(include_input=False, include_url=False, include_context=False))
    return UsageError(
        f"{name}: {problems[0]['path']}: {problems[0]['message']}.", "See the tool's input schema.", problems
    )


@cache
def _tool(spec: ToolSpec) -> Tool:
    return Tool.from_function(spec.function, name=spec.name, structured_output=True)
