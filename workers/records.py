"""What was asked for: one record per task, and the index from which tasks are listed.

A record never changes. Where a task stands is in progress (tracker.py), whether
it lives in its sign of life (lease.py), what it did in the journal (journal.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis

from workers import keys
from workers.connection import read_run_id, text_of
from workers.journal import REDIS_RUN
from workers.settings import WorkerSettings


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One background run as it was asked for. `total` is the caller's estimate of objects, 0 if unknown.

    `undoes` is the batch that a rollback takes back, or that a plan would; `force` goes with it.
    `asked_by` is whoever asked for it, as the audit calls them; empty where that is not known.
    """

    task_id: str
    batch_id: str
    kind: str
    target: str
    document_id: str
    plan_id: str
    total: int
    created_at: datetime
    undoes: str = ""
    force: bool = False
    asked_by: str = ""


def new_task_id() -> str:
    """A fresh task id; it serves as RQ's job id as well."""
    return f"t-{secrets.token_hex(6)}"


def new_batch_id(now: datetime) -> str:
    """A fresh batch id: short, since it goes into NetBox's changelog message."""
    return f"b-{now:%Y%m%d}-{secrets.token_hex(4)}"


class TaskRecords:
    """The records in Redis. `caller` says who asks for a task that is created."""

    def __init__(
        self, redis: Redis, settings: WorkerSettings, caller: Callable[[], str] = lambda: ""
    ) -> None:
        self._redis = redis
        self._settings = settings
        self._caller = caller

    def create(
        self,
        kind: str,
        target: str,
        document_id: str,
        plan_id: str,
        total: int,
        undoes: str = "",
        force: bool = False,
    ) -> TaskRecord:
        """Write a new record. It is not listed yet, see `list_as_active`."""
        now, task_id = datetime.now(UTC), new_task_id()
        batch_id = "" if kind == "plan" else self.add_batch(task_id, target, undoes)
        record = TaskRecord(
            *(task_id, batch_id, kind, target, document_id, plan_id, total, now, undoes, force),
            asked_by=self._caller(),
        )
        fields: dict[Any, Any] = {**asdict(record), "created_at": now.isoformat(), "force": int(force)}
        pipe = self._redis.pipeline()
        pipe.hset(keys.task(task_id), mapping=fields)
        pipe.expire(keys.task(task_id), self._settings.task_retention_seconds)
        pipe.execute()
        return record

    def add_batch(self, task_id: str, target: str, undoes: str = "") -> str:
        """Reserve a batch id that nobody else has; returns it."""
        while True:
            batch_id = new_batch_id(datetime.now(UTC))
            key = keys.journal(batch_id)
            if self._redis.hsetnx(key, "batch_id", batch_id):
                pipe = self._redis.pipeline()
                facts: dict[Any, Any] = {"task_id": task_id, "target": target, "undoes": undoes}
                pipe.hset(key, mapping={**facts, REDIS_RUN: read_run_id(self._redis)})
                pipe.expire(key, self._settings.journal_retention_seconds)
                pipe.execute()
                return batch_id

    def expiry(self, record: TaskRecord) -> datetime:
        """When the task will be forgotten."""
        left = max(0, int(self._redis.pttl(keys.task(record.task_id))))
        return datetime.now(UTC) + timedelta(milliseconds=left)

    def renew(self, record: TaskRecord) -> None:
        """Keep a task, and what it needs to be run, for its full time from now on."""
        held = [
            keys.task(record.task_id),
            keys.pace(record.task_id),
            keys.document(record.document_id),
            keys.plan(record.plan_id),
        ]
        pipe = self._redis.pipeline()
        for key in held:
            pipe.expire(key, self._settings.task_retention_seconds)
        if record.batch_id:
            for part in ("", "intents", "pending", "outcomes", "counts"):
                pipe.expire(keys.journal(record.batch_id, part), self._settings.journal_retention_seconds)
        pipe.execute()

    def discard(self, record: TaskRecord) -> None:
        """Remove the record of a task that was never put in line."""
        pipe = self._redis.pipeline()
        pipe.delete(keys.task(record.task_id))
        if record.batch_id:
            pipe.delete(keys.journal(record.batch_id))
        for index in (keys.TASKS, keys.ACTIVE_TASKS):
            pipe.zrem(index, record.task_id)
        pipe.execute()

    def list_as_active(self, record: TaskRecord) -> None:
        """Enter the task into the index, and drop from it what has expired."""
        retention = self._settings.task_retention_seconds
        created = record.created_at.timestamp()
        pipe = self._redis.pipeline()
        for index in (keys.TASKS, keys.ACTIVE_TASKS):
            pipe.zadd(index, {record.task_id: created})
            pipe.zremrangebyscore(index, "-inf", created - retention)
            pipe.expire(index, retention)
        pipe.execute()

    def same_work(self, record: TaskRecord, is_over: Callable[[str], bool]) -> str:
        """A task with the same document and target that is not over, or an empty string; notes this one."""
        if record.kind != "apply" or not record.document_id:
            return ""
        name = keys.same_work(record.target, record.document_id)
        others = {text_of(task_id) for task_id in self._redis.smembers(name)} - {record.task_id}
        over = [task_id for task_id in others if is_over(task_id)]
        pipe = self._redis.pipeline()
        if over:
            pipe.srem(name, *over)
        pipe.sadd(name, record.task_id)
        pipe.expire(name, self._settings.task_retention_seconds)
        pipe.execute()
        return min(others.difference(over), default="")

    def drop_from_active(self, task_ids: Sequence[str]) -> None:
        """Note that these tasks have ended."""
        if task_ids:
            self._redis.zrem(keys.ACTIVE_TASKS, *task_ids)

    def newest(self, include_finished: bool, limit: int) -> list[str]:
        """Ids of the newest tasks, newest first."""
        index = keys.TASKS if include_finished else keys.ACTIVE_TASKS
        return [text_of(task_id) for task_id in self._redis.zrevrange(index, 0, limit - 1)]

    def fetch(self, task_ids: Sequence[str]) -> list[TaskRecord]:
        """The records of these tasks, in order; those that do not exist are left out."""
        pipe = self._redis.pipeline(transaction=False)
        for task_id in task_ids:
            pipe.hgetall(keys.task(task_id))
        return [_record(fields) for fields in pipe.execute() if fields]


def _record(fields: dict[bytes, bytes]) -> TaskRecord:
    text = {text_of(name): text_of(value) for name, value in fields.items()}
    return TaskRecord(
        task_id=text["task_id"],
        batch_id=text["batch_id"],
        kind=text["kind"],
        target=text["target"],
        document_id=text["document_id"],
        plan_id=text["plan_id"],
        total=int(text["total"]),
        created_at=datetime.fromisoformat(text["created_at"]),
        undoes=text.get("undoes", ""),
        force=text.get("force") == "1",
        asked_by=text.get("asked_by", ""),
    )
