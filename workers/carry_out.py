"""Carrying out a task: begin it, tell how it ended whatever happens inside, have it run again or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException

from orchestrator.errors import OrchestratorError
from workers.connection import explain
from workers.errors import (
    RedisUnavailableError,
    TaskCancelledError,
    TaskFailedError,
    TaskTimeoutError,
    UnknownTaskError,
    WorkerStopsError,
)
from workers.metrics import RUNS_INTERRUPTED, TASKS_ENDED
from workers.records import TaskRecords
from workers.reruns import INTERRUPTIONS, another_run_follows, do_not_count_this_run, run_no_more
from workers.settings import WorkerSettings
from workers.task_run import TaskRun

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


def carry_out(task_id: str, work: Callable[[TaskRun], None]) -> None:
    """Do the work of a task, once: whatever happens inside, the task's status tells it afterwards.

    A run that is interrupted is gone on with by another one, as often as the queue allows. Raises
    TaskFailedError, for the queue to note that the run, or the task, failed.
    """
    around = _surroundings[0]
    records = TaskRecords(around.redis, around.settings).fetch([task_id])
    if not records:
        run_no_more()
        raise TaskFailedError(UnknownTaskError(task_id).message)
    record, run = records[0], TaskRun(around.redis, around.settings, records[0])
    with structlog.contextvars.bound_contextvars(
        task_id=task_id, batch_id=record.batch_id or None, target=record.target
    ):
        try:
            with run.alive():
                if not run.begin():
                    log.info("task has ended already", kind=record.kind)
                    return
                begun = "task begins" if run.number == 1 else "task goes on"
                log.info(begun, kind=record.kind, run=run.number)
                _tell_the_end(run, work)
            log.info("task ended", kind=record.kind)
        except WorkerStopsError as error:
            log.info("task handed back", kind=record.kind)
            do_not_count_this_run()
            raise TaskFailedError(error.message) from None


def _tell_the_end(run: TaskRun, work: Callable[[TaskRun], None]) -> None:
    try:
        work(run)
    except TaskCancelledError as error:
        log.info("task cancelled", kind=run.record.kind)
        run.tracker.cancelled(error)
    except Exception as error:
        known = _known(error)
        if isinstance(error, WorkerStopsError):
            do_not_count_this_run()
        if known.code in INTERRUPTIONS and another_run_follows():
            log.warning("task interrupted", code=known.code, error=known.message)
            run.meter.count(RUNS_INTERRUPTED, known.code)
            run.tracker.interrupted(known)
        else:
            log.error("task failed", code=known.code, error=known.message)
            if run.tracker.failed(known):
                run_no_more()
        raise TaskFailedError(known.message) from None
    finally:
        if run.tracker.ended_as:
            run.meter.count(TASKS_ENDED, run.record.kind, run.tracker.ended_as)


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
