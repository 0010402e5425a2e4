"""The table of tools: what exists, what each may do, and how it is found.

A tool is a plain function in `netbox_mcp/tools/` under `@mcp_tool`. The table
knows nothing of a transport: server.py puts it on an MCP server, and other
faces can read the same table.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from netbox_mcp.access import Scope
from netbox_mcp.failures import UsageError, did_you_mean

Function = TypeVar("Function", bound=Callable[..., Any])
CarryOut = Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Awaitable[BaseModel]]

ALL_TOOLSETS = "all"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool: the function, the toolset it belongs to, and what it may do to NetBox.

    `destructive` means that something there already can be overwritten or
    removed; `idempotent` that calling it twice equals calling it once. `scope` is
    what a caller over HTTP must hold. `verbatim`: the answer keeps its empty parts,
    since they say something: what was cleared, that nothing was found.
    `background`: an answer with a task_id is about work that goes on; clients that know MCP tasks get a task.
    `carry_out`: does exactly what the tool has shown, once a person has agreed to it in the client. It takes
    the context, the answer that was shown and the arguments. Without it, the tool is called with `confirm`.
    """

    name: str
    function: Callable[..., Any]
    description: str
    title: str
    category: str
    read_only: bool
    destructive: bool
    idempotent: bool
    scope: Scope
    verbatim: bool
    background: bool
    carry_out: CarryOut | None


TOOL_REGISTRY: dict[str, ToolSpec] = {}


def mcp_tool(
    *,
    category: str,
    read_only: bool,
    destructive: bool = False,
    idempotent: bool = False,
    scope: Scope | None = None,
    verbatim: bool = False,
    background: bool = False,
    carry_out: CarryOut | None = None,
    title: str = "",
) -> Callable[[Function], Function]:
    """Enter a function into the tool registry; its docstring is the description that a model reads.

    A read-only tool counts as idempotent, and needs the scope `read`; all others need `write`, if nothing
    else is said. Raises ValueError for a second tool of the same name, and for a tool without a docstring.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        known = TOOL_REGISTRY.get(name)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(
                f"two tools are named {name}: in {known.function.__module__} and {function.__module__}"
            )
        description = _unwrap(function.__doc__ or "")
        if not description:
            raise ValueError(f"the tool {name} has no docstring, and a model could not know what it is for")
        TOOL_REGISTRY[name] = ToolSpec(
            name=name,
            function=function,
            description=description,
            title=title or name.removeprefix("netbox_").replace("_", " ").capitalize(),
            category=category,
            read_only=read_only,
            destructive=destructive,
            idempotent=idempotent or read_only,
            scope=scope or (Scope.READ if read_only else Scope.WRITE),
            verbatim=verbatim,
            background=background,
            carry_out=carry_out,
        )
        return function

    return register


bulk_write = partial(mcp_tool, category="bulk", read_only=False, destructive=True, idempotent=True)
"""A tool that makes many objects true, or takes that back: again is the same as once."""

single_write = partial(mcp_tool, read_only=False, destructive=True, verbatim=True)
"""A tool that writes one object: shown first, and what it answers is said in full."""


def load_tools() -> dict[str, ToolSpec]:
    """Import every module of `netbox_mcp.tools`, so that its tools are registered, and return the table."""
    package = importlib.import_module("netbox_mcp.tools")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return TOOL_REGISTRY


def select_tools(toolsets: list[str]) -> list[ToolSpec]:
    """The tools of the named toolsets in order of registration; `all` means every tool.

    Raises UsageError that names the toolsets there are.
    """
    table = load_tools()
    known = sorted({spec.category for spec in table.values()})
    unknown = sorted(set(toolsets) - {*known, ALL_TOOLSETS})
    if unknown:
        raise UsageError(
            f"There is no toolset {unknown[0]!r}.", f"Known: {', '.join([*known, ALL_TOOLSETS])}."
        )
    return [spec for spec in table.values() if ALL_TOOLSETS in toolsets or spec.category in toolsets]


def find_tool(name: str, offered: Iterable[str]) -> ToolSpec:
    """The tool of that name among those offered. Raises UsageError with "did you mean"."""
    names = set(offered)
    if name in names:
        return TOOL_REGISTRY[name]
    raise UsageError(
        f"There is no tool {name!r}.",
        did_you_mean(name, names) or "The list of tools names those there are.",
    )


def _unwrap(docstring: str) -> str:
    """The docstring without its indentation and line breaks inside paragraphs: they only cost tokens."""
    paragraphs = docstring.strip().split("\n\n")
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
