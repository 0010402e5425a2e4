"""Applying a document, or undoing a batch, while the caller waits, with no worker and, if need be, no Redis.

One writing batch per target holds here too: a lock file keeps those apart that
share a state directory, and where Redis is configured, the lease that workers
take as well. The journal is a local SQLite file.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis
from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError, TimeoutError

from netbox_mcp.dependencies import get_netbox_config, get_settings
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import JournalError
from orchestrator.models import Outcome, Plan, Report, Stage
from orchestrator.stale import refuse_moved
from workers.connection import check as check_redis
from workers.connection import connect_briefly, redis_errors
from workers.errors import TargetBusyError
from workers.lease import Heartbeat, Lease
from workers.records import new_batch_id
from workers.settings import WorkerSettings
from workers.sqlite_journal import SqliteJournal
from workers.undo import FailedBatch, Undone, must_undo, undo_now

WAIT_SECONDS = 45.0
"""How long to wait for another batch: MCP clients give up on a call after about a minute."""
_POLL_SECONDS = 0.2
_REDIS_IS_AWAY = (
    "Redis did not answer, so a worker that still reaches it was not kept from writing to the same target."
)

Checkpoint = Callable[[], None]


class SyncProgress:
    """Where a synchronous apply stands; read by the thread that tells the caller."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self.stage_name = "planning"
        self._lock = threading.Lock()

    def waiting(self, reason: str) -> None:
        """Nothing is done yet, for this reason."""
        self.stage_name = reason

    def planned(self, plan: Plan, done: int = 0) -> None:
        """The plan is made; its size is known."""
        self.total = len(plan.changes)

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """A stage begins."""
        self.stage_name = f"{stage.object_type} ({number} of {of})"

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """These changes have found their end."""
        with self._lock:
            self.done += len(outcomes)

    def undoing(self) -> None:
        """A batch that must land whole has failed; what follows takes it back."""
        self.done, self.stage_name = 0, "undoing"


@dataclass(frozen=True, slots=True)
class Applied:
    """A plan, what became of it, and how it was undone if it had to land whole and did not."""

    plan: Plan
    report: Report
    undone: Undone | None = None


@contextmanager
def open_sync_apply(settings: WorkerSettings) -> Iterator[SyncApply]:
    """Applying in this process, with a connection to Redis where one is configured."""
    with connect_briefly(settings) if settings.redis_url is not None else nullcontext() as redis:
        yield SyncApply(settings, redis)


class SyncApply:
    """Plans and applies in this process. `redis` is None only where none is configured."""

    def __init__(self, settings: WorkerSettings, redis: Redis | None) -> None:
        self._settings = settings
        self._redis = redis

    def apply(
        self,
        engine: NetBoxBulkOrchestrator,
        make_plan: Callable[[], Plan],
        progress: SyncProgress,
        shown: Plan | None = None,
        stop: Checkpoint = lambda: None,
        on_write: Callable[[str], None] = lambda batch_id: None,
    ) -> Applied:
        """Plan under the target's lock, apply, and say what became of it.

        `shown` is the plan that a person has agreed to: StalePlanError, naming what has moved, if it would
        be another one by now. `stop` is called before each write and while it waits, and may raise;
        `on_write` is told the id of the batch before each write. Raises TargetBusyError when another batch
        holds the target for too long, RedisUnavailableError when Redis answers and cannot be used, and
        what the engine raises.
        """
        batch_id = new_batch_id(datetime.now(UTC))
        with (
            _lock_file(self._settings.state_dir, engine.target),
            self._lease(engine.target, batch_id, progress, stop) as lease,
        ):
            progress.waiting("planning")
            plan = make_plan()
            nothing_left = plan.undoes and not (plan.writes or plan.conflicts)
            if shown is not None and not nothing_left:
                refuse_moved(shown, plan)

            def checkpoint() -> None:
                if lease is not None:
                    lease.check()
                stop()
                on_write(batch_id)

            with closing(SqliteJournal(self._settings.state_dir, batch_id)) as journal:
                report = engine.apply(plan, batch_id, journal, progress, checkpoint)
                undone = None
                if must_undo(plan, report):
                    undone = self._take_back(engine, report, journal, progress, checkpoint)
            if lease is None and self._redis is not None:
                report = replace(report, warnings=[_REDIS_IS_AWAY, *report.warnings])
            return Applied(plan, report, undone)

    def _take_back(
        self,
        engine: NetBoxBulkOrchestrator,
        failed: Report,
        history: SqliteJournal,
        progress: SyncProgress,
        checkpoint: Checkpoint,
    ) -> Undone:
        """Undo what was just applied, as a batch of its own (`on_error: rollback`)."""
        batch_id = new_batch_id(datetime.now(UTC))
        progress.undoing()
        with closing(SqliteJournal(self._settings.state_dir, batch_id)) as journal:
            batch = FailedBatch(failed.batch_id, failed.first_errors, history)
            return undo_now(engine, batch, batch_id, journal, progress, checkpoint)

    @contextmanager
    def _lease(
        self, target: str, batch_id: str, progress: SyncProgress, stop: Checkpoint
    ) -> Iterator[Lease | None]:
        """Hold the target against workers; None where there is no Redis that could tell of any."""
        if self._redis is None or not self._redis_answers(progress, stop):
            yield None
            return

        def wait_for(holder: str) -> None:
            progress.waiting(f"waiting for {holder}")
            stop()

        lease = Lease(self._redis, target, batch_id, self._settings.lease_ttl_seconds)
        with redis_errors():
            check_redis(self._redis)
            lease.acquire(WAIT_SECONDS, wait_for)
        try:
            with Heartbeat(self._settings.heartbeat_seconds, [lease.renew]):
                yield lease
        finally:
            lease.release()

    def _redis_answers(self, progress: SyncProgress, stop: Checkpoint) -> bool:
        """Whether Redis says anything at all, given the time in which a lease that it knew of lapses."""
        assert self._redis is not None
        deadline = time.monotonic() + self._settings.lease_ttl_seconds
        while not _speaks(self._redis):
            if time.monotonic() >= deadline:
                return False
            progress.waiting("waiting for Redis")
            stop()
            time.sleep(_POLL_SECONDS)
        return True


def _speaks(redis: Redis) -> bool:
    try:
        redis.ping()
    except (AuthenticationError, BusyLoadingError):
        return True  # what it says is no; `check` makes a sentence of it
    except (ConnectionError, TimeoutError):
        return False
    return True


_alone = threading.local()


@contextmanager
def one_at_a_time(target: str) -> Iterator[None]:
    """Keep single writes of this state directory apart: between looking and writing nobody else does either.

    They do not wait for batches. A thread that is inside may enter again. Raises UsageError for a target
    that is not configured: its name becomes that of a file.
    """
    get_netbox_config(target)
    if getattr(_alone, "target", None) == target:
        yield
        return
    with _lock_file(get_settings().state_dir, f"{target}.single"):
        _alone.target = target
        try:
            yield
        finally:
            _alone.target = None


@contextmanager
def _lock_file(state_dir: Path, target: str) -> Iterator[None]:
    """Hold the target against others with this state directory; the system frees it if we die."""
    folder = state_dir / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(folder / f"{target}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise JournalError(
            f"The state directory {state_dir} cannot be written: {error.strerror}.",
            hint="Set NETBOX_MCP_STATE_DIR to a directory that can.",
        ) from None
    try:
        _lock(descriptor, target)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, target: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TargetBusyError(
                    f"Another synchronous batch is writing to target {target!r}.",
                    hint="Wait until it has ended, then start again.",
                ) from None
            time.sleep(_POLL_SECONDS)
