"""Which workers listen on the queue and what they do, and how the queue fares.

A killed worker stays in RQ's books for a while: it counts only as long as its
heartbeat is fresh.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from pydantic import BaseModel, Field
from redis import Redis
from redis.exceptions import RedisError
from rq.rate_limit import RateLimitRegistry
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

from workers import keys
from workers.connection import check, explain, redis_errors, text_of
from workers.errors import RedisUnavailableError
from workers.queues import RATE_LIMIT_PREFIX, open_queue
from workers.settings import WorkerSettings

LISTENING_SECONDS = 20.0
"""Workers report every 5 s, busy or idle (worker.py)."""
THROUGHPUT_MINUTES = 5
PROBE_SECONDS = 10
PULSE_BEATS = 5


class WorkerInfo(BaseModel):
    """One worker process."""

    name: str
    state: str
    task_id: str | None = None
    last_heartbeat_seconds: float = Field(description="age of its last sign of life")


class QueueInfo(BaseModel):
    """How queue, workers and Redis fare."""

    redis_ok: bool
    redis_version: str | None = None
    redis_durable: bool | None = Field(
        default=None, description="append-only file is on: journals survive a restart"
    )
    message: str = ""
    hint: str = ""
    queue: str
    depth: int = Field(default=0, description="tasks waiting for a worker")
    waiting_for_target: int = Field(default=0, description="tasks waiting for another batch on their target")
    workers: list[WorkerInfo] = Field(default_factory=list)
    failed: int = 0
    finished: int = 0
    objects_per_minute: float = Field(default=0.0, description=f"over the last {THROUGHPUT_MINUTES} minutes")


@dataclass(frozen=True, slots=True)
class Pulse:
    """How quick Redis is, and by how much its clock is ahead of ours (negative: behind)."""

    latency_ms: float
    clock_ahead_seconds: float


def feel_pulse(redis: Redis) -> Pulse:
    """The median of some questions, one after another."""
    took, ahead = [], []
    for _ in range(PULSE_BEATS):
        begun, started = time.time(), time.perf_counter()
        seconds, microseconds = redis.time()
        took.append(time.perf_counter() - started)
        ahead.append(seconds + microseconds / 1e6 - (begun + took[-1] / 2))
    return Pulse(median(took) * 1000, median(ahead))


def name_worker() -> str:
    """A name for this process as a worker, which tells its machine or container."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


def list_workers_here(redis: Redis, settings: WorkerSettings) -> list[WorkerInfo]:
    """Those of the workers that listen which run on this machine, or in this container.

    Raises RedisUnavailableError.
    """
    with redis_errors():
        listening = list_workers(redis, settings)
    return [worker for worker in listening if worker.name.rsplit("-", 2)[0] == socket.gethostname()]


def list_workers(redis: Redis, settings: WorkerSettings) -> list[WorkerInfo]:
    """The workers whose heartbeat is fresh, by name."""
    names = sorted(text_of(key) for key in redis.smembers(WORKERS_BY_QUEUE_KEY % settings.queue))
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.hmget(name, ["state", "last_heartbeat", "death"])
        pipe.smembers(name + ":executions")
    answers = pipe.execute()
    found = [_worker(name, answers[2 * at], answers[2 * at + 1]) for at, name in enumerate(names)]
    return [worker for worker in found if worker and worker.last_heartbeat_seconds <= LISTENING_SECONDS]


def _worker(key: str, fields: Sequence[bytes | None], executions: set[bytes]) -> WorkerInfo | None:
    state, heartbeat, death = fields
    if heartbeat is None or death is not None:
        return None
    moment = datetime.fromisoformat(heartbeat.decode().replace("Z", "+00:00"))
    task_id = next((execution.decode().split(":")[0] for execution in executions), None)
    return WorkerInfo(
        name=key.rpartition(":")[2],
        state=state.decode() if state else "?",
        task_id=task_id,
        last_heartbeat_seconds=round(max(0.0, (datetime.now(UTC) - moment).total_seconds()), 1),
    )


def read_queue_info(redis: Redis, settings: WorkerSettings) -> QueueInfo:
    """How queue, workers and Redis fare. Redis being gone is an answer, not an error."""
    try:
        version = check(redis)
        return _read(redis, settings, version)
    except RedisUnavailableError as error:
        return QueueInfo(redis_ok=False, queue=settings.queue, message=error.message, hint=error.hint)
    except RedisError as error:
        message, hint = explain(error)
        return QueueInfo(redis_ok=False, queue=settings.queue, message=message, hint=hint)


def _read(redis: Redis, settings: WorkerSettings, version: str) -> QueueInfo:
    queue = open_queue(redis, settings)
    workers = list_workers(redis, settings)
    depth, parked = queue.count, _parked(redis)
    quiet = not workers and (depth or parked)
    return QueueInfo(
        redis_ok=True,
        redis_version=version,
        redis_durable=is_durable(redis),
        message="Tasks are waiting and no worker is listening." if quiet else "",
        hint="Start one with `netbox-mcp worker`." if quiet else "",
        queue=settings.queue,
        depth=depth,
        waiting_for_target=parked,
        workers=workers,
        failed=queue.failed_job_registry.get_job_count(cleanup=False),
        finished=queue.finished_job_registry.get_job_count(cleanup=False),
        objects_per_minute=_throughput(redis),
    )


def is_durable(redis: Redis) -> bool:
    """Whether the append-only file is on. Without it a restart of Redis loses queue and journals."""
    info: dict[str, Any] = redis.info("persistence")
    return bool(info.get("aof_enabled"))


def write_trouble(redis: Redis) -> tuple[str, str]:
    """Why this Redis, which answers, cannot be relied on with writes, and what to do; empty where it can."""
    try:
        redis.set(keys.PROBE, 1, ex=PROBE_SECONDS)
        memory: dict[str, Any] = redis.info("memory")
    except RedisError as error:
        return explain(error)
    policy = memory["maxmemory_policy"]
    if memory["maxmemory"] and policy != "noeviction":
        return (
            f"Redis drops keys when its memory is full (maxmemory-policy {policy}): tasks and journals too.",
            "Set 'maxmemory-policy noeviction'.",
        )
    return "", ""


def _parked(redis: Redis) -> int:
    limits = RateLimitRegistry.all(redis)
    ours = [limit for limit in limits if limit.key.startswith(RATE_LIMIT_PREFIX)]
    return sum(limit.get_rate_limited_job_count() for limit in ours)


def _throughput(redis: Redis) -> float:
    minute = int(time.time() // 60)
    counts = redis.mget([keys.throughput(minute - ago) for ago in range(THROUGHPUT_MINUTES)])
    return round(sum(int(count) for count in counts if count) / THROUGHPUT_MINUTES, 1)
