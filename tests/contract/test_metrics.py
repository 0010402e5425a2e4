"""What Prometheus is told: scraped from a real server after real workers have done real work."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.sandbox.redis_server import RedisServer
from tests.contract.clients import CommandLine
from tests.contract.documents import campus
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import (
    SLOWLY,
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    wait_for,
    wait_until_ended,
    wait_until_midway,
)
from tests.netbox.faulty_proxy import CUT, Answer, FaultyProxy
from tests.redis_fixture import redis_stopped

METRICS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(
        cli, NETBOX_URL=netbox.url, NETBOX_TOKEN=netbox.token, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN
    )


@pytest.fixture
def proxy(netbox: NetBoxOverHttp) -> Iterator[FaultyProxy]:
    with FaultyProxy(netbox.url) as proxy:
        yield proxy


@pytest.fixture
def team(netbox: NetBoxOverHttp, proxy: FaultyProxy, with_redis: str, tmp_path: Path) -> Iterator[WorkerTeam]:
    environment = {"REDIS_URL": with_redis, "NETBOX_URL": proxy.url, "NETBOX_TOKEN": netbox.token}
    with WorkerTeam(tmp_path, {**environment, **SLOWLY}) as team:
        yield team


def scrape(server: HttpServer) -> Samples:
    """Every sample by its name and the values of its labels, these in the order of their names."""
    answer = requests.get(f"{server.url}/metrics", headers=HEADERS, timeout=10)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name.removeprefix("netbox_mcp_"), *(value for _, value in sorted(sample.labels.items()))): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_workers_do_is_counted(
    server: HttpServer, team: WorkerTeam, proxy: FaultyProxy, netbox: NetBoxOverHttp, prefix: str
) -> None:
    before = scrape(server)
    assert (before["redis_up",], before["redis_durable",], before["netbox_up", "default"]) == (1, 1, 1)
    assert before["workers", "idle"] == before["tasks", "queued"] == 0
    assert before["redis_memory_bytes",] > 0

    manager = get_task_manager()
    parents = {name: entries for name, entries in campus(prefix).items() if name != "devices"}
    first = manager.start_apply(parents, "default", 4)
    second = manager.start_apply({"device_types": [wrong_height(prefix)]}, "default", 2)
    time.sleep(1)
    waiting = scrape(server)
    assert 1 <= waiting["oldest_task_wait_seconds",] < 60
    assert (waiting["tasks", "queued"], waiting["tasks", "waiting_for_target"]) == (1, 1)

    proxy.aim("GET", "dcim/sites", Answer(503))
    proxy.aim("POST", "dcim/manufacturers", CUT)
    team.start()
    assert wait_until_ended(manager, first.task_id).counts == {"created": 4}
    assert wait_until_ended(manager, second.task_id).counts["failed"] == 1
    assert proxy.missed == 0

    after = wait_for(lambda: at_rest_after_two(server), "both ends counted and the worker at rest")
    assert after["tasks_ended_total", "apply", "completed"] == 1
    assert after["tasks_ended_total", "apply", "completed_with_errors"] == 1
    assert after["task_runs_total", "apply", "first"] == after["task_wait_seconds_count", "apply"] == 2
    assert after["task_runs_total", "apply", "again"] == 0
    for object_type in ("manufacturers", "sites", "device_roles"):
        assert after["objects_total", object_type, "created"] == 1
    assert after["objects_total", "device_types", "failed"] == 1
    # Every request that reached NetBox's address is there, by what came of it.
    seen = [one.method for one in proxy.seen]
    for method in ("GET", "POST"):
        told = {key[2]: after[key] for key in after if key[:2] == ("netbox_requests_total", method)}
        assert sum(told.values()) == seen.count(method)
        assert told["503" if method == "GET" else "0"] == 1
        count, total = (
            after[f"netbox_request_seconds_{part}", method, "default"] for part in ("count", "sum")
        )
        assert after["netbox_request_seconds_bucket", "+Inf", method, "default"] == count
        assert 0 < total < 60
    assert after["tasks", "queued"] == after["tasks", "waiting_for_target"] == 0
    assert after["oldest_task_wait_seconds",] == 0


def wrong_height(prefix: str) -> dict[str, object]:
    """Only NetBox knows that heights go in steps of a half."""
    return {"manufacturer": f"{prefix} Acme", "model": f"{prefix} bad", "u_height": 1.3}


def at_rest_after_two(server: HttpServer) -> Samples | None:
    """The end of a task is counted by its work horse, a moment before the worker knows of it."""
    samples = scrape(server)
    ends = sum(value for key, value in samples.items() if key[0] == "tasks_ended_total")
    at_rest = samples["workers", "idle"] == 1 and samples["tasks", "running"] == 0
    return samples if ends == 2 and at_rest else None


def test_a_run_after_a_kill_is_an_again(
    server: HttpServer, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    manager = get_task_manager()
    worker = team.start()
    task = manager.start_apply(many_sites(prefix, 200), "default", 200)
    wait_until_midway(manager, task.task_id)
    assert scrape(server)["tasks", "running"] == 1
    (horse,) = worker.children()
    os.kill(horse, signal.SIGKILL)
    wait_until_ended(manager, task.task_id, 90)
    again = ("task_runs_total", "apply", "again")
    wait_for(lambda: scrape(server).get(again) == 1, "the second run counted")


def test_while_redis_is_away_that_is_what_is_told(server: HttpServer, redis_server: RedisServer) -> None:
    with redis_stopped(redis_server):
        assert scrape(server) == {("redis_up",): 0, ("netbox_up", "default"): 1}
    assert scrape(server)["redis_up",] == 1


def test_a_netbox_that_is_away_is_told(with_redis: str, dead_netbox: str, cli: CommandLine) -> None:
    for server in serve(cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN):
        assert scrape(server)["netbox_up", "default"] == 0


def test_what_has_not_happened_yet_is_told_as_nothing(server: HttpServer) -> None:
    before = scrape(server)
    for kind in ("apply", "plan", "rollback"):
        assert before["task_runs_total", kind, "again"] == before["task_wait_seconds_count", kind] == 0
        for state in ("cancelled", "completed", "completed_with_errors", "failed", "rolled_back"):
            assert before["tasks_ended_total", kind, state] == 0
    assert before["objects_total", "devices", "failed"] == 0
    assert before["runs_interrupted_total", "lease_lost"] == 0


def test_without_a_token_nothing_is_told(server: HttpServer) -> None:
    assert requests.get(f"{server.url}/metrics", timeout=10).status_code == 401


def test_the_documents_name_every_metric_and_no_other(server: HttpServer) -> None:
    answer = requests.get(f"{server.url}/metrics", headers=HEADERS, timeout=10)
    told = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(answer.text)
    }
    rows = [line for line in METRICS.read_text().splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(netbox_mcp_\w+)`", row)} == told
