"""The Tasks extension: background work as tasks of the protocol, for clients that declare it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY
from redis import Redis

from netbox_mcp.dependencies import get_task_manager
from tests.contract.clients import CommandLine, ask, call, over_http
from tests.contract.documents import campus
from tests.contract.task_client import (
    TASKS,
    Created,
    Tasks,
    begin,
    cancel,
    get,
    over_stdio,
    result_of,
    until_ended,
    update,
)
from tests.contract.test_tools_in_background import BATCH, ENDED
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam, many_sites, wait_until_midway
from workers import keys
from workers.settings import WorkerSettings

Connect = Callable[..., Any]


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(cli, NETBOX_MCP_TOKEN=TOKEN)


@pytest.fixture(params=["stdio", "http"])
def connect(
    request: pytest.FixtureRequest, netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine
) -> Connect:
    """Runs a test's work with a client over either transport."""
    if request.param == "stdio":
        return lambda work, **options: over_stdio(cli, work, **options)
    server: HttpServer = request.getfixturevalue("server")
    return lambda work, **options: over_http(server.mcp, TOKEN, work, **options)


async def output_schemas(client: Client) -> dict[str, Any]:
    return {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}


# A client that declares the extension


def test_a_call_is_answered_with_a_task_that_ends_with_the_tools_result(
    connect: Connect, worker: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    tasks = Tasks()

    async def work(client: Client) -> None:
        server = client.session.server_capabilities
        assert server is not None
        assert server.extensions == {TASKS: {}}
        # The client checks the result against the tool's output schema.
        result = await client.call_tool("netbox_start_bulk_async", {"batch": campus(prefix), "confirm": True})
        assert not result.is_error
        data = result.structured_content
        assert (data["status"], data["kind"], data["totals"]) == ("completed", "apply", {"created": 7})
        assert data["task_id"] == tasks.seen[-1].task_id
        assert data["message"] == "Done: 7 created."
        jsonschema.validate(data, (await output_schemas(client))["netbox_start_bulk_async"])

    connect(work, extensions=[tasks])
    assert tasks.seen[0].status == "working"
    assert netbox.count("dcim/devices", name__isw=prefix) == 3


def test_a_task_says_how_far_it_is_and_is_cancelled_and_resumed_as_a_task(
    slow_team: WorkerTeam, server: HttpServer, cli: CommandLine, netbox: NetBoxOverHttp, prefix: str
) -> None:
    slow_team.start()
    document = many_sites(prefix, 300)

    async def first(client: Client) -> str:
        created = await begin(client, "netbox_start_bulk_async", batch=document, confirm=True)
        assert created.status == "working"
        assert created.poll_interval_ms >= 2000
        assert abs(datetime.now(UTC) - created.created_at) < timedelta(seconds=30)
        assert created.created_at <= created.last_updated_at
        week = WorkerSettings().task_retention_seconds * 1000
        assert week - 5000 < created.ttl_ms <= week + 5000
        wait_until_midway(get_task_manager(), created.task_id)
        midway = await get(client.session, created.task_id)
        assert midway.status == "working"
        assert midway.result is None
        for words in ("running, build sites (1 of 1)", "of 300 objects", "created"):
            assert words in (midway.status_message or "")
        assert (await cancel(client.session, created.task_id)).model_extra == {}
        ended = await until_ended(client, created.task_id)
        assert (ended.status, ended.result, ended.error) == ("cancelled", None, None)
        assert "Done so far" in (ended.status_message or "")
        return created.task_id

    async def second(client: Client) -> None:
        resumed = await begin(client, "netbox_resume_task", task_id=task_id)
        assert (resumed.task_id, resumed.status) == (task_id, "working")
        ended = await until_ended(client, task_id, 90)
        assert ended.poll_interval_ms is None
        data = result_of(ended).data
        assert (data["status"], data["totals"]) == ("completed", {"created": 300})
        jsonschema.validate(data, (await output_schemas(client))["netbox_resume_task"])
        # What has ended is not an error to cancel: the client may not know yet.
        await cancel(client.session, task_id)
        assert (await get(client.session, task_id)).status == "completed"

    task_id = over_http(server.mcp, TOKEN, first, extensions=[Tasks()])
    over_stdio(cli, second, extensions=[Tasks()])  # another process knows the task as well
    assert netbox.count("dcim/sites", name__isw=prefix) == 300


def test_a_rollback_is_a_task_whose_result_names_what_it_undoes(
    worker: WorkerTeam, server: HttpServer, netbox: NetBoxOverHttp, prefix: str
) -> None:
    async def work(client: Client) -> None:
        made = await client.call_tool("netbox_start_bulk_async", {"batch": campus(prefix), "confirm": True})
        batch_id = made.structured_content["batch_id"]
        shown = await ask(client, "netbox_rollback_batch", batch_id=batch_id)
        assert shown.data["status"] == "confirmation_required"
        undone = await client.call_tool("netbox_rollback_batch", {"batch_id": batch_id, "confirm": True})
        data = undone.structured_content
        assert (data["status"], data["undoes"], data["kind"]) == ("completed", batch_id, "rollback")
        assert data["totals"] == {"deleted": 7}
        # The task that wrote it has been taken back since.
        again = await get(client.session, made.structured_content["task_id"])
        assert (again.status, result_of(again).data["status"]) == ("completed", "rolled_back")

    over_http(server.mcp, TOKEN, work, extensions=[Tasks()])
    assert netbox.count("dcim/devices", name__isw=prefix) == 0


def test_large_plans_are_tasks_that_end_with_the_plan(
    worker: WorkerTeam, netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, prefix: str
) -> None:
    async def work(client: Client) -> None:
        planned = await client.call_tool("netbox_plan_bulk", {"batch": campus(prefix)})
        data = planned.structured_content
        assert (data["status"], data["totals"], data["applyable"]) == ("planned", {"create": 7}, True)
        assert data["samples"]
        applied = await client.call_tool(
            "netbox_start_bulk_async", {"plan_id": data["plan_id"], "confirm": True}
        )
        batch_id = applied.structured_content["batch_id"]
        undo = await client.call_tool("netbox_rollback_batch", {"batch_id": batch_id})
        data = undo.structured_content
        assert (data["status"], data["undoes"]) == ("confirmation_required", batch_id)
        assert data["totals"] == {"delete": 7}
        assert data["plan_id"].startswith("p-")

    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_PLAN_MAX_OBJECTS="5"):
        over_http(server.mcp, TOKEN, work, extensions=[Tasks()])
    assert netbox.count("dcim/devices", name__isw=prefix) == 3


def test_work_that_fails_has_completed_with_an_error(
    worker: WorkerTeam, server: HttpServer, netbox: NetBoxOverHttp, prefix: str
) -> None:
    async def work(client: Client) -> None:
        planned = await ask(client, "netbox_plan_bulk", batch=campus(prefix))
        netbox.create("dcim/sites", name=f"{prefix} site", slug=f"{prefix}-site")
        created = await begin(
            client, "netbox_start_bulk_async", plan_id=planned.data["plan_id"], confirm=True
        )
        ended = await until_ended(client, created.task_id)
        assert (ended.status, ended.error) == ("completed", None)
        reply = result_of(ended)
        assert (reply.is_error, reply.data["code"]) == (True, "stale_plan")
        assert f"site '{prefix} site' exists by now" in reply.data["message"]
        assert reply.data["message"] in reply.text
        assert reply.data["message"] in (ended.status_message or "")

    over_http(server.mcp, TOKEN, work, extensions=[Tasks()])


def test_one_bad_row_is_in_the_result_and_no_error(
    worker: WorkerTeam, server: HttpServer, netbox: NetBoxOverHttp, prefix: str
) -> None:
    first, second = campus(prefix), campus(prefix)
    model = first["devices"][0]
    first["devices"].append({**model, "name": f"{prefix}-owner", "asset_tag": prefix})
    second["devices"].append({**model, "name": f"{prefix}-thief", "asset_tag": prefix})

    async def work(client: Client) -> dict[str, Any]:
        await client.call_tool("netbox_start_bulk_async", {"batch": first, "confirm": True})
        result = await client.call_tool("netbox_start_bulk_async", {"batch": second, "confirm": True})
        assert not result.is_error, result
        return dict(result.structured_content)

    data = over_http(server.mcp, TOKEN, work, extensions=[Tasks()])
    assert data["status"] == "completed_with_errors"
    assert data["totals"]["failed"] == 1
    assert data["first_errors"][0].startswith(f"devices {prefix}-thief (devices[1]): ")
    assert "netbox_get_task_report" in data["next"]


def test_what_begins_no_work_is_an_ordinary_answer(
    server: HttpServer, with_redis: str, cli: CommandLine, prefix: str
) -> None:
    async def work(client: Client) -> None:
        shown = await ask(client, "netbox_start_bulk_async", batch=campus(prefix))
        assert shown.data["status"] == "confirmation_required"
        planned = await ask(client, "netbox_plan_bulk", batch=campus(prefix))
        assert planned.data["status"] == "planned"
        wrong = await ask(client, "netbox_start_bulk_async", batch={"sites": [{"nam": "x"}]}, confirm=True)
        assert wrong.data["code"] == "invalid_document"
        unknown = await ask(client, "netbox_resume_task", task_id="t-000000000000")
        assert unknown.data["code"] == "unknown_task"
        created = await begin(client, "netbox_start_bulk_async", batch=BATCH, confirm=True)
        # Those who ask about a task by a tool get what they ask for.
        status = await ask(client, "netbox_get_task_status", task_id=created.task_id)
        assert status.data["status"] == "queued"
        assert "No worker is listening" in ((await get(client.session, created.task_id)).status_message or "")
        brief = await ask(client, "netbox_cancel_task", task_id=created.task_id)
        assert brief.data["status"] == "cancelled"

    over_http(server.mcp, TOKEN, work, extensions=[Tasks()])

    async def dry(client: Client) -> str:
        reply = await ask(client, "netbox_start_bulk_async", batch=campus(prefix), confirm=True)
        return str(reply.data["status"])

    for other in serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_DRY_RUN="true"):
        assert over_http(other.mcp, TOKEN, dry, extensions=[Tasks()]) == "dry_run"


def test_the_same_key_is_the_same_task_though_it_has_ended(
    worker: WorkerTeam, server: HttpServer, prefix: str
) -> None:
    asked = {"batch": campus(prefix), "confirm": True, "idempotency_key": prefix}

    async def work(client: Client) -> tuple[Any, Any]:
        first = await client.call_tool("netbox_start_bulk_async", asked)
        return first.structured_content, (
            await client.call_tool("netbox_start_bulk_async", asked)
        ).structured_content

    first, again = over_http(server.mcp, TOKEN, work, extensions=[Tasks()])
    assert first == again
    assert again["totals"] == {"created": 7}


def test_a_task_waits_for_nobodys_answer(dead_netbox: str, with_redis: str, cli: CommandLine) -> None:
    async def work(client: Client) -> None:
        created = await begin(client, "netbox_start_bulk_async", batch=BATCH, confirm=True)
        said = await update(client.session, created.task_id, {"unasked": {"action": "accept"}})
        assert said.model_extra == {}
        assert (await get(client.session, created.task_id)).status == "working"

    over_stdio(cli, work, extensions=[Tasks()])


# Errors of the protocol


async def refused(asked: Any) -> MCPError:
    with pytest.raises(MCPError) as caught:
        await asked
    return caught.value


@pytest.mark.parametrize("task_id", ["t-000000000000", "", "x" * 101, "t-*", "\r\n"])
def test_an_unknown_task_is_invalid_params(
    dead_netbox: str, with_redis: str, cli: CommandLine, task_id: str
) -> None:
    async def work(client: Client) -> None:
        session = client.session
        for asked in (get(session, task_id), cancel(session, task_id), update(session, task_id, {})):
            assert (await refused(asked)).code == INVALID_PARAMS

    over_stdio(cli, work, extensions=[Tasks()])


def test_a_task_that_is_forgotten_is_unknown(dead_netbox: str, with_redis: str, cli: CommandLine) -> None:
    async def work(client: Client) -> MCPError:
        created = await begin(client, "netbox_start_bulk_async", batch=BATCH, confirm=True)
        with Redis.from_url(with_redis) as redis:
            redis.pexpire(keys.task(created.task_id), 60_000)
            assert 55_000 < (await get(client.session, created.task_id)).ttl_ms < 75_000
            redis.delete(keys.task(created.task_id))
        return await refused(get(client.session, created.task_id))

    error = over_stdio(cli, work, extensions=[Tasks()])
    assert error.code == INVALID_PARAMS
    assert "There is no task" in error.message


def test_without_redis_the_way_out_is_said(dead_netbox: str, cli: CommandLine) -> None:
    async def work(client: Client) -> MCPError:
        return await refused(get(client.session, "t-000000000000"))

    error = over_stdio(cli, work, extensions=[Tasks()])
    assert error.code not in (INVALID_PARAMS, METHOD_NOT_FOUND)
    assert "Redis" in error.message
    assert error.data["code"] == "redis_unavailable"


# A client that does not


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_without_the_extension_there_is_a_handle_as_ever(
    connect: Connect, worker: WorkerTeam, prefix: str, mode: str
) -> None:
    async def work(client: Client) -> None:
        reply = await ask(client, "netbox_start_bulk_async", batch=campus(prefix), confirm=True)
        assert reply.data["status"] == "queued"
        assert "netbox_get_task_status" in reply.data["next"]
        assert not {"message", "first_errors"} & {name for name in reply.data if reply.data[name]}
        session, task_id = client.session, reply.data["task_id"]
        ended = await ask(client, "netbox_get_task_status", task_id=task_id, wait_seconds=50)
        while ended.data["status"] not in ENDED:
            ended = await ask(client, "netbox_get_task_status", task_id=task_id, wait_seconds=50)
        assert ended.data["counts"] == {"created": 7}
        code = MISSING_REQUIRED_CLIENT_CAPABILITY if mode == "auto" else METHOD_NOT_FOUND
        for asked in (get(session, task_id), cancel(session, task_id), update(session, task_id, {})):
            error = await refused(asked)
            assert error.code == code
            if mode == "auto":
                assert error.data == {"requiredCapabilities": {"extensions": {TASKS: {}}}}

    connect(work, mode=mode)


def test_a_client_of_an_older_protocol_gets_no_task_whatever_it_declares(
    dead_netbox: str, with_redis: str, cli: CommandLine
) -> None:
    async def work(client: Client) -> dict[str, Any]:
        result = await client.session.call_tool(
            "netbox_start_bulk_async", {"batch": BATCH, "confirm": True}, allow_claimed=True
        )
        assert not isinstance(result, Created)
        return dict(result.structured_content)

    assert over_stdio(cli, work, mode="legacy", extensions=[Tasks()])["status"] == "queued"
    assert call("netbox_get_queue_info").data["depth"] == 1
