"""What is done to a batch while it runs: kills, cut connections, no Redis, a NetBox that stumbles."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis import Redis

from netbox_mcp.stack import Stack
from tests.netbox.faulty_proxy import CUT, DROP, RESET, TRUNCATE, Answer, Fault, FaultyProxy, First, Late

KILLS = ("worker", "horse", "both", "connections")
FAULTY_SHARE = 0.1
_SLOW_SECONDS = 2.0
_REDIS_AWAY_SECONDS = (1.0, 25.0)


class Workers:
    """Worker processes under a supervisor: those that were killed are replaced."""

    def __init__(self, stack: Stack, number: int) -> None:
        self._stack = stack
        self._processes = [stack.start_worker() for _ in range(number)]

    def kill(self, what: str) -> str:
        """kill -9 the worker that has the task (or any), the process that runs the task, or both."""
        at_work = [(worker, child) for worker in self._processes for child in _children(worker.pid)]
        worker, horse = random.choice(at_work) if at_work else (random.choice(self._processes), 0)
        if what in ("horse", "both") and horse:
            with suppress(ProcessLookupError):
                os.kill(horse, signal.SIGKILL)
        if what in ("worker", "both"):
            worker.kill()
            worker.wait()
        return f"{what} killed" + ("" if horse else " (idle)")

    def replace(self) -> None:
        """Start a new worker for each that is gone, as a supervisor would."""
        gone = [worker for worker in self._processes if worker.poll() is not None]
        self._processes = [worker for worker in self._processes if worker not in gone]
        self._processes += [self._stack.start_worker() for _ in gone]

    def end(self) -> None:
        """End them all, with what they run."""
        for worker in self._processes:
            for child in _children(worker.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            worker.kill()
        for worker in self._processes:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(10)


def _children(pid: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def cut_connections(redis: Redis) -> str:
    """Close every connection to Redis but our own."""
    closed: Any = redis.client_kill_filter(_type="normal", skipme=True)
    return f"{closed} connections to Redis cut"


def stop_redis(stack: Stack, chance: random.Random) -> str:
    """Stop Redis and start it again."""
    seconds = chance.uniform(*_REDIS_AWAY_SECONDS)
    stack.redis.stop()
    time.sleep(seconds)
    stack.redis.start()
    return f"Redis away for {seconds:.0f} s"


class StumblingProxy(FaultyProxy):
    """Stands in front of NetBox and lets a share of all requests, chosen by a seed, go wrong."""

    def __init__(self, upstream: str, seed: int) -> None:
        super().__init__(upstream)
        self._chance = random.Random(seed)
        self.injected: list[str] = []
        self.active = False

    def take_fault(self, method: str, path: str, body: bytes) -> Fault | None:
        with self._lock:
            if not self.active or self._chance.random() >= FAULTY_SHARE:
                return None
            name = self._chance.choice(sorted(_FAULTS if method != "GET" else _READ_FAULTS))
            self.injected.append(f"{name} on {method}")
        return _FAULTS[name]


def _wait() -> None:
    time.sleep(_SLOW_SECONDS)


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
