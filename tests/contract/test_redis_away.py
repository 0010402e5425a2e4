"""Redis away for a minute, in the middle of a task: nobody is restarted, nobody who waits is sent away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest
import requests

from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.sandbox.redis_server import RedisServer
from tests.contract.clients import CommandLine
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    runs,
    wait_until_ended,
    wait_until_midway,
)
from tests.redis_fixture import redis_stopped

MANY = 400
AWAY_SECONDS = 60
WAIT_SECONDS = 50  # the longest that may be asked for


class Told(NamedTuple):
    """An answer, and how long it took."""

    code: int
    said: dict[str, Any]
    seconds: float


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN)


def wait_over_http(server: HttpServer, task_id: str) -> Told:
    since = time.monotonic()
    answer = requests.get(
        f"{server.url}/api/v1/tasks/{task_id}",
        headers={"Authorization": f"Bearer {TOKEN}"},
        params={"wait_seconds": WAIT_SECONDS},
        timeout=WAIT_SECONDS + 10,
    )
    return Told(answer.status_code, answer.json(), time.monotonic() - since)


def follow(server: HttpServer, task_id: str) -> list[Told]:
    """Wait for a task as a client does that takes "try again" for what it is; all answers."""
    answers = [wait_over_http(server, task_id)]
    while not answers[-1].said.get("ended_at"):
        if answers[-1].code != 200:
            time.sleep(2)
        answers.append(wait_over_http(server, task_id))
        assert len(answers) < 60
    return answers


def test_a_minute_without_redis(
    server: HttpServer, slow_team: WorkerTeam, redis_server: RedisServer, netbox: NetBoxOverHttp, prefix: str
) -> None:
    manager = get_task_manager()
    worker = slow_team.start()
    task_id = manager.start_apply(many_sites(prefix, MANY), "default", MANY).task_id
    wait_until_midway(manager, task_id)
    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(follow, server, task_id) for _ in range(4)]
        time.sleep(3)  # they have asked, and wait
        with redis_stopped(redis_server):
            comes_late = wait_over_http(server, task_id)
            assert (comes_late.code, comes_late.said["retryable"]) == (503, True)
            assert comes_late.said["code"] == "redis_unavailable"
            time.sleep(max(0.0, AWAY_SECONDS - comes_late.seconds))
        ended = wait_until_ended(manager, task_id, 120)
        check_answers(waiting)
    assert ended.counts == {"created": MANY}
    assert netbox.count("dcim/sites", name__isw=prefix) == MANY
    assert runs(worker.pid)
    assert server.process.poll() is None


def check_answers(waiting: list[Future[list[Told]]]) -> None:
    """Each got to the end, and its first wait was cut short by nothing but the end of its time."""
    for follower in waiting:
        first, *more = follower.result(120)
        assert first.code == 503
        assert first.seconds > WAIT_SECONDS - 3
        assert all(told.code == 200 or told.said["code"] == "redis_unavailable" for told in more)
        assert (more[-1].code, more[-1].said["status"]) == (200, "completed")
