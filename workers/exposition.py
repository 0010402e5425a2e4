"""All metrics as Prometheus wants them: what workers have counted, and how queue, Redis and NetBox fare now.

A fixed number of small reads, however many tasks there are. What can happen and has not is told as 0: of a
series that appears with its first event, Prometheus sees no increase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, product
from typing import Any

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job
from rq.queue import Queue
from rq.utils import str_to_date

from orchestrator.catalog import ENSURED
from orchestrator.models import Result
from workers import keys
from workers.connection import text_of
from workers.metrics import (
    COUNTED,
    INFINITY,
    OBJECTS,
    PREFIX,
    RUNS_INTERRUPTED,
    SUM,
    TASK_RUNS,
    TASKS_ENDED,
    WAIT_SECONDS,
    Metric,
)
from workers.queues import FUNCTION_BY_KIND, open_queue
from workers.reruns import INTERRUPTIONS
from workers.roster import read_queue_info
from workers.settings import WorkerSettings
from workers.status import ENDED

Numbers = Mapping[tuple[str, ...], float]

KINDS = tuple(FUNCTION_BY_KIND)
FROM_THE_START: Mapping[str, Sequence[tuple[str, ...]]] = {
    TASK_RUNS.name: [*product(KINDS, ("first", "again"))],
    TASKS_ENDED.name: [*product(KINDS, sorted(ENDED))],
    RUNS_INTERRUPTED.name: [(code,) for code in sorted(INTERRUPTIONS)],
    OBJECTS.name: [*product(ENSURED, sorted(Result))],
    WAIT_SECONDS.name: [(kind,) for kind in KINDS],
}
"""The labels of what is told before it has happened. Which targets there will be, nobody knows."""


def expose(
    redis: Redis, settings: WorkerSettings, accept: str, netbox_up: Mapping[str, bool]
) -> tuple[bytes, str]:
    """The metrics in the format that the Accept header asks for, and its content type.

    `netbox_up` says which targets answer. While Redis is away nothing else is told but that.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(redis, settings, netbox_up))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Now(Collector):
    """What there is to tell at this moment."""

    def __init__(self, redis: Redis, settings: WorkerSettings, netbox_up: Mapping[str, bool]) -> None:
        self._redis = redis
        self._settings = settings
        self._netbox_up = netbox_up

    def collect(self) -> Iterator[Family]:
        """Every metric with all of its samples."""
        try:
            gauges = [*_gauges(self._redis, self._settings)]
            families = [*gauges, *_counted(self._redis)] if gauges else []
        except RedisError:
            families = []
        yield _gauge("redis_up", "1 while Redis can be used.", int(bool(families)))
        yield _answering(self._netbox_up)
        yield from families


def _answering(netbox_up: Mapping[str, bool]) -> Family:
    family = GaugeMetricFamily(f"{PREFIX}netbox_up", "1 while NetBox answers this server.", labels=["target"])
    for target, answers in sorted(netbox_up.items()):
        family.add_metric([target], int(answers))
    return family


def _gauges(redis: Redis, settings: WorkerSettings) -> Iterator[Family]:
    info = read_queue_info(redis, settings)
    if not info.redis_ok:
        return
    queue = open_queue(redis, settings)
    tasks = GaugeMetricFamily(
        f"{PREFIX}tasks", "Tasks that have not ended, by what they wait for.", labels=["state"]
    )
    tasks.add_metric(["queued"], info.depth)
    tasks.add_metric(["waiting_for_target"], info.waiting_for_target)
    tasks.add_metric(["running"], queue.started_job_registry.get_job_count(cleanup=False))
    yield tasks
    workers = GaugeMetricFamily(f"{PREFIX}workers", "Workers that listen on the queue.", labels=["state"])
    for state in ("idle", "busy"):
        workers.add_metric([state], sum(worker.state == state for worker in info.workers))
    yield workers
    yield _gauge("oldest_task_wait_seconds", "How long the next task has waited.", _next_waits(redis, queue))
    yield _gauge("tasks_failed", "Failed jobs that RQ still remembers.", info.failed)
    yield _gauge("redis_durable", "1 while Redis writes an append-only file.", int(bool(info.redis_durable)))
    memory: dict[str, Any] = redis.info("memory")
    yield _gauge("redis_memory_bytes", "Memory that Redis uses.", memory["used_memory"])
    yield _gauge("redis_memory_limit_bytes", "Memory that Redis may use; 0: no limit.", memory["maxmemory"])


def _next_waits(redis: Redis, queue: Queue) -> float:
    """Since when the task at the head of the queue is in it; 0 where nothing waits for a worker."""
    head = redis.lindex(queue.key, 0)
    since = redis.hget(Job.key_for(text_of(head)), "enqueued_at") if head else None
    if since is None:
        return 0.0
    return max(0.0, (datetime.now(UTC) - str_to_date(since)).total_seconds())


def _gauge(name: str, text: str, value: float) -> Family:
    return GaugeMetricFamily(PREFIX + name, text, value=value)


def _counted(redis: Redis) -> Iterator[Family]:
    numbers = {
        tuple(orjson.loads(field)): float(number) for field, number in redis.hgetall(keys.METRICS).items()
    }
    for metric in COUNTED:
        mine = {tuple(labels): number for (name, *labels), number in numbers.items() if name == metric.name}
        for labels in FROM_THE_START.get(metric.name, ()):
            mine.setdefault((*labels, SUM) if metric.buckets else labels, 0.0)
        yield _histogram(metric, mine) if metric.buckets else _counter(metric, mine)


def _counter(metric: Metric, numbers: Numbers) -> Family:
    family = CounterMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
    for labels, number in sorted(numbers.items()):
        family.add_metric(labels, number)
    return family


def _histogram(metric: Metric, numbers: Numbers) -> Family:
    family = HistogramMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
    bounds = [*(f"{bound:g}" for bound in metric.buckets), INFINITY]
    for labels in sorted({labels[:-1] for labels in numbers}):
        in_each = [numbers.get((*labels, bound), 0) for bound in bounds]
        buckets = [*zip(bounds, accumulate(in_each), strict=True)]
        family.add_metric(labels, buckets, numbers.get((*labels, SUM), 0))
    return family
