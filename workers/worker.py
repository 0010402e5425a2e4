"""The worker process: takes tasks from the queue, one at a time, each in a child process of its own.

RQ's worker with its times cut down, so that a killed worker is noticed within
seconds, and with a child that dies with its parent: it must not go on writing
when the queue has given it up.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from orchestrator.netbox import ConfigError, load_targets
from workers import tasks  # noqa: F401 - loaded before the fork, once, and failing early
from workers.carry_out import prepare
from workers.connection import AT_ONCE, connect, redis_errors, text_of
from workers.errors import TaskFailedError
from workers.lease import SignOfLife
from workers.logs import configure_logging
from workers.queues import AllowListedJob, TaskQueue, open_queue
from workers.roster import is_durable, name_worker, write_trouble
from workers.settings import WorkerSettings
from workers.shutdown import SHUTDOWN

log = structlog.get_logger(__name__)

WORKER_TTL_SECONDS = 30
IDLE_REPORT_SECONDS = 5
BUSY_REPORT_SECONDS = 5
MAINTENANCE_SECONDS = 10
HAND_BACK_SECONDS = 10
"""A task that has not handed itself back by then is killed; another run finds out what it has done."""
SIGN_OFF_SECONDS = 3
"""A worker that is told to stop, and cannot reach Redis to say so, ends all the same."""
PR_SET_PDEATHSIG = 1


class TaskWorker(Worker):
    """RQ's worker, quick to notice the death of others and unable to leave an orphan behind."""

    job_class = AllowListedJob
    queue_class = TaskQueue

    @property
    def dequeue_timeout(self) -> int:
        """Seconds that one wait for a task lasts. Signs of life and maintenance happen between two waits."""
        return IDLE_REPORT_SECONDS

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """A task is abandoned after three reports that did not come; RQ would wait for a minute more."""
        return 3 * BUSY_REPORT_SECONDS

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """Run one task, in the child process."""
        die_with_parent(parent_pid=self.pid)
        super().main_work_horse(job, queue)

    def prepare_execution(self, job: Job) -> Execution:
        """Take the job over: from now on it is ours, and no more that of a worker who had it before."""
        execution = super().prepare_execution(job)
        self.connection.hset(job.key, "worker_name", self.name)
        return execution

    def setup_work_horse_signals(self) -> None:
        """In the child process: SIGTERM asks for the task to be handed back; Ctrl-C is for the parent."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, SHUTDOWN.ask)
        if self._stop_requested:  # it came between the fork and this line
            SHUTDOWN.ask()

    def handle_warm_shutdown_request(self) -> None:
        """Told to stop: see to it that the running task is handed back, and that the worker ends."""
        if os.getpid() == self.pid:
            log.info("worker stops", worker=self.name)
            threading.Thread(target=self._see_to_the_end, name="stop", daemon=True).start()

    def _see_to_the_end(self) -> None:
        """Have the task handed back, kill its process if it is not, and end though Redis keep us waiting."""
        deadline, asked = time.monotonic() + HAND_BACK_SECONDS, 0
        while time.monotonic() < deadline:
            horse = self.horse_pid  # it may just be about to be forked
            if horse not in (0, asked):
                with suppress(ProcessLookupError):
                    os.kill(horse, signal.SIGTERM)
                asked = horse
            time.sleep(0.05)
        if horse := self.horse_pid:
            log.warning("the task was not handed back in time; its process is killed", worker=self.name)
            with suppress(ProcessLookupError):
                os.killpg(horse, signal.SIGKILL)
        time.sleep(SIGN_OFF_SECONDS)
        log.warning("the worker ends without signing off", worker=self.name)
        os._exit(1)

    def handle_job_success(
        self, job: Job, queue: Queue, started_job_registry: StartedJobRegistry, execution: Execution
    ) -> None:
        """Note that the job is done, unless another worker has it by now."""
        if not self._steps_aside(job, execution):
            super().handle_job_success(job, queue, started_job_registry, execution)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """Have the job run again, or note that it failed, unless another worker has it by now."""
        if not self._steps_aside(job, execution):
            super().handle_job_failure(job, queue, started_job_registry, exc_string, execution)

    def _steps_aside(self, job: Job, execution: Execution | None) -> bool:
        """Whether the queue took us for dead and gave the job to another worker, whose word counts now.

        Without an execution nobody works on the job: we clean up after one that took it and went no further.
        """
        if execution is None or self._holds(job):
            return False
        log.warning("another worker has taken over the task", task_id=job.id)
        with self.connection.pipeline() as pipe:
            self.cleanup_execution(job, pipe, execution)
            pipe.execute()
        return True

    def _holds(self, job: Job) -> bool:
        """Whether no other worker has taken the job since we did."""
        return text_of(self.connection.hget(job.key, "worker_name")) in ("", self.name)

    def teardown(self) -> None:
        """Sign off. A Redis that is away is not waited for: the sign of life lapses by itself."""
        self.connection.set_retry(AT_ONCE)
        try:
            super().teardown()  # type: ignore[no-untyped-call]
        except RedisError as error:
            log.warning("the worker stops without signing off", error=type(error).__name__)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Log what went wrong, unless the task itself has told it already."""
        if exc_info[0] is not TaskFailedError:
            super().handle_exception(job, *exc_info)

    def handle_work_horse_killed(self, job: Job, retpid: int, ret_val: int, rusage: Any) -> None:
        """Say at once that the task is no longer alive, rather than when its sign of life lapses."""
        log.error("the process of a task was killed", task_id=job.id, wait_status=ret_val)
        if self._stop_requested:  # we did it; that is none of the task's automatic runs
            job.retries_left = (job.retries_left or 0) + 1
        if self._holds(job):
            SignOfLife(self.connection, job.id, 1).gone()


def die_with_parent(parent_pid: int | None) -> None:
    """Have the kernel kill this process when its parent dies, even by SIGKILL. Linux only."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        # It died before the kernel was told: nobody would kill us any more.
        os._exit(1)


def run_worker(settings: WorkerSettings, burst: bool = False) -> None:
    """Work on tasks until told to stop (SIGTERM or Ctrl-C: hand the running task back; twice: at once).

    With `burst`, stop when the queue is empty. Raises RedisUnavailableError when
    Redis cannot be used at the start; an outage later on is waited out.
    """
    configure_logging(settings.log_format)
    redis = connect(settings)
    with redis_errors():
        if not is_durable(redis):
            log.warning("Redis keeps no append-only file: a restart of it loses queue and journals")
        trouble, remedy = write_trouble(redis)
    if trouble:
        log.warning(trouble, hint=remedy)
    try:
        load_targets()
    except ConfigError as error:
        log.warning("this worker has no usable NetBox; its tasks will fail", error=error.message)
    prepare(redis, settings)
    worker = TaskWorker(
        [open_queue(redis, settings)],
        name=name_worker(),
        connection=redis,
        job_class=AllowListedJob,
        queue_class=TaskQueue,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_SECONDS,
        job_monitoring_interval=BUSY_REPORT_SECONDS,
        maintenance_interval=MAINTENANCE_SECONDS,
    )
    log.info("worker starts", queue=settings.queue, worker=worker.name)
    worker.work(burst=burst, logging_level="WARNING")
