"""Keeps answers of one NetBox for a while, for those who only read; who means to write asks NetBox itself.

An answer is never older than the lifetime of its object type, nor than the
latest write of ours to this NetBox that had ended before it was asked for:
marks.py tells of those, in whichever process. A write ends all that is kept,
of every type: a site's new name shows in the rows of its devices, and what is
deleted takes others along.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import orjson
from cachetools import TLRUCache

from orchestrator.netbox.lifetimes import lifetime_of
from orchestrator.netbox.marks import WriteMarks
from orchestrator.netbox.surface import Endpoint
from orchestrator.netbox.transport import Parameters

Answer = TypeVar("Answer")

MAX_BYTES = 64 * 1024 * 1024
# What an answer takes beside its own bytes and its key's, about.
_OVERHEAD_BYTES = 500
# Names of fields, in whichever order: the answer is the same.
_UNORDERED = "fields"


def clock() -> float:
    """Seconds since some moment, those included in which the machine slept, where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """How reads fared that could have been answered from what is kept, since the start; and what is kept."""

    hits: int
    misses: int
    entries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer as JSON, and when it was asked for. As bytes it can be shared: who reads it gets a copy.

    Writing and reading JSON is some ten times quicker than copying what it stands for.
    """

    content: bytes
    asked_at: float
    lifetime_seconds: int
    size: int


class CacheManager:
    """What is kept of one NetBox. Threads may share it.

    `lifetimes` are seconds by object type (lifetimes.py); nothing else is kept.
    At most `max_bytes` are: what has not been asked for longest goes first.
    """

    def __init__(
        self,
        lifetimes: Mapping[str, int],
        marks: WriteMarks,
        max_bytes: int = MAX_BYTES,
        timer: Callable[[], float] = clock,
    ) -> None:
        self._lifetimes = lifetimes
        self._marks = marks
        self._timer = timer
        self._lock = threading.Lock()
        # All that is kept was asked for in this state of the marks.
        self._state: Hashable = None
        self._kept: TLRUCache[str, _Kept] = TLRUCache(
            max_bytes,
            ttu=lambda _key, kept, _now: kept.asked_at + kept.lifetime_seconds,
            timer=timer,
            getsizeof=lambda kept: kept.size,
        )
        self._hits = self._misses = 0

    def read(
        self, endpoint: Endpoint, parameters: Parameters, ask: Callable[[], Answer], fresh: bool = False
    ) -> tuple[Answer, float | None]:
        """The answer to a question, a page or a list of rows, and its age in seconds if it was kept.

        A `fresh` one is asked for, and kept in the place of what was. An answer without rows never is:
        whoever has just added an object by hand must find it. Raises what `ask` does.
        """
        lifetime = lifetime_of(endpoint, self._lifetimes)
        if not lifetime:
            return ask(), None
        key, state = key_of(endpoint.path, parameters), self._marks.state()
        kept = self._find(key, state, fresh)
        if kept is not None:
            answer: Answer = orjson.loads(kept.content)
            return answer, max(0.0, self._timer() - kept.asked_at)
        asked_at = self._timer()
        answer = ask()
        self._keep(key, state, answer, asked_at, lifetime)
        return answer, None

    def statistics(self) -> CacheStatistics:
        """Counts since the start, and what is kept now."""
        with self._lock:
            return CacheStatistics(self._hits, self._misses, len(self._kept), int(self._kept.currsize))

    def _find(self, key: str, state: Hashable, fresh: bool) -> _Kept | None:
        with self._lock:
            if state is None or state != self._state:
                self._kept.clear()
                self._state = state
            if fresh:
                return None
            kept: _Kept | None = self._kept.get(key)
            self._hits += kept is not None
            self._misses += kept is None
            return kept

    def _keep(self, key: str, state: Hashable, answer: Any, asked_at: float, lifetime: int) -> None:
        rows = answer["results"] if isinstance(answer, dict) else answer
        content = orjson.dumps(answer) if rows and state is not None else b""
        kept = _Kept(content, asked_at, lifetime, len(content) + len(key) + _OVERHEAD_BYTES)
        with self._lock:
            if state is None or state != self._state:
                return  # one of us has written since, or may have
            before = self._kept.get(key)
            if before is not None and before.asked_at > asked_at:
                return
            self._kept.pop(key, None)
            if rows and kept.size <= self._kept.maxsize:
                self._kept[key] = kept


def key_of(object_type: str, parameters: Parameters) -> str:
    """`dcim/devices:limit=50:site_id=1:site_id=2`: one key for a question, in whichever order it is put."""
    pairs = {(name, _in_order(value) if name == _UNORDERED else str(value)) for name, value in parameters}
    parts = [f"{quote(name, safe='')}={quote(value, safe=',')}" for name, value in sorted(pairs)]
    return ":".join([object_type, *parts])


def _in_order(value: str | int) -> str:
    return ",".join(sorted(set(str(value).split(","))))
