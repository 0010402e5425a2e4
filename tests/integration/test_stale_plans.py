"""Plans that were kept, and a NetBox that somebody changes before they are applied."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import NotApplyableError, StalePlanError
from orchestrator.netbox import NetBoxSettings, open_netbox
from tests.integration.worker_process import NetBoxOverHttp, WorkerProcess, WorkerTeam, wait_until_ended
from workers.errors import StoredPlanError, UnknownDocumentError
from workers.lease import Lease
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings
from workers.status import TaskState, TaskStatus
from workers.store import Store

Change = Callable[[NetBoxOverHttp, str], None]


def document(prefix: str, facility: str) -> dict[str, Any]:
    """Three sites that exist after a first apply; `new` comes with the second."""
    names = [f"{prefix}-{name}" for name in ("a", "b", "c")]
    return {"sites": [{"name": name, "facility": facility} for name in names]}


@pytest.fixture
def plan_id(manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str) -> str:
    """A plan that changes two fields of each of three sites and creates one more."""
    first = manager.start_apply(document(prefix, "F1"), "default", 3)
    assert wait_until_ended(manager, first.task_id).status == TaskState.COMPLETED
    wanted = document(prefix, "F2")
    wanted["sites"].append({"name": f"{prefix}-new"})
    with open_netbox(NetBoxSettings(url=netbox.url, token=netbox.token)) as connection:  # type: ignore[arg-type]
        return manager.save_plan(NetBoxBulkOrchestrator(connection).plan(wanted), wanted)


def apply(manager: AsyncTaskManager, plan_id: str) -> TaskStatus:
    return wait_until_ended(manager, manager.start_apply_plan(plan_id).task_id)


def id_of(netbox: NetBoxOverHttp, name: str) -> int:
    (site,) = netbox.rows("dcim/sites", name=name)
    return int(site["id"])


def change_a_field(netbox: NetBoxOverHttp, prefix: str) -> None:
    netbox.update("dcim/sites", id_of(netbox, f"{prefix}-a"), facility="elsewhere")


def make_the_new_one(netbox: NetBoxOverHttp, prefix: str) -> None:
    netbox.create("dcim/sites", name=f"{prefix}-new", slug=f"{prefix}-new")


def delete_one(netbox: NetBoxOverHttp, prefix: str) -> None:
    netbox.delete("dcim/sites", id_of(netbox, f"{prefix}-b"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (change_a_field, "site '{}-a': facility is now 'elsewhere' (was 'F1')"),
        (make_the_new_one, "site '{}-new' exists by now"),
        (delete_one, "site '{}-b' is gone"),
    ],
)
def test_what_the_plan_touches_has_moved(
    manager: AsyncTaskManager,
    netbox: NetBoxOverHttp,
    plan_id: str,
    prefix: str,
    change: Change,
    sentence: str,
) -> None:
    change(netbox, prefix)
    before = netbox.rows("core/object-changes", q=prefix)
    ended = apply(manager, plan_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "stale_plan")
    expected = sentence.format(prefix)
    assert ended.message == (
        f"NetBox has changed since plan {plan_id} was made; nothing was written. What has moved: {expected}."
    )
    assert [error["message"] for error in ended.first_errors] == [expected]
    assert ended.first_errors[0]["object_type"] == "sites"
    assert netbox.rows("core/object-changes", q=prefix) == before
    assert netbox.count("core/object-changes", q=ended.batch_id) == 0
    assert manager.report(ended.task_id).rows == ()


def test_what_the_plan_does_not_touch_has_moved(
    manager: AsyncTaskManager, netbox: NetBoxOverHttp, plan_id: str, prefix: str
) -> None:
    netbox.update("dcim/sites", id_of(netbox, f"{prefix}-a"), description="painted red")
    netbox.create("dcim/sites", name=f"{prefix}-other", slug=f"{prefix}-other")
    ended = apply(manager, plan_id)
    assert (ended.status, ended.counts) == (TaskState.COMPLETED, {"created": 1, "updated": 3})
    (site,) = netbox.rows("dcim/sites", name=f"{prefix}-a")
    assert (site["facility"], site["description"]) == ("F2", "painted red")


def test_a_plan_with_nothing_to_do_is_applied_and_writes_nothing(
    manager: AsyncTaskManager, worker: WorkerProcess, prefix: str
) -> None:
    wait_until_ended(manager, manager.start_apply(document(prefix, "F1"), "default", 3).task_id)
    again = wait_until_ended(manager, manager.start_plan(document(prefix, "F1"), "default", 3).task_id)
    ended = apply(manager, again.plan_id or "")
    assert (ended.status, ended.counts) == (TaskState.COMPLETED, {"unchanged": 3})


def test_conflicts_forbid_a_plan_and_a_document_alike(
    manager: AsyncTaskManager, worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    wait_until_ended(manager, manager.start_apply(document(prefix, "F1"), "default", 3).task_id)
    netbox.update("dcim/sites", id_of(netbox, f"{prefix}-a"), facility="elsewhere")
    wanted = {"options": {"on_drift": "fail"}, **document(prefix, "F2")}
    planned = wait_until_ended(manager, manager.start_plan(wanted, "default", 3).task_id)
    plan = manager.load_plan(planned.plan_id or "")
    assert (plan.applyable, plan.complete) == (False, False)
    with pytest.raises(NotApplyableError, match=f"The plan has 1 conflict; .* site '{prefix}-a': "):
        manager.start_apply_plan(planned.plan_id or "")
    with pytest.raises(NotApplyableError):
        manager.approve(planned.plan_id or "", SecretStr("those-who-approve-7c1d"), "jane")
    ended = wait_until_ended(manager, manager.start_apply(wanted, "default", 3).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "not_applyable")
    assert f"site '{prefix}-a'" in ended.message
    assert netbox.count("dcim/sites", facility="F2", name__isw=prefix) == 0


def test_a_plan_that_was_kept_says_until_when_it_is_good(manager: AsyncTaskManager, plan_id: str) -> None:
    plan = manager.load_plan(plan_id)
    assert plan.made_at < plan.stale_at
    assert (plan.applyable, plan.complete) == (True, True)


def test_a_plan_that_is_too_old_is_refused_by_server_and_worker(
    manager: AsyncTaskManager,
    netbox: NetBoxOverHttp,
    plan_id: str,
    prefix: str,
    redis: Redis,
    worker_settings: WorkerSettings,
) -> None:
    store = Store(redis, worker_settings)
    plan = store.load_plan(plan_id)
    # Good for three seconds more: the server lets it pass, and a busy worker comes to it too late.
    short = Store(redis, worker_settings.model_copy(update={"plan_valid_seconds": 3}))
    short_id = short.save_plan(replace(plan, stale_at=""), store.plan_facts(plan_id).document_id)
    lease = Lease(redis, "default", "b-another", ttl_seconds=5)
    lease.acquire()
    ended = apply(manager, short_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "stale_plan")
    assert ended.message == f"Plan {short_id} was made more than 3 seconds ago; nothing was written."
    with pytest.raises(StalePlanError, match="was made more than 3 seconds ago"):
        manager.start_apply_plan(short_id)
    assert netbox.count("dcim/sites", name=f"{prefix}-new") == 0


def test_a_plan_that_was_changed_in_redis_is_neither_shown_nor_applied(
    manager: AsyncTaskManager, netbox: NetBoxOverHttp, plan_id: str, prefix: str, redis: Redis
) -> None:
    body = zlib.decompress(redis.hget(f"nmo:plan:{plan_id}", "body") or b"")
    redis.hset(f"nmo:plan:{plan_id}", "body", zlib.compress(body.replace(b'"F2"', b'"F3"')))
    with pytest.raises(StoredPlanError, match=plan_id):
        manager.load_plan(plan_id)
    # Nobody can be shown it any more; what is applied is what its digest stands for.
    assert apply(manager, plan_id).status == TaskState.COMPLETED
    assert {site["facility"] for site in netbox.rows("dcim/sites", name__isw=prefix)} == {"F2", ""}
    redis.hset(f"nmo:plan:{plan_id}", "body", zlib.compress(b'{"format": 1}'))
    with pytest.raises(UnknownDocumentError, match="plan of this version"):
        manager.load_plan(plan_id)


def test_with_plans_required_a_worker_applies_no_document(
    manager: AsyncTaskManager, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    team.start(NETBOX_MCP_REQUIRE_PLAN="true")
    # This manager is configured otherwise, as the process that a model talks to may be.
    refused = wait_until_ended(manager, manager.start_apply(document(prefix, "F1"), "default", 3).task_id)
    assert (refused.status, refused.code) == (TaskState.FAILED, "plan_required")
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    planned = wait_until_ended(manager, manager.start_plan(document(prefix, "F1"), "default", 3).task_id)
    assert apply(manager, planned.plan_id or "").status == TaskState.COMPLETED
    assert netbox.count("dcim/sites", name__isw=prefix) == 3
