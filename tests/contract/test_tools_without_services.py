"""The tools where nothing is there, no NetBox that answers, no Redis: they work, or say what is missing."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import jsonschema
import pytest
from mcp.client import Client
from mcp_types import ListToolsResult

from netbox_mcp.failures import ErrorReply
from netbox_mcp.health import PATIENCE_SECONDS
from tests.contract.clients import ask, call, in_memory
from tests.contract.documents import FIVE_ERRORS, many_errors

TOOLS = {
    "netbox_plan_bulk",
    "netbox_bulk_ensure_devices",
    "netbox_start_bulk_async",
    "netbox_rollback_batch",
    "netbox_cancel_task",
    "netbox_resume_task",
    "netbox_get_task_status",
    "netbox_get_task_report",
    "netbox_list_active_tasks",
    "netbox_get_queue_info",
    "netbox_health_check",
    "netbox_get_objects",
    "netbox_get_object_by_id",
    "netbox_search_objects",
    "netbox_get_changelogs",
}
FREE_FORM = {"netbox_get_object_by_id", "netbox_search_objects"}
"""Their answers are what NetBox has, and have no fields of ours."""
WRITING = {"netbox_bulk_ensure_devices", "netbox_start_bulk_async", "netbox_rollback_batch"}
CONFIRMED_BEFORE = {"netbox_resume_task"}
"""What it writes was confirmed when the task was started."""
ACTING = WRITING | CONFIRMED_BEFORE | {"netbox_cancel_task"}
BACKGROUND_CALLS = [
    ("netbox_start_bulk_async", {"batch": {"manufacturers": [{"name": "Acme"}]}, "confirm": True}),
    ("netbox_start_bulk_async", {"batch": {"manufacturers": [{"name": "Acme"}]}}),
    ("netbox_start_bulk_async", {"plan_id": "p-000000000000", "confirm": True}),
    ("netbox_get_task_status", {"task_id": "t-000000000000", "wait_seconds": 5}),
    ("netbox_cancel_task", {"task_id": "t-000000000000"}),
    ("netbox_resume_task", {"task_id": "t-000000000000"}),
    ("netbox_get_task_report", {"task_id": "t-000000000000"}),
    ("netbox_list_active_tasks", {}),
    ("netbox_get_queue_info", {}),
]


def list_tools(mode: str = "auto") -> ListToolsResult:
    async def work(client: Client) -> ListToolsResult:
        return await client.list_tools()

    return in_memory(work, mode)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_tools_are_exactly_these(mode: str) -> None:
    assert {tool.name for tool in list_tools(mode).tools} == TOOLS


def test_every_tool_says_what_it_may_do_and_what_it_answers() -> None:
    for tool in list_tools().tools:
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name not in ACTING), tool.name
        if tool.name in ACTING:
            assert tool.annotations.destructive_hint is (tool.name in WRITING | CONFIRMED_BEFORE), tool.name
            assert tool.annotations.idempotent_hint is True, tool.name
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object", tool.name
        assert ("properties" in tool.output_schema) is (tool.name not in FREE_FORM), tool.name
        assert tool.input_schema["additionalProperties"] is False, tool.name


def test_an_error_is_what_the_schema_of_answers_allows(bare: pytest.MonkeyPatch) -> None:
    """Clients of other makes hold every structured answer against it, and would not show the error else."""
    bare.setenv("NETBOX_MCP_TOOLSETS", "all")
    details = [{"path": "sites[0]", "message": "unknown", "hint": "x"}]
    error = ErrorReply(code="x", message="x", hint="x", details=details, detail_count=1).model_dump(
        mode="json"
    )
    for tool in list_tools().tools:
        assert tool.output_schema is not None
        jsonschema.validate(error, tool.output_schema)


def test_every_parameter_is_described() -> None:
    for tool in list_tools().tools:
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}({name})"


def test_writing_needs_confirm_by_default() -> None:
    for tool in list_tools().tools:
        if tool.name in WRITING:
            assert tool.input_schema["properties"]["confirm"]["default"] is False
            assert "confirm" not in tool.input_schema.get("required", [])


def test_the_tool_list_is_affordable() -> None:
    listing = list_tools()
    assert len(listing.model_dump_json(by_alias=True, exclude_none=True)) / 4 < 6_000
    for tool in listing.tools:
        assert len(tool.model_dump_json(by_alias=True, exclude_none=True)) / 4 < 750, tool.name


def test_a_misspelt_argument_is_refused_with_a_suggestion(dead_netbox: str) -> None:
    reply = call("netbox_bulk_ensure_devices", devices_data=[{"name": "a"}], confrim=True)
    assert reply.is_error
    assert reply.data["code"] == "invalid_arguments"
    assert reply.data["details"] == [
        {"path": "confrim", "message": "unknown argument", "hint": "did you mean confirm?"}
    ]


def test_a_wrong_argument_is_named_and_not_repeated() -> None:
    reply = call("netbox_get_task_status", task_id="t-1", wait_seconds="swordfish")
    assert reply.is_error
    assert reply.data["code"] == "invalid_arguments"
    assert reply.data["details"][0]["path"] == "wait_seconds"
    assert "swordfish" not in reply.text


def test_an_unknown_tool_is_an_error_with_a_suggestion() -> None:
    reply = call("netbox_plan_bulks")
    assert reply.is_error
    assert reply.data["hint"] == "Did you mean netbox_plan_bulk?"


def test_a_document_must_be_given_once(dead_netbox: str) -> None:
    for tool in ("netbox_plan_bulk", "netbox_bulk_ensure_devices", "netbox_start_bulk_async"):
        neither = call(tool)
        both = call(tool, devices_data=[{"name": "a"}], batch={"sites": [{"name": "a"}]})
        assert [neither.data["code"], both.data["code"]] == ["invalid_arguments"] * 2


@pytest.mark.parametrize("tool", ["netbox_plan_bulk", "netbox_bulk_ensure_devices"])
def test_all_document_errors_come_at_once_even_if_netbox_is_away(dead_netbox: str, tool: str) -> None:
    reply = call(tool, batch=FIVE_ERRORS)
    assert reply.is_error
    assert set(reply.data) == {"code", "message", "hint", "retryable", "details", "detail_count"}
    assert reply.data["retryable"] is False
    assert reply.data["code"] == "invalid_document"
    assert reply.data["detail_count"] == len(reply.data["details"]) >= 5
    found = {detail["path"] for detail in reply.data["details"]}
    assert {
        "manufacturers[0].colour",
        "devicez",
        "sites",
        "device_types[0].u_height",
        "device_roles[0].name",
    } <= found


def test_of_many_document_errors_the_first_20_and_the_count_are_shown(dead_netbox: str) -> None:
    reply = call("netbox_plan_bulk", batch=many_errors(500))
    assert reply.data["detail_count"] == 500
    assert len(reply.data["details"]) == 20
    assert reply.data["details"][0]["path"] == "manufacturers[0].colour"
    assert reply.tokens < 2_000


def test_an_unreachable_netbox_is_one_sentence(dead_netbox: str) -> None:
    reply = call("netbox_plan_bulk", batch={"manufacturers": [{"name": "Acme"}]})
    assert reply.is_error
    assert reply.data["code"] == "netbox_unreachable"
    assert reply.data["retryable"] is True
    assert "nbt_" not in reply.text
    assert "Traceback" not in reply.text


def test_a_missing_netbox_is_one_sentence() -> None:
    reply = call("netbox_plan_bulk", batch={"manufacturers": [{"name": "Acme"}]})
    assert reply.data["code"] == "invalid_configuration"
    assert "NETBOX_URL" in reply.data["message"]


@pytest.mark.parametrize(("tool", "arguments"), BACKGROUND_CALLS)
def test_without_redis_the_async_tools_name_the_synchronous_one(
    dead_netbox: str, tool: str, arguments: dict[str, object]
) -> None:
    reply = call(tool, **arguments)
    assert reply.is_error
    assert reply.data["code"] == "redis_unavailable"
    assert "REDIS_URL is not set" in reply.data["message"]
    assert "netbox_bulk_ensure_devices" in reply.data["message"]
    assert len(re.findall(r"\.(\s|$)", reply.data["message"])) == 1


@pytest.mark.parametrize(("tool", "arguments"), BACKGROUND_CALLS)
def test_the_same_where_redis_does_not_answer(
    dead_netbox: str, bare: pytest.MonkeyPatch, tool: str, arguments: dict[str, object]
) -> None:
    bare.setenv("REDIS_URL", "redis://:sesame@127.0.0.1:1/0")
    reply = call(tool, **arguments)
    assert reply.data["code"] == "redis_unavailable"
    assert "netbox_bulk_ensure_devices" in reply.data["message"]
    assert "sesame" not in reply.text


@pytest.mark.parametrize("confirm", [False, True])
def test_without_redis_a_large_document_is_not_sent_in_a_circle(
    dead_netbox: str, bare: pytest.MonkeyPatch, confirm: bool
) -> None:
    bare.setenv("NETBOX_MCP_SYNC_MAX_OBJECTS", "2")
    batch = {"sites": [{"name": f"site {number}"} for number in range(3)]}
    synchronous = call("netbox_bulk_ensure_devices", batch=batch, confirm=confirm)
    background = call("netbox_start_bulk_async", batch=batch, confirm=confirm)
    assert synchronous.data["code"] == "too_large"
    assert background.data["code"] == "redis_unavailable"
    assert "netbox_bulk_ensure_devices" not in background.data["message"]
    for words in (synchronous.data["hint"], background.data["message"]):
        assert "split the document into parts of up to 2 objects" in words
        assert "apply --sync" in words


@pytest.mark.parametrize(
    "tool", ["netbox_plan_bulk", "netbox_start_bulk_async", "netbox_bulk_ensure_devices"]
)
def test_a_document_above_the_limit_of_all_is_refused(
    dead_netbox: str, bare: pytest.MonkeyPatch, tool: str
) -> None:
    bare.setenv("NETBOX_MCP_MAX_OBJECTS", "1000")
    refused = call(tool, batch={"sites": [{"name": "AMS-[0001-1001]"}]}).data
    assert refused["code"] == "too_large"
    assert refused["message"] == "The document declares 1,001 objects; a batch takes up to 1,000."
    assert "NETBOX_MCP_MAX_OBJECTS" in refused["hint"]


def test_a_silent_netbox_holds_health_up_for_seconds_only(bare: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        tables = (
            f'[targets.{name}]\nurl = "http://127.0.0.1:{port}"\ntoken_env = "A_TOKEN"\n' for name in "ab"
        )
        Path("netbox-mcp.toml").write_text("".join(tables))
        bare.setenv("A_TOKEN", "0123456789abcdef0123456789abcdef01234567")
        begun = time.monotonic()
        reply = call("netbox_health_check")
        assert time.monotonic() - begun < 1.8 * PATIENCE_SECONDS  # both at the same time, and no second try
    checks = {check["name"]: check for check in reply.data["checks"]}
    for name in ("netbox:a", "netbox:b"):
        assert "does not answer" in checks[name]["found"]


def test_health_works_where_nothing_does() -> None:
    reply = call("netbox_health_check")
    assert not reply.is_error
    assert reply.data["status"] == "down"
    checks = {check["name"]: check for check in reply.data["checks"]}
    assert not checks["netbox"]["ok"]
    assert "NETBOX_URL" in checks["netbox"]["found"]
    assert not checks["redis"]["ok"]
    assert checks["redis"]["hint"]


def test_the_text_is_the_data_without_its_empty_parts() -> None:
    async def work(client: Client) -> None:
        reply = await ask(client, "netbox_health_check")
        text = json.loads(reply.text)
        assert text == {name: value for name, value in reply.data.items() if value not in (None, "", [], {})}

    in_memory(work)


def test_an_unknown_target_is_named(dead_netbox: str) -> None:
    reply = call("netbox_plan_bulk", batch={"sites": [{"name": "a"}]}, target="lab")
    assert reply.data["code"] == "invalid_arguments"
    assert "'lab'" in reply.data["message"]
    assert reply.data["hint"] == "Configured: default."
