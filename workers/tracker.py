"""Where a running task stands, kept in one Redis hash that anyone may read, and told in a stream.

Implements the engine's Progress. Writes are throttled and never waited for by
two threads at once, so that telling costs the apply nothing. Counts here serve
the rate; what was really done is in the journal.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.errors import OrchestratorError
from orchestrator.models import Change, Outcome, Plan, Report, Result, Stage
from orchestrator.ports import Progress
from workers import keys
from workers.errors import TaskCancelledError
from workers.logs import redact
from workers.metrics import OBJECTS, Meter
from workers.pace import NOTE_PACE
from workers.rate import Rate
from workers.settings import DAY_SECONDS
from workers.undo import Undone, what_failed

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 0.2
MAX_ERRORS = 5
MAX_TEXT = 200
MAX_EVENTS = 500
NO_EVENT = frozenset({"errors"})  # their texts are long, and the same again in each event

# A task that has ended stays ended, until somebody asks for it to be resumed (manager.py).
# KEYS: progress   ARGV: nonce of this run, retention, the time
# Returns the number of the run, or 0 for a task that has ended.
BEGIN = """
local run = redis.call('HGET', KEYS[1], 'run')
if not run then -- a run of a version that did not count them is one
  run = redis.call('HEXISTS', KEYS[1], 'begun_by')
  redis.call('HSET', KEYS[1], 'run', run)
end
if redis.call('HGET', KEYS[1], 'begun_by') == ARGV[1] then return tonumber(run) end
if (redis.call('HGET', KEYS[1], 'ended_at') or '') ~= '' then return 0 end
redis.call('HSET', KEYS[1], 'begun_by', ARGV[1], 'run_at', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
if tonumber(run) > 0 then redis.call('HSETNX', KEYS[1], 'started_at', ARGV[3]) end
return redis.call('HINCRBY', KEYS[1], 'run', 1)
"""
# Only the latest run of a task tells where it stands.
# KEYS: progress, events, throughput, pace
# ARGV: nonce, retention, the time in seconds, how many objects were settled, these by result as JSON,
#       how many of what follows are for the event, fields and values
TELL = f"""{NOTE_PACE}
if (redis.call('HGET', KEYS[1], 'begun_by') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 7))
redis.call('XADD', KEYS[2], 'MAXLEN', '~', {MAX_EVENTS}, '*', unpack(ARGV, 7, 6 + ARGV[6]))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
if tonumber(ARGV[4]) > 0 then
  redis.call('INCRBY', KEYS[3], ARGV[4])
  redis.call('EXPIRE', KEYS[3], {keys.THROUGHPUT_SECONDS})
  note_pace(KEYS[4], ARGV[3], cjson.decode(ARGV[5]), ARGV[2])
end
return 1
"""


class TaskTracker:
    """Progress of one task. Safe to call from several threads."""

    def __init__(
        self,
        redis: Redis,
        task_id: str,
        retention_seconds: int = 7 * DAY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        meter: Meter | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.ended_as = ""
        self._redis = redis
        self._task_id = task_id
        self._retention = retention_seconds
        self._clock = clock
        self._wall_clock = wall_clock
        self._meter = meter or Meter()
        self._nonce = ""
        self._lock = threading.Lock()  # guards what follows
        self._write_lock = threading.Lock()  # one write to Redis at a time
        self._fields: dict[str, Any] = {}
        self._counts: Counter[str] = Counter()
        self._errors: list[dict[str, str]] = []
        self._writes_total = 0
        self._rate = Rate(clock)
        self._unreported: Counter[str] = Counter()
        self._dirty = False
        self._ended = False
        self._flushed_at = float("-inf")

    # What the engine tells (orchestrator.ports.Progress)

    def planned(self, plan: Plan, done: int = 0) -> None:
        """The plan is made; its size is known."""
        with self._lock:
            self._writes_total = plan.writes
            self._rate.note(0)
        self._set(state="running", total=done + len(plan.changes), waiting_for="", message="", force=True)

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """A stage begins."""
        here: dict[str, Any] = {"passes": stage.passes.value, "stage": stage.object_type}
        self._set(force=True, stage_number=number, stages=of, **here)

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """These changes have found their end."""
        self.count(outcomes)
        with self._lock:
            results = Counter(outcome.result.value for outcome in outcomes)
            self._counts.update(results)
            self._unreported.update(results)
            failed = (outcome for outcome in outcomes if outcome.result is Result.FAILED)
            for outcome in failed:
                if len(self._errors) >= MAX_ERRORS:
                    break
                self._errors.append(_error_row(outcome))
            self._rate.note(self._written())
            self._dirty = True
        self.flush()

    def count(self, outcomes: Sequence[Outcome]) -> None:
        """Count outcomes for whoever watches over all tasks."""
        for (object_type, result), number in Counter(
            (one.object_type, one.result.value) for one in outcomes
        ).items():
            self._meter.count(OBJECTS, object_type, result, by=number)

    # What the task function tells

    def begin(self) -> int:
        """Note that the task begins, or goes on: the number of this run, or 0 for a task that has ended.

        Whatever an earlier run still has to tell is not listened to from now on.
        """
        # With a nonce: the answer to a first call of ours may have been lost on its way.
        self._nonce = secrets.token_hex(8)
        key = keys.progress(self._task_id)
        return int(self._redis.eval(BEGIN, 1, key, self._nonce, self._retention, _now()))

    def started(self) -> None:
        """A worker has taken the task."""
        self._set(state="planning", started_at=_now(), force=True)

    def gone_on(self) -> None:
        """A worker has taken up a task that was interrupted."""
        message = "Goes on where it was interrupted: finding out what NetBox has made of what was on its way."
        self._set(state="planning", message=message, force=True)

    def interrupted(self, error: OrchestratorError) -> None:
        """The run ends, and another one is to go on."""
        self._set(message=redact(f"Interrupted: {error.message}"), waiting_for="", force=True)

    def waiting(self, holder: str) -> None:
        """Another task holds the target."""
        self._set(waiting_for=holder)

    def planning(self) -> None:
        """NetBox is being read and the plan is being made."""
        self._set(state="planning", waiting_for="", force=True)

    def plan_ready(self, plan: Plan, plan_id: str) -> None:
        """The end of a plan task."""
        total = len(plan.changes)
        message = f"Plan {plan_id} is ready: {plan.writes} of {total} objects would be written."
        self._end(
            "completed",
            [],
            message=message,
            plan_id=plan_id,
            total=total,
            plan_counts=orjson.dumps(plan.totals()),
        )

    def applied(self, report: Report) -> None:
        """The end of an apply: what the report says."""
        state, message = _ending(report)
        errors = [_error_row(outcome) for outcome in report.first_errors[:MAX_ERRORS]]
        self._end(state, errors, message=message)

    def undone(self, report: Report, conflicts: Sequence[Change]) -> None:
        """The end of a rollback. What it had to leave alone is told as errors are, with the reasons."""
        state, message = _ending(report)
        errors = [_error_row(outcome) for outcome in report.first_errors]
        errors += [_conflict_row(change) for change in conflicts]
        self._end(state, errors[:MAX_ERRORS], message=message)

    def undoing(self, why: str) -> Progress:
        """A batch that must land whole has failed: tell that it is being undone, from now on."""
        undoing = _Undoing(self, why)
        undoing.begin()
        return undoing

    def taken_back(self, errors: Sequence[Outcome], undone: Undone) -> None:
        """The end of an apply that was undone by its own task; what failed stays told."""
        state = "rolled_back" if undone.whole else "completed_with_errors"
        told = [_error_row(outcome) for outcome in errors[:MAX_ERRORS]]
        self._end(state, told, message=f"{what_failed(errors)} {undone.as_text()}")

    def failed(self, error: OrchestratorError) -> bool:
        """The end of a task that could not go on; one that has ended already stays as it ended.

        False where another run has begun since, which goes on.
        """
        details = [{name: _brief(value) for name, value in detail.items()} for detail in error.details()]
        with self._lock:
            errors = [*self._errors, *details][:MAX_ERRORS]
        return self._end("failed", errors, message=error.message, code=error.code, hint=error.hint)

    def cancelled(self, error: TaskCancelledError) -> None:
        """The end of a task that was asked to stop."""
        with self._lock:
            errors = list(self._errors)
        self._end("cancelled", errors, message=error.message)

    def _end(self, state: str, errors: list[dict[str, str]], *, message: str, **fields: Any) -> bool:
        # The first end stands. What comes after it tells it once more, in case Redis did not take it.
        if not self._ended:
            with self._lock:
                self._ended, self._errors = True, errors
            told = redact(message)[:1000]
            self._set(state=state, message=told, ended_at=_now(), waiting_for="", write=False, **fields)
        heard = self._write(wait=True)
        if heard:
            self.ended_as = self.ended_as or state
            self._redis.zrem(keys.ACTIVE_TASKS, self._task_id)
        return heard

    def say(self, message: str, force: bool = False) -> None:
        """How far the task is with undoing what it has written; no stage tells that."""
        told = redact(message)
        self._set(force, state="running", passes="", stage="", message=told, waiting_for="", undoing=1)

    # Writing

    def _set(self, force: bool = False, write: bool = True, **fields: Any) -> None:
        with self._lock:
            self._fields.update(fields)
            self._dirty = True
        if write:
            self.flush(force)

    def flush(self, force: bool = False) -> None:
        """Write what is new, at most five times a second. The heartbeat calls it for what was held back."""
        if not self._dirty or not (force or self._clock() - self._flushed_at >= FLUSH_SECONDS):
            return
        try:
            self._write(wait=force)
        except RedisError as error:
            # Progress is a courtesy; what must not be lost is in the journal.
            log.warning("progress not written", task_id=self._task_id, error=type(error).__name__)

    def _write(self, wait: bool) -> bool:
        """Write what is new; False if nobody listens to this run any more."""
        if not self._write_lock.acquire(blocking=wait):
            return True  # somebody is writing; the heartbeat will take the rest along
        try:
            with self._lock:
                self._flushed_at = self._clock()
                fields, settled = self._snapshot(), self._unreported
                self._unreported, self._dirty = Counter(), False
            now = int(self._wall_clock())
            names = [
                keys.progress(self._task_id),
                keys.events(self._task_id),
                keys.throughput(now // 60),
                keys.pace(self._task_id),
            ]
            event = [part for name, value in fields.items() if name not in NO_EVENT for part in (name, value)]
            rest = [part for name, value in fields.items() if name in NO_EVENT for part in (name, value)]
            head: list[Any] = [self._nonce, self._retention, now, settled.total(), orjson.dumps(settled)]
            heard = bool(self._redis.eval(TELL, len(names), *names, *head, len(event), *event, *rest))
            if not heard:
                log.warning("another run of the task has begun; this one is not listened to any more")
            return heard
        finally:
            self._write_lock.release()

    def _snapshot(self) -> dict[Any, Any]:
        written = self._written()
        rate, left = self._rate.per_second(written), self._writes_total - written
        return {
            **self._fields,
            "counts": orjson.dumps(dict(self._counts)),
            "errors": orjson.dumps(self._errors),
            "rate": f"{rate:.2f}" if rate is not None else "",
            "eta": round(left / rate) if rate and left >= 0 else "",
        }

    def _written(self) -> int:
        """Changes settled that cost NetBox something: unchanged objects would make the rate a fairy tale."""
        return self._counts.total() - self._counts[Result.UNCHANGED.value]


class _Undoing:
    """Progress of undoing, told in words: the numbers of the task are those of what it applied."""

    def __init__(self, tracker: TaskTracker, why: str) -> None:
        self._tracker = tracker
        self._why = _brief(why)
        self._lock = threading.Lock()
        self._done = self._total = 0

    def begin(self) -> None:
        """NetBox is being read for the plan of the rollback."""
        self._tracker.say(f"{self._why} Undoing the batch.", force=True)

    def planned(self, plan: Plan, done: int = 0) -> None:
        """The plan of the rollback is made."""
        self._total = done + len(plan.changes)
        self._tell(force=True)

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """Not told: the stages of the task are those of the apply."""

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """These are undone."""
        self._tracker.count(outcomes)
        with self._lock:
            self._done += len(outcomes)
        self._tell()

    def _tell(self, force: bool = False) -> None:
        message = f"{self._why} Undoing the batch: {self._done} of {self._total}."
        self._tracker.say(message, force)


def _ending(report: Report) -> tuple[str, str]:
    totals = {name: number for name, number in report.totals().items() if number}
    told = ", ".join(f"{number} {name}" for name, number in totals.items()) or "nothing to do"
    if report.ok:
        return "completed", f"Done: {told}."
    return "completed_with_errors", f"Done, with errors: {told}. The task's report tells which and why."


def _error_row(outcome: Outcome) -> dict[str, str]:
    return {
        "object_type": outcome.object_type,
        "label": _brief(outcome.label),
        "path": _brief(outcome.path),
        "message": _brief(outcome.message),
    }


def _conflict_row(change: Change) -> dict[str, str]:
    return {
        "object_type": change.object_type,
        "label": _brief(change.label),
        "path": _brief(change.path),
        "message": _brief(change.reason),
    }


def _brief(value: object) -> str:
    return redact(str(value))[:MAX_TEXT]


def _now() -> str:
    return datetime.now(UTC).isoformat()
