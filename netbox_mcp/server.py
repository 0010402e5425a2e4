"""The MCP server: puts the registered tools on the wire.

It adds what the tools need not know of: lean schemas, compact replies, strict
arguments, and the one shape that every error takes. http_app.py serves it over
HTTP; stdio needs nothing more than `serve_stdio`.
"""

from __future__ import annotations

import difflib
import logging
import os
import signal
from collections.abc import Mapping
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp_types import CallToolResult, InputRequiredResult, TextContent, Tool, ToolAnnotations
from pydantic import ValidationError
from pydantic_core import to_json

from netbox_mcp import __version__
from netbox_mcp.config import Settings
from netbox_mcp.failures import UsageError, explain
from netbox_mcp.registry import ToolSpec, select_tools
from orchestrator.errors import OrchestratorError

log = logging.getLogger(__name__)

_INTERRUPTED = 130

INSTRUCTIONS = (
    "Bulk work on NetBox, the network source of truth. Describe the network as it should be in one document "
    "(objects by type, parents and children together), look at the plan, then confirm. "
    "Small documents: netbox_bulk_ensure_devices. Large ones: netbox_start_bulk_async, then "
    "netbox_get_task_status with wait_seconds until done. Everything is idempotent: sending the same "
    "document again changes nothing. Nothing is written without confirm=true."
)


class ToolServer(MCPServer[Any]):
    """An MCPServer whose schemas are lean and whose errors all have the same shape."""

    async def list_tools(self) -> list[Tool]:
        """The tools, without the titles that schema generation adds to every field."""
        tools = await super().list_tools()
        for tool in tools:
            tool.input_schema = {**lean_schema(tool.input_schema), "additionalProperties": False}
            if tool.output_schema is not None:
                tool.output_schema = lean_schema(tool.output_schema, of_answer=True)
        return tools

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Run a tool; what goes wrong is a result with isError and the common error shape."""
        try:
            self._refuse_unknown_arguments(name, arguments)
            result = await super().call_tool(name, arguments, context)
        except (ToolError, OrchestratorError) as error:
            return _error_result(name, error)
        if isinstance(result, CallToolResult) and result.structured_content is not None:
            result.content = [_text(result.structured_content)]
        return result

    def _refuse_unknown_arguments(self, name: str, arguments: Mapping[str, Any]) -> None:
        # The SDK drops arguments that it does not know: a misspelt `confirm` would pass in silence.
        schema = self._tool_input_schema(name)
        if schema is None:
            close = difflib.get_close_matches(
                name, [tool.name for tool in self._tool_manager.list_tools()], n=1
            )
            hint = f"Did you mean {close[0]}?" if close else "tools/list names the tools there are."
            raise UsageError(f"There is no tool {name!r}.", hint)
        known = list(schema.get("properties", {}))
        problems = []
        for argument in arguments:
            if argument not in known:
                close = difflib.get_close_matches(argument, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known) or 'none'}"
                problems.append({"path": argument, "message": "unknown argument", "hint": hint})
        if problems:
            raise UsageError(f"{name} does not take {problems[0]['path']!r}.", problems[0]["hint"], problems)


def build_server(settings: Settings) -> ToolServer:
    """An MCP server with the tools of the configured toolsets. Raises UsageError for an unknown toolset."""
    server = ToolServer(
        "netbox-mcp-orchestrator",
        title="NetBox bulk orchestrator",
        version=__version__,
        instructions=INSTRUCTIONS,
        log_level="INFO",
    )
    for spec in select_tools(settings.toolsets):
        add_tool(server, spec)
    return server


def add_tool(server: ToolServer, spec: ToolSpec) -> None:
    """Put one registered tool on the server, with its annotations and its output schema."""
    server.add_tool(
        spec.function,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        annotations=ToolAnnotations(
            read_only_hint=spec.read_only,
            destructive_hint=spec.destructive,
            idempotent_hint=spec.idempotent,
            open_world_hint=True,
        ),
        meta={"category": spec.category},
        structured_output=True,
    )


def serve_stdio(settings: Settings) -> None:
    """Serve one client over stdin and stdout until it leaves. Logs go to stderr only.

    Ctrl-C ends the process at once, as SIGTERM does: the thread that reads
    stdin cannot be woken. What is being written at that moment is journalled.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    anyio.run(build_server(settings).run_stdio_async)


def lean_schema(schema: dict[str, Any], of_answer: bool = False) -> dict[str, Any]:
    """The schema without generated titles and null defaults: they cost tokens and tell nothing.

    Nor does any default in an answer; and there `type` may be a list, which some clients take amiss in
    arguments.
    """
    lean: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and (of_answer or value in (None, "", {}, [])):
            continue
        if key == "anyOf" and of_answer and all(part.keys() == {"type"} for part in value):
            lean["type"] = [part["type"] for part in value]
        elif key in ("properties", "$defs"):
            lean[key] = {name: lean_schema(part, of_answer) for name, part in value.items()}
        elif isinstance(value, dict):
            lean[key] = lean_schema(value, of_answer)
        elif isinstance(value, list):
            lean[key] = [lean_schema(part, of_answer) if isinstance(part, dict) else part for part in value]
        else:
            lean[key] = value
    return lean


def _error_result(name: str, error: ToolError | OrchestratorError) -> CallToolResult:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        error = _argument_error(name, cause)
    elif isinstance(cause, OrchestratorError):
        error = cause
    if isinstance(error, UnexpectedToolError):
        log.error("the tool %s failed in an unforeseen way", name, exc_info=error)
        reply = explain(cause or error)
    elif isinstance(error, ToolError):
        reply = explain(UsageError(str(error)))
    else:
        log.info("the tool %s answered with the error %s", name, error.code)
        reply = explain(error)
    content = reply.model_dump(mode="json")
    return CallToolResult(content=[_text(content)], structured_content=content, is_error=True)


def _argument_error(name: str, error: ValidationError) -> UsageError:
    """Which argument is wrong and why, without repeating what was sent."""
    problems = [
        {"path": ".".join(str(part) for part in one["loc"]), "message": one["msg"], "hint": ""}
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    return UsageError(
        f"{name}: {problems[0]['path']}: {problems[0]['message']}.", "See the tool's input schema.", problems
    )


def _text(content: Mapping[str, Any]) -> TextContent:
    """The structured content as compact JSON, without its empty parts: this is what a model reads."""
    shown = {key: value for key, value in content.items() if value not in (None, "", [], {})}
    return TextContent(type="text", text=to_json(shown).decode())
