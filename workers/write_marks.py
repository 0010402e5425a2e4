"""Telling each other of our writes to a NetBox: what was kept before one must not be told after it.

Workers and servers mark; only servers keep answers. A NetBox goes by two names,
the target's and that of its address: workers may reach it under another address,
and two targets may be one NetBox with two tokens.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, TimeoutError

from orchestrator.netbox import NetBoxSettings
from orchestrator.netbox.marks import AllMarks, FileMarks, MemoryMarks, WriteMarks
from workers import keys
from workers.connection import connect_for_marks, run_of
from workers.errors import RedisUnavailableError
from workers.settings import DAY_SECONDS, WorkerSettings

PAUSE_SECONDS = 5.0
"""For how long a Redis that did not answer in time is not asked again: each question costs half a second."""

log = structlog.get_logger(__name__)


def open_marks(settings: WorkerSettings, target: NetBoxSettings) -> WriteMarks:
    """The marks of one NetBox in this process, on this machine and, where it is configured, in Redis."""
    places = [target.name, f"url.{hashlib.sha256(_plain(target.url).encode()).hexdigest()[:16]}"]
    parts: list[WriteMarks] = [MemoryMarks(settings.settle_seconds)]
    parts += [FileMarks(settings.state_dir / "writes" / place, settings.settle_seconds) for place in places]
    if settings.redis_url is not None:
        parts.append(RedisMarks(settings, places))
    return AllMarks(parts)


def _plain(url: str) -> str:
    """One notation for an address: scheme and host in lower case, the port even where it is the usual one."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"


class RedisMarks:
    """The writes of all who share a Redis, to a NetBox known by several names. Nothing here waits for long.

    A mark is a new random value, and counts together with the run of Redis that it was seen in: one that
    forgets, or comes back with what it knew earlier, never shows an old state again. A mark that could not
    be set is set at the next occasion; until then a server that reaches Redis where the writer did not
    knows nothing of the write, and never does if that process ends before.
    """

    def __init__(self, settings: WorkerSettings, places: Sequence[str]) -> None:
        self._settings = settings
        self._places = places
        self._redis: Redis | None = None
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._owed = False

    def begin(self, write: str) -> None:
        """A write is about to leave."""
        self._mark(lambda pipe, place: self._add(pipe, place, write))

    def end(self, write: str, settled: bool) -> None:
        """It has ended."""
        if settled:
            self._mark(lambda pipe, place: pipe.zrem(keys.writing(place), write))
        else:
            self.begin(write)

    def state(self) -> Hashable:
        """The latest marks; None while a write is under way, or if Redis cannot be asked."""
        owed, self._owed = self._owed, False

        def ask(pipe: Pipeline) -> None:
            for place in self._places:
                # Where there is none, one is made: what it says must never come back.
                pipe.set(keys.written(place), secrets.token_hex(8), ex=DAY_SECONDS, nx=not owed)
                pipe.get(keys.written(place))
                pipe.zcount(keys.writing(place), time.time(), "+inf")
            pipe.info("server")
            pipe.info("replication")

        answers = self._ask(ask)
        if answers is None:
            self._owed = self._owed or owed
            return None
        *marks, server, replication = answers
        return None if any(marks[2::3]) else (run_of(server, replication), *marks[1::3])

    def _add(self, pipe: Pipeline, place: str, write: str) -> None:
        seconds = self._settings.settle_seconds
        pipe.zremrangebyscore(keys.writing(place), "-inf", time.time())
        pipe.zadd(keys.writing(place), {write: time.time() + seconds})
        pipe.expire(keys.writing(place), int(seconds) + 60)

    def _mark(self, change: Callable[[Pipeline, str], object]) -> None:
        def send(pipe: Pipeline) -> None:
            for place in self._places:
                pipe.set(keys.written(place), secrets.token_hex(8), ex=DAY_SECONDS)
                change(pipe, place)

        if self._ask(send) is None:
            self._owed = True

    def _ask(self, questions: Callable[[Pipeline], None]) -> list[Any] | None:
        """What Redis answers, all at once; None where it does not."""
        if time.monotonic() < self._away_until:
            return None
        try:
            with self._connection().pipeline() as pipe:
                questions(pipe)
                answers: list[Any] = pipe.execute()
                return answers
        except (RedisError, RedisUnavailableError, OSError, ValueError) as error:
            if isinstance(error, TimeoutError):  # who refuses costs no time
                self._away_until = time.monotonic() + PAUSE_SECONDS
            log.info("writes to NetBox cannot be told in Redis", reason=type(error).__name__)
            return None

    def _connection(self) -> Redis:
        """One for all threads: redis-py closes, under whoever uses it, a client that another one replaces."""
        with self._lock:
            if self._redis is None:
                self._redis = connect_for_marks(self._settings)
            return self._redis
