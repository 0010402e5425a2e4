"""How those who keep answers of a NetBox learn of our writes to it: before each one leaves, and after.

Every write of ours marks (raw.py); cache.py looks at the marks before it answers.
Here are the marks of this process and those in a folder that processes of one
machine share; workers/write_marks.py has those in Redis.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from orchestrator.errors import NetBoxError, UnknownOutcomeError

_log = logging.getLogger(__name__)

_LATEST = "latest"


class WriteMarks(Protocol):
    """What is known of our writes to one NetBox. Threads may share it; no call raises anything.

    A write that was begun and never ended, because its process was killed or
    NetBox gave no answer, may still come about: it counts as under way until
    `settle_seconds` have passed.
    """

    def begin(self, write: str) -> None:
        """A write of this id is about to leave."""

    def end(self, write: str, settled: bool) -> None:
        """It has ended; without `settled` NetBox may still be at work on it."""

    def state(self) -> Hashable:
        """Something that each mark makes another one; None while a write is under way, or nobody knows."""


@contextmanager
def marked(marks: WriteMarks | None) -> Iterator[None]:
    """Send a write inside. Whatever becomes of it counts as a write, a refusal too."""
    if marks is None:
        yield
        return
    write, settled = secrets.token_hex(8), False
    try:
        marks.begin(write)
        yield
        settled = True
    except NetBoxError as error:
        settled = not isinstance(error, UnknownOutcomeError)
        raise
    finally:
        marks.end(write, settled)


class MemoryMarks:
    """The writes of this process."""

    def __init__(self, settle_seconds: float, timer: Callable[[], float] = time.monotonic) -> None:
        self._settle_seconds = settle_seconds
        self._timer = timer
        self._lock = threading.Lock()
        self._number = 0
        self._underway: dict[str, float] = {}  # write -> when it counts no more

    def begin(self, write: str) -> None:
        """A write is about to leave."""
        with self._lock:
            self._underway[write] = float("inf")

    def end(self, write: str, settled: bool) -> None:
        """It has ended."""
        with self._lock:
            self._number += 1
            if settled:
                self._underway.pop(write, None)
            else:
                self._underway[write] = self._timer() + self._settle_seconds

    def state(self) -> Hashable:
        """How many marks there were; None while a write is under way."""
        with self._lock:
            now = self._timer()
            self._underway = {write: until for write, until in self._underway.items() if until > now}
            return None if self._underway else self._number


class FileMarks:
    """The writes of all processes that share a folder: a file for each that is under way.

    What tells one mark from the next is a random value in the file `latest`; no clock of a file system is
    fine enough. A folder that cannot be written to costs others the knowledge of our writes, and us nothing:
    what has to be kept apart from others (locks, journals, the audit) fails by itself there.
    """

    def __init__(self, folder: Path, settle_seconds: float) -> None:
        self._folder = folder
        self._latest = folder / _LATEST
        self._settle_seconds = settle_seconds

    def begin(self, write: str) -> None:
        """A write is about to leave."""
        with self._said():
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / write).touch(mode=0o600)
            self._turn(write)
            self._tidy()

    def end(self, write: str, settled: bool) -> None:
        """It has ended."""
        with self._said():
            if settled:
                self._turn(write)
                (self._folder / write).unlink(missing_ok=True)
            else:
                (self._folder / write).touch(mode=0o600)

    def state(self) -> Hashable:
        """The latest mark; None while a write is under way, or if that cannot be seen."""
        try:
            # In this order: what is marked in between makes the state one that is over.
            latest = self._latest.read_text() if self._latest.exists() else ""
            with os.scandir(self._folder) as found:
                return None if any(map(self._is_underway, found)) else latest
        except FileNotFoundError:
            return ""  # nobody has written yet
        except OSError:
            return None

    def _turn(self, write: str) -> None:
        new = self._folder / f"{_LATEST}.{write}"
        new.write_text(secrets.token_hex(8))
        new.replace(self._latest)

    def _tidy(self) -> None:
        """Remove what processes left that were killed."""
        with os.scandir(self._folder) as found:
            for entry in found:
                if entry.name != _LATEST and not self._is_recent(entry):
                    with suppress(OSError):
                        Path(entry.path).unlink()

    def _is_underway(self, entry: os.DirEntry[str]) -> bool:
        return not entry.name.startswith(_LATEST) and self._is_recent(entry)

    def _is_recent(self, entry: os.DirEntry[str]) -> bool:
        try:
            return abs(time.time() - entry.stat().st_mtime) < self._settle_seconds
        except FileNotFoundError:  # ended while we looked
            return True

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            _log.info(
                "other processes are not told of a write: %s cannot be written (%s)", self._folder, reason
            )


class AllMarks:
    """Several places of marks, of which any can tell of a write."""

    def __init__(self, parts: Sequence[WriteMarks]) -> None:
        self._parts = parts

    def begin(self, write: str) -> None:
        """A write is about to leave."""
        for part in self._parts:
            part.begin(write)

    def end(self, write: str, settled: bool) -> None:
        """It has ended."""
        for part in self._parts:
            part.end(write, settled)

    def state(self) -> Hashable:
        """The states of all; None where one is."""
        states: list[Hashable] = []
        for part in self._parts:
            state = part.state()
            if state is None:
                return None
            states.append(state)
        return tuple(states)
