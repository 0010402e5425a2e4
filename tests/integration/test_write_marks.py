"""Marks in Redis: seen by all who share it, kept by none for ever, and never in anybody's way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.netbox import NetBoxSettings
from orchestrator.netbox.marks import marked
from tests.integration.worker_process import wait_for
from tests.redis_fixture import redis_stopped
from workers import write_marks
from workers.connection import connect_for_marks
from workers.settings import WorkerSettings
from workers.write_marks import RedisMarks, open_marks

PLACES = ["default", "url.0123"]
_NOWHERE = (
    "redis://127.0.0.1:{port}/0",
    "redis://127.0.0.1:x/0",
    "redis://redis..internal:6379/0",
    "redis://127.0.0.1:{port}/0?foo=1",
    "no address",
)


@pytest.fixture
def ours(worker_settings: WorkerSettings) -> RedisMarks:
    return RedisMarks(worker_settings, PLACES)


@pytest.fixture
def theirs(worker_settings: WorkerSettings) -> RedisMarks:
    return RedisMarks(worker_settings, PLACES)


def test_each_mark_is_another_one(ours: RedisMarks, theirs: RedisMarks) -> None:
    seen = [ours.state()]
    assert ours.state() == theirs.state() == seen[0]
    for write in ("a", "b"):
        theirs.begin(write)
        assert ours.state() is None
        theirs.end(write, settled=True)
        seen.append(ours.state())
    assert None not in seen
    assert len(set(seen)) == 3


def test_lanes_that_mark_their_first_write_at_once_share_one_connection(
    ours: RedisMarks, theirs: RedisMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Redis] = []

    def connect_slowly(settings: WorkerSettings) -> Redis:
        opened.append(connect_for_marks(settings))
        time.sleep(0.1)
        return opened[-1]

    monkeypatch.setattr(write_marks, "connect_for_marks", connect_slowly)
    lanes = ("a", "b", "c", "d")
    with ThreadPoolExecutor(len(lanes)) as pool:
        list(pool.map(ours.begin, lanes))
    assert len(opened) == 1
    for write in lanes:
        assert theirs.state() is None
        ours.end(write, settled=True)
    assert theirs.state() is not None


def test_one_name_in_common_is_enough(worker_settings: WorkerSettings, ours: RedisMarks) -> None:
    before = ours.state()
    for place in PLACES:
        with marked(RedisMarks(worker_settings, [place, "another"])):
            assert ours.state() is None
        assert ours.state() not in (None, before)
        before = ours.state()
    with marked(RedisMarks(worker_settings, ["another"])):
        assert ours.state() == before


def test_a_write_that_never_ends_counts_for_a_while_only(redis_url: str) -> None:
    settings = WorkerSettings(redis_url=redis_url, settle_seconds=1)
    killed, ours = RedisMarks(settings, PLACES), RedisMarks(settings, PLACES)
    before = ours.state()
    killed.begin("a")
    assert ours.state() is None
    time.sleep(1.05)
    assert ours.state() not in (None, before)
    ours.begin("b")
    ours.end("b", settled=False)
    assert killed.state() is None


def test_every_key_lapses(redis: Redis, ours: RedisMarks) -> None:
    ours.begin("a")
    assert len(redis.keys("*")) == 4
    assert all(0 < redis.ttl(key) <= 86_400 for key in redis.keys("*"))


def test_a_redis_that_forgets_shows_no_mark_a_second_time(redis: Redis, ours: RedisMarks) -> None:
    seen = [ours.state()]
    for _ in range(3):
        redis.flushall()
        seen.append(ours.state())
    assert len(set(seen)) == 4


def test_a_mark_that_could_not_be_set_is_set_later(
    redis_server: RedisServer, ours: RedisMarks, theirs: RedisMarks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_marks, "PAUSE_SECONDS", 0.0)
    before = ours.state()
    with redis_stopped(redis_server), marked(theirs):
        pass
    theirs.state()
    assert ours.state() not in (None, before)


def test_a_redis_that_comes_back_with_what_it_knew_earlier_shows_another_state(
    redis_server: RedisServer, redis: Redis, ours: RedisMarks, theirs: RedisMarks
) -> None:
    """As one does that was copied, failed over, or lost its last second."""
    before = ours.state()
    earlier = {key: redis.get(key) for key in redis.keys("nmo:written:*")}
    with marked(theirs):
        pass
    with redis_stopped(redis_server):
        pass
    for key, value in earlier.items():
        redis.set(key, value)
    assert ours.state() not in (None, before)


def test_a_redis_that_hangs_costs_half_a_second_once(
    redis_server: RedisServer, ours: RedisMarks, theirs: RedisMarks
) -> None:
    before = ours.state()
    with redis_hanging(redis_server):
        since = time.monotonic()
        for _ in range(20):
            with marked(theirs):
                assert theirs.state() is None
        assert 0.4 < time.monotonic() - since < 2
    wait_for(lambda: theirs.state() is not None, "it is asked again")
    assert ours.state() not in (None, before)


def test_a_write_without_an_answer_counts_from_its_end(redis_url: str) -> None:
    settings = WorkerSettings(redis_url=redis_url, settle_seconds=2)
    ours, theirs = RedisMarks(settings, PLACES), RedisMarks(settings, PLACES)
    theirs.begin("a")
    time.sleep(1.5)
    theirs.end("a", settled=False)
    time.sleep(1)
    assert ours.state() is None


@contextmanager
def redis_hanging(server: RedisServer) -> Iterator[None]:
    """It accepts connections and says nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_a_redis_that_takes_no_marks_is_none(redis: Redis, ours: RedisMarks) -> None:
    redis.config_set("maxmemory", "1")
    try:
        assert ours.state() is None
    finally:
        redis.config_set("maxmemory", "0")


@pytest.mark.parametrize("url", _NOWHERE)
def test_without_redis_nobody_waits(url: str, tmp_path: Path) -> None:
    settings = WorkerSettings(redis_url=url.format(port=choose_port(())), state_dir=tmp_path)
    marks = open_marks(settings, NetBoxSettings(url="https://netbox.example.com", token="x" * 40))
    since = time.monotonic()
    for _ in range(20):
        with marked(marks):
            assert marks.state() is None
        assert marks.state() is None
    assert time.monotonic() - since < 2


def test_one_netbox_is_one_however_its_address_is_written(worker_settings: WorkerSettings) -> None:
    urls = ["https://NetBox.example.com/sub/", "https://netbox.example.com:443/sub"]
    first, second = [
        open_marks(worker_settings, NetBoxSettings(name=f"t{at}", url=url, token="x" * 40))
        for at, url in enumerate(urls)
    ]
    before = first.state()
    with marked(second):
        assert first.state() is None
    assert first.state() not in (None, before)
