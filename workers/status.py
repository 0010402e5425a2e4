"""What a task's status is, and the one function that works it out.

There is no stored status that could go stale: it follows, each time it is
asked for, from the queue's word, the sign of life of the process, its progress
and the journal's counts. A task whose process is gone waits for another run, as
long as the queue will run it again, and is failed after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from workers.errors import how_to_resume, how_to_roll_back
from workers.records import TaskRecord

START_GRACE_SECONDS = 15.0
"""Between the queue's word that a task has started and its first sign of life: a fork."""


class TaskState(StrEnum):
    """All the states a task can be in."""

    QUEUED = "queued"
    PLANNING = "planning"
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


ENDED = frozenset(
    {
        TaskState.CANCELLED,
        TaskState.COMPLETED,
        TaskState.COMPLETED_WITH_ERRORS,
        TaskState.FAILED,
        TaskState.ROLLED_BACK,
    }
)
RERUNNABLE = ENDED - {TaskState.COMPLETED}
"""Ended without having done all of it: the same work may be asked for again."""
RESUMABLE = RERUNNABLE - {TaskState.ROLLED_BACK}
"""Ended, and the same task may go on."""
ALL_DONE = frozenset({TaskState.COMPLETED, TaskState.COMPLETED_WITH_ERRORS})
"""Ended, and each object has been looked after, for better or worse."""
WAITING_IN_RQ = frozenset({"queued", "rate_limited", "scheduled", "deferred", "created", "ready_to_enqueue"})


class TaskStatus(BaseModel):
    """Where a task stands. Times are UTC, rates in objects per second."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    task_id: str
    batch_id: str | None = None
    status: TaskState
    kind: str
    target: str
    passes: str | None = Field(default=None, serialization_alias="pass", description="build or link")
    stage: str | None = Field(default=None, description="object type being written")
    stage_number: int | None = None
    stages: int | None = None
    total: int = 0
    done: int = 0
    percent: int = 0
    counts: dict[str, int] = Field(default_factory=dict, description="objects by outcome")
    rate_per_second: float | None = None
    eta_seconds: int | None = None
    first_errors: list[dict[str, str]] = Field(default_factory=list)
    code: str | None = Field(default=None, description="error code, when failed")
    message: str = ""
    hint: str = ""
    plan_id: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    poll_after_seconds: int = Field(default=0, description="ask again after this time; 0: it has ended")
    waiting_for: str | None = Field(default=None, description="task that holds the target")

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """What the task's process has told (tracker.py).

    `undoing`: it takes back what it has written itself, and brings that to its end though it be cancelled.
    """

    state: str = ""
    passes: str = ""
    stage: str = ""
    stage_number: int | None = None
    stages: int | None = None
    total: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    plan_counts: Mapping[str, int] = field(default_factory=dict)
    rate: float | None = None
    eta: int | None = None
    errors: tuple[dict[str, str], ...] = ()
    code: str = ""
    message: str = ""
    hint: str = ""
    plan_id: str = ""
    waiting_for: str = ""
    undoing: bool = False
    resumed_at: datetime | None = None
    run_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """Everything that a status follows from, read at one moment (snapshots.py)."""

    record: TaskRecord
    now: datetime
    job_status: str | None
    job_started_at: datetime | None = None
    job_ended_at: datetime | None = None
    runs_left: int = 0
    alive: bool = False
    progress: TaskProgress = TaskProgress()
    journal_counts: Mapping[str, int] = field(default_factory=dict)
    in_doubt: int = 0
    undone_by: str = ""
    undone_in_part_by: str = ""
    holder: str = ""
    cancel_asked: bool = False
    workers: int = 0
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """State and the words that go with it."""

    state: TaskState
    message: str = ""
    code: str = ""
    hint: str = ""
    waiting_for: str = ""


def derive_status(snapshot: TaskSnapshot) -> TaskStatus:
    """Say where a task stands, from what queue, process and journal say."""
    record, progress = snapshot.record, snapshot.progress
    done, total, counts = _done(snapshot)
    verdict = _undone(snapshot, _verdict(snapshot, done, total))
    ended = verdict.state in ENDED
    return TaskStatus(
        task_id=record.task_id,
        batch_id=record.batch_id or None,
        status=verdict.state,
        kind=record.kind,
        target=record.target,
        passes=progress.passes or None,
        stage=progress.stage or None,
        stage_number=progress.stage_number,
        stages=progress.stages,
        total=total,
        done=done,
        percent=_percent(done, total, verdict.state),
        counts=counts,
        rate_per_second=None if ended else progress.rate,
        eta_seconds=None if ended else progress.eta,
        first_errors=list(progress.errors),
        code=verdict.code or None,
        message=verdict.message,
        hint=verdict.hint,
        plan_id=progress.plan_id or record.plan_id or None,
        created_at=record.created_at,
        started_at=progress.started_at or snapshot.job_started_at,
        ended_at=(progress.ended_at or snapshot.job_ended_at) if ended else None,
        poll_after_seconds=0 if ended else _poll_after(verdict.state, progress.eta),
        waiting_for=verdict.waiting_for or None,
    )


def _done(snapshot: TaskSnapshot) -> tuple[int, int, dict[str, int]]:
    """Objects settled, objects in all, and the counts: the journal's word before that of progress."""
    progress = snapshot.progress
    counts = dict(snapshot.journal_counts or progress.counts or progress.plan_counts)
    done = 0 if progress.plan_counts else sum(counts.values())
    total = max(progress.total or snapshot.record.total, done)
    return (total if progress.plan_counts else done), total, counts


def _verdict(snapshot: TaskSnapshot, done: int, total: int) -> Verdict:
    progress = snapshot.progress
    if progress.state in ENDED:
        return _ended(snapshot, done, total)
    if snapshot.job_status == "canceled" or (snapshot.cancel_asked and not progress.started_at):
        return Verdict(TaskState.CANCELLED, "Cancelled before it began; nothing was written.")
    if snapshot.alive:
        return _cancelling(snapshot) if snapshot.cancel_asked and not progress.undoing else _alive(snapshot)
    if (waiting := _waiting(snapshot)) is None:
        return _dead(snapshot, done, total)
    if snapshot.cancel_asked and not progress.undoing:
        told = f"Cancelled before it went on; nothing more is written. {_so_far(snapshot, done, total)}"
        return Verdict(TaskState.CANCELLED, told, hint=_how_to_go_on(snapshot.record))
    return waiting


def _waiting(snapshot: TaskSnapshot) -> Verdict | None:
    """The task has no process, and will have one; None where it will not."""
    if snapshot.job_status in WAITING_IN_RQ:
        return _queued(snapshot)
    if _about_to_begin(snapshot):
        return Verdict(TaskState.QUEUED, "A worker is about to begin.")
    if snapshot.job_status == "started" and snapshot.runs_left:
        return _interrupted(snapshot)
    return None


def _undone(snapshot: TaskSnapshot, verdict: Verdict) -> Verdict:
    """What has become of an ended batch since: taken back, or a part of it."""
    if verdict.state not in ENDED or verdict.state is TaskState.ROLLED_BACK:
        return verdict
    if snapshot.undone_by:
        message = f"Rolled back by batch {snapshot.undone_by}. Before that: {verdict.message}"
        return Verdict(TaskState.ROLLED_BACK, message)
    if snapshot.undone_in_part_by:
        message = f"{verdict.message} The rollback {snapshot.undone_in_part_by} has undone a part of it."
        return replace(verdict, message=message)
    return verdict


def _alive(snapshot: TaskSnapshot) -> Verdict:
    waiting_for = snapshot.progress.waiting_for
    if waiting_for and waiting_for != snapshot.record.task_id:  # the lease of its own last run lapses soon
        return Verdict(TaskState.QUEUED, _held_by(snapshot, waiting_for), waiting_for=waiting_for)
    if snapshot.progress.state == TaskState.RUNNING:
        return Verdict(TaskState.RUNNING, snapshot.progress.message)
    message = snapshot.progress.message or "Reading NetBox and working out what is to be done."
    return Verdict(TaskState.PLANNING, message)


def _cancelling(snapshot: TaskSnapshot) -> Verdict:
    if snapshot.progress.state == TaskState.RUNNING:
        return Verdict(TaskState.CANCELLING, "Stops once NetBox has answered what is on its way.")
    return Verdict(TaskState.CANCELLING, "Stops before anything is written.")


def _queued(snapshot: TaskSnapshot) -> Verdict:
    holder = snapshot.holder
    if not snapshot.workers:
        queue = snapshot.queue
        message = f"No worker is listening on queue {queue!r}; start one with `netbox-mcp worker`."
    elif holder and holder != snapshot.record.task_id:
        return Verdict(TaskState.QUEUED, _held_by(snapshot, holder), waiting_for=holder)
    else:
        message = "Waiting for a free worker."
    if snapshot.progress.started_at:
        message += " The task then goes on where it was interrupted."
    return Verdict(TaskState.QUEUED, message)


def _interrupted(snapshot: TaskSnapshot) -> Verdict:
    """The process of the task is gone, and the queue is about to notice."""
    message = "The worker stopped without finishing (killed, or its machine went down). "
    if snapshot.workers:
        message += "Another one goes on where it was interrupted, within a minute."
    else:
        message += f"No worker is listening on queue {snapshot.queue!r}: one that is started with "
        message += "`netbox-mcp worker` goes on where it was interrupted."
    return Verdict(TaskState.QUEUED, message)


def _held_by(snapshot: TaskSnapshot, holder: str) -> str:
    return f"Waiting for {holder}, which is writing to the same target {snapshot.record.target!r}."


def _about_to_begin(snapshot: TaskSnapshot) -> bool:
    """The gaps between two true words: record and queue at the start, queue and first sign of life later."""
    progress = snapshot.progress
    run_at, since = progress.run_at, snapshot.job_started_at
    if progress.resumed_at and not progress.state:
        since = progress.resumed_at
    elif snapshot.job_status is None and run_at is None:
        since = snapshot.record.created_at
    elif snapshot.job_status != "started" or since is None or (run_at and run_at >= since):
        return False
    return (snapshot.now - since).total_seconds() < START_GRACE_SECONDS


def _ended(snapshot: TaskSnapshot, done: int, total: int) -> Verdict:
    """In the words of the process that ended it; if that was in the midst, with what was done."""
    progress = snapshot.progress
    message, hint = progress.message, progress.hint
    if progress.state in (TaskState.FAILED, TaskState.CANCELLED) and _touched(snapshot):
        message += f" {_so_far(snapshot, done, total)}"
    if progress.state == TaskState.CANCELLED:
        hint = _how_to_go_on(snapshot.record) if _touched(snapshot) else "Send it again to do it after all."
    return Verdict(TaskState(progress.state), message, progress.code, hint)


def _dead(snapshot: TaskSnapshot, done: int, total: int) -> Verdict:
    """The task was to run, and there is no process that runs it."""
    record, progress = snapshot.record, snapshot.progress
    if not progress.state and not _touched(snapshot):
        lost = (
            "The worker that took the task stopped before it began"
            if snapshot.job_status
            else "It has left the queue"
        )
        return Verdict(TaskState.FAILED, f"{lost}; nothing was written.", "task_lost", "Send it again.")
    message = "The worker stopped without finishing (killed, or its machine went down)"
    if not _touched(snapshot):
        return Verdict(
            TaskState.FAILED, f"{message} before anything was written.", "worker_lost", "Send it again."
        )
    if progress.stage:
        message += f" in the {progress.passes} pass, at {progress.stage}"
    message += f". {_so_far(snapshot, done, total)}"
    message += f" The journal of batch {record.batch_id} is kept; the task does not go on by itself any more."
    return Verdict(TaskState.FAILED, message, "worker_lost", _how_to_go_on(record))


def _how_to_go_on(record: TaskRecord) -> str:
    """What to do about a batch of which a part was written."""
    hint = f"To do the rest: {how_to_resume(record.task_id)}."
    if record.kind == "rollback" or not record.batch_id:
        return hint
    return f"{hint} Or undo what was done: {how_to_roll_back(record.batch_id)}."


def _touched(snapshot: TaskSnapshot) -> bool:
    """Whether the apply itself had begun, so that something may have been written."""
    return bool(snapshot.progress.stage or snapshot.in_doubt or snapshot.journal_counts)


def _so_far(snapshot: TaskSnapshot, done: int, total: int) -> str:
    """What is known to have been done, and what may have been."""
    counts = {result: number for result, number in snapshot.journal_counts.items() if number}
    told = ", ".join(f"{number} {result}" for result, number in counts.items())
    text = f"Done so far: {done} of {total} objects" + (f" ({told})." if told else ".")
    if snapshot.in_doubt:
        text += f" {snapshot.in_doubt} more were on their way to NetBox and may have been written."
    return text


def _percent(done: int, total: int, state: TaskState) -> int:
    if state in ALL_DONE:
        return 100
    share = 100 * done // total if total else 0
    return share if state in ENDED else min(99, share)


def _poll_after(state: TaskState, eta: int | None) -> int:
    """Seconds: soon for what may be quick, later the longer it will take."""
    if state is TaskState.QUEUED:
        return 3
    return 2 if eta is None else max(2, min(15, eta // 10))
