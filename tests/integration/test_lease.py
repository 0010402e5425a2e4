"""One writing batch per target, and no second one by accident."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.errors import LeaseLostError
from tests.integration.worker_process import wait_for
from tests.redis_fixture import redis_stopped
from workers import keys
from workers.errors import RedisUnavailableError, TargetBusyError, WorkerStopsError
from workers.lease import Heartbeat, Lease, SignOfLife


def epoch_of(lease: Lease) -> int:
    return int(lease.value.split(":")[0])


def test_only_one_batch_holds_a_target(redis: Redis) -> None:
    first, second = Lease(redis, "lab", "t-1", 5), Lease(redis, "lab", "t-2", 5)
    first.acquire()
    with pytest.raises(TargetBusyError, match=r"\(t-1\) is writing to target 'lab'"):
        second.acquire()
    Lease(redis, "other", "t-2", 5).acquire()
    first.release()
    second.acquire()
    assert epoch_of(second) == epoch_of(first) + 1


def test_the_one_that_waits_is_told_for_whom(redis: Redis) -> None:
    first, second = Lease(redis, "lab", "t-1", 30), Lease(redis, "lab", "t-2", 30)
    first.acquire()
    waited_for: list[str] = []

    def let_it_go_the_second_time(holder: str) -> None:
        waited_for.append(holder)
        if len(waited_for) == 2:
            first.release()

    second.acquire(wait_seconds=20, on_wait=let_it_go_the_second_time)
    assert waited_for == ["t-1", "t-1"]


def test_a_lease_that_lapsed_stays_lost(redis: Redis) -> None:
    lease = Lease(redis, "lab", "t-1", 2)
    lease.acquire()
    lease.check()
    # Asks its own clock: Redis may be out of reach just then.
    time.sleep(2)
    with pytest.raises(LeaseLostError, match="no longer holds target 'lab'"):
        lease.check()
    redis.delete(keys.lease("lab"))
    lease.renew()
    with pytest.raises(LeaseLostError):
        lease.check()


def test_releasing_a_lost_lease_leaves_the_next_holder_alone(redis: Redis) -> None:
    first, second = Lease(redis, "lab", "t-1", 30), Lease(redis, "lab", "t-2", 30)
    first.acquire()
    redis.delete(keys.lease("lab"))
    second.acquire()
    first.release()
    first.renew()
    second.renew()
    second.check()


def test_an_epoch_is_never_given_twice(redis: Redis) -> None:
    epochs = []
    for number in range(5):
        lease = Lease(redis, "lab", f"t-{number}", 5)
        lease.acquire()
        epochs.append(epoch_of(lease))
        lease.release()
    assert epochs == sorted(set(epochs))


def test_a_heartbeat_keeps_lease_and_sign_of_life(redis: Redis) -> None:
    lease, life = Lease(redis, "lab", "t-1", 1.5), SignOfLife(redis, "t-1", 1.5)
    lease.acquire()
    life.begin(on_wait=lambda: None)
    assert not SignOfLife(redis, "t-1", 1.5).renew()  # another run of the same task
    with Heartbeat(0.1, [life.renew]) as heartbeat:
        heartbeat.add(lease.renew)
        time.sleep(2)
        lease.check()
        assert redis.exists("nmo:alive:t-1")
    wait_for(lambda: not redis.exists("nmo:alive:t-1"), "the sign of life lapsing", 5)
    wait_for(lambda: not redis.exists(keys.lease("lab")), "the lease lapsing", 5)
    with pytest.raises(LeaseLostError):
        lease.check()


def test_another_run_waits_until_the_first_is_gone_or_it_is_told_to_stop(redis: Redis) -> None:
    SignOfLife(redis, "t-1", 0.6).begin(on_wait=lambda: None)
    waits: list[int] = []
    second = SignOfLife(redis, "t-1", 30)
    second.begin(on_wait=lambda: waits.append(1))
    assert waits
    assert second.renew()

    def told_to_stop() -> None:
        raise WorkerStopsError

    with pytest.raises(WorkerStopsError):
        SignOfLife(redis, "t-1", 30).begin(on_wait=told_to_stop)


def test_a_redis_that_is_gone_is_an_error_before_the_work_and_none_after_it(
    redis_server: RedisServer, redis: Redis
) -> None:
    held, late, life = (
        Lease(redis, "lab", "t-1", 30),
        Lease(redis, "new", "t-2", 30),
        SignOfLife(redis, "t-1", 9),
    )
    held.acquire()
    with redis_stopped(redis_server):
        with pytest.raises(RedisUnavailableError, match="cannot be reached"):
            late.acquire()
        held.release()
        life.end()
    # It lapses in its own time; whoever held it does not count on it any more.
    with pytest.raises(LeaseLostError):
        held.check()
