"""The queue: which functions a worker may run, and how a task is put in line.

Payloads are JSON and hold a task id, nothing else. A job in Redis names its
function, so whoever can write to Redis could name any function: the job class
refuses all but ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.job import Job, JobStatus
from rq.rate_limit import RateLimit
from rq.serializers import JSONSerializer

from workers.errors import ForbiddenJobError, WorkerNotSignedOffError
from workers.records import TaskRecord
from workers.settings import WorkerSettings

RUN_APPLY = "workers.tasks.run_apply"
RUN_PLAN = "workers.tasks.run_plan"
RUN_ROLLBACK = "workers.tasks.run_rollback"
FUNCTION_BY_KIND = {"apply": RUN_APPLY, "plan": RUN_PLAN, "rollback": RUN_ROLLBACK}
ALLOWED = frozenset(FUNCTION_BY_KIND.values())
SIGN_OFF_SECONDS = 3.0
RATE_LIMIT_PREFIX = "nmo-"
AUTOMATIC_RUNS = 5
"""How often a task whose run was interrupted is run again, before it waits for a person."""
MAINTENANCE_LOCK_SECONDS = 30


class AllowListedJob(Job):
    """A job that runs only functions of the allow-list, and no callbacks or webhooks."""

    @property
    def func(self) -> Callable[..., Any]:
        """The function to run. Raises ForbiddenJobError if it is not one of ours."""
        if self.func_name not in ALLOWED or self.instance is not None:
            raise ForbiddenJobError(f"Workers do not run {str(self.func_name)[:80]!r}.")
        function: Callable[..., Any] = super().func
        return function

    def restore(self, raw_data: Any) -> None:
        """Read the job, dropping everything else in it that could make a worker call or send something."""
        super().restore(raw_data)
        self._success_callback_name = None
        self._failure_callback_name = None
        self._stopped_callback_name = None
        self.webhooks = []


class TaskQueue(Queue):
    """RQ's queue, with a maintenance lock that does not outlive a killed worker by a quarter of an hour."""

    job_class = AllowListedJob

    def acquire_maintenance_lock(self) -> bool:
        """Take the lock that keeps two workers from cleaning up at the same time."""
        key = self.registry_cleaning_key
        return bool(self.connection.set(key, 1, nx=True, ex=MAINTENANCE_LOCK_SECONDS))


def open_queue(redis: Redis, settings: WorkerSettings) -> TaskQueue:
    """The one queue, with the JSON serializer that every reader must share."""
    return TaskQueue(
        settings.queue,
        connection=redis,
        default_timeout=settings.job_timeout,
        job_class=AllowListedJob,
        serializer=JSONSerializer,
    )


def rate_limit_key(target: str) -> str:
    """The name under which RQ counts the applies and rollbacks of a target."""
    return RATE_LIMIT_PREFIX + target


def enqueue(queue: TaskQueue, settings: WorkerSettings, record: TaskRecord) -> None:
    """Put a task in line.

    Tasks that write to one target go one at a time; those that wait are parked without
    holding a worker. The limit is a courtesy: what guarantees it is the lease.
    """
    queue.enqueue_call(
        FUNCTION_BY_KIND[record.kind],
        args=(record.task_id,),
        job_id=record.task_id,
        description=f"{record.kind} {record.task_id}",
        ttl=settings.task_retention_seconds,
        result_ttl=settings.task_retention_seconds,
        failure_ttl=settings.task_retention_seconds,
        retry=Retry(AUTOMATIC_RUNS, enqueue_at_front=True),
        rate_limit=None if record.kind == "plan" else RateLimit(rate_limit_key(record.target), 1),
    )


def leaves_the_line(queue: TaskQueue, task_id: str) -> bool:
    """Whether the queue will not run an ended task again, so that it has to be put in line to go on.

    Raises WorkerNotSignedOffError while the queue takes a worker that is dead for the one that runs it.
    """
    deadline = time.monotonic() + SIGN_OFF_SECONDS
    while (job := queue.fetch_job(task_id)) is not None and job.get_status() is JobStatus.STARTED:
        # The process has told the end of the task, and its worker is about to note it; or it is dead.
        if time.monotonic() >= deadline:
            if job.should_retry:
                return False  # the queue will find out, and run it again
            raise WorkerNotSignedOffError(task_id)
        time.sleep(0.1)
    return job is None or job.get_status() not in (JobStatus.QUEUED, JobStatus.RATE_LIMITED)


def enqueue_again(queue: TaskQueue, settings: WorkerSettings, record: TaskRecord) -> None:
    """Put a task that has left the line in it once more, under the same id."""
    job = queue.fetch_job(record.task_id)
    if job is not None:
        job.delete()
    enqueue(queue, settings, record)
