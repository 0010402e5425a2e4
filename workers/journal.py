"""The journal of a batch in Redis.

Each call is one Lua script, so it happens whole or not at all; the same script
checks that the lease is still ours before an intent is taken down. Rows are
kept in compressed slices: a hundred thousand outcomes take about 2 MB.
"""

from __future__ import annotations

import secrets
import threading
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.errors import JournalError, LeaseLostError
from orchestrator.models import Change, Intent, Outcome, Plan
from orchestrator.plugin_types import PluginTypes, types_from_data, types_to_data
from orchestrator.ports import Row
from orchestrator.resume import WRITTEN
from workers import keys
from workers.connection import explain, read_run_id, text_of
from workers.journal_entries import (
    Counts,
    OutcomePage,
    dump,
    intent_from,
    intent_row,
    outcome_from,
    read_cursor,
)
from workers.lease import Lease
from workers.settings import DAY_SECONDS

SLICE_ROWS = 500
READ_SLICES = 20
REDIS_RUN = "redis_run"
REDIS_RUN_AT_END = "redis_run_at_end"
_FORGOTTEN = "forgotten"

# Every script ends by remembering its call id: redis-py may send a call again whose
# answer was lost, and it must not count twice. 0: not our lease, 1: done.
# KEYS: lease, meta, ...   ARGV: lease value, call id, ttl, ...
FENCE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
"""
ONCE = """
if redis.call('HGET', KEYS[2], 'last_call') == ARGV[2] then return 1 end
redis.call('HSET', KEYS[2], 'last_call', ARGV[2])
"""
KEEP = """
for at = 2, #KEYS do redis.call('EXPIRE', KEYS[at], ARGV[3]) end
return 1
"""
# ARGV: ..., facts and values
NOTE = FENCE + ONCE + "redis.call('HSET', KEYS[2], unpack(ARGV, 4))" + KEEP
# KEYS: ..., intents, pending   ARGV: ..., slice, change ids
INTEND = (
    FENCE
    + ONCE
    + """
local place = redis.call('RPUSH', KEYS[3], ARGV[4]) - 1
for at = 5, #ARGV do redis.call('HSET', KEYS[4], ARGV[at], place) end
"""
    + KEEP
)
# KEYS: ..., outcomes, counts   ARGV: ..., place of a slice, its rows, count fields of what counts no more
REWRITE = (
    FENCE
    + ONCE
    + """
redis.call('LSET', KEYS[3], ARGV[4], ARGV[5])
for at = 6, #ARGV do
  if redis.call('HINCRBY', KEYS[4], ARGV[at], -1) <= 0 then redis.call('HDEL', KEYS[4], ARGV[at]) end
end
"""
    + KEEP
)
# KEYS: ..., pending   ARGV: ..., change ids
GIVE_UP = FENCE + ONCE + "for at = 4, #ARGV do redis.call('HDEL', KEYS[3], ARGV[at]) end" + KEEP
# What has been done is true whoever holds the lease now: no fence. But once a later run has begun, that one
# reads back what this one had not told, and telling it then would count it twice.
# KEYS: ..., outcomes, pending, counts   ARGV: ..., slice, run, then change id and count field of each row
SETTLE = (
    ONCE
    + """
if tonumber(redis.call('HGET', KEYS[2], 'run') or '1') > tonumber(ARGV[5]) then return 1 end
redis.call('RPUSH', KEYS[3], ARGV[4])
for at = 6, #ARGV, 2 do
  redis.call('HDEL', KEYS[4], ARGV[at])
  redis.call('HINCRBY', KEYS[5], ARGV[at + 1], 1)
end
"""
    + KEEP
)


class RedisJournal:
    """Implements the engine's Journal and Resumable. Without a lease it can be read, not written.

    `run` is the number of the present run, if the batch was interrupted and is gone on with.
    """

    def __init__(
        self,
        redis: Redis,
        batch_id: str,
        lease: Lease | None = None,
        retention_seconds: int = 90 * DAY_SECONDS,
        run: int = 1,
    ) -> None:
        self.batch_id = batch_id
        self._run = run
        self._redis = redis
        self._lease = lease
        self._retention = retention_seconds
        # Calls go one at a time: ONCE remembers the last one only.
        self._lock = threading.Lock()

    # Writing (orchestrator.ports.Journal)

    def open(self, plan: Plan) -> None:
        """Note what the plan is. Raises LeaseLostError, or JournalError when Redis cannot be written."""
        totals = dump(plan.totals())
        facts: list[str | bytes] = [
            "batch_id",
            self.batch_id,
            "target",
            plan.target,
            "digest",
            plan.digest,
            "planned",
            totals,
            "undoes",
            plan.undoes,
            "types",
            dump(types_to_data(plan.types)),
            REDIS_RUN_AT_END,
            "",
        ]
        self._call(NOTE, [], facts)

    def intend(self, changes: Sequence[Change], rows: Sequence[Row]) -> None:
        """Take down what is about to be sent. Raises LeaseLostError when another worker may write by now."""
        entries = [intent_row(change, row, self._run) for change, row in zip(changes, rows, strict=True)]
        for part in _slices(entries):
            ids = [entry["change_id"] for entry in part]
            self._call(INTEND, ["intents", "pending"], [_pack(part), *ids])

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Take down what became of changes."""
        rows = [{**outcome.as_dict(), "run": outcome.run or self._run} for outcome in outcomes]
        for part in _slices(rows):
            fields = [text for row in part for text in (row["change_id"], _count_field(row))]
            self._call(SETTLE, ["outcomes", "pending", "counts"], [_pack(part), str(self._run), *fields])

    def begin_run(self) -> None:
        """From now on, take no outcomes from earlier runs."""
        self._call(NOTE, [], ["run", str(self._run)])

    def finish(self) -> None:
        """Note that the run has come to its end."""
        self._call(NOTE, [], [REDIS_RUN_AT_END, read_run_id(self._redis)])

    def reopen(self) -> None:
        """Count and report the outcomes that wrote nothing no more: they follow from this run's own plan."""
        for at, rows in self._slices_of("outcomes", 0):
            gone = [row for row in rows if row["result"] not in WRITTEN and not row.get(_FORGOTTEN)]
            if gone:
                fields = [_count_field(row) for row in gone]
                for row in gone:
                    row[_FORGOTTEN] = True
                self._call(REWRITE, ["outcomes", "counts"], [str(at), _pack(rows), *fields])

    def give_up(self, intents: Sequence[Intent]) -> None:
        """Note that nothing came of these intents. They stay: a rollback looks at them once more."""
        for start in range(0, len(intents), SLICE_ROWS):
            ids = [intent.change_id for intent in intents[start : start + SLICE_ROWS]]
            self._call(GIVE_UP, ["pending"], ids)

    def _call(self, script: str, parts: Sequence[str], arguments: Sequence[str | bytes]) -> None:
        if self._lease is None:
            raise JournalError(f"The journal of batch {self.batch_id} was opened for reading only.")
        names = [keys.lease(self._lease.target), keys.journal(self.batch_id)]
        names += [keys.journal(self.batch_id, part) for part in parts]
        head: list[str | bytes | int] = [self._lease.value, secrets.token_hex(8), self._retention]
        try:
            with self._lock:
                done = self._redis.eval(script, len(names), *names, *head, *arguments)
        except RedisError as error:
            raise JournalError(
                f"The journal cannot be written. {explain(error)[0]}", explain(error)[1]
            ) from None
        if not done:
            raise LeaseLostError(
                f"This worker no longer holds target {self._lease.target!r}; nothing more was sent.",
                hint="Another run goes on where this one was interrupted, by itself or once it is resumed.",
            )

    # Reading

    def in_flight(self) -> int:
        """How many changes were announced and have no outcome yet."""
        return int(self._redis.hlen(keys.journal(self.batch_id, "pending")))

    def counts(self) -> Counts:
        """Number of outcomes by object type and result."""
        table: dict[str, Counter[str]] = {}
        for name, number in self._redis.hgetall(keys.journal(self.batch_id, "counts")).items():
            object_type, _, result = text_of(name).rpartition(":")
            table.setdefault(object_type, Counter())[result] += int(number)
        return {object_type: dict(counter) for object_type, counter in table.items()}

    def outcomes(
        self,
        outcome: str | None = None,
        object_type: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> OutcomePage:
        """Outcomes in the order in which they were settled. A cursor stays good while more are added."""
        start = read_cursor(cursor)
        found: list[Outcome] = []
        for place, row in self._rows("outcomes", start // SLICE_ROWS):
            if place < start or row.get(_FORGOTTEN) or not _wanted(row, outcome, object_type):
                continue
            if len(found) == limit:
                return OutcomePage(tuple(found), str(place))
            found.append(outcome_from(row))
        return OutcomePage(tuple(found), None)

    def intents(self) -> Iterator[Intent]:
        """Everything that was about to be done, in order; a change sent again appears again."""
        for _, row in self._rows("intents", 0):
            yield intent_from(row)

    def settled(self) -> Iterator[Outcome]:
        """Every outcome, in order, also those that later runs have made void."""
        for _, row in self._rows("outcomes", 0):
            yield outcome_from(row)

    def undoes(self) -> str:
        """The batch that this one took back; empty unless it was a rollback."""
        return text_of(self._redis.hget(keys.journal(self.batch_id), "undoes"))

    def types(self) -> PluginTypes:
        """The types of plugins that the batch is about."""
        known = self._redis.hget(keys.journal(self.batch_id), "types")
        return types_from_data(orjson.loads(known or b"[]"))

    def is_whole(self) -> bool:
        """Whether the batch ended under the Redis it began under: a new start may have lost some.

        `appendfsync everysec` loses up to about a second of writes with the machine, a replica that takes
        over what had not reached it. A batch of a version that did not note this counts as whole.
        """
        begun, ended = self._redis.hmget(keys.journal(self.batch_id), [REDIS_RUN, REDIS_RUN_AT_END])
        return not begun or text_of(begun) == (text_of(ended) or read_run_id(self._redis))

    def remembers(self) -> bool:
        """Whether it can tell what the batch did; not once its entries are gone, or where it never was."""
        if self._redis.exists(keys.journal(self.batch_id, "intents")):
            return True
        written = sum(
            number
            for per_type in self.counts().values()
            for result, number in per_type.items()
            if result in WRITTEN
        )
        return not written and bool(self._redis.exists(keys.journal(self.batch_id)))

    def unsettled(self) -> list[Intent]:
        """Intents of which nobody knows what became of them, in order: to be read back first."""
        pending = self._redis.hgetall(keys.journal(self.batch_id, "pending"))
        open_ids = {text_of(change_id): int(place) for change_id, place in pending.items()}
        found: list[Intent] = []
        for place in sorted(set(open_ids.values())):
            body = self._redis.lindex(keys.journal(self.batch_id, "intents"), place)
            rows = _unpack(body) if body else []
            found += [intent_from(row) for row in rows if open_ids.get(row["change_id"]) == place]
        return found

    def _rows(self, part: str, first_slice: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows from a slice on; a row's place is slice number * SLICE_ROWS + place in the slice."""
        for at, rows in self._slices_of(part, first_slice):
            for offset, row in enumerate(rows):
                yield at * SLICE_ROWS + offset, row

    def _slices_of(self, part: str, first_slice: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        at = first_slice
        while bodies := self._redis.lrange(keys.journal(self.batch_id, part), at, at + READ_SLICES - 1):
            for body in bodies:
                yield at, _unpack(body)
                at += 1


def _wanted(row: dict[str, Any], outcome: str | None, object_type: str | None) -> bool:
    return (outcome is None or row["result"] == outcome) and (
        object_type is None or row["object_type"] == object_type
    )


def _count_field(row: dict[str, Any]) -> str:
    return f"{row['object_type']}:{row['result']}"


def _slices(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), SLICE_ROWS):
        yield rows[start : start + SLICE_ROWS]


def _pack(rows: list[dict[str, Any]]) -> bytes:
    return zlib.compress(dump(rows), 1)


def _unpack(body: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = orjson.loads(zlib.decompress(body))
    return rows
