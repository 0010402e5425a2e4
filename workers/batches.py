"""What is known of a batch by its id alone: its task, its target, and whether it was taken back.

All of it lies in the hash of its journal and is gone with it; from then on
only NetBox's changelog knows the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from workers import keys
from workers.connection import text_of
from workers.journal import RedisJournal

# Only where the batch is known: a hash that nobody had made would be kept for ever.
# KEYS: journal   ARGV: field, value
NOTE = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) end
"""
UNDOING_BY = "undoing_by"
UNDONE_BY = "undone_by"
UNDONE_IN_PART_BY = "undone_in_part_by"


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """A batch; `task_id` is the task that wrote it, `undoes` the batch that it took back, if any."""

    batch_id: str
    target: str
    task_id: str
    undoes: str


class Batches:
    """The batches in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def find(self, batch_id: str) -> BatchFacts | None:
        """The batch; None where Redis does not know it (any more)."""
        key = keys.journal(batch_id)
        found = self._redis.hmget(key, ["target", "task_id", "undoes"])
        target, task_id, undoes = (text_of(value) for value in found)
        return BatchFacts(batch_id, target, task_id, undoes) if target else None

    def history(self, batch_id: str) -> RedisJournal | None:
        """What the batch did, for whoever takes it back; None where its journal is gone."""
        journal = RedisJournal(self._redis, batch_id)
        return journal if journal.remembers() else None

    def size(self, batch_id: str) -> int:
        """How many objects a rollback of the batch has to look at; 0 where nobody knows."""
        counts = RedisJournal(self._redis, batch_id).counts().values()
        return sum(one.get("created", 0) + one.get("updated", 0) for one in counts)

    def undoing(self, batch_id: str) -> str:
        """The batch by which a task began to take back its own; empty where it did not."""
        return text_of(self._redis.hget(keys.journal(batch_id), UNDOING_BY))

    def note_undoing(self, batch_id: str, by: str) -> None:
        """Note that the task of a batch begins to take it back, as batch `by`."""
        self._redis.eval(NOTE, 1, keys.journal(batch_id), UNDOING_BY, by)

    def is_undone(self, batch_id: str) -> bool:
        """Whether the batch, or a part of it, was taken back."""
        found = self._redis.hmget(keys.journal(batch_id), [UNDONE_BY, UNDONE_IN_PART_BY])
        return any(value is not None for value in found)

    def note_undone(self, batch_id: str, by: str, whole: bool) -> None:
        """Note on a batch that the rollback `by` took it back, or only a part of it."""
        field = UNDONE_BY if whole else UNDONE_IN_PART_BY
        self._redis.eval(NOTE, 1, keys.journal(batch_id), field, by)
