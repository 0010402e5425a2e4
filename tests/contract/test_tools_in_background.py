"""The tools that need Redis: nothing is queued unconfirmed, handles are honest, waiting costs no thread."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from mcp.client import Client
from redis import Redis

from orchestrator.models import Outcome, Result
from tests.contract.clients import Reply, ask, call, in_memory
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam
from workers.connection import connect_briefly
from workers.journal import RedisJournal
from workers.lease import Lease
from workers.settings import WorkerSettings

BATCH = {"manufacturers": [{"name": "Acme"}]}
ENDED = {"completed", "completed_with_errors", "failed", "cancelled", "rolled_back"}


def wait_for_end(task_id: str) -> Reply:
    deadline = time.monotonic() + 60
    while True:
        reply = call("netbox_get_task_status", task_id=task_id, wait_seconds=20)
        if reply.is_error or reply.data["status"] in ENDED:
            return reply
        assert time.monotonic() < deadline, reply.text


def test_unconfirmed_work_is_shown_and_not_queued(
    netbox: NetBoxOverHttp, with_redis: str, prefix: str
) -> None:
    reply = call("netbox_start_bulk_async", batch=campus(prefix))
    assert reply.data["status"] == "confirmation_required"
    assert "task_id" not in reply.data
    assert reply.data["plan_id"]
    assert reply.data["totals"] == {"create": 7}
    assert reply.data["samples"]
    assert "confirm=true" in reply.data["next"]
    with Redis.from_url(with_redis) as redis:
        keys = sorted(key.decode() for key in redis.scan_iter())
    assert [key for key in keys if key.startswith(("rq:", "nmo:task", "nmo:journal"))] == []
    assert call("netbox_list_active_tasks", include_finished=True).data["tasks"] == []


def test_an_unconfirmed_plan_id_shows_the_plan_again(
    netbox: NetBoxOverHttp, with_redis: str, prefix: str
) -> None:
    planned = call("netbox_plan_bulk", batch=campus(prefix))
    assert "netbox_start_bulk_async" in planned.data["next"]
    again = call("netbox_start_bulk_async", plan_id=planned.data["plan_id"])
    assert again.data["status"] == "confirmation_required"
    assert again.data["digest"] == planned.data["digest"]
    assert again.data["totals"] == planned.data["totals"]
    assert "task_id" not in again.data


@pytest.mark.parametrize("confirm", [False, True])
def test_a_plan_is_applied_to_no_other_target_than_its_own(
    netbox: NetBoxOverHttp, with_redis: str, prefix: str, confirm: bool
) -> None:
    plan_id = call("netbox_plan_bulk", batch=campus(prefix)).data["plan_id"]
    other = call("netbox_start_bulk_async", plan_id=plan_id, target="lab", confirm=confirm)
    assert other.data["code"] == "invalid_arguments"
    assert "'default'" in other.data["message"]
    assert "'lab'" in other.data["message"]
    own = call("netbox_start_bulk_async", plan_id=plan_id, target="default", confirm=confirm)
    assert not own.is_error, own.text


def test_in_dry_run_a_plan_id_is_not_queued(
    netbox: NetBoxOverHttp, with_redis: str, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    planned = call("netbox_plan_bulk", batch=campus(prefix))
    bare.setenv("NETBOX_DRY_RUN", "true")
    reply = call("netbox_start_bulk_async", plan_id=planned.data["plan_id"], confirm=True)
    assert reply.data["status"] == "dry_run"
    assert call("netbox_list_active_tasks", include_finished=True).data["tasks"] == []


def test_confirmed_work_gets_a_handle_at_once(dead_netbox: str, with_redis: str) -> None:
    reply = call("netbox_start_bulk_async", batch=BATCH, confirm=True)
    assert reply.data["status"] == "queued"
    assert reply.data["task_id"]
    assert reply.data["batch_id"]
    assert reply.data["total"] == 1
    assert reply.data["poll_after_seconds"] > 0
    assert not {"objects", "writes"} & reply.data.keys()  # nothing was planned
    assert '"writes"' not in reply.text
    listed = call("netbox_list_active_tasks").data["tasks"]
    assert [task["task_id"] for task in listed] == [reply.data["task_id"]]
    queue = call("netbox_get_queue_info").data
    assert (queue["depth"], queue["workers"]) == (1, [])
    assert "netbox-mcp worker" in queue["hint"]


def test_a_document_with_errors_is_not_queued(dead_netbox: str, with_redis: str) -> None:
    reply = call("netbox_start_bulk_async", batch={"sites": [{"nam": "x"}]}, confirm=True)
    assert reply.data["code"] == "invalid_document"
    assert call("netbox_list_active_tasks", include_finished=True).data["tasks"] == []


def test_an_idempotency_key_stands_for_one_task(dead_netbox: str, with_redis: str) -> None:
    first = call("netbox_start_bulk_async", batch=BATCH, confirm=True, idempotency_key="k1")
    again = call("netbox_start_bulk_async", batch=BATCH, confirm=True, idempotency_key="k1")
    other = call(
        "netbox_start_bulk_async", batch={"sites": [{"name": "x"}]}, confirm=True, idempotency_key="k1"
    )
    assert again.data["task_id"] == first.data["task_id"]
    assert "wait_seconds=30" in again.data["next"]
    assert other.data["code"] == "idempotency_conflict"
    assert len(call("netbox_list_active_tasks").data["tasks"]) == 1


def test_a_status_waits_as_long_as_it_is_told(dead_netbox: str, with_redis: str) -> None:
    task_id = call("netbox_start_bulk_async", batch=BATCH, confirm=True).data["task_id"]
    begun = time.monotonic()
    reply = call("netbox_get_task_status", task_id=task_id, wait_seconds=1.5)
    assert 1.4 < time.monotonic() - begun < 8
    assert reply.data["status"] == "queued"
    assert "No worker is listening" in reply.data["message"]
    assert {"task_id", "batch_id", "status", "kind", "target", "total", "done"} <= set(reply.data)


def test_many_waits_do_not_hold_up_an_instant_call(dead_netbox: str, with_redis: str) -> None:
    task_id = call("netbox_start_bulk_async", batch=BATCH, confirm=True).data["task_id"]

    async def work(client: Client) -> float:
        async with anyio.create_task_group() as group:
            for _ in range(60):
                group.start_soon(
                    lambda: ask(client, "netbox_get_task_status", task_id=task_id, wait_seconds=20)
                )
            await anyio.sleep(1)
            begun = time.monotonic()
            reply = await ask(client, "netbox_get_queue_info")
            taken = time.monotonic() - begun
            group.cancel_scope.cancel()
        assert not reply.is_error
        return taken

    assert in_memory(work) < 5


def test_a_report_without_rows_says_why(dead_netbox: str, with_redis: str) -> None:
    task_id = call("netbox_start_bulk_async", batch=BATCH, confirm=True).data["task_id"]
    early = call("netbox_get_task_report", task_id=task_id)
    assert "No object has an outcome yet" in early.data["next"]
    wrong = call("netbox_get_task_report", task_id=task_id, object_type="device")
    assert wrong.data["code"] == "invalid_arguments"
    assert wrong.data["hint"] == "Did you mean devices?"


def test_a_queued_task_is_cancelled_at_once(dead_netbox: str, with_redis: str) -> None:
    task_id = call("netbox_start_bulk_async", batch=BATCH, confirm=True).data["task_id"]
    reply = call("netbox_cancel_task", task_id=task_id)
    assert (reply.data["status"], reply.data["next"]) == ("cancelled", "")
    assert reply.data["message"] == "Cancelled before it began; nothing was written."
    assert call("netbox_cancel_task", task_id=task_id).data == reply.data
    assert call("netbox_list_active_tasks").data["tasks"] == []
    assert call("netbox_start_bulk_async", batch=BATCH, confirm=True).data["status"] == "queued"


def test_an_ended_task_is_not_cancelled(netbox: NetBoxOverHttp, worker: WorkerTeam, prefix: str) -> None:
    task_id = call("netbox_start_bulk_async", batch=campus(prefix), confirm=True).data["task_id"]
    wait_for_end(task_id)
    reply = call("netbox_cancel_task", task_id=task_id)
    assert reply.is_error
    assert reply.data["code"] == "task_ended"
    assert "netbox_rollback_batch" in reply.data["hint"]
    assert call("netbox_resume_task", task_id=task_id).data["code"] == "nothing_to_resume"


def test_a_cancelled_task_is_resumed(
    netbox: NetBoxOverHttp, with_redis: str, worker: WorkerTeam, prefix: str
) -> None:
    lease = Lease(Redis.from_url(with_redis), "default", "t-another", 60)
    lease.acquire()
    started = call("netbox_start_bulk_async", batch=campus(prefix), confirm=True).data
    call("netbox_cancel_task", task_id=started["task_id"])
    assert wait_for_end(started["task_id"]).data["status"] == "cancelled"
    lease.release()
    resumed = call("netbox_resume_task", task_id=started["task_id"]).data
    assert (resumed["task_id"], resumed["batch_id"]) == (started["task_id"], started["batch_id"])
    assert "netbox_get_task_status" in resumed["next"]
    assert wait_for_end(started["task_id"]).data["status"] == "completed"


def test_dry_run_resumes_nothing(dead_netbox: str, with_redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task_id = call("netbox_start_bulk_async", batch=BATCH, confirm=True).data["task_id"]
    call("netbox_cancel_task", task_id=task_id)
    monkeypatch.setenv("NETBOX_DRY_RUN", "true")
    assert "Dry-run is on" in call("netbox_resume_task", task_id=task_id).data["message"]
    assert call("netbox_get_task_status", task_id=task_id).data["status"] == "cancelled"


@pytest.mark.parametrize("tool", ["get_task_status", "get_task_report", "cancel_task", "resume_task"])
def test_an_unknown_task_is_one_sentence(dead_netbox: str, with_redis: str, tool: str) -> None:
    reply = call(f"netbox_{tool}", task_id="t-000000000000")
    assert reply.data["code"] == "unknown_task"
    assert "t-000000000000" in reply.data["message"]


def test_an_unknown_plan_is_one_sentence(dead_netbox: str, with_redis: str) -> None:
    for confirm in (False, True):
        reply = call("netbox_start_bulk_async", plan_id="p-000000000000", confirm=confirm)
        assert reply.data["code"] == "unknown_input"


def test_a_report_pages_through_long_rows_without_losing_one(
    dead_netbox: str, with_redis: str, tmp_path: Path
) -> None:
    started = call("netbox_start_bulk_async", batch=BATCH, confirm=True).data
    settings = WorkerSettings(redis_url=with_redis, state_dir=tmp_path)
    outcomes = [
        Outcome(
            f"devices/{at}",
            "devices",
            f"sw-{at} " + "x" * 180,
            f"devices[{at}]",
            Result.FAILED,
            message="y" * 900,
        )
        for at in range(45)
    ]
    with connect_briefly(settings) as redis:
        lease = Lease(redis, "default", started["task_id"], ttl_seconds=10)
        lease.acquire()
        RedisJournal(redis, started["batch_id"], lease).settle(outcomes)
    labels: list[str] = []
    cursor = None
    while True:
        asked = {"task_id": started["task_id"], "outcome": "failed", "limit": 100}
        page = call("netbox_get_task_report", **asked, **({"cursor": cursor} if cursor else {}))
        assert page.tokens < 2_000
        labels += [row["label"].split()[0] for row in page.data["rows"]]
        cursor = page.data.get("next_cursor")
        if cursor is None:
            break
    assert labels == [f"sw-{at}" for at in range(45)]
    assert page.data["counts"] == {"devices": {"failed": 45}}
    none = call("netbox_get_task_report", task_id=started["task_id"], outcome="created")
    assert "No outcome matches" in none.data["next"]


def test_work_goes_through_queue_and_worker_and_is_done_once(
    netbox: NetBoxOverHttp, worker: WorkerTeam, prefix: str
) -> None:
    planned = call("netbox_plan_bulk", batch=campus(prefix)).data
    started = call("netbox_start_bulk_async", plan_id=planned["plan_id"], confirm=True)
    ended = wait_for_end(started.data["task_id"])
    assert ended.data["status"] == "completed", ended.text
    assert ended.data["counts"] == {"created": 7}
    assert ended.tokens < 2_000
    assert netbox.count("dcim/devices", name__isw=prefix) == 3
    assert netbox.count("core/object-changes", q=started.data["batch_id"]) == 7

    again = call("netbox_start_bulk_async", batch=campus(prefix), confirm=True)
    assert wait_for_end(again.data["task_id"]).data["counts"] == {"unchanged": 7}
    assert netbox.count("core/object-changes", q=again.data["batch_id"]) == 0
    rows = call("netbox_get_task_report", task_id=started.data["task_id"], object_type="devices").data["rows"]
    assert {(row["label"], row["result"]) for row in rows} == {
        (f"{prefix}-sw-{at}", "created") for at in (1, 2, 3)
    }


def test_work_that_has_ended_is_not_to_be_waited_for(
    netbox: NetBoxOverHttp, worker: WorkerTeam, prefix: str
) -> None:
    asked = {"batch": campus(prefix), "confirm": True, "idempotency_key": prefix}
    task_id = call("netbox_start_bulk_async", **asked).data["task_id"]
    wait_for_end(task_id)
    again = call("netbox_start_bulk_async", **asked)
    assert (again.data["task_id"], again.data["status"], again.data["next"]) == (task_id, "completed", "")


def test_a_large_document_is_planned_as_a_task(
    netbox: NetBoxOverHttp, worker: WorkerTeam, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    bare.setenv("NETBOX_MCP_PLAN_MAX_OBJECTS", "5")
    shown = call("netbox_start_bulk_async", batch=campus(prefix))
    assert shown.data["status"] == "confirmation_required"
    assert "netbox_plan_bulk" in shown.data["next"]
    assert "plan is right" not in shown.data["next"]  # none was shown
    assert (shown.data["objects"], shown.data.get("writes")) == (7, None)
    queued = call("netbox_plan_bulk", batch=campus(prefix))
    ended = wait_for_end(queued.data["task_id"])
    assert ended.data["kind"] == "plan"
    assert ended.data["status"] == "completed"
    assert "netbox_start_bulk_async" in ended.data["next"]
    assert netbox.count("dcim/devices", name__isw=prefix) == 0
    applied = call("netbox_start_bulk_async", plan_id=ended.data["plan_id"], confirm=True)
    assert wait_for_end(applied.data["task_id"]).data["counts"] == {"created": 7}


def test_synchronous_work_waits_for_the_batch_that_holds_the_target(
    netbox: NetBoxOverHttp, with_redis: str, tmp_path: Path, prefix: str
) -> None:
    held_seconds = 4
    settings = WorkerSettings(redis_url=with_redis, state_dir=tmp_path)
    with connect_briefly(settings) as redis:
        Lease(redis, "default", "t-another", ttl_seconds=held_seconds).acquire()
        begun = time.monotonic()
        reply = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True)
        assert time.monotonic() - begun > held_seconds - 1
    assert reply.data["totals"] == {"created": 7}
