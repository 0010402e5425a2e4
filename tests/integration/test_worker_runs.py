"""Tasks from the queue through a real worker process into NetBox, and what is told about them."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis import Redis

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import NetBoxSettings, open_netbox
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    wait_for,
    wait_until_ended,
    wait_until_taken,
)
from workers import keys
from workers.errors import UnknownTaskError
from workers.lease import Heartbeat, Lease
from workers.manager import AsyncTaskManager
from workers.queues import RUN_APPLY, open_queue
from workers.settings import WorkerSettings
from workers.status import TaskState, TaskStatus

ENDED_WELL = TaskState.COMPLETED


def sites(prefix: str, number: int) -> dict[str, object]:
    return {"sites": [{"name": f"{prefix}-[001-{number:03}]"}]}


def test_a_document_is_applied_and_reported(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    document = {
        "manufacturers": [{"name": prefix}],
        "device_types": [{"manufacturer": prefix, "model": "M1"}, {"manufacturer": prefix, "model": "M2"}],
    }
    started = manager.start_apply(document, "default", 3)
    assert started.status == TaskState.QUEUED
    assert started.total == 3

    ended = wait_until_ended(manager, started.task_id)
    assert (ended.status, ended.message) == (ENDED_WELL, "Done: 3 created.")
    assert (ended.done, ended.total, ended.percent) == (3, 3, 100)
    assert ended.counts == {"created": 3}
    assert ended.started_at is not None
    assert ended.ended_at is not None
    assert started.created_at <= ended.started_at <= ended.ended_at

    page = manager.report(started.task_id, limit=2)
    rest = manager.report(started.task_id, limit=2, cursor=page.next_cursor)
    assert [row.object_type for row in page.rows + rest.rows] == [
        "manufacturers",
        "device_types",
        "device_types",
    ]
    assert rest.next_cursor is None
    assert page.counts == {"manufacturers": {"created": 1}, "device_types": {"created": 2}}
    live = {row["id"] for row in netbox.rows("dcim/device-types", manufacturer=prefix)}
    assert {row.object_id for row in page.rows[1:] + rest.rows} == live
    batch = netbox.rows("core/object-changes", q=started.batch_id)
    assert len(batch) == 3


def test_the_second_run_finds_nothing_to_do(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    wait_until_ended(manager, manager.start_apply(sites(prefix, 3), "default", 3).task_id)
    before = netbox.rows("dcim/sites", name__isw=prefix)
    again = wait_until_ended(manager, manager.start_apply(sites(prefix, 3), "default", 3).task_id)
    assert again.counts == {"unchanged": 3}
    assert netbox.count("core/object-changes", q=again.batch_id) == 0
    # Not even the time of the last change has moved.
    assert netbox.rows("dcim/sites", name__isw=prefix) == before
    assert [row["last_updated"] for row in before if row["last_updated"]] != []


def test_one_bad_row_costs_one_row(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    # Only NetBox knows that heights go in steps of a half.
    rows = [
        {"manufacturer": prefix, "model": f"M{at}", "u_height": height} for at, height in enumerate((1, 1.3))
    ]
    document = {"manufacturers": [{"name": prefix}], "device_types": rows}
    ended = wait_until_ended(manager, manager.start_apply(document, "default", 3).task_id)
    assert ended.status == TaskState.COMPLETED_WITH_ERRORS, ended.message
    assert ended.counts == {"created": 2, "failed": 1}
    assert ended.first_errors[0]["path"] == "device_types[1]"
    (failed,) = manager.report(ended.task_id, outcome="failed").rows
    assert failed.path == "device_types[1]"
    assert "height" in failed.message
    assert netbox.count("dcim/device-types", manufacturer=prefix) == 1


def test_a_document_with_errors_fails_with_all_of_them(
    manager: AsyncTaskManager, worker: WorkerProcess, prefix: str
) -> None:
    document = {"sites": [{"name": prefix, "colour": "red"}, {"slug": "no-name"}]}
    ended = wait_until_ended(manager, manager.start_apply(document, "default", 2).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "invalid_document")
    assert {error["path"].split(".")[0] for error in ended.first_errors} == {"sites[0]", "sites[1]"}
    assert manager.report(ended.task_id).rows == ()


def test_a_plan_task_ends_with_a_plan_that_can_be_applied(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    planned = wait_until_ended(manager, manager.start_plan(sites(prefix, 3), "default", 3).task_id)
    assert (planned.status, planned.batch_id) == (ENDED_WELL, None)
    assert planned.counts["create"] == 3
    assert planned.plan_id is not None
    assert manager.load_plan(planned.plan_id).writes == 3
    assert netbox.count("dcim/sites", name__isw=prefix) == 0

    applied = wait_until_ended(manager, manager.start_apply_plan(planned.plan_id).task_id)
    assert (applied.status, applied.counts) == (ENDED_WELL, {"created": 3})
    assert netbox.count("dcim/sites", name__isw=prefix) == 3


def test_a_stale_plan_is_refused_before_the_first_write(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    document = sites(prefix, 3)
    with open_netbox(NetBoxSettings(url=netbox.url, token=netbox.token)) as connection:  # type: ignore[arg-type]
        plan_id = manager.save_plan(NetBoxBulkOrchestrator(connection).plan(document), document)
    netbox.create("dcim/sites", name=f"{prefix}-002", slug=f"{prefix}-002")
    ended = wait_until_ended(manager, manager.start_apply_plan(plan_id).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "stale_plan")
    assert plan_id in ended.message
    assert netbox.count("dcim/sites", name__isw=prefix) == 1


def test_two_applies_to_one_target_run_one_after_another(
    manager: AsyncTaskManager, team: WorkerTeam, prefix: str, redis: Redis
) -> None:
    team.start()
    team.start()
    wait_for(lambda: len(manager.queue_info().workers) == 2, "two workers")
    lease = Lease(redis, "default", "b-sync", 60)
    lease.acquire()
    first = manager.start_apply(sites(f"{prefix}-a", 200), "default", 200)
    wait_until_taken(manager, first.task_id)
    second = manager.start_apply(sites(f"{prefix}-b", 5), "default", 5)
    # The other worker finds the first in its way and parks the second, rather than wait with it.
    wait_for(lambda: manager.queue_info().waiting_for_target == 1, "the second parked")
    assert [worker.task_id for worker in manager.queue_info().workers].count(None) == 1
    lease.release()

    def waits_for_the_first() -> TaskStatus | None:
        waiting = manager.status(second.task_id)
        assert waiting.status == TaskState.QUEUED, "the second ran beside the first"
        return waiting if waiting.waiting_for == first.task_id else None

    assert first.task_id in wait_for(waits_for_the_first, "the second waiting for the first").message
    one, other = (wait_until_ended(manager, task.task_id) for task in (first, second))
    assert (one.status, other.status) == (ENDED_WELL, ENDED_WELL)
    assert one.ended_at is not None
    assert other.started_at is not None
    assert one.ended_at <= other.started_at


def test_an_apply_waits_for_whoever_holds_the_target(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    """A synchronous run holds the lease without ever having been in the queue."""
    lease = Lease(redis, "default", "b-sync", 5)
    lease.acquire()
    with Heartbeat(1, [lease.renew]):
        task_id = manager.start_apply(sites(prefix, 1), "default", 1).task_id
        wait_until_taken(manager, task_id)
        wait_for(lambda: redis.hget(keys.progress(task_id), "waiting_for") == b"b-sync", "the task waiting")
        waiting = manager.status(task_id)
        assert (waiting.status, waiting.waiting_for) == (TaskState.QUEUED, "b-sync")
        time.sleep(1)
        assert netbox.count("dcim/sites", name__isw=prefix) == 0
    lease.release()
    assert wait_until_ended(manager, task_id).status == ENDED_WELL


def test_a_task_that_has_run_is_not_run_again(
    manager: AsyncTaskManager,
    worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
    worker_settings: WorkerSettings,
) -> None:
    ended = wait_until_ended(manager, manager.start_apply(sites(prefix, 1), "default", 1).task_id)
    netbox.delete("dcim/sites", manager.report(ended.task_id).rows[0].object_id or 0)
    queue = open_queue(redis, worker_settings)
    job = queue.enqueue_call(RUN_APPLY, args=(ended.task_id,), job_id=ended.task_id)
    wait_for(lambda: job.get_status() == "finished", "the job passed over")
    assert "task has ended already" in worker.log.read_text()
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    assert manager.status(ended.task_id) == ended


def test_a_target_that_the_worker_does_not_know(manager: AsyncTaskManager, worker: WorkerProcess) -> None:
    ended = wait_until_ended(manager, manager.start_apply(sites("x", 1), "lab", 1).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "unknown_target")
    assert ended.message == "The worker knows no target 'lab'; nothing was written."
    assert "default" in ended.hint


def test_dry_run_in_the_worker_writes_nothing(
    manager: AsyncTaskManager, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    team.start(NETBOX_DRY_RUN="true")
    ended = wait_until_ended(manager, manager.start_apply(sites(prefix, 2), "default", 2).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "dry_run")
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_waiting_ends_with_the_task_and_holds_no_thread(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    async def wait_in_a_crowd() -> tuple[list[str], float]:
        task_id = manager.start_apply(sites(prefix, 40), "default", 40).task_id
        waits = [asyncio.create_task(manager.wait(task_id, 30)) for _ in range(60)]
        await asyncio.sleep(0)
        since = time.monotonic()
        await asyncio.to_thread(manager.queue_info)
        instant = time.monotonic() - since
        states = {(await wait).status for wait in waits}
        while (last := await manager.wait(task_id, 30)).poll_after_seconds:
            assert last.status != ENDED_WELL
        return [*states, last.status], instant

    states, instant = asyncio.run(wait_in_a_crowd())
    assert states[-1] == ENDED_WELL
    assert TaskState.QUEUED not in states
    assert instant < 5


def test_waiting_ends_when_time_is_up(manager: AsyncTaskManager) -> None:
    task_id = manager.start_apply(sites("x", 1), "default", 1).task_id
    since = time.monotonic()
    status = asyncio.run(manager.wait(task_id, 0.5))
    assert 0.4 < time.monotonic() - since < 5
    assert (
        status.message == "No worker is listening on queue 'netbox-mcp'; start one with `netbox-mcp worker`."
    )


def test_an_unknown_task_is_said_to_be_unknown(manager: AsyncTaskManager) -> None:
    for ask in (manager.status, manager.report, lambda name: asyncio.run(manager.wait(name, 5))):
        with pytest.raises(UnknownTaskError, match="There is no task 't-nothing'"):
            ask("t-nothing")


def test_tasks_that_are_only_parked_wait_for_a_worker_too(
    manager: AsyncTaskManager, redis: Redis, worker_settings: WorkerSettings
) -> None:
    for _ in range(2):
        manager.start_apply(sites("x", 1), "default", 1)
    # Some worker took the first, and is gone; the second waits for the first to let go of the target.
    open_queue(redis, worker_settings).pop_job_id()
    info = manager.queue_info()
    assert (info.depth, info.waiting_for_target, info.workers) == (0, 1, [])
    assert info.message == "Tasks are waiting and no worker is listening."


def test_the_queue_says_who_works_on_what(
    manager: AsyncTaskManager, worker: WorkerProcess, prefix: str, redis: Redis
) -> None:
    before = wait_for(lambda: manager.queue_info() if manager.queue_info().workers else None, "the worker")
    assert (before.redis_ok, before.depth, before.failed) == (True, 0, 0)
    assert str(worker.pid) in before.workers[0].name
    lease = Lease(redis, "default", "b-sync", 60)
    lease.acquire()
    task_id = manager.start_apply(sites(prefix, 20), "default", 20).task_id
    assert wait_until_taken(manager, task_id) == before.workers[0].name
    lease.release()
    wait_until_ended(manager, task_id)
    after = manager.queue_info()
    assert after.objects_per_minute > 0
    assert manager.list_tasks() == []
    assert [task.task_id for task in manager.list_tasks(include_finished=True)] == [task_id]
