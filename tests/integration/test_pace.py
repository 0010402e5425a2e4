"""How fast a task went: what its hash says, however long it takes and however often it is taken up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from orchestrator.models import Outcome, Result
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    many_sites,
    wait_until_ended,
    wait_until_midway,
)
from workers import keys
from workers.errors import UnknownTaskError
from workers.manager import AsyncTaskManager
from workers.pace import MAX_BUCKETS, Bucket, Pace, read_pace
from workers.tracker import TaskTracker

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Clock:
    """Time goes on when it is told to; the tracker writes whenever it has."""

    def __init__(self) -> None:
        self.now = NOON.timestamp()

    def __call__(self) -> float:
        return self.now


def tracker(redis: Redis, clock: Clock, task_id: str = "t-pace") -> TaskTracker:
    found = TaskTracker(redis, task_id, clock=clock, wall_clock=clock)
    found.begin()
    return found


def outcomes(**numbers: int) -> list[Outcome]:
    return [
        Outcome(f"c{at}", "sites", f"s{at}", "", Result(result))
        for result, number in numbers.items()
        for at in range(number)
    ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_results_are_counted_where_they_fall(redis: Redis, clock: Clock) -> None:
    task = tracker(redis, clock)
    for seconds, numbers in ((0, {"created": 3}), (2, {"created": 1, "failed": 1}), (60, {"updated": 4})):
        clock.now = NOON.timestamp() + seconds
        task.settled(outcomes(**numbers))
    first = Bucket(NOON, {"created": 4, "failed": 1})
    assert read_pace(redis, "t-pace") == Pace(5, (first, Bucket(NOON + timedelta(minutes=1), {"updated": 4})))
    assert first.total == 5
    assert 0 < redis.ttl(keys.pace("t-pace")) <= 7 * 86_400


@pytest.mark.parametrize(("every", "hours"), [(5, 5), (61, 30), (3600, 6 * 24)])
def test_it_stays_small_however_long_a_batch_takes(
    redis: Redis, clock: Clock, every: int, hours: int
) -> None:
    task, settled = tracker(redis, clock), 0
    for seconds in range(0, hours * 3600, every):
        clock.now = NOON.timestamp() + seconds
        task.settled(outcomes(created=2, failed=1))
        settled += 1
    pace = read_pace(redis, "t-pace")
    assert pace.totals() == {"created": 2 * settled, "failed": settled}
    assert min(settled, MAX_BUCKETS // 4) <= len(pace.buckets) <= MAX_BUCKETS
    assert pace.width_seconds % 5 == 0
    assert (pace.width_seconds // 5).bit_count() == 1
    begins = [int(bucket.begin.timestamp()) for bucket in pace.buckets]
    assert begins == sorted(set(begins))
    assert not any(begin % pace.width_seconds for begin in begins)
    assert begins[0] <= NOON.timestamp() < begins[0] + pace.width_seconds
    assert begins[-1] <= clock.now < begins[-1] + pace.width_seconds
    assert redis.memory_usage(keys.pace("t-pace")) < 60_000


def test_another_run_adds_to_it_and_the_one_before_is_not_heard(redis: Redis, clock: Clock) -> None:
    first = tracker(redis, clock)
    first.settled(outcomes(created=2))
    clock.now += 600
    second = tracker(redis, clock)
    second.settled(outcomes(created=3))
    clock.now += 1
    first.settled(outcomes(failed=9))
    pace = read_pace(redis, "t-pace")
    assert [bucket.counts for bucket in pace.buckets] == [{"created": 2}, {"created": 3}]


def test_a_clock_that_goes_back_loses_nothing(redis: Redis, clock: Clock) -> None:
    task = TaskTracker(redis, "t-pace", clock=iter(range(10_000)).__next__, wall_clock=clock)
    task.begin()
    for seconds in (0, 100, 40, 100, 0):
        clock.now = NOON.timestamp() + seconds
        task.settled(outcomes(created=1))
    assert [bucket.total for bucket in read_pace(redis, "t-pace").buckets] == [2, 1, 2]


def test_telling_it_takes_no_call_more(redis: Redis, clock: Clock) -> None:
    task = tracker(redis, clock)
    redis.config_resetstat()
    for _ in range(5):
        clock.now += 1
        task.settled(outcomes(created=1))
    assert redis.info("commandstats")["cmdstat_eval"]["calls"] == 5


def test_a_task_that_settles_nothing_has_none(redis: Redis, clock: Clock, manager: AsyncTaskManager) -> None:
    tracker(redis, clock).started()
    assert read_pace(redis, "t-pace") == Pace()
    assert not redis.exists(keys.pace("t-pace"))
    with pytest.raises(UnknownTaskError):
        manager.pace("t-pace")


def test_a_real_batch_that_is_cancelled_and_resumed(
    netbox: NetBoxOverHttp,
    slow_worker: WorkerProcess,
    manager: AsyncTaskManager,
    prefix: str,
) -> None:
    began = datetime.now(UTC)
    task_id = manager.start_apply(many_sites(prefix, 400), "default", 400).task_id
    wait_until_midway(manager, task_id)
    manager.cancel(task_id)
    cancelled = wait_until_ended(manager, task_id)
    assert manager.pace(task_id).totals() == cancelled.counts
    manager.resume(task_id)
    ended = wait_until_ended(manager, task_id, 90)
    pace = manager.pace(task_id)
    assert pace.totals() == ended.counts == {"created": 400}
    assert began - timedelta(seconds=5) <= pace.buckets[0].begin <= pace.buckets[-1].begin
    assert pace.buckets[-1].begin <= datetime.now(UTC)
    assert pace.width_seconds == 5
