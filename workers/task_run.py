"""What surrounds every task function: begin once, stay visibly alive, hold the target, tell how it ended.

tasks.py holds what a task does; this is what makes it safe to do.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import OrchestratorError
from orchestrator.models import Plan, Report
from orchestrator.netbox import ConfigError, load_targets, open_netbox
from orchestrator.stale import refuse_moved, refuse_outdated, refuse_unapplyable
from workers.approvals import Approvals
from workers.batches import Batches
from workers.cancellation import Cancellation
from workers.connection import explain
from workers.errors import (
    PlanRequiredError,
    RedisUnavailableError,
    TaskCancelledError,
    TaskFailedError,
    TaskTimeoutError,
    UnknownTargetError,
    UnknownTaskError,
)
from workers.journal import RedisJournal
from workers.lease import Heartbeat, Lease, SignOfLife
from workers.records import TaskRecord, TaskRecords
from workers.settings import WorkerSettings
from workers.store import Store
from workers.tracker import TaskTracker
from workers.undo import Undone, undo_now, what_failed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker process lends to the tasks that it runs."""

    redis: Redis
    settings: WorkerSettings


# Set once by the worker before it forks: a job's payload is a task id and nothing else.
_surroundings: list[Surroundings] = []


def prepare(redis: Redis, settings: WorkerSettings) -> None:
    """Lend these to every task that runs in this process, or in one forked from it."""
    _surroundings[:] = [Surroundings(redis, settings)]


class TaskRun:
    """One task while it runs."""

    def __init__(self, redis: Redis, settings: WorkerSettings, record: TaskRecord) -> None:
        self.record = record
        self.store = Store(redis, settings)
        self.batches = Batches(redis)
        self.tracker = TaskTracker(redis, record.task_id, settings.task_retention_seconds)
        self._redis = redis
        self._settings = settings
        self._records = TaskRecords(redis, settings)
        self.cancellation = Cancellation(redis, record.task_id, settings.task_retention_seconds)
        self._life = SignOfLife(redis, record.task_id, settings.lease_ttl_seconds)
        beats = [self._life.renew, self.tracker.flush, self.cancellation.look]
        self._heartbeat = Heartbeat(settings.heartbeat_seconds, beats)

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Be seen as alive while the block runs, and as gone right after it."""
        self._life.renew()
        self.cancellation.look()
        if not self.cancellation.asked:
            self.tracker.started()
            # Whoever asked until now was told that it has not begun: nothing may be written.
            self.cancellation.look()
        try:
            with self._heartbeat:
                yield
        finally:
            self._life.end()

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Hold the target while the block runs, once others have let it go.

        Raises TargetBusyError, and TaskCancelledError if that is asked for while it waits.
        """
        self.cancellation.check()
        target, task_id = self.record.target, self.record.task_id
        lease = Lease(self._redis, target, task_id, self._settings.lease_ttl_seconds)
        lease.acquire(self._settings.lease_wait_seconds, on_wait=self._wait_behind)
        self.tracker.planning()
        self._heartbeat.add(lease.renew)
        try:
            yield lease
        finally:
            self._heartbeat.remove(lease.renew)
            lease.release()

    def _wait_behind(self, holder: str) -> None:
        self.tracker.waiting(holder)
        self.cancellation.check()

    def checkpoint(self, lease: Lease) -> Callable[[], None]:
        """What is to be called before each write: it raises LeaseLostError or TaskCancelledError."""

        def check() -> None:
            lease.check()
            self.cancellation.check()

        return check

    @contextmanager
    def engine(self) -> Iterator[NetBoxBulkOrchestrator]:
        """The engine on the task's target, with the token of this worker's own environment.

        Raises UnknownTargetError, or ConfigError when the worker has no NetBox configured.
        """
        try:
            targets = load_targets()
        except ConfigError as error:
            # Not the caller's environment, which may well be right.
            where = f"On the worker at {socket.gethostname()}: {error.message}"
            raise ConfigError(where, f"{error.hint} Then start that worker again.") from None
        if self.record.target not in targets:
            raise UnknownTargetError(self.record.target, sorted(targets))
        with open_netbox(targets[self.record.target]) as netbox:
            yield NetBoxBulkOrchestrator(netbox, target=self.record.target, lanes=self._settings.lanes)

    def journal(self, lease: Lease, batch_id: str = "") -> RedisJournal:
        """The journal of the task's batch, or another; it refuses to be written once the lease is lost."""
        retention = self._settings.journal_retention_seconds
        return RedisJournal(self._redis, batch_id or self.record.batch_id, lease, retention)

    def make_plan(self, engine: NetBoxBulkOrchestrator) -> Plan:
        """Plan what the task is about: its document, or how to take back the batch that it names."""
        undoes = self.record.undoes
        if undoes:
            plan = engine.plan_rollback(undoes, self.batches.history(undoes), self.record.force)
        else:
            plan = engine.plan(self.store.load_document(self.record.document_id))
        self.cancellation.check()
        return plan

    def take_back(self, engine: NetBoxBulkOrchestrator, failed: Report, lease: Lease) -> Undone:
        """Undo what the task has just applied, as a batch of its own (`on_error: rollback`)."""
        record = self.record
        batch_id = self._records.add_batch(record.task_id, record.target, undoes=record.batch_id)
        undone = undo_now(
            engine,
            failed,
            self.journal(lease),
            batch_id,
            self.journal(lease, batch_id),
            self.tracker.undoing(what_failed(failed)),
            lease.check,
        )
        self.batches.note_undone(record.batch_id, batch_id, undone.whole)
        return undone

    def permitted(self, fresh: Plan) -> Plan:
        """The plan to apply, given the one made just now; the last word on whether it may be applied.

        Raises StalePlanError where a stored plan was asked for and is another one or too old by now,
        NotApplyableError for conflicts, PlanRequiredError and NotApprovedError where the configuration of
        this worker asks for a plan, or for a person's approval, and there is none.
        """
        plan, plan_id = fresh, self.record.plan_id
        if fresh.undoes and not (fresh.writes or fresh.conflicts):
            return fresh  # somebody else has taken the batch back while this task waited
        if plan_id:
            facts = self.store.plan_facts(plan_id)
            refuse_outdated(facts, datetime.now(UTC), f"Plan {plan_id}")
            if facts.digest != fresh.digest:
                refuse_moved(self.store.load_plan(plan_id), fresh, f"plan {plan_id}")
            # Equal digests: the same writes. What is applied is what this worker has made of NetBox and
            # document itself, so that nobody who can write to Redis slips anything in beneath a digest.
            plan = replace(fresh, made_at=facts.made_at, stale_at=facts.stale_at)
        elif self._settings.plan_required:
            raise PlanRequiredError
        refuse_unapplyable(plan)
        if self._settings.require_approval and plan.writes:
            Approvals(self._redis, self._settings).check(plan, plan_id)
        return plan


@contextmanager
def running(task_id: str) -> Iterator[TaskRun]:
    """Everything around a task: whatever happens inside, its status tells it afterwards.

    Raises TaskFailedError, for the queue to note that the task failed.
    """
    around = _surroundings[0]
    records = TaskRecords(around.redis, around.settings).fetch([task_id])
    if not records:
        raise TaskFailedError(UnknownTaskError(task_id).message)
    record, run = records[0], TaskRun(around.redis, around.settings, records[0])
    with structlog.contextvars.bound_contextvars(
        task_id=task_id, batch_id=record.batch_id or None, target=record.target
    ):
        if not run.tracker.begin():
            # The first run may have written anything up to its last breath: say so, write nothing.
            log.error("task refused: it has begun once already", kind=record.kind)
            raise TaskFailedError("The task has begun once already and is not run a second time.")
        log.info("task begins", kind=record.kind)
        with run.alive():
            try:
                yield run
            except TaskCancelledError as error:
                log.info("task cancelled", kind=record.kind)
                run.tracker.cancelled(error)
            except Exception as error:
                known = _known(error)
                log.error("task failed", code=known.code, error=known.message)
                run.tracker.failed(known)
                raise TaskFailedError(known.message) from None
        log.info("task ended", kind=record.kind)


def _known(error: Exception) -> OrchestratorError:
    """The error as a sentence for the person who asked for the task."""
    if isinstance(error, OrchestratorError):
        return error
    if isinstance(error, JobTimeoutException):
        return TaskTimeoutError()
    if isinstance(error, RedisError):
        return RedisUnavailableError(*explain(error))
    log.error("unforeseen error", exc_info=error)
    return OrchestratorError(
        f"Something unforeseen went wrong ({type(error).__name__}).",
        hint="The worker's log has the particulars.",
    )
