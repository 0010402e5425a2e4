"""Asking that a task which has ended without having done all of its work is gone on with.

The task keeps its id, its batch and its journal; it is put in line anew, and its
next run begins by finding out what the last one has done (orchestrator/resume.py).
"""

from __future__ import annotations

from redis import Redis

from workers import keys
from workers.connection import text_of

# What the last run told is forgotten, its number and times are not. Of several who ask at once, one is heard.
# KEYS: progress, cancellation   ARGV: how often it had been asked for when the caller looked, retention
REOPEN = """
local asked = redis.call('HGET', KEYS[1], 'resumed') or '0'
if asked ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'state', 'ended_at', 'code', 'message', 'hint', 'errors', 'passes', 'stage')
redis.call('HINCRBY', KEYS[1], 'resumed', 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
return 1
"""


class Resumption:
    """Somebody's wish that a task should go on."""

    def __init__(self, redis: Redis, task_id: str, retention_seconds: int) -> None:
        self._redis = redis
        self._task_id = task_id
        self._retention = retention_seconds
        self._seen = text_of(redis.hget(keys.progress(task_id), "resumed")) or "0"

    def ask(self) -> bool:
        """Have the task go on; False if somebody else has asked since this was made."""
        names = [keys.progress(self._task_id), keys.cancellation(self._task_id)]
        return bool(self._redis.eval(REOPEN, len(names), *names, self._seen, self._retention))
