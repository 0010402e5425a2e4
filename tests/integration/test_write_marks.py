"""Marks in Redis: seen by all who share it, kept by none for ever, and never in anybody's way."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.netbox import NetBoxSettings
from orchestrator.netbox.marks import marked
from tests.redis_fixture import redis_stopped
from workers import write_marks
from workers.settings import WorkerSettings
from workers.write_marks import RedisMarks, open_marks

PLACES = ["default", "url.0123"]


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


def test_a_redis_that_takes_no_marks_is_none(redis: Redis, ours: RedisMarks) -> None:
    redis.config_set("maxmemory", "1")
    try:
        assert ours.state() is None
    finally:
        redis.config_set("maxmemory", "0")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "redis://127.0.0.1:x/0", "no address"])
def test_without_redis_nobody_waits(url: str, tmp_path: Path) -> None:
    settings = WorkerSettings(redis_url=url.format(port=choose_port(())), state_dir=tmp_path)
    marks = open_marks(settings, NetBoxSettings(url="https://netbox.example.com", token="x" * 40))
    since = time.monotonic()
    for _ in range(20):
        with marked(marks):
            assert marks.state() is None
        assert marks.state() is None
    assert time.monotonic() - since < 2
