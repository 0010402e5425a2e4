"""A task's status, worked out from what queue, process and journal say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from workers.records import TaskRecord
from workers.status import RERUNNABLE, TaskProgress, TaskSnapshot, TaskState, derive_status

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
JUST_NOW = NOW - timedelta(seconds=5)
LONG_AGO = NOW - timedelta(minutes=5)
MIDWAY = TaskProgress(
    state="running", passes="build", stage="devices", stage_number=3, stages=8, total=100, started_at=LONG_AGO
)
GONE_ON = replace(MIDWAY, run_at=NOW - timedelta(seconds=4))


def snapshot(kind: str = "apply", created_at: datetime = LONG_AGO, **facts: object) -> TaskSnapshot:
    batch_id = "" if kind == "plan" else "b-1"
    record = TaskRecord("t-1", batch_id, kind, "default", "d-1", "", 90, created_at)
    given = {"now": NOW, "job_status": "queued", "workers": 1, "queue": "netbox-mcp", **facts}
    return TaskSnapshot(record=record, **given)  # type: ignore[arg-type]


CASES = {
    "waiting for a worker": (snapshot(), "queued", "Waiting for a free worker."),
    "nobody listens": (snapshot(workers=0), "queued", "No worker is listening on queue 'netbox-mcp'"),
    "target is taken": (
        snapshot(job_status="rate_limited", holder="t-0"),
        "queued",
        "Waiting for t-0, which is writing to the same target 'default'.",
    ),
    "record written, not yet in line": (
        snapshot(job_status=None, created_at=JUST_NOW),
        "queued",
        "about to begin",
    ),
    "never came into line": (
        snapshot(job_status=None),
        "failed",
        "It has left the queue; nothing was written.",
    ),
    "forked, no sign of life yet": (
        snapshot(job_status="started", job_started_at=JUST_NOW),
        "queued",
        "A worker is about to begin.",
    ),
    "killed between fork and begin": (
        snapshot(job_status="started", job_started_at=LONG_AGO),
        "failed",
        "stopped before it began; nothing was written",
    ),
    "alive, waits for the lease": (
        snapshot(
            job_status="started", alive=True, progress=TaskProgress(state="planning", waiting_for="b-9")
        ),
        "queued",
        "Waiting for b-9",
    ),
    "alive, planning": (
        snapshot(
            job_status="started", alive=True, progress=TaskProgress(state="planning", started_at=JUST_NOW)
        ),
        "planning",
        "Reading NetBox",
    ),
    "alive, running": (snapshot(job_status="started", alive=True, progress=MIDWAY), "running", ""),
    "alive, though the queue has given it up": (
        snapshot(job_status="failed", alive=True, progress=MIDWAY),
        "running",
        "",
    ),
    "dead, though the queue believes that it runs": (
        snapshot(
            job_status="started", progress=MIDWAY, journal_counts={"created": 30, "failed": 2}, in_doubt=7
        ),
        "failed",
        "in the build pass, at devices. Done so far: 32 of 100 objects (30 created, 2 failed). "
        "7 more were on their way to NetBox and may have been written.",
    ),
    "interrupted, and put in line again": (
        snapshot(progress=MIDWAY),
        "queued",
        "Waiting for a free worker. The task then goes on where it was interrupted.",
    ),
    "interrupted, and nobody listens": (
        snapshot(progress=MIDWAY, workers=0),
        "queued",
        "start one with `netbox-mcp worker`. The task then goes on where it was interrupted.",
    ),
    "interrupted, and the queue has not noticed yet": (
        snapshot(job_status="started", progress=MIDWAY, runs_left=2, job_started_at=LONG_AGO),
        "queued",
        "Another one goes on where it was interrupted, within a minute.",
    ),
    "interrupted, and nobody is there to notice": (
        snapshot(job_status="started", progress=MIDWAY, runs_left=2, job_started_at=LONG_AGO, workers=0),
        "queued",
        "one that is started with `netbox-mcp worker` goes on where it was interrupted.",
    ),
    "interrupted, and taken by another worker at this moment": (
        snapshot(job_status="started", progress=MIDWAY, job_started_at=JUST_NOW),
        "queued",
        "A worker is about to begin.",
    ),
    "resumed, not yet in line": (
        snapshot(job_status="failed", progress=TaskProgress(started_at=LONG_AGO, resumed_at=JUST_NOW)),
        "queued",
        "A worker is about to begin.",
    ),
    "interrupted, gone on with, and dead again": (
        snapshot(job_status="started", progress=GONE_ON, job_started_at=JUST_NOW),
        "failed",
        "the task does not go on by itself any more",
    ),
    "interrupted, and cancelled before it goes on": (
        snapshot(progress=MIDWAY, cancel_asked=True, journal_counts={"created": 30}),
        "cancelled",
        "nothing more is written. Done so far: 30 of 100 objects (30 created).",
    ),
    "interrupted, going on": (
        snapshot(
            job_status="started",
            alive=True,
            progress=TaskProgress(state="planning", started_at=LONG_AGO, message="Goes on where it was"),
        ),
        "planning",
        "Goes on where it was",
    ),
    "dead while planning": (
        snapshot(job_status="started", progress=TaskProgress(state="planning", started_at=LONG_AGO)),
        "failed",
        "before anything was written",
    ),
    "dead in its first request, of which its progress does not know": (
        snapshot(job_status="started", progress=TaskProgress(state="running", total=9), in_doubt=9),
        "failed",
        "Done so far: 0 of 9 objects. 9 more were on their way to NetBox and may have been written.",
    ),
    "dead plan task": (
        snapshot(
            kind="plan", job_status="started", progress=TaskProgress(state="planning", started_at=LONG_AGO)
        ),
        "failed",
        "before anything was written",
    ),
    "cancelled while it waits for a worker": (
        snapshot(cancel_asked=True),
        "cancelled",
        "Cancelled before it began; nothing was written.",
    ),
    "cancelled while it waits for its target": (
        snapshot(job_status="rate_limited", holder="t-0", cancel_asked=True),
        "cancelled",
        "Cancelled before it began; nothing was written.",
    ),
    "cancelled in the queue, taken by a worker at that moment": (
        snapshot(job_status="started", alive=True, cancel_asked=True),
        "cancelled",
        "Cancelled before it began; nothing was written.",
    ),
    "alive, asked to stop while planning": (
        snapshot(
            job_status="started",
            alive=True,
            cancel_asked=True,
            progress=TaskProgress(state="planning", started_at=JUST_NOW),
        ),
        "cancelling",
        "Stops before anything is written.",
    ),
    "alive, asked to stop while writing": (
        snapshot(job_status="started", alive=True, cancel_asked=True, progress=MIDWAY),
        "cancelling",
        "Stops once NetBox has answered what is on its way.",
    ),
    "cancelled in the midst": (
        snapshot(
            job_status="finished",
            cancel_asked=True,
            progress=TaskProgress(state="cancelled", stage="devices", message="Cancelled.", total=10),
            journal_counts={"created": 4},
        ),
        "cancelled",
        "Cancelled. Done so far: 4 of 10 objects (4 created).",
    ),
    "dead, though asked to stop": (
        snapshot(job_status="started", cancel_asked=True, progress=MIDWAY, journal_counts={"created": 30}),
        "failed",
        "Done so far: 30 of 100 objects (30 created).",
    ),
    "completed before it saw that it was asked to stop": (
        snapshot(job_status="finished", cancel_asked=True, progress=TaskProgress(state="completed")),
        "completed",
        "",
    ),
    "taken out of the queue": (snapshot(job_status="canceled"), "cancelled", "nothing was written"),
    "completed": (
        snapshot(job_status="finished", progress=TaskProgress(state="completed", message="Done: 3 created.")),
        "completed",
        "Done: 3 created.",
    ),
    "completed, seen before the process is gone": (
        snapshot(job_status="started", alive=True, progress=TaskProgress(state="completed", message="Done.")),
        "completed",
        "Done.",
    ),
    "completed with errors": (
        snapshot(job_status="finished", progress=TaskProgress(state="completed_with_errors")),
        "completed_with_errors",
        "",
    ),
    "failed before the first write": (
        snapshot(job_status="failed", progress=TaskProgress(state="failed", message="No such NetBox.")),
        "failed",
        "No such NetBox.",
    ),
    "failed in the midst": (
        snapshot(
            job_status="failed",
            progress=TaskProgress(state="failed", stage="devices", message="NetBox is gone.", total=10),
            journal_counts={"created": 4},
        ),
        "failed",
        "NetBox is gone. Done so far: 4 of 10 objects (4 created).",
    ),
    "completed and taken back since": (
        snapshot(
            job_status="finished",
            progress=TaskProgress(state="completed", message="Done: 3 created."),
            undone_by="b-2",
            undone_in_part_by="b-1",
        ),
        "rolled_back",
        "Rolled back by batch b-2. Before that: Done: 3 created.",
    ),
    "taken back after its worker was killed": (
        snapshot(
            job_status="started", progress=MIDWAY, journal_counts={"created": 30}, in_doubt=7, undone_by="b-2"
        ),
        "rolled_back",
        "Rolled back by batch b-2. Before that: The worker stopped",
    ),
    "a part of it taken back since": (
        snapshot(
            job_status="finished",
            progress=TaskProgress(state="completed", message="Done: 3 created."),
            undone_in_part_by="b-2",
        ),
        "completed",
        "Done: 3 created. The rollback b-2 has undone a part of it.",
    ),
    "taken back by itself": (
        snapshot(
            job_status="finished",
            progress=TaskProgress(state="rolled_back", message="sites 'a' failed: taken."),
            undone_by="b-2",
        ),
        "rolled_back",
        "sites 'a' failed: taken.",
    ),
    "asked to stop while it undoes what it has done": (
        snapshot(
            job_status="started",
            alive=True,
            cancel_asked=True,
            progress=TaskProgress(
                state="running",
                message="sites 'a' failed. Undoing the batch: 1 of 9.",
                undoing=True,
                started_at=LONG_AGO,
            ),
        ),
        "running",
        "Undoing the batch: 1 of 9.",
    ),
    "alive, undoing what it has done": (
        snapshot(
            job_status="started",
            alive=True,
            progress=TaskProgress(state="running", message="sites 'a' failed. Undoing the batch: 1 of 9."),
        ),
        "running",
        "Undoing the batch: 1 of 9.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_status_follows_from_the_facts(case: str) -> None:
    facts, state, words = CASES[case]
    status = derive_status(facts)
    assert status.status == state
    assert words in status.message
    assert status.ended is (
        state in ("failed", "cancelled", "completed", "completed_with_errors", "rolled_back")
    )
    assert (status.poll_after_seconds == 0) is status.ended


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith(("dead", "killed", "never"))])
def test_a_task_that_died_says_what_to_do(case: str) -> None:
    status = derive_status(CASES[case][0])
    assert status.code in ("worker_lost", "task_lost")
    assert status.hint.startswith(("Send ", "To do the rest: netbox_resume_task (on the command line: "))


def test_after_a_death_the_way_back_is_named_as_well() -> None:
    dead = {"job_status": "started", "progress": MIDWAY, "journal_counts": {"created": 30}}
    assert derive_status(snapshot(**dead)).hint.endswith("netbox-mcp rollback b-1).")
    resume = "To do the rest: netbox_resume_task (on the command line: netbox-mcp resume t-1)."
    assert derive_status(snapshot(**dead)).hint.startswith(resume)
    assert derive_status(snapshot(kind="rollback", **dead)).hint == resume


def test_what_was_taken_back_may_be_asked_for_again_and_bears_no_error() -> None:
    facts = snapshot(job_status="started", progress=MIDWAY, journal_counts={"created": 30}, undone_by="b-2")
    status = derive_status(facts)
    assert (status.code, status.hint, status.counts) == (None, "", {"created": 30})
    assert status.status in RERUNNABLE


def test_the_journal_is_believed_before_the_progress() -> None:
    progress = TaskProgress(state="running", total=10, counts={"created": 9})
    facts = snapshot(job_status="started", alive=True, progress=progress, journal_counts={"created": 4})
    status = derive_status(facts)
    assert (status.done, status.total, status.percent) == (4, 10, 40)
    assert status.counts == {"created": 4}


def test_percent_is_whole_only_when_it_is_over() -> None:
    progress = TaskProgress(state="running", total=10, counts={"created": 10})
    assert derive_status(snapshot(job_status="started", alive=True, progress=progress)).percent == 99
    nothing_to_do = TaskProgress(state="completed", total=0)
    assert derive_status(snapshot(job_status="finished", progress=nothing_to_do)).percent == 100


@pytest.mark.parametrize(
    ("state", "done", "percent"),
    [("completed_with_errors", 10, 100), ("failed", 10, 100), ("failed", 4, 40), ("failed", 0, 0)],
)
def test_percent_of_what_has_ended_is_what_was_looked_after(state: str, done: int, percent: int) -> None:
    counts = {"created": done // 2, "failed": done - done // 2}
    progress = TaskProgress(state=state, stage="sites", total=10)
    facts = snapshot(job_status="finished", progress=progress, journal_counts=counts)
    assert derive_status(facts).percent == percent


def test_what_left_errors_may_be_asked_for_again_and_what_succeeded_may_not() -> None:
    assert TaskState.COMPLETED_WITH_ERRORS in RERUNNABLE
    assert RERUNNABLE.isdisjoint({TaskState.COMPLETED, TaskState.QUEUED, TaskState.RUNNING})


def test_the_estimate_is_the_total_until_there_is_a_plan() -> None:
    assert derive_status(snapshot()).total == 90


def test_rate_and_eta_end_with_the_task() -> None:
    progress = TaskProgress(state="running", total=10, rate=2.5, eta=90)
    running = derive_status(snapshot(job_status="started", alive=True, progress=progress))
    assert (running.rate_per_second, running.eta_seconds, running.poll_after_seconds) == (2.5, 90, 9)
    dead = derive_status(snapshot(job_status="started", progress=progress))
    assert (dead.rate_per_second, dead.eta_seconds) == (None, None)


def test_every_status_carries_what_the_contract_promises() -> None:
    status = derive_status(snapshot(job_status="started", alive=True, progress=MIDWAY))
    told = status.model_dump(mode="json")
    assert {"task_id", "batch_id", "status", "kind", "target"} <= told.keys()
    assert told["pass"] == "build"
