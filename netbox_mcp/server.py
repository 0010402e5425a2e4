"""The MCP server: puts the registered tools on the wire.

It adds what the tools need not know of: lean schemas, compact replies, strict
arguments, and the one shape that every error takes. http_app.py serves it over
HTTP; stdio needs nothing more than `serve_stdio`.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp_types import CallToolResult, GetPromptResult, InputRequiredResult, Tool, ToolAnnotations
from pydantic import ValidationError

from netbox_mcp import __version__
from netbox_mcp.access import EVERYTHING, require
from netbox_mcp.config import Settings
from netbox_mcp.consent import Call, ask_person, may_be_asked, seal
from netbox_mcp.execution import answer_of, argument_error, refuse_unknown_arguments
from netbox_mcp.failures import UsageError, explain
from netbox_mcp.mcp_tasks import TasksExtension
from netbox_mcp.messages import stdio_streams
from netbox_mcp.prompts import add_prompts, check_prompt
from netbox_mcp.registry import TOOL_REGISTRY, ToolSpec, find_tool, select_tools
from netbox_mcp.resources import add_resources
from netbox_mcp.results import failure, success
from netbox_mcp.schemas import lean_schema
from orchestrator.errors import OrchestratorError

log = logging.getLogger(__name__)

_INTERRUPTED = 130

INSTRUCTIONS = (
    "Bulk work on NetBox, the network source of truth. Describe the network as it should be in one document "
    "(objects by type, parents and children together), look at the plan, then confirm. "
    "Small documents: netbox_bulk_ensure_devices. Large ones: netbox_start_bulk_async, then "
    "netbox_get_task_status with wait_seconds until done. Everything is idempotent: sending the same "
    "document again changes nothing. Nothing is written without confirm=true, or the yes of the person whose "
    "client can ask them."
)


class ToolServer(MCPServer[Any]):
    """An MCPServer whose schemas are lean and whose errors all have the same shape.

    `scopes` tells what the caller of the moment may do.
    """

    scopes: Callable[[], Collection[str]]

    async def list_tools(self) -> list[Tool]:
        """The tools that the caller may use, without the titles that schema generation adds to fields."""
        scopes = self.scopes()
        tools = [one for one in await super().list_tools() if TOOL_REGISTRY[one.name].scope in scopes]
        for tool in tools:
            tool.input_schema = {**lean_schema(tool.input_schema), "additionalProperties": False}
            if tool.output_schema is not None:
                verbatim = TOOL_REGISTRY[tool.name].verbatim
                schema = lean_schema(tool.output_schema, of_answer=True, with_null=verbatim)
                # Clients hold errors against this schema too: none of an answer's fields is in them.
                schema.pop("required", None)
                tool.output_schema = schema
        return tools

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Run a tool; what goes wrong is a result with isError and the common error shape.

        What a tool has shown because nobody has confirmed it is put to the person, where the client can.
        """
        try:
            spec = find_tool(name, [tool.name for tool in self._tool_manager.list_tools()])
            require(self.scopes(), spec.scope)
            refuse_unknown_arguments(spec, arguments)
            shown = await self._run(spec, arguments, context)
            if context is None or not may_be_asked(spec, shown, context):
                return shown
            call = Call(spec, arguments, context, self._run, self._carry_out)
            return await ask_person(call, shown)
        except (ToolError, OrchestratorError) as error:
            return _error_result(name, error)

    async def _run(
        self, spec: ToolSpec, arguments: dict[str, Any], context: Context[Any, Any] | None
    ) -> CallToolResult:
        result = await super().call_tool(spec.name, arguments, context)
        if not isinstance(result, CallToolResult):
            raise TypeError(f"{spec.name} asks its caller itself")
        return success(answer_of(spec, result.structured_content or {}), spec.verbatim)

    async def _carry_out(
        self,
        spec: ToolSpec,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        shown: Mapping[str, Any],
    ) -> CallToolResult:
        """Do what was shown, since a person has agreed to it."""
        tool = self._tool_manager.get_tool(spec.name)
        if spec.carry_out is None or tool is None:
            return await self._run(spec, {**arguments, "confirm": True}, context)
        try:
            reply = await spec.carry_out(context, shown, tool.fn_metadata.validate_arguments(arguments))
        except OrchestratorError:
            raise
        except Exception as error:
            raise UnexpectedToolError(f"Error executing tool {spec.name}") from error
        return success(answer_of(spec, reply.model_dump(mode="json")), spec.verbatim)

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[Any, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """A prompt, filled in. Raises MCPError where the client has asked for one that cannot be."""
        check_prompt(self._prompt_manager.list_prompts(), name, arguments or {})
        return await super().get_prompt(name, arguments, context)

    async def run_stdio_async(self) -> None:
        """Serve one client over stdin and stdout until it leaves."""
        async with stdio_streams() as (read, write):
            server = self._lowlevel_server
            await server.run(read, write, server.create_initialization_options())


def build_server(
    settings: Settings, scopes: Callable[[], Collection[str]] | None = None, secrets: Sequence[str] = ()
) -> ToolServer:
    """An MCP server with the tools of the configured toolsets. Raises UsageError for an unknown toolset.

    `scopes` tells what the caller of the moment may do; without it, whoever calls is on this machine and
    may do everything that the settings leave open. Servers with the same `secrets` accept the answers to
    each other's questions.
    """
    may = scopes or (lambda: settings.most_scopes & EVERYTHING)
    server = ToolServer(
        "netbox-mcp-orchestrator",
        title="NetBox bulk orchestrator",
        version=__version__,
        instructions=INSTRUCTIONS,
        extensions=[TasksExtension(may)],
        request_state_security=seal(secrets),
        log_level="INFO",
    )
    server.scopes = may
    for spec in select_tools(settings.toolsets):
        add_tool(server, spec)
    add_resources(server)
    add_prompts(server)
    return server


def add_tool(server: ToolServer, spec: ToolSpec) -> None:
    """Put one registered tool on the server, with its annotations and its output schema."""
    server.add_tool(
        spec.function,
        name=spec.name,
        title=spec.title,
        description=spec.description,
        annotations=_annotations(spec),
        structured_output=True,
    )


def _annotations(spec: ToolSpec) -> ToolAnnotations:
    """What a client may rely on; the hints that mean nothing for a tool that only reads are left out."""
    if spec.read_only:
        return ToolAnnotations(read_only_hint=True)
    return ToolAnnotations(
        read_only_hint=False, destructive_hint=spec.destructive, idempotent_hint=spec.idempotent
    )


def serve_stdio(settings: Settings) -> None:
    """Serve one client over stdin and stdout until it leaves. Logs go to stderr only.

    Ctrl-C ends the process at once, as SIGTERM does: the thread that reads
    stdin cannot be woken. What is being written at that moment is journalled.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    anyio.run(build_server(settings).run_stdio_async)


def _error_result(name: str, error: ToolError | OrchestratorError) -> CallToolResult:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        error = argument_error(name, cause)
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
    return failure(reply)
