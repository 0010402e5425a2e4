"""Tasks that are asked to stop: how soon they do, what is left, and how one goes on from there."""

from __future__ import annotations

import time

import pytest
from redis import Redis

from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    wait_for,
    wait_until_ended,
    wait_until_taken,
)
from workers import keys
from workers.errors import TaskEndedError, UnknownTaskError
from workers.journal import RedisJournal
from workers.lease import Lease
from workers.manager import AsyncTaskManager
from workers.queues import open_queue
from workers.settings import WorkerSettings
from workers.status import TaskState

MANY = 600
CANCEL_SECONDS = 10


@pytest.fixture
def worker(team: WorkerTeam) -> WorkerProcess:
    """With one lane, so that most of the batch is still to be done when its first list is."""
    return team.start(NETBOX_MCP_LANES="1")


def document(prefix: str, number: int = MANY) -> dict[str, object]:
    return {"sites": [{"name": f"{prefix}-[001-{number:03}]"}]}


def cancel_midway(manager: AsyncTaskManager, task_id: str) -> None:
    def midway() -> bool:
        status = manager.status(task_id)
        assert not status.ended, f"over before it could be cancelled: {status.message}"
        return status.done > 0

    wait_for(midway, "the task midway")
    assert manager.cancel(task_id).status is TaskState.CANCELLING


def test_a_running_task_stops_at_its_next_write_and_is_sent_again(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    task = manager.start_apply(document(prefix), "default", MANY)
    cancel_midway(manager, task.task_id)
    asked_at = time.monotonic()
    ended = wait_until_ended(manager, task.task_id, CANCEL_SECONDS)
    assert time.monotonic() - asked_at <= CANCEL_SECONDS

    assert (ended.status, ended.code) == (TaskState.CANCELLED, None)
    assert f"Done so far: {ended.done} of {MANY} objects ({ended.done} created)." in ended.message
    assert ended.hint.startswith("Send the document again")
    assert 0 < ended.done < MANY
    assert ended.done == netbox.count("dcim/sites", name__isw=prefix)
    assert RedisJournal(redis, task.batch_id or "").in_flight() == 0
    assert manager.list_tasks() == []
    assert redis.get(keys.lease("default")) is None
    assert manager.cancel(task.task_id) == ended  # twice is once

    again = manager.start_apply(document(prefix), "default", MANY)
    done = wait_until_ended(manager, again.task_id, 90)
    assert done.counts == {"created": MANY - ended.done, "unchanged": ended.done}
    assert netbox.count("dcim/sites", name__isw=prefix) == MANY


def test_what_a_cancelled_task_has_written_can_be_taken_back(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(document(prefix), "default", MANY)
    cancel_midway(manager, task.task_id)
    ended = wait_until_ended(manager, task.task_id, CANCEL_SECONDS)
    undoing = manager.start_rollback(task.batch_id or "", "default", force=False, total=MANY)
    undone = wait_until_ended(manager, undoing.task_id, 90)
    assert (undone.status, undone.counts) == (TaskState.COMPLETED, {"deleted": ended.done})
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    assert manager.status(task.task_id).status is TaskState.ROLLED_BACK


def test_a_rollback_can_be_cancelled_and_made_again(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    number = 200
    task = manager.start_apply(document(prefix, number), "default", number)
    assert wait_until_ended(manager, task.task_id, 90).status is TaskState.COMPLETED
    first = manager.start_rollback(task.batch_id or "", "default", force=False, total=number)
    cancel_midway(manager, first.task_id)
    ended = wait_until_ended(manager, first.task_id, CANCEL_SECONDS)
    assert ended.status is TaskState.CANCELLED
    assert ended.hint.startswith("Roll the batch back again")
    second = manager.start_rollback(task.batch_id or "", "default", force=False, total=number)
    assert wait_until_ended(manager, second.task_id, 90).status is TaskState.COMPLETED
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_a_task_that_still_waits_in_the_queue_never_begins(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
    worker_settings: WorkerSettings,
) -> None:
    cancelled = manager.start_apply(document(prefix, 5), "default", 5)
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


def test_a_task_that_waits_for_the_target_stops_waiting(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    lease = Lease(redis, "default", "t-another", 60)
    lease.acquire()
    task = manager.start_apply(document(prefix, 5), "default", 5)
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
    first = manager.start_apply(document(prefix, 5), "default", 5, f"key-{prefix}")
    manager.cancel(first.task_id)
    second = manager.start_apply(document(prefix, 5), "default", 5, f"key-{prefix}")
    assert second.task_id != first.task_id
    team.start()
    assert wait_until_ended(manager, second.task_id).status is TaskState.COMPLETED


def test_what_has_ended_cannot_be_cancelled(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    task = manager.start_apply(document(prefix, 5), "default", 5)
    wait_until_ended(manager, task.task_id)
    with pytest.raises(TaskEndedError, match="has ended already") as refused:
        manager.cancel(task.task_id)
    assert f"netbox-mcp rollback {task.batch_id}" in refused.value.hint
    assert manager.status(task.task_id).status is TaskState.COMPLETED
    with pytest.raises(UnknownTaskError):
        manager.cancel("t-000000000000")
