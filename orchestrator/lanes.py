"""Cuts a stage into lanes that never fight for a row in NetBox's database, and lanes into list writes.

Concurrent writers under one parent wait for each other, or deadlock: so all
changes of one parent go into one lane, sorted by it (measured on NetBox 4.7:
docs/planning-rules.md).
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.models import Change, Planned

FIRST_SECONDS = 2.0
"""NetBox's work in the first lists of a batch, when its pace is unknown, and in all after a lost answer."""
LIST_SECONDS = 5.0
"""NetBox's work in other lists, unless told otherwise. Each costs it something beside its rows: above all a
job for its search index, which it starts a process for. In lists of 2 s, devices took a tenth longer
(bench/RESULTS.md)."""
MAX_ROWS = 500
# Less work than this is not worth a second request, and tells little about how quick NetBox is.
_WORTH_A_LANE_SECONDS = 1.0
_MOST_OFF = 3.0


class Pace:
    """How quick this NetBox is beside the one that the catalog's costs were measured on.

    Learnt from the lists of a batch. Lists that are in flight together share NetBox: one that takes four
    seconds beside another one counts for two. Lists become up to three times longer or shorter than the
    catalog says. Threads may share it: `lanes` says how many. Of more than two, each gets shorter lists, so
    that those in flight together are answered within about twice `list_seconds`.
    """

    def __init__(self, lanes: int, list_seconds: float = LIST_SECONDS) -> None:
        self._lock = threading.Lock()
        self._first = min(FIRST_SECONDS, list_seconds)
        self._seconds = max(self._first, list_seconds * 2 / max(2, lanes))
        self._ratio = 1.0
        self._known = False
        self._in_flight = 0

    @contextmanager
    def measured(self, expected_seconds: float) -> Iterator[None]:
        """Send a list of so much work inside. What is raised tells nothing of how quick NetBox is."""
        with self._lock:
            self._in_flight += 1
            at_first, begun = self._in_flight, time.monotonic()
        try:
            yield
            took = time.monotonic() - begun
            with self._lock:
                at_once = (at_first + self._in_flight) / 2
            self.note(expected_seconds, took / at_once)
        finally:
            with self._lock:
                self._in_flight -= 1

    def note(self, expected_seconds: float, seconds: float) -> None:
        """A list of so much work, as the catalog counts it, was so many seconds of work for NetBox."""
        with self._lock:
            if expected_seconds < min(_WORTH_A_LANE_SECONDS, self._first / self._ratio / 2):
                return  # hardly any rows: it was the request itself
            ratio = min(_MOST_OFF, max(1 / _MOST_OFF, seconds / expected_seconds))
            self._ratio = (self._ratio + ratio) / 2 if self._known else ratio
            self._known = True

    def note_lost(self) -> None:
        """An answer was lost or came too late: from now on lists are short."""
        with self._lock:
            self._seconds = self._first

    def list_seconds(self) -> float:
        """How much work, as the catalog counts it, the next list should be."""
        with self._lock:
            return (self._seconds if self._known else self._first) / self._ratio


def cut_lanes(changes: Sequence[Change], lanes: int) -> list[list[Change]]:
    """At most `lanes` lists of about the same work; changes that share a parent share a lane."""
    total = sum(change.seconds for change in changes)
    useful = max(1, min(lanes, int(total / _WORTH_A_LANE_SECONDS)))
    shards: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        shards[_parent(change)].append(change)
    filled: list[list[Change]] = [[] for _ in range(useful)]
    loads = [0.0] * useful
    for name in sorted(shards, key=lambda shard: (-sum(c.seconds for c in shards[shard]), shard)):
        lightest = loads.index(min(loads))
        filled[lightest].extend(shards[name])
        loads[lightest] += sum(change.seconds for change in shards[name])
    return [sorted(lane, key=lambda change: (_parent(change), change.id)) for lane in filled if lane]


def cut_chunks(lane: Sequence[Change], list_seconds: Callable[[], float]) -> Iterator[list[Change]]:
    """Consecutive changes with the same action; how much work they are together is asked for each list."""
    chunk: list[Change] = []
    load, seconds = 0.0, list_seconds()
    for change in sorted(lane, key=lambda change: (change.action, change.may_exist)):
        full = load + change.seconds > seconds or len(chunk) >= MAX_ROWS
        if chunk and (full or change.action is not chunk[0].action or change.may_exist != chunk[0].may_exist):
            yield chunk
            chunk, load, seconds = [], 0.0, list_seconds()
        chunk.append(change)
        load += change.seconds
    if chunk:
        yield chunk


def _parent(change: Change) -> str:
    """The row that writers of this change would fight for; itself where there is none."""
    row = OBJECT_TYPES[change.object_type]
    if row.ends:  # the paths that NetBox traces through cables may meet anywhere
        return row.name
    lane = row.lane
    value: Any = change.after.get(lane, change.key.get(lane)) if lane else None
    if isinstance(value, Planned):
        return value.change_id
    return f"{value:012}" if isinstance(value, int) else change.id
