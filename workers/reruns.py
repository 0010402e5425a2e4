"""What the process of a task tells the queue about running its job again."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError
from rq import get_current_job

from orchestrator.errors import JournalError, LeaseLostError
from workers.errors import RedisUnavailableError, WorkerStopsError

INTERRUPTIONS = frozenset(
    {LeaseLostError.code, JournalError.code, RedisUnavailableError.code, WorkerStopsError.code}
)
"""What may end a run through no fault of its task: another run goes on with it."""


def another_run_follows() -> bool:
    """Whether the queue will run the job again if this run fails."""
    job = get_current_job()
    return job is not None and job.should_retry


def run_no_more() -> None:
    """Keep the queue from running the job again, which it would do for any failure."""
    job = get_current_job()
    if job is not None:
        job.retries_left = 0
        # Whoever resumes the task before its process has ended asks Redis whether it runs again by itself.
        with suppress(RedisError):
            job.connection.hset(job.key, "retries_left", 0)


def do_not_count_this_run() -> None:
    """Have the queue run the job again, and as often after that as if this run had not been."""
    job = get_current_job()
    if job is not None:
        job.retries_left = (job.retries_left or 0) + 1
