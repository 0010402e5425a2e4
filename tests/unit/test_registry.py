"""The table of tools: how tools get in and how they are chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netbox_mcp.failures import UsageError
from netbox_mcp.registry import TOOL_REGISTRY, load_tools, mcp_tool, select_tools


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """Whatever a test registers is gone afterwards."""
    load_tools()
    before = dict(TOOL_REGISTRY)
    yield
    TOOL_REGISTRY.clear()
    TOOL_REGISTRY.update(before)


def test_a_function_becomes_a_tool_and_stays_a_function() -> None:
    @mcp_tool(category="bulk", read_only=True)
    def netbox_say_hello(name: str) -> str:
        """Say hello to someone
        politely.

        Second paragraph.
        """
        return f"hello {name}"

    spec = TOOL_REGISTRY["netbox_say_hello"]
    assert spec.title == "Say hello"
    assert spec.description == "Say hello to someone politely.\nSecond paragraph."
    assert (spec.read_only, spec.destructive, spec.idempotent) == (True, False, True)
    assert netbox_say_hello("you") == "hello you"


def test_a_tool_without_docstring_is_refused() -> None:
    with pytest.raises(ValueError, match="no docstring"):

        @mcp_tool(category="bulk", read_only=True)
        def netbox_silent() -> None: ...


def test_a_second_tool_of_the_same_name_is_refused() -> None:
    with pytest.raises(ValueError, match="two tools are named netbox_plan_bulk"):

        @mcp_tool(category="bulk", read_only=True)
        def netbox_plan_bulk() -> None:
            """Another one."""


def test_a_writing_tool_is_not_idempotent_unless_it_says_so() -> None:
    @mcp_tool(category="bulk", read_only=False)
    def netbox_write_something() -> None:
        """Write."""

    assert TOOL_REGISTRY["netbox_write_something"].idempotent is False


def test_toolsets_choose_tools() -> None:
    assert [spec.name for spec in select_tools(["system"])] == ["netbox_health_check"]
    assert {spec.category for spec in select_tools(["bulk"])} == {"bulk"}
    assert len(select_tools(["all"])) == len(TOOL_REGISTRY)


def test_an_unknown_toolset_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="no toolset 'bulkk'") as caught:
        select_tools(["bulkk"])
    assert caught.value.hint == "Known: bulk, inventory, ipam, read, system, write, all."
