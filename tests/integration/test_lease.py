"""One writing batch per target, and no second one by accident."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from orchestrator.errors import LeaseLostError
from workers.errors import TargetBusyError
from workers.lease import Heartbeat, Lease, SignOfLife


def test_only_one_batch_holds_a_target(redis: Redis) -> None:
    first, second = Lease(redis, "lab", "t-1", 5), Lease(redis, "lab", "t-2", 5)
    first.acquire()
    with pytest.raises(TargetBusyError, match=r"\(t-1\) is writing to target 'lab'"):
        second.acquire()
    Lease(redis, "other", "t-2", 5).acquire()
    first.release()
    second.acquire()
    assert second.epoch == first.epoch + 1


def test_the_one_that_waits_is_told_for_whom(redis: Redis) -> None:
    first, second = Lease(redis, "lab", "t-1", 0.5), Lease(redis, "lab", "t-2", 5)
    first.acquire()
    waited_for: list[str] = []
    second.acquire(wait_seconds=5, on_wait=waited_for.append)
    assert set(waited_for) == {"t-1"}


def test_a_lease_that_lapsed_stays_lost(redis: Redis) -> None:
    lease = Lease(redis, "lab", "t-1", 0.2)
    lease.acquire()
    lease.check()
    time.sleep(0.3)
    with pytest.raises(LeaseLostError, match="no longer holds target 'lab'"):
        lease.check()
    lease.renew()
    with pytest.raises(LeaseLostError):
        lease.check()


def test_releasing_a_lost_lease_leaves_the_next_holder_alone(redis: Redis) -> None:
    first, second = Lease(redis, "lab", "t-1", 0.2), Lease(redis, "lab", "t-2", 5)
    first.acquire()
    second.acquire(wait_seconds=2)
    first.release()
    first.renew()
    second.renew()
    second.check()


def test_an_epoch_is_never_given_twice(redis: Redis) -> None:
    epochs = []
    for number in range(5):
        lease = Lease(redis, "lab", f"t-{number}", 5)
        lease.acquire()
        epochs.append(lease.epoch)
        lease.release()
    assert epochs == sorted(set(epochs))


def test_a_heartbeat_keeps_lease_and_sign_of_life(redis: Redis) -> None:
    lease, life = Lease(redis, "lab", "t-1", 0.6), SignOfLife(redis, "t-1", 0.6)
    lease.acquire()
    life.renew()
    with Heartbeat(0.1, [life.renew]) as heartbeat:
        heartbeat.add(lease.renew)
        time.sleep(1.2)
        lease.check()
        assert redis.exists("nmo:alive:t-1")
    time.sleep(0.8)
    assert not redis.exists("nmo:alive:t-1")
    with pytest.raises(LeaseLostError):
        lease.check()
