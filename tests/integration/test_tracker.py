"""What a running task tells, as it is read back by the status."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from redis import Redis
from redis.exceptions import RedisError

from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.errors import DocumentError, OrchestratorError
from orchestrator.models import Action, Change, Outcome, Pass, Plan, Report, Result, Stage
from tests.redis_fixture import redis_stopped
from workers.manager import AsyncTaskManager
from workers.status import TaskStatus
from workers.tracker import MAX_ERRORS, MAX_EVENTS, TaskTracker
from workers.undo import Undone


class Running:
    """A task that is told of by hand, on a clock of its own."""

    def __init__(self, manager: AsyncTaskManager, redis: Redis) -> None:
        self.seconds = 0.0
        self.task_id = manager.start_apply({"sites": [{"name": "AMS1"}]}, "default", 1).task_id
        self.tracker = TaskTracker(redis, self.task_id, clock=lambda: self.seconds)
        self._manager = manager
        self._redis = redis

    def status(self) -> TaskStatus:
        self._redis.set(f"nmo:alive:{self.task_id}", 1, ex=60)
        return self._manager.status(self.task_id)


@pytest.fixture
def task(manager: AsyncTaskManager, redis: Redis) -> Running:
    return Running(manager, redis)


def sites(number: int, unchanged: int = 0) -> Plan:
    actions = [Action.UNCHANGED] * unchanged + [Action.CREATE] * (number - unchanged)
    changes = [
        Change(f"c{at}", "sites", action, f"s{at}", f"sites[{at}]") for at, action in enumerate(actions)
    ]
    return Plan("default", tuple(changes))


def outcomes(plan: Plan, first: int, last: int, result: Result, message: str = "") -> list[Outcome]:
    some = plan.changes[first:last]
    return [Outcome(c.id, "sites", c.label, c.path, result, message=message) for c in some]


def test_each_change_is_an_event(task: Running, redis: Redis) -> None:
    plan = sites(3)
    task.tracker.started()
    task.tracker.planned(plan)
    task.tracker.stage(Stage(Pass.BUILD, "sites", plan.changes), 1, 1)
    task.tracker.settled(outcomes(plan, 0, 2, Result.CREATED))
    task.tracker.settled(outcomes(plan, 2, 3, Result.FAILED, "NetBox says no."))
    task.tracker.applied(Report("b-1", {"sites": {"created": 2, "failed": 1}}))

    events = [event for _, event in redis.xrange(f"nmo:events:{task.task_id}")]
    assert [event[b"state"] for event in events] == [
        b"planning",
        b"running",
        b"running",
        b"completed_with_errors",
    ]
    assert [event.get(b"stage", b"") for event in events] == [b"", b"", b"sites", b"sites"]
    assert orjson.loads(events[-1][b"counts"]) == {"created": 2, "failed": 1}
    assert not any(b"errors" in event for event in events)
    assert 0 < redis.ttl(f"nmo:events:{task.task_id}") <= 7 * 86_400


def test_only_the_latest_events_are_kept(task: Running, redis: Redis) -> None:
    for at in range(3 * MAX_EVENTS):
        task.tracker.say(f"message {at}", force=True)
    events = [event for _, event in redis.xrange(f"nmo:events:{task.task_id}")]
    assert MAX_EVENTS <= len(events) <= MAX_EVENTS + 200  # Redis trims by whole nodes
    assert events[-1][b"message"] == f"message {3 * MAX_EVENTS - 1}".encode()


def test_place_rate_and_eta(task: Running) -> None:
    plan = sites(120, unchanged=20)
    task.tracker.started()
    assert task.status().status == "planning"
    task.tracker.planned(plan)
    task.tracker.stage(Stage(Pass.BUILD, "sites", plan.changes), 1, 2)
    running = task.status()
    assert (running.status, running.passes, running.stage) == ("running", "build", "sites")
    assert (running.stage_number, running.stages, running.total) == (1, 2, 120)
    assert running.eta_seconds is None

    task.tracker.settled(outcomes(plan, 0, 20, Result.UNCHANGED))
    task.seconds = 10
    task.tracker.settled(outcomes(plan, 20, 70, Result.CREATED))
    later = task.status()
    # What is unchanged costs nothing: 50 written in 10 s, 50 to go.
    assert (later.rate_per_second, later.eta_seconds) == (5.0, 10)
    assert (later.done, later.percent) == (70, 58)


def test_only_the_first_errors_are_kept_and_without_secrets(task: Running) -> None:
    plan = sites(20)
    task.tracker.planned(plan)
    task.seconds = 1
    words = "refused: Authorization: Token 0123456789abcdef0123456789abcdef01234567 " + "x" * 500
    task.tracker.settled(outcomes(plan, 0, 20, Result.FAILED, words))
    errors = task.status().first_errors
    assert [error["path"] for error in errors] == [f"sites[{at}]" for at in range(MAX_ERRORS)]
    assert errors[0]["message"].startswith("refused: Authorization: Token [redacted] xxx")
    assert len(errors[0]["message"]) == 200


def test_what_is_held_back_is_told_by_the_next_beat(task: Running) -> None:
    plan = sites(4)
    task.tracker.planned(plan)
    task.tracker.settled(outcomes(plan, 0, 1, Result.CREATED))
    assert task.status().done == 0
    task.seconds = 3
    task.tracker.flush()
    assert task.status().done == 1


@pytest.mark.parametrize(
    ("result", "state", "message"),
    [
        (Result.CREATED, "completed", "Done: 2 created."),
        (Result.FAILED, "completed_with_errors", "Done, with errors: 2 failed."),
        (Result.SKIPPED, "completed_with_errors", "Done, with errors: 2 skipped."),
    ],
)
def test_the_report_is_the_end(task: Running, result: Result, state: str, message: str) -> None:
    report = Report("b-1")
    report.add(outcomes(sites(2), 0, 2, result))
    task.tracker.applied(report)
    ended = task.status()
    assert ended.status == state
    assert ended.message.startswith(message)
    assert ended.ended_at is not None


def test_a_rollback_ends_with_what_it_left_alone(task: Running) -> None:
    plan = sites(3)
    report = Report("b-2")
    report.add(outcomes(plan, 0, 2, Result.DELETED) + outcomes(plan, 2, 3, Result.SKIPPED))
    left = replace(plan.changes[2], action=Action.CONFLICT, reason="changed since by jane")
    task.tracker.undone(report, [left])
    ended = task.status()
    assert ended.status == "completed_with_errors"
    assert ended.message.startswith("Done, with errors: 2 deleted, 1 skipped.")
    assert [(one["label"], one["message"]) for one in ended.first_errors] == [("s2", "changed since by jane")]


def test_undoing_is_told_while_it_goes_on_and_at_its_end(task: Running) -> None:
    plan = sites(2)
    task.tracker.planned(plan)
    task.tracker.stage(Stage(Pass.BUILD, "sites", plan.changes), 1, 1)
    failed = Report("b-1")
    failed.add(outcomes(plan, 0, 1, Result.CREATED) + outcomes(plan, 1, 2, Result.FAILED, "slug is taken"))
    task.tracker.settled(outcomes(plan, 1, 2, Result.FAILED, "slug is taken"))
    back = Plan("default", plan.changes[:1], undoes="b-1")
    progress = task.tracker.undoing("sites 's1' failed: slug is taken.")
    progress.planned(back)
    task.seconds = 5
    progress.settled(outcomes(back, 0, 1, Result.DELETED))
    going = task.status()
    assert (going.status, going.stage, going.total) == ("running", None, 2)
    assert going.message == "sites 's1' failed: slug is taken. Undoing the batch: 1 of 1."

    undone = Report("b-2")
    undone.add(outcomes(back, 0, 1, Result.DELETED))
    task.tracker.taken_back(failed.first_errors, Undone("b-2", back, undone))
    ended = task.status()
    assert ended.status == "rolled_back"
    assert ended.message == (
        "sites 's1' (sites[1]) failed: slug is taken. All of the batch was undone: 1 deleted by batch b-2."
    )
    assert ended.first_errors[0]["message"] == "slug is taken"


def test_an_error_is_the_end(task: Running, manager: AsyncTaskManager) -> None:
    task.tracker.planned(sites(2))
    task.tracker.failed(OrchestratorError("NetBox is gone.", "Start it."))
    ended = task.status()
    assert (ended.status, ended.code, ended.message, ended.hint) == (
        "failed",
        "error",
        "NetBox is gone.",
        "Start it.",
    )
    assert manager.list_tasks() == []


def test_an_error_after_the_end_changes_nothing(task: Running) -> None:
    report = Report("b-1")
    report.add(outcomes(sites(2), 0, 2, Result.CREATED))
    task.tracker.applied(report)
    ended = task.status()
    task.tracker.failed(OrchestratorError("Redis is gone.", "Start it."))
    assert task.status() == ended


def test_an_end_that_redis_did_not_take_is_told_again(
    task: Running, manager: AsyncTaskManager, redis_server: RedisServer
) -> None:
    report = Report("b-1")
    report.add(outcomes(sites(2), 0, 2, Result.CREATED))
    with redis_stopped(redis_server), pytest.raises(RedisError):
        task.tracker.applied(report)
    task.tracker.failed(OrchestratorError("Redis is gone.", "Start it."))
    assert (task.status().status, task.status().message) == ("completed", "Done: 2 created.")
    assert manager.list_tasks() == []


@pytest.mark.parametrize("value", [2**70, "half a pair: \ud83d"])
def test_a_document_that_json_cannot_hold_is_refused(manager: AsyncTaskManager, value: object) -> None:
    with pytest.raises(DocumentError, match="cannot be kept as JSON"):
        manager.start_apply({"sites": [{"name": value}]}, "default", 1)
    assert manager.list_tasks(include_finished=True) == []
