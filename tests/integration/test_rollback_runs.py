"""Batches that are taken back by a real worker: one after another, refused in time, and remembered."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Plan
from orchestrator.netbox import NetBoxSettings, open_netbox
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    wait_for,
    wait_until_ended,
)
from workers import keys
from workers.errors import IdempotencyConflictError, PlanRequiredError, UnfinishedBatchError
from workers.lease import Lease
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings
from workers.status import TaskState, TaskStatus


@pytest.fixture
def plan_back(manager: AsyncTaskManager, netbox: NetBoxOverHttp) -> Callable[..., str]:
    """Plans the rollback of a batch as a server does and keeps the plan; returns its id."""

    def make(batch_id: str, force: bool = False) -> str:
        with open_netbox(NetBoxSettings(url=netbox.url, token=netbox.token)) as connection:
            history = manager.batch_history(batch_id)
            plan = NetBoxBulkOrchestrator(connection).plan_rollback(batch_id, history, force)
        return manager.save_plan(plan)

    return make


def apply(manager: AsyncTaskManager, document: dict[str, Any], key: str | None = None) -> TaskStatus:
    return wait_until_ended(manager, manager.start_apply(document, "default", 3, key).task_id)


def sites(prefix: str, number: int = 3, **fields: Any) -> dict[str, Any]:
    return {"sites": [{"name": f"{prefix}-[1-{number}]", **fields}]}


def change_one_by_hand(netbox: NetBoxOverHttp, prefix: str) -> None:
    (site,) = netbox.rows("dcim/sites", name=f"{prefix}-2")
    netbox.update("dcim/sites", site["id"], description="mine now")


def test_a_rollback_restores_and_deletes(
    manager: AsyncTaskManager,
    worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    plan_back: Callable[..., str],
) -> None:
    netbox.create("dcim/sites", name=f"{prefix}-1", slug=f"{prefix}-1", description="mine")
    batch = apply(manager, sites(prefix, description="ours"))
    assert batch.batch_id is not None
    assert batch.counts["updated"] >= 1
    started = manager.start_apply_plan(plan_back(batch.batch_id))
    assert (started.kind, started.batch_id != batch.batch_id) == ("rollback", True)
    ended = wait_until_ended(manager, started.task_id)
    assert (ended.status, ended.message) == (TaskState.COMPLETED, "Done: 1 updated, 2 deleted.")
    (site,) = netbox.rows("dcim/sites", name__isw=prefix)
    assert site["description"] == "mine"
    assert netbox.count("core/object-changes", q=started.batch_id) == 3
    assert manager.status(batch.task_id).status == TaskState.ROLLED_BACK
    assert {row.result for row in manager.report(started.task_id).rows} >= {"updated", "deleted"}
    assert [task.kind for task in manager.list_tasks(include_finished=True)] == ["rollback", "apply"]


def test_two_rollbacks_at_once_are_one(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    netbox: NetBoxOverHttp,
    prefix: str,
    plan_back: Callable[..., str],
    redis: Redis,
) -> None:
    team.start()
    team.start()
    batch = apply(manager, sites(prefix))
    assert batch.batch_id is not None
    plans = [plan_back(batch.batch_id), plan_back(batch.batch_id)]
    other = Lease(redis, "default", "b-other", 30)
    other.acquire()
    tasks = [manager.start_apply_plan(plan_id) for plan_id in plans]
    wait_for(lambda: manager.status(tasks[0].task_id).waiting_for == "b-other", "the first waits")
    wait_for(lambda: manager.status(tasks[1].task_id).waiting_for, "the second waits")
    other.release()
    ended = [wait_until_ended(manager, task.task_id) for task in tasks]
    assert {one.status for one in ended} == {TaskState.COMPLETED}
    assert sorted(one.counts.get("deleted", 0) for one in ended) == [0, 3]
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    first = next(one for one in ended if one.counts.get("deleted"))
    assert f"Rolled back by batch {first.batch_id}." in manager.status(batch.task_id).message


def test_a_batch_that_has_not_ended_is_not_taken_back(manager: AsyncTaskManager, prefix: str) -> None:
    waiting = manager.start_apply(sites(prefix), "default", 3)
    assert waiting.batch_id is not None
    plan_id = manager.save_plan(Plan("default", (), digest="abc", undoes=waiting.batch_id))
    for start in (
        lambda: manager.start_apply_plan(plan_id),
        lambda: manager.start_rollback(waiting.batch_id or "", "default", False, 3),
        lambda: manager.find_batch(waiting.batch_id or ""),
    ):
        with pytest.raises(UnfinishedBatchError, match=f"still to be written by task {waiting.task_id}"):
            start()
    assert len(manager.list_tasks()) == 1


def test_a_rollback_is_refused_where_netbox_has_moved(
    manager: AsyncTaskManager,
    worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    plan_back: Callable[..., str],
) -> None:
    batch = apply(manager, sites(prefix))
    plan_id = plan_back(batch.batch_id or "")
    change_one_by_hand(netbox, prefix)
    ended = wait_until_ended(manager, manager.start_apply_plan(plan_id).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "stale_plan")
    assert f"'{prefix}-2'" in ended.message
    assert netbox.count("dcim/sites", name__isw=prefix) == 3
    assert manager.status(batch.task_id).status == TaskState.COMPLETED


def test_without_a_journal_the_changelog_serves(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    batch = apply(manager, sites(prefix))
    batch_id = batch.batch_id or ""
    redis.delete(*redis.keys(f"{keys.journal(batch_id)}*"))
    assert manager.find_batch(batch_id) is None
    started = manager.start_rollback(batch_id, "default", False, 0)
    ended = wait_until_ended(manager, started.task_id)
    assert (ended.status, ended.counts) == (TaskState.COMPLETED, {"deleted": 3})
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    # Nothing is noted on a batch that nobody knows any more: such a note would stay for ever.
    assert not redis.exists(keys.journal(batch_id))
    assert all(redis.ttl(name) > 0 for name in redis.scan_iter("nmo:journal:*"))


def test_a_batch_that_nobody_knows_is_one_sentence(manager: AsyncTaskManager, worker: WorkerProcess) -> None:
    started = manager.start_rollback("b-20260101-00000000", "default", False, 0)
    ended = wait_until_ended(manager, started.task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "cannot_roll_back")
    assert "Neither a journal nor NetBox's changelog knows" in ended.message


def test_where_plans_are_required_no_batch_is_taken_back_unseen(
    redis: Redis, worker_settings: WorkerSettings
) -> None:
    strict = AsyncTaskManager(redis, worker_settings.model_copy(update={"require_plan": True}))
    with pytest.raises(PlanRequiredError):
        strict.start_rollback("b-1", "default", False, 3)


def test_an_idempotency_key_stands_for_one_batch_to_undo(manager: AsyncTaskManager) -> None:
    def kept(undoes: str) -> str:
        return manager.save_plan(Plan("default", (), digest="abc", undoes=undoes))

    first = manager.start_apply_plan(kept("b-1"), "undo")
    assert manager.start_apply_plan(kept("b-1"), "undo").task_id == first.task_id
    with pytest.raises(IdempotencyConflictError):
        manager.start_apply_plan(kept("b-2"), "undo")


def test_a_rollback_that_may_not_delete_leaves_the_batch_to_be_resumed(
    manager: AsyncTaskManager, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    worker = team.start()
    batch = apply(
        manager,
        sites(prefix, 2) | {"device_types": [{"manufacturer": prefix, "model": "M", "u_height": 1.3}]},
    )
    assert batch.status is TaskState.COMPLETED_WITH_ERRORS
    worker.stop()
    models = [row.model for row in OBJECT_TYPES.values()]
    limited = netbox.token_that_may((models, ("view", "add", "change")))
    team.start(NETBOX_TOKEN=limited)
    undoing = manager.start_rollback(batch.batch_id or "", "default", force=False, total=2)
    refused = wait_until_ended(manager, undoing.task_id)
    assert (refused.status, "does not let this token delete" in refused.message) == (TaskState.FAILED, True)
    assert "undone" not in manager.status(batch.task_id).message
    manager.resume(batch.task_id)
    assert wait_until_ended(manager, batch.task_id).status is TaskState.COMPLETED_WITH_ERRORS


def test_force_is_part_of_the_plan(
    manager: AsyncTaskManager,
    worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    plan_back: Callable[..., str],
) -> None:
    batch = apply(manager, sites(prefix))
    change_one_by_hand(netbox, prefix)
    gently = wait_until_ended(manager, manager.start_apply_plan(plan_back(batch.batch_id or "")).task_id)
    assert (gently.status, gently.counts) == (
        TaskState.COMPLETED_WITH_ERRORS,
        {"deleted": 2, "skipped": 1},
    )
    assert "changed since by" in gently.first_errors[0]["message"]
    assert "has undone a part of it" in manager.status(batch.task_id).message
    forced = wait_until_ended(
        manager, manager.start_apply_plan(plan_back(batch.batch_id or "", force=True)).task_id
    )
    assert forced.counts["deleted"] == 1
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def whole_or_nothing(prefix: str) -> dict[str, Any]:
    """Sites and device types; only NetBox knows that heights go in steps of a half."""
    types = [
        {"manufacturer": prefix, "model": f"M{at}", "u_height": height} for at, height in enumerate((1, 1.3))
    ]
    return {
        **sites(prefix, description="ours"),
        "options": {"on_error": "rollback"},
        "manufacturers": [{"name": prefix}],
        "device_types": types,
    }


def test_a_batch_lands_whole_or_is_undone(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    netbox.create("dcim/sites", name=f"{prefix}-1", slug=f"{prefix}-1", description="mine")
    ended = apply(manager, whole_or_nothing(prefix), "monday")
    assert ended.status == TaskState.ROLLED_BACK
    assert "device_types 'M1' (device_types[1]) failed: " in ended.message.replace(f"{prefix} ", "")
    assert "All of the batch was undone: " in ended.message
    assert ended.first_errors[0]["path"] == "device_types[1]"
    assert ended.counts["failed"] == 1
    (site,) = netbox.rows("dcim/sites", name__isw=prefix)
    assert site["description"] == "mine"
    assert netbox.count("dcim/manufacturers", name=prefix) == 0
    by = redis.hget(keys.journal(ended.batch_id or ""), "undone_by").decode()
    assert f"by batch {by}." in ended.message
    assert netbox.count("core/object-changes", q=by) == ended.counts["created"] + 1 - _definitions(
        manager, ended
    )
    # The key is free: the corrected document may come under it.
    again = manager.start_apply(sites(prefix, 1), "default", 1, "monday")
    assert again.task_id != ended.task_id


def _definitions(manager: AsyncTaskManager, status: TaskStatus) -> int:
    """How many custom fields the batch made: they serve later batches and stay."""
    return manager.report(status.task_id).counts.get("custom_fields", {}).get("created", 0)


def test_what_a_worker_undoes_when_it_dies_another_one_undoes_to_the_end(
    manager: AsyncTaskManager,
    team: WorkerTeam,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
) -> None:
    first = team.start()
    document = whole_or_nothing(prefix)
    document["sites"] = [{"name": f"{prefix}-[001-120]"}]
    started = manager.start_apply(document, "default", 123)
    wait_for(lambda: "Undoing the batch: " in manager.status(started.task_id).message, "the undoing")
    wait_for(lambda: netbox.count("dcim/sites", name__isw=prefix) < 120, "the first delete")
    for child in first.children():
        os.kill(child, signal.SIGKILL)
    first.kill()
    team.start()
    ended = wait_until_ended(manager, started.task_id, 90)
    assert ended.status == TaskState.ROLLED_BACK, ended
    assert " failed: " in ended.message
    assert "All of the batch was undone: " in ended.message
    assert ended.first_errors
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    undoing = redis.hget(keys.journal(started.batch_id or ""), "undoing_by")
    assert redis.hget(keys.journal(started.batch_id or ""), "undone_by") == undoing


def test_a_stored_rollback_plan_keeps_what_it_undoes(
    manager: AsyncTaskManager, worker_settings: WorkerSettings
) -> None:
    plan = Plan("lab", (), digest="abc", undoes="b-1", force=True)
    loaded = manager._store.plan_facts(manager.save_plan(replace(plan, warnings=("w",))))
    assert (loaded.undoes, loaded.force, loaded.target, loaded.document_id) == ("b-1", True, "lab", "")
