"""One run of a task: visibly alive, holding the target, with engine and journal at hand.

tasks.py holds what a task does, carry_out.py how it is begun and ended.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import JournalError, LeaseLostError
from orchestrator.models import Plan, Report
from orchestrator.netbox import ConfigError, load_targets, open_netbox
from orchestrator.netbox.surface_store import SurfaceStore
from orchestrator.resume import NOTHING_DONE, Done
from orchestrator.stale import refuse_moved, refuse_outdated, refuse_unapplyable
from workers.approvals import Approvals, Digested
from workers.batches import Batches
from workers.cancellation import Cancellation
from workers.engine import engine_on
from workers.errors import (
    NothingToResumeError,
    PlanRequiredError,
    TaskCancelledError,
    UnknownTargetError,
)
from workers.journal import RedisJournal
from workers.lease import Heartbeat, Lease, SignOfLife
from workers.metrics import (
    REQUEST_SECONDS,
    REQUESTS,
    TASK_RUNS,
    WAIT_SECONDS,
    Meter,
)
from workers.records import TaskRecord, TaskRecords
from workers.settings import WorkerSettings
from workers.shutdown import SHUTDOWN
from workers.status import TaskState
from workers.store import Store
from workers.tracker import MAX_ERRORS, TaskTracker
from workers.undo import FailedBatch, undo_now, what_failed
from workers.write_marks import open_marks

# How long a wish to stop stays unheard at most.
LISTENING_SECONDS = 1.0

log = structlog.get_logger(__name__)


class TaskRun:
    """One task while it runs."""

    def __init__(self, redis: Redis, settings: WorkerSettings, record: TaskRecord) -> None:
        self.record = record
        self.store = Store(redis, settings)
        self.batches = Batches(redis)
        self.meter = Meter()
        retention = settings.task_retention_seconds
        self.tracker = TaskTracker(redis, record.task_id, retention, meter=self.meter)
        self.number = 0
        self._redis = redis
        self._settings = settings
        self._records = TaskRecords(redis, settings)
        self.cancellation = Cancellation(redis, record.task_id, retention)
        self._life = SignOfLife(redis, record.task_id, settings.lease_ttl_seconds)
        beats: list[Callable[[], object]] = [self._life.renew, self.tracker.flush, self._flush_meter]
        self._heartbeat = Heartbeat(settings.heartbeat_seconds, beats)
        listening_seconds = min(LISTENING_SECONDS, settings.heartbeat_seconds)
        self._listening = Heartbeat(listening_seconds, [self.cancellation.look])

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Be seen as alive while the block runs, and as gone right after it.

        Waits first while an earlier run of the task, which the queue took for dead, is alive after all.
        """
        self._life.begin(on_wait=SHUTDOWN.check)
        try:
            with self._heartbeat, self._listening:
                yield
        finally:
            self._life.end()
            with suppress(RedisError):
                self._flush_meter()

    def _flush_meter(self) -> None:
        self.meter.flush(self._redis)

    def begin(self) -> bool:
        """Begin a run, the first or another; False if the task has ended."""
        self.number = self.tracker.begin()
        self.cancellation.look()
        if self.number:
            self.meter.count(TASK_RUNS, self.record.kind, "first" if self.number == 1 else "again")
        if self.number > 1:
            self.tracker.gone_on()
        elif self.number == 1 and not self.cancellation.asked:
            waited = (datetime.now(UTC) - self.record.created_at).total_seconds()
            self.meter.observe(WAIT_SECONDS, max(0.0, waited), self.record.kind)
            self.tracker.started()
            # Whoever asked until now was told that it has not begun: nothing may be written.
            self.cancellation.look()
        return self.number > 0

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Hold the target while the block runs, once others have let it go.

        Raises TargetBusyError, and TaskCancelledError if that is asked for while it waits.
        """
        self._stop_if_asked()
        target, task_id = self.record.target, self.record.task_id
        lease = Lease(self._redis, target, task_id, self._settings.lease_ttl_seconds)
        patience = self._settings.lease_wait_seconds
        if self.number > 1:  # the lease of the run before lapses first
            patience = max(patience, 2 * self._settings.lease_ttl_seconds)
        lease.acquire(patience, on_wait=self._wait_behind)
        self.tracker.planning()
        self._heartbeat.add(lease.renew)
        try:
            yield lease
        finally:
            self._heartbeat.remove(lease.renew)
            lease.release()

    def _wait_behind(self, holder: str) -> None:
        self.tracker.waiting(holder)
        self._stop_if_asked()

    def _stop_if_asked(self) -> None:
        """Raise TaskCancelledError, unless a batch is being undone: that is brought to its end."""
        SHUTDOWN.check()
        if self.cancellation.asked and not self.undoing:
            raise TaskCancelledError

    def checkpoint(self, lease: Lease, cancellable: bool = True) -> Callable[[], None]:
        """What is to be called before each write: it raises LeaseLostError, WorkerStopsError or, where the
        task is `cancellable`, TaskCancelledError."""

        def check() -> None:
            lease.check()
            SHUTDOWN.check()
            if cancellable:
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
        target = targets[self.record.target]
        with open_netbox(target, self._watch, open_marks(self._settings, target)) as netbox:
            surfaces = SurfaceStore(netbox, self._settings.state_dir / "surfaces")
            yield engine_on(netbox, self.record.target, self._settings, surfaces.plugin_lists)

    def _watch(self, method: str, status: int, seconds: float | None) -> None:
        self.meter.count(REQUESTS, self.record.target, method, str(status))
        if seconds is not None:
            self.meter.observe(REQUEST_SECONDS, seconds, self.record.target, method)

    def journal(self, lease: Lease, batch_id: str = "") -> RedisJournal:
        """The journal of the task's batch, or another; it refuses to be written once the lease is lost."""
        retention = self._settings.journal_retention_seconds
        return RedisJournal(self._redis, batch_id or self.record.batch_id, lease, retention, self.number)

    def take_up(self, engine: NetBoxBulkOrchestrator, lease: Lease, batch_id: str = "") -> Done:
        """What earlier runs have done of the task's batch, or another; nothing on the first run."""
        if self.number == 1:
            return NOTHING_DONE
        if not batch_id and self.batches.is_undone(self.record.batch_id):
            raise NothingToResumeError(self.record.task_id, TaskState.ROLLED_BACK.value)
        checkpoint = self.checkpoint(lease, cancellable=not batch_id)
        batch_id = batch_id or self.record.batch_id
        done = engine.take_up(batch_id, self.journal(lease, batch_id), checkpoint)
        log.info("batch taken up", batch=batch_id, settled=done.total)
        return done

    def make_plan(self, engine: NetBoxBulkOrchestrator) -> Plan:
        """Plan what the task is about: its document, or how to take back the batch that it names."""
        undoes = self.record.undoes
        if undoes:
            plan = engine.plan_rollback(undoes, self.batches.history(undoes), self.record.force)
        else:
            plan = engine.plan(self.store.load_document(self.record.document_id))
        SHUTDOWN.check()
        self.cancellation.check()
        return plan

    def apply(self, engine: NetBoxBulkOrchestrator, plan: Plan, lease: Lease, done: Done) -> Report:
        """Carry out a plan that is permitted, as the task's batch."""
        batch_id, journal, check = self.record.batch_id, self.journal(lease), self.checkpoint(lease)

        def before_each_write() -> None:
            check()
            if plan.undoes:  # however it ends, from now on a part of that batch may be gone
                self.batches.note_undone(plan.undoes, batch_id, whole=False)

        journal.reopen()
        try:
            report = engine.apply(plan, batch_id, journal, self.tracker, before_each_write, done)
        finally:
            # Where that cannot be noted, a rollback looks into NetBox's changelog as well.
            with suppress(LeaseLostError, JournalError, RedisError):
                journal.finish()
        if plan.undoes and report.ok:
            self.batches.note_undone(plan.undoes, batch_id, whole=True)
        return report

    @property
    def undoing(self) -> str:
        """The batch by which an earlier run began to take back what the task has applied; or empty."""
        return self.batches.undoing(self.record.batch_id) if self.number > 1 else ""

    def take_back(self, engine: NetBoxBulkOrchestrator, lease: Lease) -> None:
        """Undo what the task has applied, as a batch of its own (`on_error: rollback`), and tell the end."""
        record, history, batch_id = self.record, self.journal(lease), self.undoing
        errors = history.outcomes("failed", limit=MAX_ERRORS).outcomes
        progress = self.tracker.undoing(what_failed(errors))
        if batch_id:
            done = self.take_up(engine, lease, batch_id)
        else:
            done = NOTHING_DONE
            batch_id = self._records.add_batch(record.task_id, record.target, undoes=record.batch_id)
            self.batches.note_undoing(record.batch_id, batch_id)
        failed, journal = FailedBatch(record.batch_id, errors, history), self.journal(lease, batch_id)
        journal.reopen()
        check = self.checkpoint(lease, cancellable=False)
        undone = undo_now(engine, failed, batch_id, journal, progress, check, done)
        self.batches.note_undone(record.batch_id, batch_id, undone.whole)
        self.tracker.taken_back(errors, undone)

    def permitted(self, fresh: Plan, done: Done = NOTHING_DONE) -> Plan:
        """The plan to apply, given the one made just now; the last word on whether it may be applied.

        Raises StalePlanError where a stored plan was asked for and is another one or too old by now,
        NotApplyableError for conflicts, PlanRequiredError and NotApprovedError where the configuration of
        this worker asks for a plan, or for a person's approval, and there is none. Of a plan that earlier
        runs have `done` a part of, the rest may be done even when it is too old to be begun.
        """
        plan, plan_id = fresh, self.record.plan_id
        approved: Digested = fresh
        if fresh.undoes and not (fresh.writes or fresh.conflicts):
            return fresh  # somebody else has taken the batch back while this task waited
        if plan_id:
            facts = self.store.plan_facts(plan_id)
            if not done.total:
                refuse_outdated(facts, datetime.now(UTC), f"Plan {plan_id}")
            if facts.digest != fresh.digest:
                approved = stored = self.store.load_plan(plan_id)
                refuse_moved(stored, fresh, f"plan {plan_id}", done)
            # Equal digests: the same writes. What is applied is what this worker has made of NetBox and
            # document itself, so that nobody who can write to Redis slips anything in beneath a digest.
            plan = replace(fresh, made_at=facts.made_at, stale_at=facts.stale_at)
        elif self._settings.plan_required:
            raise PlanRequiredError
        refuse_unapplyable(plan)
        if self._settings.require_approval and plan.writes:
            Approvals(self._redis, self._settings).check(approved, plan_id)
        return plan
