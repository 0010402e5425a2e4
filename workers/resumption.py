"""Asking that a task which has ended without having done all of its work is gone on with.

The task keeps its id, its batch and its journal; it is put in line anew, and its
next run begins by finding out what the last one has done (orchestrator/resume.py).
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from redis import Redis

from workers import keys
from workers.connection import text_of

# What the last run told is forgotten, its number is not; nor is it listened to any more. Of several who ask
# at once, one is heard.
# KEYS: progress, cancellation
# ARGV: who had asked last when the caller looked, who asks, the time, retention
REOPEN = """
local asked = redis.call('HGET', KEYS[1], 'resumed_by') or ''
if asked == ARGV[2] then return 1 end
if asked ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'state', 'ended_at', 'code', 'message', 'hint', 'errors', 'passes', 'stage')
redis.call('HDEL', KEYS[1], 'begun_by')
redis.call('HSETNX', KEYS[1], 'run', 1) -- a version before this one did not count runs
redis.call('HSET', KEYS[1], 'resumed_by', ARGV[2], 'resumed_at', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('DEL', KEYS[2])
return 1
"""


class Resumption:
    """Somebody's wish that a task should go on."""

    def __init__(self, redis: Redis, task_id: str, retention_seconds: int) -> None:
        self._redis = redis
        self._task_id = task_id
        self._retention = retention_seconds
        self._seen = text_of(redis.hget(keys.progress(task_id), "resumed_by"))
        # The answer to a first call may be lost on its way, and the call be sent again.
        self._nonce = secrets.token_hex(8)

    def ask(self) -> bool:
        """Have the task go on; False if somebody else has asked since this was made."""
        names = [keys.progress(self._task_id), keys.cancellation(self._task_id)]
        now = datetime.now(UTC).isoformat()
        return bool(
            self._redis.eval(REOPEN, len(names), *names, self._seen, self._nonce, now, self._retention)
        )
