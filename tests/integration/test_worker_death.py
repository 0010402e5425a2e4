"""Processes that die: what becomes of the task, how soon it is told, and that nobody goes on writing."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from datetime import datetime

import pytest
from redis import Redis

from netbox_mcp.sandbox.redis_server import RedisServer
from tests.integration.worker_process import (
    SLOWLY,
    STOP_SECONDS,
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    many_sites,
    runs,
    wait_for,
    wait_until_ended,
    wait_until_midway,
    wait_until_taken,
)
from tests.redis_fixture import redis_stopped
from workers.errors import UnfinishedBatchError
from workers.journal import RedisJournal
from workers.lease import Lease
from workers.manager import AsyncTaskManager
from workers.queues import AUTOMATIC_RUNS, RUN_APPLY, open_queue
from workers.settings import WorkerSettings
from workers.status import TaskState, TaskStatus

ENOUGH = 400
"""Sites: long enough to come in between."""
MANY = 600


def test_what_a_killed_worker_leaves_another_one_goes_on_with(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    slow_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
    worker_settings: WorkerSettings,
) -> None:
    task = manager.start_apply(many_sites(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    (horse,) = slow_worker.children()
    slow_worker.kill()

    # The process that ran the task goes with its parent, and announces nothing more.
    wait_for(lambda: not runs(horse), "the end of the task's process", 2)
    announced = len(list(RedisJournal(redis, task.batch_id or "").intents()))
    assert announced < ENOUGH
    waiting = wait_for(lambda: nobody_there(manager, task.task_id), "the death told", 30)
    assert 0 < waiting.done <= netbox.count("dcim/sites", name__isw=prefix) <= announced
    with pytest.raises(UnfinishedBatchError):
        manager.start_rollback(task.batch_id or "", "default", force=False, total=1)

    team.start()
    done = wait_until_ended(manager, task.task_id, 90)
    assert (done.status, done.batch_id, done.total) == (TaskState.COMPLETED, task.batch_id, ENOUGH)
    assert done.counts == {"created": ENOUGH}
    assert manager.report(task.task_id).in_flight == 0
    assert_each_created_once(netbox, prefix, ENOUGH, task.batch_id or "")
    # Put in line once more, by mistake: it has ended, and is left alone.
    job = open_queue(redis, worker_settings).enqueue_call(RUN_APPLY, (task.task_id,), job_id=task.task_id)
    wait_for(lambda: job.get_status() == "finished", "the job passed over")
    assert manager.status(task.task_id) == done


def nobody_there(manager: AsyncTaskManager, task_id: str) -> TaskStatus | None:
    status = manager.status(task_id)
    told = status.message.endswith("with `netbox-mcp worker` goes on where it was interrupted.")
    return status if told else None


def assert_each_created_once(netbox: NetBoxOverHttp, prefix: str, number: int, batch_id: str) -> None:
    assert netbox.count("dcim/sites", name__isw=prefix) == number
    logged = netbox.rows("core/object-changes", q=prefix, action="create")
    assert len(logged) == len({row["changed_object_id"] for row in logged}) == number
    assert {row["message"] for row in logged} == {f"netbox-mcp batch {batch_id}"}


def test_redis_may_restart_in_the_midst(
    manager: AsyncTaskManager,
    slow_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis_server: RedisServer,
) -> None:
    task = manager.start_apply(many_sites(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    with redis_stopped(redis_server):
        time.sleep(2)
    ended = wait_until_ended(manager, task.task_id)
    assert (ended.status, ended.counts) == (TaskState.COMPLETED, {"created": ENOUGH})
    assert netbox.count("dcim/sites", name__isw=prefix) == ENOUGH


def test_a_killed_task_process_is_followed_by_another_at_once(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(many_sites(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    (horse,) = slow_worker.children()
    os.kill(horse, signal.SIGKILL)
    wait_for(lambda: [pid for pid in slow_worker.children() if pid != horse], "the next process", 8)
    done = wait_until_ended(manager, task.task_id, 90)
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"created": ENOUGH})
    assert_each_created_once(netbox, prefix, ENOUGH, task.batch_id or "")


def test_a_task_whose_process_is_killed_again_and_again_waits_for_a_person(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(many_sites(prefix, MANY), "default", MANY)
    killed: set[int] = set()
    while not (status := manager.status(task.task_id)).ended:
        for pid in set(slow_worker.children()) - killed:
            killed.add(pid)
            time.sleep(0.3)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert (status.status, status.code) == (TaskState.FAILED, "worker_lost")
    assert len(killed) == AUTOMATIC_RUNS + 1
    # The worker itself is well, and a person may say that the task goes on after all.
    assert manager.resume(task.task_id).status is TaskState.QUEUED
    done = wait_until_ended(manager, task.task_id, 120)
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"created": MANY})
    assert_each_created_once(netbox, prefix, MANY, task.batch_id or "")


def test_a_task_that_loses_its_target_stops_writing_until_it_is_free(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    """A process that was paused while somebody else took the target announces no more writes."""
    task = manager.start_apply(many_sites(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    (horse,) = slow_worker.children()
    os.kill(horse, signal.SIGSTOP)
    journal = RedisJournal(redis, task.batch_id or "")
    announced = len(list(journal.intents()))
    assert announced < ENOUGH
    redis.set("nmo:lease:default", "99:t-somebody-else:x", ex=60)
    os.kill(horse, signal.SIGCONT)
    wait_for(lambda: "t-somebody-else" in manager.status(task.task_id).message, "the task waiting again", 20)
    # What had been announced may still have left; nothing else has.
    assert len(list(journal.intents())) == announced
    assert netbox.count("dcim/sites", name__isw=prefix) <= announced
    redis.delete("nmo:lease:default")
    done = wait_until_ended(manager, task.task_id, 90)
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"created": ENOUGH})


def ended_at(status: TaskStatus) -> datetime:
    assert status.ended_at is not None
    return status.ended_at


def test_a_worker_told_to_stop_hands_its_task_back(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    slow_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
) -> None:
    task = manager.start_apply(many_sites(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    os.kill(slow_worker.pid, signal.SIGTERM)
    wait_for(lambda: not runs(slow_worker.pid), "the end of the worker", STOP_SECONDS)

    # Nothing is left half-done, and what is handed back costs the task none of its runs.
    waiting = manager.status(task.task_id)
    assert waiting.status is TaskState.QUEUED
    assert "goes on where it was interrupted" in waiting.message
    assert 0 < waiting.done == netbox.count("dcim/sites", name__isw=prefix) < ENOUGH
    assert manager.report(task.task_id).in_flight == 0
    assert redis.hget(f"rq:job:{task.task_id}", "retries_left") == str(AUTOMATIC_RUNS).encode()
    assert redis.get("nmo:lease:default") is None

    later = manager.start_apply(many_sites(f"{prefix}x", 1), "default", 1)
    team.start()
    done = wait_until_ended(manager, task.task_id, 90)
    after = wait_until_ended(manager, later.task_id)
    assert [one.task_id for one in sorted((after, done), key=ended_at)] == [task.task_id, later.task_id]
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"created": ENOUGH})
    assert_each_created_once(netbox, f"{prefix}-", ENOUGH, task.batch_id or "")


def test_a_worker_told_to_stop_does_not_wait_for_the_target(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, prefix: str, redis: Redis
) -> None:
    Lease(redis, "default", "b-sync", 60).acquire()
    task = manager.start_apply(many_sites(prefix, 1), "default", 1)
    wait_until_taken(manager, task.task_id)
    wait_for(lambda: manager.status(task.task_id).waiting_for, "the task waiting for the target")
    os.kill(slow_worker.pid, signal.SIGTERM)
    wait_for(lambda: not runs(slow_worker.pid), "the end of the worker", 5)
    assert manager.status(task.task_id).status is TaskState.QUEUED


def test_a_worker_told_to_stop_while_redis_is_away_ends_all_the_same(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    slow_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis_server: RedisServer,
) -> None:
    task = manager.start_apply(many_sites(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    (horse,) = slow_worker.children()
    with redis_stopped(redis_server):
        os.kill(slow_worker.pid, signal.SIGTERM)
        wait_for(lambda: not runs(slow_worker.pid), "the end of the worker", STOP_SECONDS)
        assert not runs(horse)
    team.start()
    done = wait_until_ended(manager, task.task_id, 90)
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"created": ENOUGH})
    assert_each_created_once(netbox, prefix, ENOUGH, task.batch_id or "")


def test_a_job_that_a_worker_took_and_did_not_begin_is_taken_by_the_next(
    manager: AsyncTaskManager, team: WorkerTeam, prefix: str, redis: Redis, worker_settings: WorkerSettings
) -> None:
    task = manager.start_apply(many_sites(prefix, 2), "default", 2)
    # It ran before, on a worker that handed it back; then one died between taking it and beginning with it.
    redis.hset(f"rq:job:{task.task_id}", "worker_name", "somewhere-1-abcd")
    queue = open_queue(redis, worker_settings)
    left = queue.intermediate_queue
    redis.lmove(queue.key, left.key)
    redis.set(left.get_first_seen_key(task.task_id), time.time() - 61)
    team.start()
    assert wait_until_ended(manager, task.task_id).counts == {"created": 2}


def test_a_task_that_does_not_hand_itself_back_is_killed(
    manager: AsyncTaskManager, team: WorkerTeam, slow_worker: WorkerProcess, prefix: str, redis: Redis
) -> None:
    task = manager.start_apply(many_sites(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    (horse,) = slow_worker.children()
    os.kill(horse, signal.SIGSTOP)  # as one that hangs
    os.kill(slow_worker.pid, signal.SIGTERM)
    wait_for(lambda: not runs(slow_worker.pid), "the end of the worker", STOP_SECONDS)
    assert not runs(horse)
    assert manager.status(task.task_id).status is TaskState.QUEUED
    assert redis.hget(f"rq:job:{task.task_id}", "retries_left") == str(AUTOMATIC_RUNS).encode()
    team.start()
    done = wait_until_ended(manager, task.task_id, 90)
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"created": ENOUGH})


def test_a_worker_that_was_taken_for_dead_leaves_the_task_to_the_next(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    slow_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
) -> None:
    task = manager.start_apply(many_sites(prefix, MANY), "default", MANY)
    wait_until_midway(manager, task.task_id)
    (horse,) = slow_worker.children()
    for pid in (slow_worker.pid, horse):
        os.kill(pid, signal.SIGSTOP)
    job = f"rq:job:{task.task_id}"
    first = redis.hget(job, "worker_name")
    second = team.start(**SLOWLY)
    wait_for(lambda: redis.hget(job, "worker_name") != first, "the second taking over", 60)
    owner = redis.hget(job, "worker_name")
    wait_until_midway(manager, task.task_id)
    for pid in (horse, slow_worker.pid):
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: "another worker has taken over the task" in slow_worker.log.read_text(), "it told", 30)
    assert (redis.hget(job, "status"), redis.hget(job, "worker_name")) == (b"started", owner)
    # It has not become a task that nobody would take up.
    for pid in [*second.children(), second.pid]:
        os.kill(pid, signal.SIGKILL)
    done = wait_until_ended(manager, task.task_id, 120)
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"created": MANY})
    assert_each_created_once(netbox, prefix, MANY, task.batch_id or "")


def test_an_idle_worker_told_to_stop_does_not_wait_for_redis(
    manager: AsyncTaskManager, idle_team: WorkerTeam, redis_server: RedisServer
) -> None:
    worker = idle_team.start()
    wait_for(lambda: manager.queue_info().workers, "the worker")
    with redis_stopped(redis_server):
        time.sleep(1)  # by now it waits for Redis to come back
        os.kill(worker.pid, signal.SIGTERM)
        wait_for(lambda: not runs(worker.pid), "the end of the worker", 10)
    assert "the worker stops without signing off" in worker.log.read_text()
