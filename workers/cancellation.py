"""Asking a task to stop, and stopping it at the next place where nothing is left half-done.

RQ's own stop command kills the process of a task with whatever it is sending.
This is a flag in Redis instead: a thread of the task looks at it every second, and
the task looks at what has been seen before each write, without asking Redis.
"""

from __future__ import annotations

from redis import Redis

from workers import keys
from workers.errors import TaskCancelledError


class Cancellation:
    """Somebody's wish that a task should stop; `asked` once it has been seen. Kept as long as the task."""

    def __init__(self, redis: Redis, task_id: str, retention_seconds: int) -> None:
        self._redis = redis
        self._key = keys.cancellation(task_id)
        self._retention = retention_seconds
        self.asked = False

    def ask(self) -> None:
        """Ask the task to stop, whether it runs or still waits in the queue."""
        self._redis.set(self._key, 1, ex=self._retention)

    def look(self) -> None:
        """See whether anybody has asked."""
        if self._redis.exists(self._key):
            self.asked = True  # never back: two threads may look at a time

    def check(self) -> None:
        """Raise TaskCancelledError once somebody has been seen to ask."""
        if self.asked:
            raise TaskCancelledError
