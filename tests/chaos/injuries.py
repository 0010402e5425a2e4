"""What is done to a batch while it runs: kills, cut connections, no Redis, a NetBox that stumbles."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from redis import Redis

from netbox_mcp.stack import Stack
from tests.integration.worker_process import STOP_SECONDS, children_of, runs
from tests.netbox.faulty_proxy import CUT, DROP, RESET, TRUNCATE, Answer, Fault, FaultyProxy, First, Late

KILLS = ("worker", "horse", "both", "connections")
"""What `kill` may hit; a horse is RQ's word for the process that runs a task."""
_FAULTY_READS, _FAULTY_WRITES = 0.06, 0.3
_SLOW_SECONDS = 2.0


class Workers:
    """Worker processes under a supervisor: `replace` starts another one for each that has gone."""

    def __init__(self, stack: Stack, number: int) -> None:
        self._stack = stack
        self._processes = [stack.start_worker() for _ in range(number)]

    def at_work(self) -> tuple[subprocess.Popen[bytes], int] | None:
        """A worker that runs a task, and the process that does; None where all are idle."""
        return next(self._busy(), None)

    def _busy(self) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        for worker in self._processes:
            for child in children_of(worker.pid):
                yield worker, child

    def kill(self, what: str) -> bool:
        """kill -9 the worker that has the task, the process that runs it, or both; False where none does."""
        busy = self.at_work()
        if busy is None:
            return False
        worker, horse = busy
        if not runs(horse):
            return False
        if what in ("horse", "both"):
            with suppress(ProcessLookupError):
                os.kill(horse, signal.SIGKILL)
        if what in ("worker", "both"):
            worker.kill()
            worker.wait()
        return True

    def stop(self) -> float | None:
        """SIGTERM the worker that has the task: the seconds until it was gone; None where none has."""
        busy = self.at_work()
        if busy is None:
            return None
        worker, _ = busy
        asked_at = time.monotonic()
        worker.terminate()
        worker.wait(4 * STOP_SECONDS)
        return time.monotonic() - asked_at

    def replace(self) -> None:
        """Start a new worker for each that is gone."""
        gone = [worker for worker in self._processes if worker.poll() is not None]
        self._processes = [worker for worker in self._processes if worker not in gone]
        self._processes += [self._stack.start_worker() for _ in gone]

    def end(self) -> None:
        """End them all, with what they run."""
        for _, child in list(self._busy()):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        for worker in self._processes:
            worker.kill()
        for worker in self._processes:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(10)


def cut_connections(redis: Redis) -> bool:
    """Close every connection to Redis but our own; False where there was none."""
    closed: Any = [redis.client_kill_filter(_type=kind, skipme=True) for kind in ("normal", "pubsub")]
    return any(closed)


class StumblingProxy(FaultyProxy):
    """Stands in front of NetBox and lets a share of all requests, chosen by a seed, go wrong.

    One answer to a write is lost after NetBox has done it, if there are enough of them.
    """

    def __init__(self, upstream: str, seed: int) -> None:
        super().__init__(upstream)
        self._chance = random.Random(seed)
        self._lose = 0
        self.injected: list[str] = []
        self.requests = 0
        self.active = False
        self.lost_an_answer = False

    def begin(self) -> None:
        """From now on, stumble."""
        self._lose = self._chance.randint(1, 5)  # an undisturbed batch sends about five
        self.active = True

    def take_fault(self, method: str, path: str, body: bytes) -> Fault | None:
        """Sometimes one of those below; the write whose number was drawn first loses its answer."""
        with self._lock:
            if not self.active:
                return None
            self.requests += 1
            reads = method in ("GET", "OPTIONS")
            if not reads:
                self._lose -= 1
                if self._lose == 0:
                    return self._inject("answer lost after commit", method)
            if self._chance.random() >= (_FAULTY_READS if reads else _FAULTY_WRITES):
                return None
            return self._inject(self._chance.choice(sorted(_READ_FAULTS if reads else _FAULTS)), method)

    def _inject(self, name: str, method: str) -> Fault:
        self.injected.append(f"{name} on {method}")
        self.lost_an_answer |= name in _LOSSES
        return _FAULTS[name]


def _wait() -> None:
    time.sleep(_SLOW_SECONDS)


_LOSSES = {"answer lost after commit", "half an answer", "client gone, NetBox still at it"}
_READ_FAULTS: dict[str, Fault] = {
    "500": Answer(500),
    "502": Answer(502),
    "503": Answer(503),
    "504": Answer(504),
    "429": Answer(429, headers=(("Retry-After", "1"),)),
    "reset": RESET,
    "hung up": DROP,
    "slow": First(_wait),
}
_FAULTS: dict[str, Fault] = {
    **_READ_FAULTS,
    "answer lost after commit": CUT,
    "half an answer": TRUNCATE,
    "client gone, NetBox still at it": Late(_SLOW_SECONDS),
}
