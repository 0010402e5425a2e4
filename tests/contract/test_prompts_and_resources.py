"""What an MCP client finds beside the tools: prompts that name real tools, resources that can be read."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from netbox_mcp.registry import load_tools
from orchestrator.catalog import ENSURED
from tests.contract.clients import ask, call, in_memory
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp

PROMPTS = {
    "plan_a_site_rollout": {"site": "AMS3", "like": "AMS2"},
    "review_a_failed_batch": {"task_id": "t-1"},
    "undo_a_change": {"batch_id": "b-20261126-0123abcd"},
}


async def read(client: Client, uri: str) -> Any:
    result = await client.read_resource(uri)
    return json.loads(getattr(result.contents[0], "text", ""))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_prompts_name_tools_that_there_are(mode: str) -> None:
    async def work(client: Client) -> dict[str, str]:
        assert {prompt.name for prompt in (await client.list_prompts()).prompts} == set(PROMPTS)
        said = {}
        for name, arguments in PROMPTS.items():
            needed = {"site": "AMS3"} if "site" in arguments else {}
            for given in (arguments, needed):
                message = (await client.get_prompt(name, given)).messages[0]
                said[f"{name} {given}"] = getattr(message.content, "text", "")
        return said

    for text in in_memory(work, mode).values():
        assert set(re.findall(r"netbox_\w+", text)) <= set(load_tools()), text
        assert "{" not in text
        assert len(text) < 1_500


def test_the_schema_takes_the_documents_that_the_planner_takes() -> None:
    async def work(client: Client) -> tuple[Any, Any]:
        listed = {str(one.uri) for one in (await client.list_resources()).resources}
        assert listed == {"netbox-mcp://document-schema", "netbox-mcp://catalog"}
        return await read(client, "netbox-mcp://document-schema"), await read(client, "netbox-mcp://catalog")

    schema, catalog = in_memory(work)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(campus("x"), schema)
    jsonschema.validate({"options": {"on_drift": "keep"}, "sites": ["AMS1"]}, schema)
    for wrong in (
        {"sitez": []},
        {"options": {"on_drift": "perhaps"}},
        {"sites": [{"name": "x", "status": "lost"}]},
        {"devices": [{"name": 5}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert {row["object_type"] for row in catalog if row["declarable"]} == set(ENSURED)
    assert next(row for row in catalog if row["object_type"] == "devices")["references"]["site"] == "sites"


def test_tasks_batches_and_plans_are_resources(netbox: NetBoxOverHttp, with_redis: str, prefix: str) -> None:
    plan_id = call("netbox_plan_bulk", batch=campus(prefix)).data["plan_id"]

    async def work(client: Client) -> tuple[dict[str, Any], list[Any]]:
        started = (await ask(client, "netbox_start_bulk_async", plan_id=plan_id, confirm=True)).data
        uris = (f"task://{started['task_id']}", f"batch://{started['batch_id']}", f"plan://{plan_id}")
        return started, [await read(client, uri) for uri in uris]

    started, (task, batch, plan) = in_memory(work)
    assert (task["task_id"], task["status"]) == (started["task_id"], "queued")
    assert batch["task_id"] == started["task_id"]
    assert (plan["plan_id"], plan["totals"]["create"]) == (plan_id, 7)


@pytest.mark.parametrize("uri", ["task://t-none", "batch://b-none", "plan://p-none"])
def test_what_is_not_there_is_one_sentence(with_redis: str, uri: str) -> None:
    async def work(client: Client) -> str:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        return str(caught.value)

    said = in_memory(work)
    assert uri.partition("://")[2] in said
    assert "Traceback" not in said
