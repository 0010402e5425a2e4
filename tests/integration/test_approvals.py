"""A person approves a plan: the worker believes the signature, and nothing else that lies in Redis."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from redis import Redis

from orchestrator.errors import StalePlanError
from tests.integration.redis_contents import everything_in
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    wait_until_ended,
)
from workers import keys
from workers.approvals import Approval
from workers.errors import NotApprovedError, PlanRequiredError, StoredPlanError
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings
from workers.status import TaskState, TaskStatus

TOKEN = SecretStr("those-who-approve-7c1d")
OTHER = SecretStr("somebody-elses-token-42")


@pytest.fixture
def strict_worker(team: WorkerTeam) -> WorkerProcess:
    """A worker that asks for approvals; the managers of these tests do not, unless they say so."""
    return team.start(NETBOX_MCP_REQUIRE_APPROVAL="true", NETBOX_MCP_APPROVE_TOKEN=TOKEN.get_secret_value())


@pytest.fixture
def strict_manager(redis: Redis, worker_settings: WorkerSettings) -> AsyncTaskManager:
    """A server's manager that asks for approvals and, as the one a model talks to, has no token."""
    return AsyncTaskManager(redis, worker_settings.model_copy(update={"require_approval": True}))


def sites(prefix: str, number: int = 2) -> dict[str, Any]:
    return {"sites": [{"name": f"{prefix}-{at}"} for at in range(number)]}


def plan(manager: AsyncTaskManager, document: dict[str, Any]) -> str:
    ended = wait_until_ended(manager, manager.start_plan(document, "default", 2).task_id)
    assert ended.plan_id is not None, ended.message
    return ended.plan_id


def apply(manager: AsyncTaskManager, plan_id: str) -> TaskStatus:
    return wait_until_ended(manager, manager.start_apply_plan(plan_id).task_id)


def assert_refused(ended: TaskStatus, plan_id: str, reason: str) -> None:
    assert (ended.status, ended.code) == (TaskState.FAILED, "not_approved")
    assert ended.message == f"{reason}; nothing was written."
    assert ended.hint == f"A person has to approve it: netbox-mcp approve {plan_id}"


def test_an_approved_plan_is_applied_and_leaves_no_token_behind(
    manager: AsyncTaskManager,
    strict_manager: AsyncTaskManager,
    team: WorkerTeam,
    strict_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
    redis: Redis,
) -> None:
    plan_id = plan(manager, sites(prefix))
    assert_refused(apply(manager, plan_id), plan_id, f"Plan {plan_id} has not been approved")
    with pytest.raises(NotApprovedError, match="has not been approved"):
        strict_manager.start_apply_plan(plan_id)
    assert len(manager.list_tasks(include_finished=True)) == 2  # refused before it was in line
    assert netbox.count("dcim/sites", name__isw=prefix) == 0

    approval = manager.approve(plan_id, TOKEN, "Jane Doe\n")
    assert (approval.approved_by, approval.target) == ("Jane Doe", "default")
    assert approval.digest == manager.load_plan(plan_id).digest
    assert strict_manager.approval_of(manager.load_plan(plan_id)) == approval
    ended = apply(strict_manager, plan_id)
    assert (ended.status, ended.counts["created"]) == (TaskState.COMPLETED, manager.load_plan(plan_id).writes)
    assert netbox.count("dcim/sites", name__isw=prefix) == 2

    secret = TOKEN.get_secret_value().encode()
    assert [found for found in everything_in(redis) if secret in found] == []
    assert TOKEN.get_secret_value() not in team.logs()


def test_an_approved_plan_is_refused_where_netbox_has_moved(
    manager: AsyncTaskManager, strict_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    plan_id = plan(manager, sites(prefix))
    manager.approve(plan_id, TOKEN, "jane")
    netbox.create("dcim/sites", name=f"{prefix}-1", slug=f"{prefix}-1")
    ended = apply(manager, plan_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "stale_plan")
    assert f"site '{prefix}-1' exists by now" in ended.message
    assert netbox.count("dcim/sites", name__isw=prefix) == 1


def test_an_approval_expires(
    manager: AsyncTaskManager,
    strict_manager: AsyncTaskManager,
    strict_worker: WorkerProcess,
    redis: Redis,
    worker_settings: WorkerSettings,
    prefix: str,
) -> None:
    plan_id = plan(manager, sites(prefix))
    brief = AsyncTaskManager(redis, worker_settings.model_copy(update={"approval_ttl_seconds": 1}))
    approval = brief.approve(plan_id, TOKEN, "jane")
    time.sleep(1.2)
    reason = f"The approval of plan {plan_id} by jane was good until {approval.expires_at} and has expired"
    assert_refused(apply(manager, plan_id), plan_id, reason)
    with pytest.raises(NotApprovedError, match="has expired"):
        strict_manager.start_apply_plan(plan_id)
    assert manager.approval_of(manager.load_plan(plan_id)) is None


def test_whoever_has_redis_only_cannot_approve(
    manager: AsyncTaskManager, strict_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    """What the process of a model could do: sign with a guess, prolong, move, rename, scribble."""
    plan_id = plan(manager, sites(prefix))
    key = keys.approval(manager.load_plan(plan_id).digest)
    signed_by_another = f"The approval of plan {plan_id} was signed with another token than the worker has"

    manager.approve(plan_id, OTHER, "jane")
    assert_refused(apply(manager, plan_id), plan_id, signed_by_another)

    manager.approve(plan_id, TOKEN, "jane")
    genuine = orjson.loads(redis.get(key) or b"")
    forged: list[dict[str, Any]] = [
        {"expires_at": "2999-01-01T00:00:00+00:00"},
        {"approved_by": "john"},
        {"signature": "ä" * 64},
        {"signature": ""},
    ]
    for change in forged:
        redis.set(key, orjson.dumps({**genuine, **change}))
        assert_refused(apply(manager, plan_id), plan_id, signed_by_another)

    other_plan = plan(manager, sites(prefix, 3))
    redis.set(keys.approval(manager.load_plan(other_plan).digest), orjson.dumps(genuine))
    reason = f"The approval of plan {other_plan} was signed with another token than the worker has"
    assert_refused(apply(manager, other_plan), other_plan, reason)

    for scribble in (b"yes", b"[]", b'{"approved_by": "jane"}', b'{"expires_at": 1}'):
        redis.set(key, scribble)
        assert_refused(apply(manager, plan_id), plan_id, f"Plan {plan_id} has not been approved")
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_an_approved_plan_cannot_stand_for_another_document(
    manager: AsyncTaskManager, strict_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str, redis: Redis
) -> None:
    good, bad = plan(manager, sites(prefix, 1)), plan(manager, sites(prefix, 3))
    manager.approve(good, TOKEN, "jane")
    redis.hset(f"nmo:plan:{good}", "document_id", redis.hget(f"nmo:plan:{bad}", "document_id") or b"")
    ended = apply(manager, good)
    assert (ended.status, ended.code) == (TaskState.FAILED, "stale_plan")
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_what_is_approved_is_what_was_shown(
    manager: AsyncTaskManager, worker: WorkerProcess, prefix: str, redis: Redis
) -> None:
    shown, swapped = plan(manager, sites(prefix, 1)), plan(manager, sites(prefix, 3))
    digest = manager.load_plan(shown).digest
    redis.hset(f"nmo:plan:{shown}", mapping=redis.hgetall(f"nmo:plan:{swapped}"))
    with pytest.raises(StoredPlanError):
        manager.approve(shown, TOKEN, "jane", digest)


def test_an_old_plan_cannot_be_approved(
    redis: Redis,
    worker_settings: WorkerSettings,
    worker: WorkerProcess,
    manager: AsyncTaskManager,
    prefix: str,
) -> None:
    brief = AsyncTaskManager(redis, worker_settings.model_copy(update={"plan_valid_seconds": 1}))
    made = manager.load_plan(plan(manager, sites(prefix)))
    old = brief.save_plan(replace(made, stale_at=""), sites(prefix))
    time.sleep(1.2)
    with pytest.raises(StalePlanError, match=f"Plan {old} was made more than a second ago"):
        manager.approve(old, TOKEN, "jane")


def test_nothing_but_plans_is_applied_where_approvals_are_required(
    manager: AsyncTaskManager,
    strict_manager: AsyncTaskManager,
    strict_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    prefix: str,
) -> None:
    with pytest.raises(PlanRequiredError):
        strict_manager.start_apply(sites(prefix), "default", 2)
    ended = wait_until_ended(manager, manager.start_apply(sites(prefix), "default", 2).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "plan_required")
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_a_worker_without_the_token_says_so(
    manager: AsyncTaskManager, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    team.start(NETBOX_MCP_REQUIRE_APPROVAL="true")
    plan_id = plan(manager, sites(prefix))
    manager.approve(plan_id, TOKEN, "jane")
    ended = apply(manager, plan_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "invalid_configuration")
    assert "NETBOX_MCP_APPROVE_TOKEN is not set" in ended.message
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_a_plan_that_writes_nothing_needs_nobody(
    manager: AsyncTaskManager, strict_worker: WorkerProcess, netbox: NetBoxOverHttp, prefix: str
) -> None:
    netbox.create("dcim/sites", name=f"{prefix}-0", slug=f"{prefix}-0")
    ended = apply(manager, plan(manager, sites(prefix, 1)))
    assert (ended.status, ended.counts) == (TaskState.COMPLETED, {"unchanged": 1})


def test_a_signature_covers_every_part_of_the_approval() -> None:
    approval = Approval("digest", "default", "jane", "2026-11-01T12:00:00+00:00")
    others = [
        Approval("other", "default", "jane", "2026-11-01T12:00:00+00:00"),
        Approval("digest", "lab", "jane", "2026-11-01T12:00:00+00:00"),
        Approval("digest", "default", "john", "2026-11-01T12:00:00+00:00"),
        Approval("digest", "default", "jane", "2026-11-01T12:00:01+00:00"),
    ]
    signatures = {one.signature(TOKEN) for one in (approval, *others)} | {approval.signature(OTHER)}
    assert len(signatures) == 6
