"""Reads, in two round trips for any number of tasks, everything that a status follows from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from redis import Redis
from rq.rate_limit import RateLimitRegistry

from workers import keys
from workers.batches import UNDONE_BY, UNDONE_IN_PART_BY
from workers.connection import text_of
from workers.queues import AllowListedJob, rate_limit_key
from workers.records import TaskRecord, TaskRecords
from workers.roster import list_workers
from workers.settings import WorkerSettings
from workers.status import TaskProgress, TaskSnapshot

JOB_FIELDS = ["status", "started_at", "ended_at", "retries_left"]


def read_snapshots(redis: Redis, settings: WorkerSettings, task_ids: Sequence[str]) -> list[TaskSnapshot]:
    """One snapshot per task that exists, in order."""
    records = TaskRecords(redis, settings).fetch(task_ids)
    if not records:
        return []
    workers = len(list_workers(redis, settings))
    pipe = redis.pipeline(transaction=False)
    for record in records:
        pipe.hmget(AllowListedJob.key_for(record.task_id), JOB_FIELDS)
        pipe.hgetall(keys.progress(record.task_id))
        pipe.exists(keys.alive(record.task_id))
        pipe.hgetall(keys.journal(record.batch_id, "counts"))
        pipe.hlen(keys.journal(record.batch_id, "pending"))
        pipe.hmget(keys.journal(record.batch_id), [UNDONE_BY, UNDONE_IN_PART_BY])
        pipe.get(keys.lease(record.target))
        pipe.exists(keys.cancellation(record.task_id))
        pipe.zrange(RateLimitRegistry(rate_limit_key(record.target), redis).allowed_key, 0, 0)
    answers = pipe.execute()
    now = datetime.now(UTC)
    width = len(answers) // len(records)
    return [
        _snapshot(record, now, workers, settings.queue, answers[at * width : (at + 1) * width])
        for at, record in enumerate(records)
    ]


def _snapshot(
    record: TaskRecord, now: datetime, workers: int, queue: str, answers: Sequence[Any]
) -> TaskSnapshot:
    job, progress, alive, counts, in_doubt, undone, lease, cancel, allowed = answers
    status, started_at, ended_at, runs_left = job
    return TaskSnapshot(
        record=record,
        now=now,
        job_status=status.decode() if status else None,
        job_started_at=_time(started_at),
        job_ended_at=_time(ended_at),
        runs_left=int(runs_left or 0),
        alive=bool(alive),
        progress=_progress(progress),
        journal_counts=sum_counts(counts),
        in_doubt=in_doubt,
        undone_by=text_of(undone[0]),
        undone_in_part_by=text_of(undone[1]),
        holder=_holder(record, lease, allowed),
        cancel_asked=bool(cancel),
        workers=workers,
        queue=queue,
    )


def _holder(record: TaskRecord, lease: bytes | None, allowed: Sequence[bytes]) -> str:
    """The task that one which writes has to wait for; the lease's word first, then the queue's."""
    if record.kind == "plan":
        return ""
    if lease:
        return lease.decode().split(":")[1]
    return allowed[0].decode() if allowed else ""


def sum_counts(fields: Mapping[bytes, bytes]) -> dict[str, int]:
    """`<object type>:<result>` -> number, summed over the types."""
    totals: Counter[str] = Counter()
    for name, number in fields.items():
        totals[name.decode().rpartition(":")[2]] += int(number)
    return dict(totals)


def _progress(fields: Mapping[bytes, bytes]) -> TaskProgress:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    return TaskProgress(
        state=text.get("state", ""),
        passes=text.get("passes", ""),
        stage=text.get("stage", ""),
        stage_number=_int(text.get("stage_number")),
        stages=_int(text.get("stages")),
        total=_int(text.get("total")) or 0,
        counts=orjson.loads(text.get("counts", "{}")),
        plan_counts=orjson.loads(text.get("plan_counts", "{}")),
        rate=float(text["rate"]) if text.get("rate") else None,
        eta=_int(text.get("eta")),
        errors=tuple(orjson.loads(text.get("errors", "[]"))),
        code=text.get("code", ""),
        message=text.get("message", ""),
        hint=text.get("hint", ""),
        plan_id=text.get("plan_id", ""),
        waiting_for=text.get("waiting_for", ""),
        undoing=text.get("undoing") == "1",
        resumed_at=_time(fields.get(b"resumed_at")),
        run_at=_time(fields.get(b"run_at")),
        started_at=_time(fields.get(b"started_at")),
        ended_at=_time(fields.get(b"ended_at")),
    )


def _int(text: str | None) -> int | None:
    return int(text) if text else None


def _time(value: bytes | None) -> datetime | None:
    if not value:
        return None
    moment = datetime.fromisoformat(value.decode().replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
