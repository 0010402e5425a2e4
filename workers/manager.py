"""Starts background tasks and says what became of them. For servers and the command line.

Nothing is carried out here: `start_*` stores what is needed and puts an id in
line; a worker process (worker.py) takes it from there into tasks.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

from pydantic import SecretStr
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.models import Outcome, Plan
from orchestrator.stale import refuse_outdated, refuse_unapplyable
from workers.approvals import Approval, Approvals
from workers.batches import Batches, BatchFacts
from workers.cancellation import Cancellation
from workers.connection import check, redis_errors
from workers.errors import (
    NothingToResumeError,
    PlanRequiredError,
    RedisUnavailableError,
    TaskEndedError,
    UnfinishedBatchError,
    UnknownBatchError,
    UnknownTaskError,
    same_document,
)
from workers.exposition import expose
from workers.idempotency import IdempotencyKeys
from workers.journal import RedisJournal
from workers.journal_entries import Counts
from workers.pace import Pace, read_pace
from workers.queues import enqueue, enqueue_again, leaves_the_line, open_queue
from workers.records import TaskRecord, TaskRecords
from workers.resumption import Resumption
from workers.roster import Pulse, QueueInfo, feel_pulse, read_queue_info, write_trouble
from workers.settings import WorkerSettings
from workers.snapshots import read_snapshots
from workers.status import ENDED, RERUNNABLE, RESUMABLE, TaskState, TaskStatus, derive_status
from workers.store import Document, PlanFacts, Store
from workers.watch import Mark, Watch

READ_AGAIN_SECONDS = 15.0
"""Some changes are a matter of time alone: a task that nobody has begun, a worker that says nothing more."""


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Some outcomes of a task, and the numbers of all of them by object type and result.

    `in_flight` counts the changes that were announced and have no outcome: being
    written now, or, once the task has ended, of unknown fate.
    """

    task_id: str
    batch_id: str | None
    rows: tuple[Outcome, ...]
    next_cursor: str | None
    counts: Counts
    in_flight: int = 0

    def totals(self) -> Counter[str]:
        """The numbers of all outcomes by result, over all types."""
        totals: Counter[str] = Counter()
        for per_type in self.counts.values():
            totals.update(per_type)
        return totals


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A stored plan without its body: the approval on record, and the latest task that was to apply it."""

    plan_id: str
    facts: PlanFacts
    approval: Approval | None
    task: TaskStatus | None

    @property
    def is_taken(self) -> bool:
        """Whether it is being applied, or has been; not where that has failed, or was taken back."""
        return self.task is not None and self.task.status not in RERUNNABLE


class AsyncTaskManager:
    """Background tasks: start, follow, report. Safe to share between threads.

    Every method but `queue_info` raises RedisUnavailableError when Redis cannot be used. `caller` says who
    asks for the tasks that are started.
    """

    def __init__(
        self, redis: Redis, settings: WorkerSettings, caller: Callable[[], str] = lambda: ""
    ) -> None:
        self._redis = redis
        self._settings = settings
        self._store = Store(redis, settings)
        self._records = TaskRecords(redis, settings, caller)
        self._keys = IdempotencyKeys(redis, settings)
        self._approvals = Approvals(redis, settings)
        self._batches = Batches(redis)
        self._watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()
        self._checked = False

    # Starting

    def start_apply(
        self, document: Document, target: str, total: int, idempotency_key: str | None = None
    ) -> TaskStatus:
        """Apply a document in the background. `total` is an estimate of its objects, until it is planned.

        Raises IdempotencyConflictError if the key stands for another document, PlanRequiredError where
        only plans may be applied.
        """
        if self._settings.plan_required:
            raise PlanRequiredError
        with redis_errors():
            self._check_once()
            record = self._records.create("apply", target, self._store.save_document(document), "", total)
            return self._start(record, idempotency_key)

    def start_apply_plan(self, plan_id: str, idempotency_key: str | None = None) -> TaskStatus:
        """Apply a stored plan in the background; it is refused there if NetBox has moved on since.

        What can be told now is refused now: StalePlanError for a plan that is too old,
        NotApplyableError for one with conflicts, NotApprovedError where nobody has approved it.
        Raises UnknownDocumentError when the plan has expired.
        """
        with redis_errors():
            self._check_once()
            facts = self._store.plan_facts(plan_id)
            kind = "rollback" if facts.undoes else "apply"
            record = self._records.create(
                kind, facts.target, facts.document_id, plan_id, facts.total, facts.undoes, facts.force
            )
            status = self._start(record, idempotency_key, lambda: self._refuse_in_vain(plan_id))
            with suppress(RedisError):  # the task is in line, whatever can be noted about the plan
                self._store.note_started(plan_id, status.task_id)
            return status

    def start_plan(self, document: Document, target: str, total: int) -> TaskStatus:
        """Plan a large document in the background; the ended task's status names the plan."""
        with redis_errors():
            self._check_once()
            record = self._records.create("plan", target, self._store.save_document(document), "", total)
            return self._start(record, None)

    def start_rollback(self, batch_id: str, target: str, force: bool, total: int) -> TaskStatus:
        """Take a batch back in the background, unseen. For one that was looked at: `start_apply_plan`.

        Raises PlanRequiredError, and UnfinishedBatchError while the batch is still being written.
        """
        if self._settings.plan_required:
            raise PlanRequiredError
        return self._start_undoing("rollback", batch_id, target, force, total)

    def start_rollback_plan(self, batch_id: str, target: str, force: bool, total: int) -> TaskStatus:
        """Plan the rollback of a large batch in the background; the ended task's status names the plan."""
        return self._start_undoing("plan", batch_id, target, force, total)

    def _start_undoing(self, kind: str, batch_id: str, target: str, force: bool, total: int) -> TaskStatus:
        with redis_errors():
            self._check_once()
            self._refuse_unfinished(batch_id)
            return self._start(self._records.create(kind, target, "", "", total, batch_id, force), None)

    def save_plan(self, plan: Plan, document: Document | None = None) -> str:
        """Keep a plan made while the caller waited; returns its id for `start_apply_plan`.

        A plan that takes a batch back has no document.
        """
        with redis_errors():
            self._check_once()
            return self._store.save_plan(
                plan, "" if document is None else self._store.save_document(document)
            )

    def keep_document(self, document: Document) -> str:
        """Keep a document that plans and tasks will name by the id it gets. Raises DocumentError."""
        with redis_errors():
            self._check_once()
            return self._store.save_document(document)

    def load_document(self, document_id: str) -> Document:
        """A document that was kept. Raises UnknownDocumentError when it has expired."""
        with redis_errors():
            return self._store.load_document(document_id)

    def load_plan(self, plan_id: str) -> Plan:
        """A stored plan. Raises UnknownDocumentError when it has expired."""
        with redis_errors():
            return self._store.load_plan(plan_id)

    def plan_target(self, plan_id: str) -> str:
        """Which NetBox a stored plan is for, without the plan itself. Raises UnknownDocumentError."""
        with redis_errors():
            return self._store.plan_facts(plan_id).target

    def find_plan(self, plan_id: str) -> KeptPlan:
        """What a stored plan stands for and what has become of it. Raises UnknownDocumentError."""
        with redis_errors():
            return self._kept(plan_id, self._store.plan_facts(plan_id))

    def list_plans(self, limit: int = 50) -> list[KeptPlan]:
        """The stored plans, newest first."""
        with redis_errors():
            return [self._kept(plan_id, facts) for plan_id, facts in self._store.newest_plans(limit).items()]

    def _kept(self, plan_id: str, facts: PlanFacts) -> KeptPlan:
        task_ids = [facts.started_by] if facts.started_by else []
        started = read_snapshots(self._redis, self._settings, task_ids) if task_ids else []
        status = derive_status(started[0]) if started else None
        return KeptPlan(plan_id, facts, self._approvals.find(facts), status)

    def approve(self, plan_id: str, token: SecretStr, approver: str, digest: str | None = None) -> Approval:
        """Let a stored plan be applied, in the name of a person; workers verify the token.

        `digest` is that of the plan which the person was shown.
        Raises UnknownDocumentError, StalePlanError, NotApplyableError, StoredPlanError.
        """
        with redis_errors():
            self._check_once()
            return self._approvals.approve(plan_id, token, approver, digest)

    def approval_of(self, plan: Plan) -> Approval | None:
        """The approval that is on record for a plan, unless its time is past."""
        with redis_errors():
            return self._approvals.find(plan)

    def _refuse_in_vain(self, plan_id: str) -> None:
        """Refuse what a worker would refuse anyhow. The worker has the last word (task_run.py)."""
        facts = self._store.plan_facts(plan_id)
        refuse_outdated(facts, datetime.now(UTC), f"Plan {plan_id}")
        if facts.blocked:
            refuse_unapplyable(self._store.load_plan(plan_id))
        if facts.undoes:
            self._refuse_unfinished(facts.undoes)
        if self._settings.require_approval and facts.writes:
            self._approvals.expect(facts, plan_id)

    # Batches

    def find_batch(self, batch_id: str) -> BatchFacts | None:
        """What is known of a batch that has ended; None where only NetBox may know it.

        Raises UnfinishedBatchError while it is still being written.
        """
        with redis_errors():
            return self._refuse_unfinished(batch_id)

    def task_of_batch(self, batch_id: str) -> str:
        """The task that wrote a batch. Raises UnknownTaskError where Redis does not know it."""
        with redis_errors():
            facts = self._batches.find(batch_id)
        if facts is None:
            raise UnknownTaskError(batch_id)
        return facts.task_id

    def batch_size(self, batch_id: str) -> int:
        """How many objects a rollback of the batch has to look at; 0 where nobody knows."""
        with redis_errors():
            return self._batches.size(batch_id)

    def batch_history(self, batch_id: str) -> RedisJournal | None:
        """What the batch did; None where its journal is gone. Read it within `redis_errors`."""
        with redis_errors():
            return self._batches.history(batch_id)

    def note_undone(self, batch_id: str, by: str, whole: bool) -> None:
        """Note that a synchronous rollback has taken the batch back, or a part of it."""
        with redis_errors():
            self._batches.note_undone(batch_id, by, whole)

    def _refuse_unfinished(self, batch_id: str) -> BatchFacts | None:
        facts = self._batches.find(batch_id)
        if facts is None:
            return None
        # An ended task is forgotten sooner than its batch.
        if facts.task_id and not self._is_over(facts.task_id):
            raise UnfinishedBatchError(batch_id, facts.task_id)
        return facts

    def _start(
        self, record: TaskRecord, idempotency_key: str | None, refuse: Callable[[], None] = lambda: None
    ) -> TaskStatus:
        """Put a task in line, unless its key stands for one that is; `refuse` may raise before that.

        The `hint` tells of an unfinished task with the same document, where no key says that it is meant.
        """
        try:
            if idempotency_key:
                task_id = self._keys.claim(
                    idempotency_key, record, lambda held: self._is_over(held, RERUNNABLE)
                )
                if task_id != record.task_id:
                    self._records.discard(record)
                    return self._status(task_id)
            refuse()
            self._records.list_as_active(record)
            enqueue(open_queue(self._redis, self._settings), self._settings, record)
        except BaseException:
            self._forget(record, idempotency_key)
            raise
        status, other = self._status(record.task_id), ""
        with suppress(RedisError):  # the task is in line, whatever can be said about others
            other = self._records.same_work(record, self._is_over)
        if other and not idempotency_key:
            return status.model_copy(update={"hint": same_document(other, bool(record.plan_id))})
        return status

    def _is_over(self, task_id: str, states: Collection[TaskState] = ENDED) -> bool:
        """Whether a task has ended in one of these states, or is forgotten by now."""
        try:
            return self._status(task_id).status in states
        except UnknownTaskError:
            return True

    def _forget(self, record: TaskRecord, idempotency_key: str | None) -> None:
        """Leave no trace of a task that did not come into line."""
        # With Redis gone the traces stay; such a task counts as lost, and blocks nothing, in a moment.
        with suppress(RedisError):
            if idempotency_key:
                self._keys.give_back(idempotency_key, record)
            self._records.discard(record)

    def _check_once(self) -> None:
        """Refuse a Redis that is too old, before anything is written to it."""
        if not self._checked:
            check(self._redis)
            self._checked = True

    # Stopping

    def cancel(self, task_id: str) -> TaskStatus:
        """Ask a task to stop before its next write; one that still waits in the queue never begins.

        What was written stays, and the journal knows it. Cancelling twice is cancelling once. Raises
        UnknownTaskError, and TaskEndedError for a task that has ended in another way.
        """
        with redis_errors():
            status = self._status(task_id)
            if status.ended and status.status is not TaskState.CANCELLED:
                raise TaskEndedError(task_id, status.status.value, status.batch_id)
            if not status.ended:
                Cancellation(self._redis, task_id, self._settings.task_retention_seconds).ask()
                status = self._status(task_id)
            return status

    def resume(self, task_id: str) -> TaskStatus:
        """Have a task that failed, was cancelled or left errors go on: same batch, same journal.

        One that has not ended goes on anyway. Raises UnknownTaskError, NothingToResumeError where all is
        done or something was taken back, WorkerNotSignedOffError for a moment after its worker died.
        """
        with redis_errors():
            wish = Resumption(self._redis, task_id, self._settings.task_retention_seconds)
            status = self._status(task_id)
            if status.ended:
                (record,) = self._records.fetch([task_id])
                if status.status not in RESUMABLE or self._batches.is_undone(record.batch_id):
                    raise NothingToResumeError(task_id, status.status.value)
                queue = open_queue(self._redis, self._settings)
                has_left = leaves_the_line(queue, task_id)
                if wish.ask():
                    self._records.renew(record)
                    self._records.list_as_active(record)
                    if has_left:
                        enqueue_again(queue, self._settings, record)
                status = self._status(task_id)
            return status

    # Following

    def status(self, task_id: str) -> TaskStatus:
        """Where a task stands. Raises UnknownTaskError."""
        with redis_errors():
            return self._status(task_id)

    def _status(self, task_id: str) -> TaskStatus:
        snapshots = read_snapshots(self._redis, self._settings, [task_id])
        if not snapshots:
            raise UnknownTaskError(task_id)
        return derive_status(snapshots[0])

    def record(self, task_id: str) -> tuple[TaskRecord, datetime]:
        """What was asked for, and when it will be forgotten. Raises UnknownTaskError."""
        with redis_errors():
            found = self._records.fetch([task_id])
            if not found:
                raise UnknownTaskError(task_id)
            return found[0], self._records.expiry(found[0])

    async def wait(self, task_id: str, wait_seconds: float) -> TaskStatus:
        """Where a task stands, as soon as its state changes, it has ended, or time is up.

        Waits without a thread, and with all others who wait: the status itself is read
        only where it can have changed. A Redis that goes away meanwhile is waited for,
        as long as there is time. Raises UnknownTaskError.
        """
        deadline = time.monotonic() + wait_seconds
        first = latest = await asyncio.to_thread(self.status, task_id)
        seen: Mark = None
        watch = self._watch()
        while not latest.ended and latest.status == first.status:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            seen = await watch.change(task_id, seen, min(left, READ_AGAIN_SECONDS))
            if watch.redis_away and time.monotonic() < deadline:
                continue
            try:
                latest = await asyncio.to_thread(self.status, task_id)
            except RedisUnavailableError:
                if time.monotonic() >= deadline:
                    raise
        return latest

    def _watch(self) -> Watch:
        return self._watches.setdefault(asyncio.get_running_loop(), Watch(self._redis))

    def report(
        self,
        task_id: str,
        outcome: str | None = None,
        object_type: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> ReportPage:
        """What became of each object of a task so far, paged. A plan task has no outcomes.

        Raises UnknownTaskError, and BadCursorError for a cursor that no page has given.
        """
        with redis_errors():
            records = self._records.fetch([task_id])
            if not records:
                raise UnknownTaskError(task_id)
            batch_id = records[0].batch_id
            if not batch_id:
                return ReportPage(task_id, None, (), None, {})
            return self._report(task_id, batch_id, outcome, object_type, cursor, limit)

    def batch_report(
        self, batch_id: str, outcome: str | None, object_type: str | None, cursor: str | None, limit: int
    ) -> ReportPage:
        """The same by the batch, which is remembered for longer than its task. Raises UnknownBatchError."""
        facts = self.batch(batch_id)
        with redis_errors():
            return self._report(facts.task_id, batch_id, outcome, object_type, cursor, limit)

    def _report(
        self,
        task_id: str,
        batch_id: str,
        outcome: str | None,
        object_type: str | None,
        cursor: str | None,
        limit: int,
    ) -> ReportPage:
        journal = RedisJournal(self._redis, batch_id)
        page = journal.outcomes(outcome, object_type, cursor, limit)
        return ReportPage(
            task_id, batch_id, page.outcomes, page.next_cursor, journal.counts(), journal.in_flight()
        )

    def batch(self, batch_id: str) -> BatchFacts:
        """A batch that is being written, or has been. Raises UnknownBatchError."""
        with redis_errors():
            facts = self._batches.find(batch_id)
        if facts is None:
            raise UnknownBatchError(batch_id)
        return facts

    def pace(self, task_id: str) -> Pace:
        """How fast a task went, and what became of its objects as time went by. Raises UnknownTaskError."""
        with redis_errors():
            if not self._records.fetch([task_id]):
                raise UnknownTaskError(task_id)
            return read_pace(self._redis, task_id)

    def batch_counts(self, batch_id: str) -> Counts:
        """The numbers of a batch's outcomes so far, by object type and result."""
        with redis_errors():
            return RedisJournal(self._redis, batch_id).counts()

    def list_tasks(self, include_finished: bool = False, limit: int = 50) -> list[TaskStatus]:
        """Tasks, newest first: those that have not ended, or all that are remembered."""
        with redis_errors():
            while True:
                task_ids = self._records.newest(include_finished, limit)
                snapshots = read_snapshots(self._redis, self._settings, task_ids)
                found = [derive_status(snapshot) for snapshot in snapshots]
                if include_finished:
                    return found
                # Nobody struck off those whose worker was killed, or whose record has expired.
                alive = [status for status in found if not status.ended]
                gone = set(task_ids) - {status.task_id for status in alive}
                if not gone:
                    return alive
                self._records.drop_from_active(sorted(gone))

    def write_trouble(self) -> tuple[str, str]:
        """Why Redis cannot be relied on with writes, and what to do about it; empty where it can."""
        return write_trouble(self._redis)

    def pulse(self) -> Pulse:
        """How quick Redis is, and how its clock goes. Raises RedisUnavailableError."""
        with redis_errors():
            return feel_pulse(self._redis)

    def metrics(self, accept: str, netbox_up: Mapping[str, bool]) -> tuple[bytes, str]:
        """All metrics in the format that an Accept header asks for, and its content type (exposition.py).

        `netbox_up` says which targets answer the server that is asked.
        """
        return expose(self._redis, self._settings, accept, netbox_up)

    def queue_info(self) -> QueueInfo:
        """How queue, workers and Redis fare. Redis being gone is an answer, not an error."""
        return read_queue_info(self._redis, self._settings)
