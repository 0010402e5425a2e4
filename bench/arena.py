"""The NetBox that everything is measured on, and our own engine on it with a real journal."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr
from redis import Redis

from bench import documents
from bench.bare_reads_and_deletes import read_pages
from bench.results import Taken
from netbox_mcp.sandbox import Sandbox, SandboxInfo
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Plan, Report
from orchestrator.netbox import NetBoxSettings, open_netbox
from workers.sqlite_journal import SqliteJournal


class Arena:
    """A running sandbox. `state` is the folder for the journals."""

    def __init__(self, sandbox: Sandbox, info: SandboxInfo, state: Path) -> None:
        self.url = info.url
        self.token = info.token_v2
        self._sandbox = sandbox
        self._redis_url = info.redis_url
        self._state = state
        self._batches = 0
        self._netbox = open_netbox(NetBoxSettings(url=info.url, token=SecretStr(info.token_v2)))

    def close(self) -> None:
        """Close the engine's connections."""
        self._netbox.close()

    def prepare(self) -> None:
        """An empty NetBox with the parents in it, both of its processes warm."""
        self._sandbox.reset()
        self.apply(documents.parents(), lanes=1)
        for _ in range(4):
            self.ids("dcim/devices")
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Wait for NetBox's search index, which it brings up to date in the background after each write."""
        with Redis.from_url(self._redis_url) as redis:
            while redis.llen("rq:queue:default"):
                time.sleep(0.2)

    # -- our own side ------------------------------------------------------------------

    def engine(self, lanes: int) -> NetBoxBulkOrchestrator:
        """The engine as the product uses it."""
        return NetBoxBulkOrchestrator(self._netbox, lanes=lanes)

    def apply(self, document: documents.Document, lanes: int) -> str:
        """Plan and apply, as `netbox-mcp apply` does; returns the batch id."""
        engine = self.engine(lanes)
        return self._carry_out(engine, engine.plan(document))

    def roll_back(self, batch_id: str, lanes: int) -> None:
        """Plan and apply the way back, from the journal of the batch."""
        engine = self.engine(lanes)
        with closing(SqliteJournal(self._state, batch_id)) as journal:
            plan = engine.plan_rollback(batch_id, journal)
        self._carry_out(engine, plan)

    def _carry_out(self, engine: NetBoxBulkOrchestrator, plan: Plan) -> str:
        self._batches += 1
        batch_id = f"bench-{self._batches}"
        with closing(SqliteJournal(self._state, batch_id)) as journal:
            report: Report = engine.apply(plan, batch_id, journal)
        if not report.ok:
            raise SystemExit(f"A measured batch did not land: {report.first_errors[:3]}")
        return batch_id

    # -- what is there -----------------------------------------------------------------

    def ids(self, path: str, name: str = "name") -> Mapping[str, int]:
        """The ids of all objects of a list, by name."""
        return {row[name]: row["id"] for row in read_pages(self.url, self.token, path, ("id", name))}


def timed(what: str, work: Callable[[], object]) -> Taken:
    """What it takes, told on stderr."""
    gc.collect()
    begin, (idle, every) = time.perf_counter(), _ticks()
    work()
    seconds, (idle_then, every_then) = time.perf_counter() - begin, _ticks()
    busy = 1 - (idle_then - idle) / max(1, every_then - every)
    tell(f"  {what}: {seconds:.2f} s, cores busy {busy:.0%}")
    return Taken(seconds, busy)


def _ticks() -> tuple[int, int]:
    """What all cores together have spent idle (or waiting for a disk), and in all; proc(5), /proc/stat."""
    counted = [int(number) for number in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return counted[3] + counted[4], sum(counted)


def tell(message: str) -> None:
    """Progress, on stderr."""
    print(message, file=sys.stderr, flush=True)
