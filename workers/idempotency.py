"""Idempotency keys: the same key and the same document are the same task.

A key stands for a task as long as that task is queued, runs or has succeeded.
One that failed, left errors or was cancelled gives the key free, for whatever comes next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from redis import Redis

from workers import keys
from workers.connection import text_of
from workers.errors import IdempotencyConflictError
from workers.records import TaskRecord
from workers.settings import WorkerSettings

# KEYS: idempotency key   ARGV: what we believe it holds ('' for nothing), what it is to hold, ttl
SWAP = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
FREE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


class IdempotencyKeys:
    """What each key stands for."""

    def __init__(self, redis: Redis, settings: WorkerSettings) -> None:
        self._redis = redis
        self._retention = settings.task_retention_seconds

    def claim(self, key: str, record: TaskRecord, is_free: Callable[[str], bool]) -> str:
        """Make the key stand for the task; returns the id of the task that it stands for now.

        `is_free` says of a task that it blocks nothing any more. Another id than
        the record's comes back when an equal task had the key first. Raises
        IdempotencyConflictError when the key stands for other work.
        """
        name, meaning = _name(key), _meaning(record)
        while True:
            held = text_of(self._redis.get(name))
            task_id, _, held_meaning = held.partition(" ")
            # Our own id comes back when the answer to a first swap got lost.
            if task_id and task_id != record.task_id and not is_free(task_id):
                if held_meaning != meaning:
                    raise IdempotencyConflictError(task_id)
                return task_id
            if self._redis.eval(SWAP, 1, name, held, f"{record.task_id} {meaning}", self._retention):
                return record.task_id

    def give_back(self, key: str, record: TaskRecord) -> None:
        """Let the key stand for nothing, if it stands for this task."""
        self._redis.eval(FREE, 1, _name(key), f"{record.task_id} {_meaning(record)}")


def _name(key: str) -> str:
    return keys.idempotency(hashlib.sha256(key.encode()).hexdigest()[:32])


def _meaning(record: TaskRecord) -> str:
    return f"{record.kind}:{record.target}:{record.document_id or record.undoes}"
