"""What the pages show and do, by plain HTTP: lists, streams, buttons, long plans and reports."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from redis import Redis

from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.sandbox.redis_server import RedisServer
from netbox_mcp.web.plan_pages import CHANGES_ON_A_PAGE
from netbox_mcp.web.streams import MOST_STREAMS_OF_ONE
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Plan
from orchestrator.stale import date_plan
from orchestrator.testing import MemoryNetBox
from tests.contract.clients import CommandLine
from tests.contract.documents import campus
from tests.contract.pages_client import Visitor, signed_in
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.contract.test_who_may import CLIENTS, TOKENS
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    wait_for,
    wait_until_ended,
)
from tests.redis_fixture import redis_stopped
from workers import keys

SETTINGS = {"NETBOX_MCP_TOKEN": TOKEN, "NETBOX_MCP_CLIENTS": CLIENTS}


@pytest.fixture
def server(dead_netbox: str, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    """Its NetBox does not answer: what only looks into Redis needs none."""
    yield from serve(cli, REDIS_URL=with_redis, NETBOX_URL=dead_netbox, **SETTINGS)


def made(document: dict[str, Any]) -> Plan:
    return NetBoxBulkOrchestrator(MemoryNetBox()).plan(document)


def links(page: requests.Response) -> list[str]:
    return re.findall(r'href="([^"]*)"', page.text)


class Events:
    """A stream that is being read."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        self.answer = visitor.session.get(
            visitor.url + path, headers={"Accept": "text/event-stream"}, stream=True, timeout=30
        )
        self._lines = self.answer.iter_lines(decode_unicode=True)

    def next(self) -> dict[str, Any] | None:
        """The next view; None once the stream has ended."""
        for line in self._lines:
            if line.startswith("data: "):
                found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return found
        return None

    def until(self, words: str) -> dict[str, Any]:
        while (view := self.next()) is not None:
            if words in view["html"] or view["say"].startswith(words):
                return view
        raise AssertionError(f"the stream has ended without {words!r}")


def test_a_task_is_cancelled_and_resumed_by_its_buttons(server: HttpServer) -> None:
    manager = get_task_manager()
    task_id = manager.start_apply(campus("page"), "default", 7).task_id
    visitor, reader = signed_in(server.url, TOKEN), signed_in(server.url, TOKENS["read"])
    path = f"/tasks/{task_id}"
    assert task_id in visitor.get("/").text
    assert "No worker is listening" in visitor.get(path).text
    assert 'http-equiv="refresh"' in visitor.get(path).text  # for who lets no script run
    assert "/cancel" not in reader.get(path).text
    events = Events(visitor, f"{path}/events")
    first = events.next()
    assert first is not None
    assert (first["can"], first["ended"]) == (["cancel"], False)

    answer = visitor.act(f"{path}/cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert manager.status(task_id).status == "cancelled"
    last = events.until("cancelled")
    assert (last["can"], last["ended"]) == (["resume"], True)
    assert events.next() is None  # the stream ends with the task
    assert 'http-equiv="refresh"' not in visitor.get(path).text
    assert visitor.act(f"{path}/resume").status_code == 303
    assert manager.status(task_id).status == "queued"


def test_what_is_not_there_is_a_page_that_says_so(server: HttpServer) -> None:
    visitor = signed_in(server.url, TOKEN)
    for path, words in (
        ("/tasks/t-none", "There is no task"),
        ("/tasks/t-none/events", "There is no task"),
        ("/tasks/t-none/report.html", "There is no task"),
        ("/plans/p-none", "There is no stored plan"),
        ("/batches/b-none", "There is no batch"),
        ("/batches/b-none/rollback", "There is no batch"),
        ("/tasks/a/b/c", "There is no page at /tasks/a/b/c"),
        ("/plans/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "There is no"),
    ):
        answer = visitor.get(path)
        assert (answer.status_code, words in answer.text) == (404, True), path
        assert "<script>alert" not in answer.text
        assert "To the tasks" in answer.text
    assert visitor.act("/tasks/t-none/cancel").status_code == 404
    assert visitor.act("/plans/p-none/apply", confirm="yes").status_code == 404
    assert visitor.get("/batches/b-none?outcome=nix").status_code == 422
    assert visitor.get("/tasks").headers["location"] == "/"


def test_a_long_plan_comes_in_pages_and_can_be_narrowed(server: HttpServer) -> None:
    many = CHANGES_ON_A_PAGE + 50
    plan = made({"sites": [{"name": f"s-[001-{many}]"}], "manufacturers": [{"name": "Acme & <b>Sons</b>"}]})
    plan_id = get_task_manager().save_plan(plan, {"sites": []})
    visitor = signed_in(server.url, TOKEN)
    first = visitor.get(f"/plans/{plan_id}")
    assert f"1 to {CHANGES_ON_A_PAGE} of {many + 1}." in first.text
    assert "Acme &amp; &lt;b&gt;Sons&lt;/b&gt;" in first.text
    assert first.text.count('<li class="create">') == CHANGES_ON_A_PAGE
    following = next(link for link in links(first) if "page=2" in link)
    second = visitor.get(following)
    assert f"{CHANGES_ON_A_PAGE + 1} to {many + 1} of {many + 1}." in second.text
    assert not [link for link in links(second) if "page=3" in link]
    narrowed = visitor.get(f"/plans/{plan_id}?type=manufacturers")
    assert narrowed.text.count('<li class="create">') == 1
    assert "There is nothing to show." in visitor.get(f"/plans/{plan_id}?action=delete").text
    assert visitor.get(f"/plans/{plan_id}?page=x").status_code == 422
    assert f"{CHANGES_ON_A_PAGE + 1} to" in visitor.get(f"/plans/{plan_id}?page=999").text


def test_the_list_of_plans_tells_which_wait(server: HttpServer, redis: Redis) -> None:
    manager = get_task_manager()
    names = ("waiting", "applied", "old", "nothing")
    plans = {name: made({"sites": [{"name": name}]}) for name in names}
    plans["old"] = date_plan(plans["old"], datetime(2026, 1, 1, tzinfo=UTC), 60)
    netbox = MemoryNetBox()
    netbox.create("sites", [{"name": "nothing", "slug": "nothing"}], "")
    plans["nothing"] = NetBoxBulkOrchestrator(netbox).plan({"sites": [{"name": "nothing"}]})
    ids = {name: manager.save_plan(plan, {"sites": []}) for name, plan in plans.items()}
    task_id = manager.start_apply_plan(ids["applied"]).task_id
    gone = manager.save_plan(made({"sites": [{"name": "gone"}]}))
    redis.delete(keys.plan(gone))
    for token in (TOKEN, TOKENS["approve"]):
        page = signed_in(server.url, token).get("/plans").text
        waiting, _, others = page.partition("Others that are kept")
        assert [name for name in names if ids[name] in waiting] == ["waiting"]
        assert [name for name in names if ids[name] in others] == ["applied", "old", "nothing"]
        for words in (f"/tasks/{task_id}", "too old to be applied", "nothing to do", "waits to be applied"):
            assert words in page
        assert gone not in page
    assert "too old to be applied" in signed_in(server.url, TOKEN).get(f"/plans/{ids['old']}").text


def test_a_plan_is_applied_once_and_not_without_the_tick(server: HttpServer) -> None:
    manager = get_task_manager()
    plan_id = manager.save_plan(made({"sites": [{"name": "s"}]}), {"sites": [{"name": "s"}]})
    visitor = signed_in(server.url, TOKEN)
    refused = visitor.act(f"/plans/{plan_id}/apply")
    assert (refused.status_code, "Nothing was written: tick the box" in refused.text) == (422, True)
    assert manager.list_tasks() == []
    answers = [visitor.act(f"/plans/{plan_id}/apply", confirm="yes") for _ in range(2)]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert [f"/tasks/{task.task_id}" for task in manager.list_tasks()] == [answers[0].headers["location"]]


def test_the_rules_of_the_server_hold_here_too(dead_netbox: str, with_redis: str, cli: CommandLine) -> None:
    manager = get_task_manager()
    plan_id = manager.save_plan(made({"sites": [{"name": "s"}]}), {"sites": [{"name": "s"}]})
    for rules, code, words in (
        ({"NETBOX_DRY_RUN": "true"}, 422, "Dry-run is on"),
        ({"NETBOX_MCP_REQUIRE_APPROVAL": "true"}, 409, "has not been approved"),
        ({"NETBOX_MCP_READ_ONLY": "true"}, 403, "This needs the scope write"),
    ):
        for server in serve(cli, REDIS_URL=with_redis, NETBOX_URL=dead_netbox, **SETTINGS, **rules):
            visitor = signed_in(server.url, TOKEN)
            assert "/apply" not in visitor.get(f"/plans/{plan_id}").text
            refused = visitor.act(f"/plans/{plan_id}/apply", confirm="yes")
            assert (refused.status_code, words in refused.text) == (code, True), refused.text
            # Nobody has given this server the secret of those who approve.
            cannot = signed_in(server.url, TOKENS["approve"]).act(f"/plans/{plan_id}/approve")
            assert cannot.status_code == 403
    assert manager.list_tasks() == []


def test_streams_are_counted_and_end_with_the_session(server: HttpServer) -> None:
    visitor, other = signed_in(server.url, TOKEN), signed_in(server.url, TOKENS["read"])
    with ExitStack() as open_streams:
        streams = [Events(visitor, "/tasks/events") for _ in range(MOST_STREAMS_OF_ONE)]
        for stream in streams:
            open_streams.callback(stream.answer.close)
            assert stream.answer.status_code == 200
            assert stream.next() is not None
        assert visitor.get("/tasks/events").status_code == 429
        assert Events(other, "/tasks/events").next() is not None
        streams[0].answer.close()
        wait_for(lambda: Events(visitor, "/tasks/events").answer.status_code == 200, "a stream that is free")
    leaving = signed_in(server.url, TOKENS["plan"])
    stream = Events(leaving, "/tasks/events")
    assert stream.next() is not None
    assert leaving.act("/sign-out").status_code == 303
    since = time.monotonic()
    assert stream.next() is None
    assert time.monotonic() - since < 20


def test_redis_may_go_and_come_back(server: HttpServer, redis_server: RedisServer) -> None:
    visitor = signed_in(server.url, TOKEN)
    stream = Events(visitor, "/tasks/events")
    assert stream.next() is not None
    with redis_stopped(redis_server):
        away = visitor.get("/")
        assert (away.status_code, "Redis cannot be reached" in away.text) == (503, True)
    task_id = get_task_manager().start_plan(campus("page"), "default", 7).task_id
    assert task_id in stream.until(task_id)["html"]  # the same stream goes on
    assert visitor.get("/").status_code == 200


def test_a_report_comes_in_pages_and_can_be_narrowed(
    netbox: NetBoxOverHttp, with_redis: str, team: WorkerTeam, cli: CommandLine, prefix: str
) -> None:
    team.start()
    manager = get_task_manager()
    started = manager.start_apply(many_sites(prefix, 120), "default", 120)
    task = wait_until_ended(manager, started.task_id, 120)
    for server in serve(cli, REDIS_URL=with_redis, **SETTINGS):
        visitor = signed_in(server.url, TOKENS["read"])
        first = visitor.get(f"/batches/{task.batch_id}")
        assert first.status_code == 200, first.text
        assert first.text.count("<tr>") == 101
        following = next(link for link in links(first) if "cursor=" in link)
        second = visitor.get(following.replace("&amp;", "&"))
        assert second.text.count("<tr>") == 1 + sum(task.counts.values()) - 100
        assert "First page" in second.text
        created = visitor.get(f"/batches/{task.batch_id}?outcome=created&object_type=sites")
        assert created.text.count("<tr>") == 101
        assert "No object has this outcome." in visitor.get(f"/batches/{task.batch_id}?outcome=deleted").text
        assert "Roll back" not in first.text  # that takes the scope write
        assert visitor.get(f"/batches/{task.batch_id}?object_type=sitez").status_code == 422
        assert f"{netbox.url}/dcim/sites/" in first.text
        file = visitor.get(f"/tasks/{task.task_id}/report.html")
        assert file.headers["content-disposition"] == f'attachment; filename="{task.batch_id}.html"'
        assert f"{prefix}-119" in file.text
        # The batch is remembered for longer than its task.
        Redis.from_url(with_redis).delete(keys.task(task.task_id))
        later = visitor.get(f"/batches/{task.batch_id}")
        assert (later.status_code, "which is forgotten by now" in later.text) == (200, True)
