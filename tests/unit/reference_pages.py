"""The pages of the documentation that are made from the code: the command line and the tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import typer

from netbox_mcp.cli import app
from netbox_mcp.cli.output import EXIT_CODES_HELP
from netbox_mcp.execution import serialize_registry_for_api
from netbox_mcp.registry import ALL_TOOLSETS

NOTICE = "<!-- Made from the code by `pytest tests/unit/test_documents_are_true.py --update-golden`. -->"


def command_line_page() -> str:
    """docs/command-line.md"""
    lines = [
        "# The command line",
        "",
        NOTICE,
        "",
        f"`netbox-mcp --help` and `netbox-mcp COMMAND --help` say the same. {EXIT_CODES_HELP}",
    ]
    group: Any = typer.main.get_command(app)
    for command, path in _commands(group, "netbox-mcp"):
        lines += ["", f"## {path}", "", f"`{_usage(command, path)}`", "", *str(command.help).splitlines()]
        rows = [_option_row(one) for one in command.params if one.help]
        if rows:
            lines += ["", "| | |", "|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _commands(group: Any, path: str) -> Iterator[tuple[Any, str]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        elif not command.hidden:
            yield command, f"{path} {name}"


def _usage(command: Any, path: str) -> str:
    arguments = [
        one.metavar or one.name.upper() for one in command.params if one.param_type_name == "argument"
    ]
    optional = ["[OPTIONS]"] if any(one.param_type_name == "option" for one in command.params) else []
    return " ".join([path, *optional, *arguments])


def _option_row(one: Any) -> str:
    if one.param_type_name == "argument":
        name = one.metavar or one.name.upper()
    else:
        value = "" if one.is_flag else f" {one.metavar or one.name.removesuffix('_id').upper()}"
        name = ", ".join(one.opts) + value
    flag = isinstance(one.default, bool)
    shown = one.default if not flag and isinstance(one.default, str | int | float) else None
    default = "" if shown in (None, "") else f" Default: `{shown}`."
    return f"| `{name}` | {cell(one.help)}{default} |"


def tools_page() -> str:
    """docs/tools.md"""
    lines = [
        "# The tools",
        "",
        NOTICE,
        "",
        "What `netbox-mcp tools` lists, MCP clients see and `POST /api/v1/execute` takes, by toolset. A tool "
        "that takes `confirm` shows what it would do until `confirm` is true. Arguments that are not "
        "required can be left out.",
    ]
    toolset = ""
    for tool in sorted(serialize_registry_for_api([ALL_TOOLSETS]), key=lambda one: str(one["category"])):
        if tool["category"] != toolset:
            toolset = tool["category"]
            lines += ["", f"## Toolset `{toolset}`"]
        lines += [
            "",
            f"### {tool['name']}",
            "",
            f"Scope `{tool['scope']}`{_nature(tool)}.",
            "",
            tool["description"],
        ]
        if rows := list(_argument_rows(tool["input_schema"])):
            lines += ["", "| argument | | |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _nature(tool: Mapping[str, Any]) -> str:
    words = [word for word in ("read_only", "destructive", "idempotent") if tool[word]]
    return "".join(f", {word.replace('_', '-')}" for word in words)


def _argument_rows(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, one in schema.get("properties", {}).items():
        needed = ", required" if name in schema.get("required", ()) else _default(one)
        yield f"| `{name}` | {_kind(one)}{needed} | {cell(one.get('description', ''))} |"


def _default(one: Mapping[str, Any]) -> str:
    value = one.get("default")
    return "" if value in (None, "", False) else f", default `{value}`"


def _kind(one: Mapping[str, Any]) -> str:
    kinds = one.get("type") or [part.get("type", "") for part in one.get("anyOf", ())]
    names: Iterable[str] = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(name for name in names if name not in ("null", ""))


def cell(text: str) -> str:
    """Text that stays within a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
