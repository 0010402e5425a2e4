"""Many clients that wait for tasks, and one look at Redis for all of them.

To work out where a task stands takes some milliseconds of Python, too much to do
once a second for each of hundreds that wait. Whether it can have changed shows in
a few fields, which one script reads for all tasks at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job

from workers import keys
from workers.connection import text_of

LOOK_SECONDS = 0.25

# KEYS, four of each task: job, progress, alive, cancellation.   Returns one mark for each task.
LOOK = """
local marks = {}
for at = 1, #KEYS, 4 do
  local told = redis.call('HMGET', KEYS[at + 1], 'state', 'ended_at', 'waiting_for', 'undoing', 'resumed_at')
  local mark = {redis.call('HGET', KEYS[at], 'status') or ''}
  for place = 1, 5 do mark[place + 1] = told[place] or '' end
  mark[7] = redis.call('EXISTS', KEYS[at + 2])
  mark[8] = redis.call('EXISTS', KEYS[at + 3])
  marks[#marks + 1] = table.concat(mark, '|')
end
return marks
"""

Mark = str | None
"""What a task looked like; None: it has not been looked at."""


class Watch:
    """Looks at Redis for those who wait in one event loop, as long as anybody does."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: dict[asyncio.Future[Mark], tuple[str, Mark]] = {}
        self._looking: asyncio.Task[None] | None = None
        self.redis_away = False

    async def change(self, task_id: str, seen: Mark, seconds: float) -> Mark:
        """Wait until the task looks other than `seen`, at most so long; returns what it looks like.

        It returns at the first look, too. While Redis cannot be asked, `redis_away` is set.
        """
        changed: asyncio.Future[Mark] = asyncio.get_running_loop().create_future()
        self._waiting[changed] = (task_id, seen)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on())
        try:
            return await asyncio.wait_for(changed, seconds)
        except TimeoutError:
            return seen
        finally:
            self._waiting.pop(changed, None)

    async def _look_on(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(LOOK_SECONDS)
                task_ids = sorted({task_id for task_id, _ in self._waiting.values()})
                try:
                    marks = await asyncio.to_thread(self._look, task_ids)
                    self.redis_away = False
                except RedisError:
                    self.redis_away = True
                    continue
                for changed, (task_id, seen) in list(self._waiting.items()):
                    mark = marks.get(task_id)
                    if (mark is None or mark != seen) and not changed.done():
                        changed.set_result(mark)
        finally:
            self.redis_away = False
            self._looking = None  # it would keep its event loop, and with it this, for ever

    def _look(self, task_ids: Sequence[str]) -> dict[str, str]:
        names = [
            name
            for task_id in task_ids
            for name in (
                Job.key_for(task_id),
                keys.progress(task_id),
                keys.alive(task_id),
                keys.cancellation(task_id),
            )
        ]
        marks = self._redis.eval(LOOK, len(names), *names) if names else []
        return {task_id: text_of(mark) for task_id, mark in zip(task_ids, marks, strict=True)}
