"""An idempotency key: the same key and the same document are the same task. No worker runs here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.models import Outcome, Plan, Report, Result
from workers.connection import connect_briefly
from workers.errors import IdempotencyConflictError, RedisUnavailableError
from workers.manager import AsyncTaskManager
from workers.queues import open_queue
from workers.settings import WorkerSettings
from workers.tracker import TaskTracker

DOCUMENT = {"manufacturers": [{"name": "Cisco"}, {"name": "Arista"}]}
OTHER = {"manufacturers": [{"name": "Juniper"}]}


def test_the_same_key_and_document_are_the_same_task(manager: AsyncTaskManager, redis: Redis) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2, "monday")
    again = manager.start_apply(dict(reversed(DOCUMENT.items())), "default", 2, "monday")
    assert again.task_id == first.task_id
    assert again.batch_id == first.batch_id
    assert [task.task_id for task in manager.list_tasks()] == [first.task_id]
    assert len(redis.keys("nmo:task:*")) == 1
    assert len(redis.keys("nmo:journal:*")) == 1


def test_without_a_key_every_call_is_a_task(manager: AsyncTaskManager) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2)
    second = manager.start_apply(DOCUMENT, "default", 2)
    assert first.task_id != second.task_id
    assert [task.task_id for task in manager.list_tasks()] == [second.task_id, first.task_id]


def test_the_same_document_while_it_is_under_way_is_warned_of(manager: AsyncTaskManager) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2)
    assert first.hint == ""
    plan_id = manager.save_plan(Plan("default", (), digest="abc"), DOCUMENT)
    again = manager.start_apply(DOCUMENT, "default", 2)
    assert again.hint.startswith(f"Task {first.task_id} was sent the same document and has not ended")
    assert "then finds nothing left to do" in again.hint
    manager.cancel(again.task_id)
    planned = manager.start_apply_plan(plan_id)
    assert planned.hint.startswith(f"Task {first.task_id} was sent the same document and has not ended")
    assert "its plan is out of date by then" in planned.hint
    # Another document, another target, a key that says it is meant, all ended: no warning.
    assert manager.start_apply(OTHER, "default", 1).hint == ""
    assert manager.start_apply(DOCUMENT, "lab", 2).hint == ""
    keyed = manager.start_apply(DOCUMENT, "default", 2, "monday")
    assert keyed.hint == ""
    for task in (first, planned, keyed):
        manager.cancel(task.task_id)
    assert manager.start_apply(DOCUMENT, "default", 2).hint == ""


@pytest.mark.parametrize(("document", "target"), [(OTHER, "default"), (DOCUMENT, "lab")])
def test_the_same_key_for_other_work_is_an_error(
    manager: AsyncTaskManager, document: dict[str, object], target: str
) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2, "monday")
    with pytest.raises(IdempotencyConflictError, match=first.task_id):
        manager.start_apply(document, target, 1, "monday")
    assert len(manager.list_tasks(include_finished=True)) == 1


def test_a_plan_of_the_same_document_is_the_same_work(manager: AsyncTaskManager) -> None:
    plan_id = manager.save_plan(Plan("default", (), digest="abc"), DOCUMENT)
    first = manager.start_apply_plan(plan_id, "monday")
    assert manager.start_apply(DOCUMENT, "default", 2, "monday").task_id == first.task_id


def test_a_failed_task_blocks_nothing(
    manager: AsyncTaskManager, redis: Redis, worker_settings: WorkerSettings
) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2, "monday")
    # What is left of a task whose record has expired from the queue, and which never began.
    open_queue(redis, worker_settings).empty()
    redis.hset(f"nmo:task:{first.task_id}", "created_at", "2026-01-01T00:00:00+00:00")
    assert manager.status(first.task_id).status == "failed"
    second = manager.start_apply(DOCUMENT, "default", 2, "monday")
    assert second.task_id != first.task_id
    assert second.status == "queued"
    assert manager.start_apply(DOCUMENT, "default", 2, "monday").task_id == second.task_id


def test_work_that_left_errors_can_be_asked_for_again(manager: AsyncTaskManager, redis: Redis) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2, "monday")
    report = Report("b-1")
    report.add([Outcome("c1", "manufacturers", "Cisco", "manufacturers[0]", Result.FAILED)])
    TaskTracker(redis, first.task_id).applied(report)
    assert manager.status(first.task_id).status == "completed_with_errors"
    assert manager.start_apply(DOCUMENT, "default", 2, "monday").task_id != first.task_id


def test_work_that_succeeded_is_not_done_again(manager: AsyncTaskManager, redis: Redis) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2, "monday")
    TaskTracker(redis, first.task_id).applied(Report("b-1"))
    again = manager.start_apply(DOCUMENT, "default", 2, "monday")
    assert (again.task_id, again.status) == (first.task_id, "completed")


def test_a_task_that_does_not_come_into_line_leaves_nothing_behind(
    manager: AsyncTaskManager, redis: Redis, redis_server: RedisServer
) -> None:
    # A Redis that takes our keys and refuses those of the queue.
    redis.execute_command("ACL", "SETUSER", "half", "on", ">half-a-password", "~nmo:*", "+@all")
    try:
        url = f"redis://half:half-a-password@127.0.0.1:{redis_server.port}/0"
        settings = WorkerSettings(redis_url=url)
        with connect_briefly(settings) as limited, pytest.raises(RedisUnavailableError):
            AsyncTaskManager(limited, settings).start_apply(DOCUMENT, "default", 2, "monday")
    finally:
        redis.execute_command("ACL", "DELUSER", "half")
    assert [key.decode().split(":")[1] for key in redis.keys("*")] == ["document"]
    # Nor does the key stand for it, whatever it is used for now.
    assert manager.start_apply(OTHER, "default", 1, "monday").status == "queued"


def test_a_key_of_an_expired_task_is_free(manager: AsyncTaskManager, redis: Redis) -> None:
    first = manager.start_apply(DOCUMENT, "default", 2, "monday")
    redis.delete(f"nmo:task:{first.task_id}")
    assert manager.start_apply(OTHER, "default", 1, "monday").task_id != first.task_id


def test_twenty_at_once_start_one_task(
    manager: AsyncTaskManager, redis: Redis, worker_settings: WorkerSettings
) -> None:
    with ThreadPoolExecutor(20) as pool:
        started = list(pool.map(lambda _: manager.start_apply(DOCUMENT, "default", 2, "monday"), range(20)))
    assert len({status.task_id for status in started}) == 1
    queue = open_queue(redis, worker_settings)
    assert queue.job_ids == [started[0].task_id]
    assert len(redis.keys("nmo:task:*")) == 1


def test_of_several_runs_the_latest_is_listened_to(manager: AsyncTaskManager, redis: Redis) -> None:
    task_id = manager.start_apply(DOCUMENT, "default", 2).task_id
    runs = [TaskTracker(redis, task_id) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda run: run.begin(), runs))
    assert sorted(numbers) == list(range(1, 9))
    latest = runs.pop(numbers.index(8))
    for earlier in runs:
        earlier.applied(Report("b-1"))
    assert not manager.status(task_id).ended
    latest.applied(Report("b-1"))
    assert manager.status(task_id).status == "completed"
    assert TaskTracker(redis, task_id).begin() == 0
