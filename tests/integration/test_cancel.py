"""Tasks that are asked to stop: how soon they do, what is left, and how one goes on from there."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    many_sites,
    wait_for,
    wait_until_ended,
    wait_until_midway,
    wait_until_taken,
)
from workers import keys
from workers.errors import NothingToResumeError, TaskEndedError, UnknownTaskError
from workers.journal import RedisJournal
from workers.lease import Lease
from workers.manager import AsyncTaskManager
from workers.queues import open_queue
from workers.settings import WorkerSettings
from workers.status import TaskState

MANY = 300
CANCEL_SECONDS = 10


def cancel_midway(manager: AsyncTaskManager, task_id: str) -> None:
    wait_until_midway(manager, task_id)
    assert manager.cancel(task_id).status is TaskState.CANCELLING


def test_a_running_task_stops_at_its_next_write_and_is_resumed(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    task = manager.start_apply(many_sites(prefix, MANY), "default", MANY)
    cancel_midway(manager, task.task_id)
    asked_at = time.monotonic()
    ended = wait_until_ended(manager, task.task_id, CANCEL_SECONDS)
    assert time.monotonic() - asked_at <= CANCEL_SECONDS

    assert (ended.status, ended.code) == (TaskState.CANCELLED, None)
    assert f"Done so far: {ended.done} of {MANY} objects ({ended.done} created)." in ended.message
    assert ended.hint.startswith(
        f"To do the rest: netbox_resume_task (on the command line: netbox-mcp resume {task.task_id})"
    )
    assert 0 < ended.done < MANY
    assert ended.done == netbox.count("dcim/sites", name__isw=prefix)
    assert RedisJournal(redis, task.batch_id or "").in_flight() == 0
    assert manager.list_tasks() == []
    assert redis.get(keys.lease("default")) is None
    assert manager.cancel(task.task_id) == ended  # twice is once

    # Whoever asks twice asks once, and the batch stays the same.
    asked = [manager.resume(task.task_id), manager.resume(task.task_id)]
    assert all(not status.ended for status in asked)
    done = wait_until_ended(manager, task.task_id, 90)
    assert (done.status, done.batch_id) == (TaskState.COMPLETED, task.batch_id)
    assert (done.counts, done.total) == ({"created": MANY}, MANY)
    assert netbox.count("dcim/sites", name__isw=prefix) == MANY
    with pytest.raises(NothingToResumeError, match="is completed"):
        manager.resume(task.task_id)

    undoing = manager.start_rollback(task.batch_id or "", "default", force=False, total=MANY)
    assert wait_until_ended(manager, undoing.task_id, 90).counts == {"deleted": MANY}
    with pytest.raises(NothingToResumeError, match="was taken back"):
        manager.resume(task.task_id)


def test_what_was_cancelled_and_sent_again_leaves_nothing_to_resume(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(many_sites(prefix, 300), "default", 300)
    cancel_midway(manager, task.task_id)
    ended = wait_until_ended(manager, task.task_id, CANCEL_SECONDS)
    again = manager.start_apply(many_sites(prefix, 300), "default", 300)
    done = wait_until_ended(manager, again.task_id, 90)
    assert done.counts == {"created": 300 - ended.done, "unchanged": ended.done}
    manager.resume(task.task_id)
    late = wait_until_ended(manager, task.task_id, 90)
    assert late.counts == {"created": ended.done, "unchanged": 300 - ended.done}
    assert netbox.count("dcim/sites", name__isw=prefix) == 300


def test_what_a_cancelled_task_has_written_can_be_taken_back(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(many_sites(prefix, MANY), "default", MANY)
    cancel_midway(manager, task.task_id)
    ended = wait_until_ended(manager, task.task_id, CANCEL_SECONDS)
    undoing = manager.start_rollback(task.batch_id or "", "default", force=False, total=MANY)
    undone = wait_until_ended(manager, undoing.task_id, 90)
    assert (undone.status, undone.counts) == (TaskState.COMPLETED, {"deleted": ended.done})
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    assert manager.status(task.task_id).status is TaskState.ROLLED_BACK


def test_a_rollback_can_be_cancelled_and_resumed(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    number = 200
    task = manager.start_apply(many_sites(prefix, number), "default", number)
    assert wait_until_ended(manager, task.task_id, 90).status is TaskState.COMPLETED
    first = manager.start_rollback(task.batch_id or "", "default", force=False, total=number)
    cancel_midway(manager, first.task_id)
    ended = wait_until_ended(manager, first.task_id, CANCEL_SECONDS)
    assert ended.status is TaskState.CANCELLED
    manager.resume(first.task_id)
    done = wait_until_ended(manager, first.task_id, 90)
    assert (done.status, done.counts) == (TaskState.COMPLETED, {"deleted": number})
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_a_task_that_still_waits_in_the_queue_never_begins(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
    worker_settings: WorkerSettings,
) -> None:
    cancelled = manager.start_apply(many_sites(prefix, 5), "default", 5)
    told = manager.cancel(cancelled.task_id)
    assert (told.status, told.message) == (
        TaskState.CANCELLED,
        "Cancelled before it began; nothing was written.",
    )
    assert manager.list_tasks() == []
    # The same work may be asked for again at once, and is done; the other is taken off the queue in passing.
    wanted = manager.start_apply({"sites": [{"name": f"{prefix} wanted"}]}, "default", 1)
    team.start()
    assert wait_until_ended(manager, wanted.task_id).status is TaskState.COMPLETED
    assert manager.status(cancelled.task_id).status is TaskState.CANCELLED
    assert netbox.count("dcim/sites", name__isw=prefix) == 1
    assert open_queue(redis, worker_settings).count == 0
    # After all.
    assert manager.resume(cancelled.task_id).status is not TaskState.CANCELLED
    assert wait_until_ended(manager, cancelled.task_id).counts == {"created": 5}


def test_a_task_that_waits_for_the_target_stops_waiting(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    lease = Lease(redis, "default", "t-another", 60)
    lease.acquire()
    task = manager.start_apply(many_sites(prefix, 5), "default", 5)
    wait_until_taken(manager, task.task_id)
    progress = keys.progress(task.task_id)
    wait_for(lambda: redis.hget(progress, "waiting_for") == b"t-another", "the task behind the lease")
    assert manager.cancel(task.task_id).status is TaskState.CANCELLING
    ended = wait_until_ended(manager, task.task_id, CANCEL_SECONDS)
    assert ended.status is TaskState.CANCELLED
    assert ended.hint == "Send it again to do it after all."
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_a_cancelled_run_gives_its_idempotency_key_free(
    manager: AsyncTaskManager, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    first = manager.start_apply(many_sites(prefix, 5), "default", 5, f"key-{prefix}")
    manager.cancel(first.task_id)
    second = manager.start_apply(many_sites(prefix, 5), "default", 5, f"key-{prefix}")
    assert second.task_id != first.task_id
    team.start()
    assert wait_until_ended(manager, second.task_id).status is TaskState.COMPLETED


def test_what_has_ended_cannot_be_cancelled(
    manager: AsyncTaskManager, slow_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(many_sites(prefix, 5), "default", 5)
    wait_until_ended(manager, task.task_id)
    with pytest.raises(TaskEndedError, match="has ended already") as refused:
        manager.cancel(task.task_id)
    assert f"netbox-mcp rollback {task.batch_id}" in refused.value.hint
    assert manager.status(task.task_id).status is TaskState.COMPLETED
    with pytest.raises(UnknownTaskError):
        manager.cancel("t-000000000000")
