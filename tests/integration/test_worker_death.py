"""Processes that die: what becomes of the task, how soon it is told, and that nobody goes on writing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox.redis_server import RedisServer
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    wait_for,
    wait_until_ended,
    wait_until_taken,
)
from tests.redis_fixture import redis_stopped
from workers.journal import RedisJournal
from workers.lease import Lease
from workers.manager import AsyncTaskManager
from workers.queues import RUN_APPLY, open_queue
from workers.settings import WorkerSettings
from workers.status import TaskState, TaskStatus

MANY = 1000
ENOUGH = 500
"""For batches that are brought to their end: still long enough to come in between."""


@pytest.fixture
def worker(team: WorkerTeam) -> WorkerProcess:
    """With one lane, so that most of the batch is still to be done when its first list is."""
    return team.start(NETBOX_MCP_LANES="1")


def document(prefix: str, number: int = MANY) -> dict[str, object]:
    return {"sites": [{"name": f"{prefix}-[001-{number}]"}]}


def wait_until_midway(manager: AsyncTaskManager, task_id: str) -> TaskStatus:
    def midway() -> TaskStatus | None:
        status = manager.status(task_id)
        assert not status.ended, f"over before it could be killed: {status.message}"
        return status if status.done else None

    return wait_for(midway, "the task midway")


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_killed_worker_leaves_a_failed_task_that_can_be_sent_again(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
    worker_settings: WorkerSettings,
) -> None:
    task = manager.start_apply(document(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    (horse,) = worker.children()
    worker.kill()
    killed_at = time.monotonic()

    # The process that ran the task goes with its parent, and announces nothing more.
    wait_for(lambda: not runs(horse), "the end of the task's process", 2)
    announced = len(list(RedisJournal(redis, task.batch_id or "").intents()))
    assert announced < ENOUGH

    ended = wait_until_ended(manager, task.task_id, 20)
    assert time.monotonic() - killed_at <= 20
    assert (ended.status, ended.code) == (TaskState.FAILED, "worker_lost")
    assert f"Done so far: {ended.done} of {ENOUGH} objects ({ended.done} created)." in ended.message
    assert ended.hint.startswith("Send the document again")
    assert manager.report(task.task_id).counts == {"sites": {"created": ended.done}}
    in_doubt = announced - ended.done
    assert (f" {in_doubt} more were on their way to NetBox" in ended.message) is (in_doubt > 0)
    assert 0 < ended.done <= netbox.count("dcim/sites", name__isw=prefix) <= announced

    # Another worker cleans up after the first, runs nothing of its own accord, and does what is sent.
    again = manager.start_apply(document(prefix, ENOUGH), "default", ENOUGH)
    team.start()
    done = wait_until_ended(manager, again.task_id, 90)
    assert (done.status, done.done) == (TaskState.COMPLETED, ENOUGH)
    assert ENOUGH - announced <= done.counts["created"] <= ENOUGH - ended.done
    assert netbox.count("dcim/sites", name__isw=prefix) == ENOUGH

    # Not even when somebody puts it in line again: it may have written anything up to its last breath.
    queue = open_queue(redis, worker_settings)
    job = queue.enqueue_call(RUN_APPLY, args=(task.task_id,), job_id=task.task_id)
    wait_for(lambda: job.get_status() == "failed", "the second run refused")
    assert "begun once already" in team.logs()
    assert manager.status(task.task_id).message == ended.message


def test_redis_may_restart_in_the_midst(
    manager: AsyncTaskManager,
    worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis_server: RedisServer,
) -> None:
    task = manager.start_apply(document(prefix, ENOUGH), "default", ENOUGH)
    wait_until_midway(manager, task.task_id)
    with redis_stopped(redis_server):
        time.sleep(2)
    ended = wait_until_ended(manager, task.task_id)
    assert (ended.status, ended.counts) == (TaskState.COMPLETED, {"created": ENOUGH})
    assert netbox.count("dcim/sites", name__isw=prefix) == ENOUGH


def test_a_killed_task_process_is_told_at_once(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(document(prefix), "default", MANY)
    wait_until_midway(manager, task.task_id)
    (horse,) = worker.children()
    os.kill(horse, signal.SIGKILL)
    ended = wait_until_ended(manager, task.task_id, 8)
    assert (ended.status, ended.code) == (TaskState.FAILED, "worker_lost")
    # The worker itself goes on with the next task.
    following = manager.start_plan({"sites": [{"name": prefix}]}, "default", 1)
    assert wait_until_ended(manager, following.task_id).status == TaskState.COMPLETED


def test_a_task_that_loses_its_target_stops_writing(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    """A process that was paused while somebody else took the target announces no more writes."""
    task = manager.start_apply(document(prefix), "default", MANY)
    wait_until_midway(manager, task.task_id)
    (horse,) = worker.children()
    os.kill(horse, signal.SIGSTOP)
    journal = RedisJournal(redis, task.batch_id or "")
    announced = len(list(journal.intents()))
    assert announced < MANY
    redis.set("nmo:lease:default", "99:t-somebody-else:x", ex=60)
    os.kill(horse, signal.SIGCONT)
    ended = wait_until_ended(manager, task.task_id, 20)
    assert (ended.status, ended.code) == (TaskState.FAILED, "lease_lost")
    assert "no longer holds target 'default'" in ended.message
    # What had been announced may still have left; nothing else has.
    assert len(list(journal.intents())) == announced
    assert netbox.count("dcim/sites", name__isw=prefix) <= announced


def test_a_worker_told_to_stop_finishes_its_task(
    manager: AsyncTaskManager, worker: WorkerProcess, prefix: str, redis: Redis
) -> None:
    lease = Lease(redis, "default", "b-sync", 60)
    lease.acquire()
    task = manager.start_apply({"sites": [{"name": f"{prefix}-[001-020]"}]}, "default", 20)
    key = f"rq:worker:{wait_until_taken(manager, task.task_id)}"
    os.kill(worker.pid, signal.SIGTERM)
    wait_for(lambda: redis.hget(key, "shutdown_requested_date"), "the request to stop taken")
    assert not manager.status(task.task_id).ended
    lease.release()
    assert wait_until_ended(manager, task.task_id).status == TaskState.COMPLETED
    wait_for(lambda: not runs(worker.pid), "the end of the worker", 10)


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
