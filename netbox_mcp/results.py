"""What a tool said, as MCP wants it: the data, and as text what a model reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent
from pydantic_core import to_json

from netbox_mcp.failures import ErrorReply


def success(content: dict[str, Any], verbatim: bool = False) -> CallToolResult:
    """The answer of a tool; its empty parts are left out of the text, unless they say something."""
    text = content if verbatim else _without_empty(content)
    return CallToolResult(content=[_text(text)], structured_content=content)


def failure(error: ErrorReply) -> CallToolResult:
    """An error in the one shape that every error takes."""
    content = error.model_dump(mode="json")
    return CallToolResult(content=[_text(_without_empty(content))], structured_content=content, is_error=True)


def _without_empty(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value not in (None, "", [], {})}


def _text(content: Mapping[str, Any]) -> TextContent:
    """The content as compact JSON: this is what a model reads."""
    return TextContent(type="text", text=to_json(content).decode())
