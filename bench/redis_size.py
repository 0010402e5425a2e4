"""How much of Redis a batch takes, by kind of key, and how much a task that waits.

The batch is planned, kept as a plan, and applied with a real journal by
memory.py's process; the tasks are put in line as servers do it. Bytes are
Redis's own count (MEMORY USAGE), and what its memory and its append-only file
have grown by. Nothing depends on how busy the machine is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from redis import Redis

from bench.memory import CREATE, NOTHING, redis_in, run_batch
from bench.plan_speed import document
from workers.connection import connect
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings

SIZES = (10_000, 100_000)
WAITING = 1_000
_KINDS = {
    "nmo:document:": "document",
    "nmo:plan:": "plan",
    "nmo:journal:": "journal",
    "nmo:progress:": "progress",
    "nmo:events:": "progress",
}


def measure(objects: int, case: str = CREATE) -> dict[str, float]:
    """Bytes in Redis after one batch, by kind; `memory` and `file` are those of the whole."""
    with (
        tempfile.TemporaryDirectory() as folder,
        redis_in(Path(folder)) as url,
        connect(WorkerSettings(redis_url=url)) as redis,
    ):
        before = _used(redis)
        run_batch(url, objects, case)
        found: Counter[str] = Counter()
        for key in redis.scan_iter(count=1000):
            found[_kind(key.decode())] += redis.memory_usage(key, samples=0) or 0
        memory = _used(redis) - before
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.aof"))
        return {**found, "memory": memory, "file": size}


def _kind(key: str) -> str:
    return next((kind for start, kind in _KINDS.items() if key.startswith(start)), "other")


def measure_waiting(tasks: int = WAITING) -> float:
    """Bytes that a task takes which waits in the queue, its document of six objects included."""
    with tempfile.TemporaryDirectory() as folder, redis_in(Path(folder)) as url:
        settings = WorkerSettings(redis_url=url)
        with connect(settings) as redis:
            manager = AsyncTaskManager(redis, settings)
            before = _used(redis)
            for number in range(tasks):
                one: dict[str, Any] = document(6)
                one["devices"][0]["name"] = f"waits-{number}"
                manager.start_apply(one, "default", 6)
            return (_used(redis) - before) / tasks


def _used(redis: Redis) -> int:
    used: int = redis.info("memory")["used_memory"]
    return used


def main() -> None:
    """Measure, and print a table of bytes per object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="+", default=SIZES)
    chosen = parser.parse_args()
    kinds = ("document", "plan", "journal", "progress", "other", "memory", "file")
    print(f"{'bytes per object':>16}", *(f"{kind:>9}" for kind in kinds))
    for case in (CREATE, NOTHING):
        for objects in chosen.objects:
            found = measure(objects, case)
            print(f"{objects:16,}", *(f"{found.get(kind, 0) / objects:9.1f}" for kind in kinds), f" {case}")
    print(f"a task that waits: {measure_waiting():,.0f} bytes")


if __name__ == "__main__":
    main()
