"""Tasks over REST: seen, stopped and gone on with, by a real server and a real worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from netbox_mcp.dependencies import get_task_manager
from tests.contract.clients import CommandLine
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    wait_until_ended,
    wait_until_midway,
)

MANY = 400


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN)


def ask(server: HttpServer, method: str, path: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.request(
        method, f"{server.url}/api/v1/tasks/{path}", headers=headers, params=parameters, timeout=60
    )
    return answer.status_code, answer.json()


def test_a_task_is_followed_cancelled_and_resumed(
    server: HttpServer, slow_team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    manager = get_task_manager()
    slow_team.start()
    task_id = manager.start_apply(many_sites(prefix, MANY), "default", MANY).task_id
    wait_until_midway(manager, task_id)
    code, said = ask(server, "POST", f"{task_id}/cancel")
    assert (code, said["status"]) == (200, "cancelling")
    code, said = ask(server, "GET", task_id, wait_seconds=30)
    assert (code, said["status"]) == (200, "cancelled")
    assert 0 < said["done"] < MANY
    code, said = ask(server, "POST", f"{task_id}/resume")
    assert (code, said["task_id"]) == (200, task_id)
    assert wait_until_ended(manager, task_id, 90).counts == {"created": MANY}
    assert netbox.count("dcim/sites", name__isw=prefix) == MANY
    for verb, wrong in (("cancel", "task_ended"), ("resume", "nothing_to_resume")):
        code, said = ask(server, "POST", f"{task_id}/{verb}")
        assert (code, said["code"]) == (409, wrong)


def test_what_cannot_be_is_one_sentence(server: HttpServer) -> None:
    for method, path in (("GET", "t-none"), ("POST", "t-none/cancel"), ("POST", "t-none/resume")):
        code, said = ask(server, method, path)
        assert (code, said["code"]) == (404, "unknown_task")
        assert "t-none" in said["detail"]
    code, said = ask(server, "GET", "t-none", wait_seconds=500)
    assert (code, said["code"]) == (422, "invalid_arguments")
    assert said["details"][0]["path"] == "wait_seconds"


def test_without_the_token_nothing_is_told(server: HttpServer) -> None:
    for method, path in (("get", "t-none"), ("post", "t-none/cancel"), ("post", "t-none/resume")):
        answer = requests.request(method, f"{server.url}/api/v1/tasks/{path}", timeout=10)
        assert answer.status_code == 401
