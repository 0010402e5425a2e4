"""rq-dashboard under /rq: every page of it in a real Chromium, with jobs in every state."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from redis import Redis
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from netbox_mcp.dependencies import get_settings, get_task_manager
from netbox_mcp.sandbox.redis_server import RedisServer
from tests.contract.browser import complaints, open_browser
from tests.contract.clients import CommandLine
from tests.contract.documents import campus
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    wait_for,
    wait_until_ended,
    wait_until_midway,
)
from tests.redis_fixture import redis_stopped
from workers.queues import RUN_PLAN, open_queue

APPROVE_TOKEN = "those-who-approve-7c1d"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
MOMENT = "2026-11-26T00:00:00.000000Z"
SCRIPT = "<img src=x onerror=\"document.title='broken into'\">"


class Mark:
    """Leaves a mark where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._path,)


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(
        cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_APPROVE_TOKEN=APPROVE_TOKEN
    )


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    with open_browser(tmp_path) as driver:
        yield driver


def signed_in(server: HttpServer, path: str) -> str:
    """An address that takes the token along, as after a browser has asked for name and password."""
    return server.url.replace("://", f"://operator:{TOKEN}@") + path


def shown(browser: WebDriver, address: str, *texts: str) -> str:
    """Open a page, wait until its scripts have shown these texts, and see that no script complained."""
    browser.get(address)

    def text() -> str:
        body = browser.find_element(By.TAG_NAME, "body").text
        return body if all(text in body for text in texts) else ""

    found = wait_for(text, f"{texts} at {address}: {browser.find_element(By.TAG_NAME, 'body').text}", 20)
    assert complaints(browser) == []
    return found


def test_every_page_shows_jobs_in_every_state(
    server: HttpServer, slow_team: WorkerTeam, browser: WebDriver, prefix: str, redis: Redis, tmp_path: Path
) -> None:
    manager = get_task_manager()
    worker = slow_team.start()
    finished = manager.start_apply(campus(prefix), "default", 7)
    wait_until_ended(manager, finished.task_id)
    failed = manager.start_apply({"devices": [{"name": "nowhere"}]}, "default", 1)
    wait_until_ended(manager, failed.task_id)
    rq = open_queue(redis, get_settings())
    rq.enqueue_in(timedelta(hours=1), RUN_PLAN, "t-none", job_id="t-later")
    redis.hset("rq:job:t-pickle", mapping={"created_at": MOMENT, "origin": rq.name, "status": "queued"})
    redis.hset("rq:job:t-pickle", "meta", pickle.dumps(Mark(tmp_path / "mark")))
    hostile = rq.enqueue_call(f"os.{SCRIPT}", job_id="t-hostile")
    wait_for(lambda: hostile.get_status() == "failed", "the hostile job refused")
    running = manager.start_apply(many_sites(prefix, 900), "default", 900)
    queued = manager.start_plan(campus(prefix), "default", 7)
    wait_until_midway(manager, running.task_id)

    queue = get_settings().queue
    base = signed_in(server, "/rq/0/view")
    shown(browser, f"{base}/queues", queue)
    tasks = {"started": running, "finished": finished, "failed": failed, "queued": queued}
    jobs = {registry: task.task_id for registry, task in tasks.items()} | {"scheduled": "t-later"}
    for registry, job_id in jobs.items():
        shown(browser, f"{base}/jobs/{queue}/{registry}/8/asc/1", job_id)
    for job_id in jobs.values():
        shown(browser, f"{base}/job/{job_id}", f"Job ID: {job_id}", "Origin queue", queue)
    shown(browser, f"{base}/workers", f"{worker.pid}", running.task_id)
    browser.save_screenshot(str(tmp_path / "workers.png"))

    # What somebody has put into the queue is text here, and no part of the page.
    shown(browser, f"{base}/job/t-hostile", SCRIPT, "Workers do not run")
    assert browser.title == "RQ dashboard"
    # Nor is it run on the server.
    requests.get(f"{server.url}/rq/0/view/job/t-pickle", headers=HEADERS, timeout=10)
    assert not (tmp_path / "mark").exists()


def test_a_look_takes_nothing_out_of_the_queue(server: HttpServer, with_redis: str, redis: Redis) -> None:
    """Resuming deletes a job and puts it in anew; a page that is open at that moment must not take it out."""
    queue = open_queue(redis, get_settings())
    redis.rpush(queue.key, "t-resumed")
    for registry in ("queued", "failed", "finished"):
        path = f"/rq/0/data/jobs/{queue.name}/{registry}/8/asc/1.json"
        assert requests.get(server.url + path, headers=HEADERS, timeout=10).status_code == 200
    assert redis.lrange(queue.key, 0, -1) == [b"t-resumed"]


def test_the_short_address_leads_to_it(server: HttpServer) -> None:
    answer = requests.get(f"{server.url}/rq", headers=HEADERS, timeout=10)
    assert (answer.status_code, answer.url) == (200, f"{server.url}/rq/")


@pytest.mark.parametrize(
    "given", ["", "Bearer wrong", f"Bearer {APPROVE_TOKEN}", "Basic !!", "Basic OnRva2Vu"]
)
def test_without_the_token_there_is_nothing(server: HttpServer, given: str) -> None:
    for path in ("/rq", "/rq/", "/rq/0/view/jobs", "/rq/0/data/workers.json", "/rq/static/css/main.css"):
        answer = requests.get(server.url + path, headers={"Authorization": given}, timeout=10)
        assert answer.status_code == (403 if APPROVE_TOKEN in given else 401), path
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="netbox-mcp"'


def test_the_password_of_basic_serves_at_the_dashboard_alone(server: HttpServer) -> None:
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    assert requests.get(f"{server.url}/rq/", headers=headers, timeout=10).status_code == 200
    for path in ("/metrics", "/mcp", "/rqx", "/api/v1/plans/p-1"):
        assert requests.get(server.url + path, headers=headers, timeout=10).status_code == 401, path


def test_it_changes_nothing(server: HttpServer, with_redis: str) -> None:
    waiting = get_task_manager().start_plan(campus("none"), "default", 7)
    headers, queue = {"Authorization": f"Bearer {TOKEN}"}, get_settings().queue
    for method, path in (
        ("POST", f"/rq/job/{waiting.task_id}/delete"),
        ("POST", f"/rq/job/{waiting.task_id}/requeue"),
        ("GET", f"/rq/requeue/{queue}"),
        ("POST", f"/rq/queue/{queue}/queued/empty"),
        ("POST", f"/rq/queue/{queue}/compact"),
    ):
        answer = requests.request(method, server.url + path, headers=headers, timeout=10)
        assert (answer.status_code, "only shows" in answer.text) == (403, True), path
    assert get_task_manager().status(waiting.task_id).status == "queued"


def test_no_address_of_redis_is_shown_and_its_absence_is_one_sentence(
    server: HttpServer, redis_server: RedisServer
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    page = requests.get(f"{server.url}/rq/", headers=headers, timeout=10)
    assert page.status_code == 200
    assert "redis://" not in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    with redis_stopped(redis_server):
        away = requests.get(f"{server.url}/rq/0/data/workers.json", headers=headers, timeout=30)
    assert away.status_code == 503
    assert "Redis" in away.text
    assert len(away.text.splitlines()) == 1
