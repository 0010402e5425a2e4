"""How fast a task went and what became of its objects as time went by: one small hash per task.

The tracker adds to it in the very call that tells progress (NOTE_PACE is a part of its script); charts are
drawn from it. Time is cut into buckets of one width. A batch that takes long gets wider ones, so that the
hash stays small. Sums that must be right are the journal's: a run that goes on with an interrupted one
looks at some objects again, and they count again here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from redis import Redis

from workers import keys
from workers.connection import text_of

FIRST_WIDTH_SECONDS = 5
MAX_BUCKETS = 240

# Buckets begin at multiples of their width, so that two of them make one of the double width.
# Fields: width; buckets: how many there are; latest: where the newest begins; <begin>:<result> -> number.
NOTE_PACE = f"""
local function widen(key, width)
  local rows, sums, number = redis.call('HGETALL', key), {{}}, {MAX_BUCKETS + 1}
  while number > {MAX_BUCKETS} do
    width, number, sums = width * 2, 0, {{}}
    local seen = {{}}
    for at = 1, #rows, 2 do
      local begin, result = string.match(rows[at], '^(%d+):(.+)$')
      if begin then
        begin = string.format('%d', begin - begin % width)
        if not seen[begin] then seen[begin], number = true, number + 1 end
        local field = begin .. ':' .. result
        sums[field] = (sums[field] or 0) + rows[at + 1]
      end
    end
  end
  redis.call('DEL', key)
  redis.call('HSET', key, 'width', width, 'buckets', number)
  for field, sum in pairs(sums) do redis.call('HSET', key, field, sum) end
end

local function note_pace(key, moment, counts, retention)
  local width = tonumber(redis.call('HGET', key, 'width') or '{FIRST_WIDTH_SECONDS}')
  local begin = string.format('%d', moment - moment % width)
  for result, number in pairs(counts) do redis.call('HINCRBY', key, begin .. ':' .. result, number) end
  if redis.call('HGET', key, 'latest') ~= begin then
    redis.call('HSET', key, 'width', width, 'latest', begin)
    if redis.call('HINCRBY', key, 'buckets', 1) > {MAX_BUCKETS} then widen(key, width) end
  end
  redis.call('EXPIRE', key, retention)
end
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was settled in one stretch of time, by result."""

    begin: datetime
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many objects that are."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Pace:
    """A task's buckets in order of time, all of one width; those without anything are left out."""

    width_seconds: int = FIRST_WIDTH_SECONDS
    buckets: tuple[Bucket, ...] = ()

    def totals(self) -> dict[str, int]:
        """Objects by result over all buckets."""
        totals: Counter[str] = Counter()
        for bucket in self.buckets:
            totals.update(bucket.counts)
        return dict(totals)


def read_pace(redis: Redis, task_id: str) -> Pace:
    """The pace of a task so far; without buckets for one that has settled nothing, or is forgotten."""
    table: dict[int, dict[str, int]] = {}
    fields = {text_of(name): text_of(value) for name, value in redis.hgetall(keys.pace(task_id)).items()}
    for name, number in fields.items():
        begin, mark, result = name.partition(":")
        if mark:
            table.setdefault(int(begin), {})[result] = int(number)
    buckets = [Bucket(datetime.fromtimestamp(begin, UTC), table[begin]) for begin in sorted(table)]
    return Pace(int(fields.get("width", FIRST_WIDTH_SECONDS)), tuple(buckets))
