"""Who may write to a target, and which processes are alive.

A lease is held by one batch per target and lapses unless it is renewed. Each
lease has an epoch, a number never given twice, and the journal refuses intents
under any other lease than the present one: a worker that was paused, or cut
off, cannot announce a write after somebody else has taken over.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from redis import Redis
from redis.exceptions import RedisError

from orchestrator.errors import LeaseLostError
from workers import keys
from workers.connection import redis_errors, text_of
from workers.errors import TargetBusyError

log = structlog.get_logger(__name__)

ACQUIRE = """
local holder = redis.call('GET', KEYS[1])
if holder then return holder end
local value = redis.call('INCR', KEYS[2]) .. ARGV[1]
redis.call('SET', KEYS[1], value, 'PX', ARGV[2])
return value
"""
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
# Signs of life: only the process that runs a task now may prolong or end its own.
# KEYS: alive   ARGV: nonce, ttl
LIVE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
POLL_SECONDS = 0.25


class Lease:
    """The right to write to one target, for one task."""

    def __init__(self, redis: Redis, target: str, task_id: str, ttl_seconds: float) -> None:
        self.target = target
        self.ttl_seconds = ttl_seconds
        self.value = ""
        self._redis = redis
        # The nonce tells a lease of ours, given in an answer that got lost, from one of an earlier run.
        self._suffix = f":{task_id}:{secrets.token_hex(4)}"
        self._good_until = 0.0

    def acquire(self, wait_seconds: float = 0.0, on_wait: Callable[[str], None] | None = None) -> None:
        """Take the lease; `on_wait` is told the task that holds it, as long as somebody else does.

        Raises TargetBusyError when it is still held after `wait_seconds`, and
        RedisUnavailableError when Redis cannot be asked.
        """
        deadline = time.monotonic() + wait_seconds
        while (holder := self._try_acquire()) != "":
            if time.monotonic() >= deadline:
                raise TargetBusyError(
                    f"Another batch ({holder}) is writing to target {self.target!r}.",
                    hint="Wait until it has ended, then start again.",
                )
            if on_wait is not None:
                on_wait(holder)
            time.sleep(POLL_SECONDS)

    def _try_acquire(self) -> str:
        """Take the lease; returns the task that holds it, or an empty string if we do."""
        asked_at = time.monotonic()
        names = [keys.lease(self.target), keys.epoch(self.target)]
        with redis_errors():
            answer = self._redis.eval(ACQUIRE, len(names), *names, self._suffix, self._ttl_ms)
        value = text_of(answer)
        if not value.endswith(self._suffix):
            return value.split(":")[1]
        self.value = value
        self._good_until = asked_at + self.ttl_seconds
        return ""

    @property
    def _ttl_ms(self) -> int:
        return int(self.ttl_seconds * 1000)

    def renew(self) -> None:
        """Prolong the lease. Once it has lapsed it stays lost: `check` raises from then on."""
        asked_at = time.monotonic()
        if self._redis.eval(RENEW, 1, keys.lease(self.target), self.value, self._ttl_ms):
            self._good_until = asked_at + self.ttl_seconds
        else:
            self._good_until = 0.0

    def check(self) -> None:
        """Raise LeaseLostError unless the lease is certainly ours. Cheap: asks the clock, not Redis."""
        if time.monotonic() >= self._good_until:
            raise LeaseLostError(
                f"This worker no longer holds target {self.target!r}: it was paused, or cut off from Redis, "
                f"for more than {self.ttl_seconds:g} s.",
                hint="Another run goes on where this one was interrupted, by itself or once it is resumed.",
            )

    def release(self) -> None:
        """Give the lease back, unless it is no longer ours. Never raises: the work is done by now."""
        self._good_until = 0.0
        with _lapses_anyway("lease"):
            self._redis.eval(RELEASE, 1, keys.lease(self.target), self.value)


class SignOfLife:
    """Tells everyone that the process which runs a task is alive, whatever the queue says."""

    def __init__(self, redis: Redis, task_id: str, ttl_seconds: float) -> None:
        self._redis = redis
        self._key = keys.alive(task_id)
        self._ttl_ms = int(ttl_seconds * 1000)
        self._nonce = secrets.token_hex(8)

    def begin(self, on_wait: Callable[[], None]) -> None:
        """Alive from now on, as soon as an earlier run of the task gives none of its own any more.

        `on_wait` is called again and again until then, and may raise.
        """
        while not self.renew():
            on_wait()
            time.sleep(POLL_SECONDS)

    def renew(self) -> bool:
        """Alive, as of now; False where another run of the task is."""
        return bool(self._redis.eval(LIVE, 1, self._key, self._nonce, self._ttl_ms))

    def end(self) -> None:
        """The process has done its work. Never raises."""
        with _lapses_anyway("sign of life"):
            self._redis.eval(RELEASE, 1, self._key, self._nonce)

    def gone(self) -> None:
        """The process is dead, as its parent has seen; whatever it said last. Never raises."""
        with _lapses_anyway("sign of life"):
            self._redis.delete(self._key)


@contextmanager
def _lapses_anyway(what: str) -> Iterator[None]:
    """Taking back is a courtesy to whoever waits: how the work itself ended must not hang on it."""
    try:
        yield
    except RedisError as error:
        log.warning(f"{what} not taken back, it lapses by itself", error=type(error).__name__)


class Heartbeat:
    """A thread that does a few short things every few seconds, as long as its `with` block runs."""

    def __init__(self, interval_seconds: float, beats: Sequence[Callable[[], object]]) -> None:
        self._interval = interval_seconds
        self._beats = list(beats)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def add(self, beat: Callable[[], object]) -> None:
        """From now on, do this too."""
        self._beats.append(beat)

    def remove(self, beat: Callable[[], object]) -> None:
        """Do this no more."""
        self._beats.remove(beat)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # A beat that hangs in a dead connection must not keep a finished task from ending.
        self._thread.join(timeout=self._interval)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            for beat in tuple(self._beats):
                try:
                    beat()
                except RedisError as error:
                    log.warning("heartbeat failed", error=type(error).__name__)
