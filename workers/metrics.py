"""What is counted, and where: workers count in memory and add it up in one Redis hash every few seconds.

Workers come and go, so nobody asks them: whoever serves `/metrics` reads the
hash (exposition.py). What a worker had counted when it was killed, and not yet
added, is lost; the journal of a batch is what is exact.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from redis import Redis

from workers import keys

PREFIX = "netbox_mcp_"


@dataclass(frozen=True, slots=True)
class Metric:
    """A counter or, with `buckets` (upper bounds in seconds), a histogram. Names are Prometheus's."""

    name: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


TASK_RUNS = Metric(
    "task_runs",
    "Runs of tasks by workers; `again` where an earlier run was interrupted or the task was resumed.",
    ("kind", "run"),
)
TASKS_ENDED = Metric("tasks_ended", "Tasks that a worker has brought to an end.", ("kind", "state"))
RUNS_INTERRUPTED = Metric(
    "runs_interrupted", "Runs that broke off, for another one to go on; by error code.", ("code",)
)
OBJECTS = Metric("objects", "Objects settled by applies and rollbacks.", ("object_type", "outcome"))
REQUESTS = Metric(
    "netbox_requests", "Requests of workers to NetBox; status 0: no answer.", ("target", "method", "status")
)
REQUEST_SECONDS = Metric(
    "netbox_request_seconds",
    "How long workers waited for NetBox's answers, retries of reads included.",
    ("target", "method"),
    (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WAIT_SECONDS = Metric(
    "task_wait_seconds",
    "From the request for a task to its first run.",
    ("kind",),
    (0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200),
)
COUNTED = (TASK_RUNS, TASKS_ENDED, RUNS_INTERRUPTED, OBJECTS, REQUESTS, REQUEST_SECONDS, WAIT_SECONDS)

SUM = "sum"
INFINITY = "+Inf"


def field_of(metric: Metric, labels: Sequence[str], part: str = "") -> bytes:
    """The field of the hash that one number is in; `part` is a bucket's bound, or SUM."""
    return orjson.dumps([metric.name, *labels, *([part] if part else [])])


class Meter:
    """Counts in this process, from several threads if need be, until `flush` adds it to the rest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[bytes] = Counter()
        self._seconds: dict[bytes, float] = {}

    def count(self, metric: Metric, *labels: str, by: int = 1) -> None:
        """Count something of a counter."""
        with self._lock:
            self._counts[field_of(metric, labels)] += by

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Put one observation into a histogram."""
        at = bisect_left(metric.buckets, seconds)
        bound = f"{metric.buckets[at]:g}" if at < len(metric.buckets) else INFINITY
        total = field_of(metric, labels, SUM)
        with self._lock:
            self._counts[field_of(metric, labels, bound)] += 1
            self._seconds[total] = self._seconds.get(total, 0.0) + seconds

    def flush(self, redis: Redis) -> None:
        """Add what is new to the numbers in Redis. Raises RedisError, and what was new is lost."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            seconds, self._seconds = self._seconds, {}
        if not counts:
            return
        with redis.pipeline(transaction=False) as pipe:
            for field, number in counts.items():
                pipe.hincrby(keys.METRICS, field, number)
            for field, amount in seconds.items():
                pipe.hincrbyfloat(keys.METRICS, field, amount)
            pipe.execute()
