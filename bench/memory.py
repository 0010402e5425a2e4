"""How much memory a worker needs for a document of 100,000 objects, at its peak.

A process with everything that a worker loads takes a stored document from a
real Redis, plans it, keeps the plan, and applies it with the journal, the
lease and the progress of a real task. Only NetBox is a stand-in, which answers
every row that is sent with an id, so that what is measured is ours alone.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from redis import Redis

from bench.plan_speed import CASES, OBJECTS_PER_DEVICE, PreparedNetBox, document
from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.ports import Row, Written
from workers import (
    tasks,  # noqa: F401 - what a worker has loaded counts
    worker,  # noqa: F401
)
from workers.connection import connect
from workers.journal import RedisJournal
from workers.lease import Lease
from workers.settings import WorkerSettings
from workers.store import Store
from workers.tracker import TaskTracker

OBJECTS = 100_000
CREATE, NOTHING = CASES
_TARGET, _TASK, _BATCH = "default", "t-bench", "b-bench"
_LEASE_SECONDS = 600
"""Nothing renews it beside the work, as a real task does; a busy machine must not let it lapse."""


class AnsweringNetBox(PreparedNetBox):
    """Says yes to every write: the rows come back with an id each."""

    def __init__(self, tables: Mapping[str, list[Row]]) -> None:
        super().__init__(tables)
        self._ids = itertools.count(1000)

    def create(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """The rows, as if they had been created."""
        return self.update(object_type, [{**row, "id": next(self._ids)} for row in rows], message)

    def update(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """The rows, as if they had been updated."""
        moment, generic = "2026-11-23T12:00:00.000000Z", OBJECT_TYPES[object_type].generic
        answers = [{**row, "last_updated": moment} for row in rows]
        for answer in answers:
            for name, pointed in generic.items():
                answer[f"{name}_id"] = answer.get(name)
                answer[f"{name}_type"] = OBJECT_TYPES[pointed].model
        return Written(answers, "b5c2c1d0-1111-4222-8333-444455556666")


def measure(objects: int = OBJECTS) -> dict[str, float]:
    """`peak_mb` of the whole, and what it had grown to at the end of each step before (`<step>_mb`)."""
    with tempfile.TemporaryDirectory() as folder, redis_in(Path(folder)) as url:
        return run_batch(url, objects)


def run_batch(url: str, objects: int, case: str = CREATE) -> dict[str, float]:
    """Keep a document of so many objects in this Redis, and have another process carry it out.

    `case` is one of plan_speed's: all of it is to be created, or there already. Returns what that process has
    found: its memory after each step, as `measure` does.
    """
    settings = WorkerSettings(redis_url=url)
    with connect(settings) as redis:
        document_id = Store(redis, settings).save_document(document(objects))
    here = Path(__file__).resolve().parent.parent
    answer = subprocess.run(
        [sys.executable, "-m", "bench.memory", "--work", url, document_id, str(objects), case],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(here)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = orjson.loads(answer.stdout)
    expected = objects // OBJECTS_PER_DEVICE * (OBJECTS_PER_DEVICE + 1) if case == CREATE else 0
    assert found.pop("done") == expected, f"{expected} changes were expected"
    return found


@contextmanager
def redis_in(folder: Path) -> Iterator[str]:
    """The address of a Redis with an append-only file, while the block runs."""
    server = RedisServer(folder, choose_port(()), appendonly=True)
    server.start()
    try:
        yield f"{server.url}/0"
    finally:
        server.stop()


# -- the process that is measured ----------------------------------------------------


def work(url: str, document_id: str, objects: str, case: str) -> dict[str, float]:
    """What a worker does for a task, and the most memory it has had until the end of each step."""
    rows = CASES[case](int(objects))
    _forget_parent()
    settings = WorkerSettings(redis_url=url)
    redis: Redis = connect(settings)
    store, engine = Store(redis, settings), NetBoxBulkOrchestrator(AnsweringNetBox(rows))
    found = {"loaded_mb": _peak_mb()}
    plan = engine.plan(store.load_document(document_id))
    found["planned_mb"] = _peak_mb()
    store.save_plan(plan, document_id)
    found["plan_kept_mb"] = _peak_mb()
    lease = Lease(redis, _TARGET, _TASK, _LEASE_SECONDS)
    lease.acquire()
    journal, tracker = RedisJournal(redis, _BATCH, lease), TaskTracker(redis, _TASK)
    report = engine.apply(plan, _BATCH, journal, tracker, checkpoint=lambda: lease.renew())
    totals = report.totals()
    return {**found, "peak_mb": _peak_mb(), "done": totals["created"] + totals["updated"]}


def _forget_parent() -> None:
    """Linux hands the peak of the process that started this one down to it."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """The largest resident size of this process so far. Linux counts in KiB."""
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return round(int(peak.split()[1]) / 1024, 1)


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        found: Any = work(*chosen.work)
        sys.stdout.buffer.write(orjson.dumps(found))
        return
    for name, size in measure(chosen.objects).items():
        print(f"{name.removesuffix('_mb'):10} {size:8.1f} MB")


if __name__ == "__main__":
    main()
