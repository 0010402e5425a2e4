"""Who does the work of a batch: processor time of NetBox, its database, our worker and our Redis, by object.

A real worker process carries a document out on the sandbox's NetBox, once to
create everything and once more with nothing to do. Processor time is that of
whole families of processes (proc(5)), ended ones included, so that others on
the machine disturb it little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from bench.arena import tell
from bench.plan_speed import OBJECTS_PER_DEVICE, document
from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.stack import Stack
from workers.connection import connect
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings
from workers.status import TaskStatus

OBJECTS, ROUNDS, LANES = 600, 3, 2
CREATE, NOTHING = "create everything", "nothing to do"
NETBOX, DATABASE, INDEXING, WORKER, REDIS = (
    "NetBox", "its database", "its own worker and Redis", "our worker", "our Redis",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Share:
    """What one run took: processor seconds by who spent them, requests by method, and how long it was."""

    cpu: Mapping[str, float]
    requests: Mapping[str, int]
    changes: int
    seconds: float


def measure(
    sandbox: Sandbox, info: SandboxInfo, objects: int = OBJECTS, rounds: int = ROUNDS, lanes: int = LANES
) -> dict[str, list[Share]]:
    """The same document created and looked through again, `rounds` times from an empty NetBox."""
    found: dict[str, list[Share]] = {CREATE: [], NOTHING: []}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), info.url, info.token_v2) as stack:
        worker = stack.start_worker({"NETBOX_MCP_LANES": str(lanes)})
        settings = WorkerSettings(redis_url=stack.environment["REDIS_URL"])
        roots = {
            NETBOX: [info.processes["web"]],
            DATABASE: [info.processes["postgres"]],
            INDEXING: [info.processes["worker"], info.processes["redis"]],
            WORKER: [worker.pid],
            REDIS: [stack.redis.pid or 0],
        }
        with connect(settings) as redis, Redis.from_url(info.redis_url) as index:
            for _ in range(rounds):
                sandbox.reset()
                for name, shares in found.items():
                    shares.append(_run(AsyncTaskManager(redis, settings), index, roots, objects))
                    tell(f"  {name}: {shares[-1].seconds:.1f} s, {shares[-1].cpu}")
    return found


def _run(manager: AsyncTaskManager, index: Redis, roots: Mapping[str, Sequence[int]], objects: int) -> Share:
    """One batch, until NetBox has brought its search index up to date as well."""
    before, asked, begun = _spent(roots), _requests(manager), time.perf_counter()
    task = manager.start_apply(_document(objects), "default", objects)
    while not (status := manager.status(task.task_id)).ended:
        time.sleep(0.2)
    seconds = time.perf_counter() - begun
    _expect_well(status)
    while index.llen("rq:queue:default"):
        time.sleep(0.2)
    time.sleep(6)  # the worker counts its requests every few seconds, and NetBox may be at its last job
    spent, asked_then = _spent(roots), _requests(manager)
    return Share(
        {who: spent[who] - before[who] for who in roots},
        asked_then - asked,
        sum(status.counts.values()),
        seconds,
    )


def _document(objects: int) -> dict[str, Any]:
    """Without the first device: its address is that of the network, which a real NetBox refuses."""
    return {"devices": document(objects + OBJECTS_PER_DEVICE)["devices"][1:]}


def _expect_well(status: TaskStatus) -> None:
    if status.status != "completed":
        raise SystemExit(f"A measured batch did not land: {status.message} {status.first_errors}")


def _requests(manager: AsyncTaskManager) -> Counter[str]:
    """Requests of workers until now, by method."""
    text, _ = manager.metrics("", {})
    counted: Counter[str] = Counter()
    for family in text_string_to_metric_families(text.decode()):
        if family.name == "netbox_mcp_netbox_requests":
            for sample in family.samples:
                counted[sample.labels["method"]] += int(sample.value)
    return counted


def _spent(roots: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Processor seconds of these processes and all that descend from them, those that have ended included."""
    stats = dict(_processes())
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in stats.items():
        children.setdefault(parent, []).append(pid)

    def family(pid: int) -> float:
        own = stats[pid][1] if pid in stats else 0.0
        return own + sum(family(child) for child in children.get(pid, ()))

    return {who: sum(family(pid) for pid in pids) for who, pids in roots.items()}


def _processes() -> Iterator[tuple[int, tuple[int, float]]]:
    """Each process with its parent and what it and its ended children have spent."""
    per_second = os.sysconf("SC_CLK_TCK")
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks = sum(int(number) for number in fields[11:15])  # utime, stime, cutime, cstime
        yield int(path.parent.name), (int(fields[1]), ticks / per_second)


def by_thousand(runs: Sequence[Share]) -> dict[str, tuple[float, str]]:
    """Processor seconds for each thousand objects by who spent them: the median, and the least and most."""
    found = {}
    for who in runs[0].cpu:
        each = [run.cpu[who] * 1000 / run.changes for run in runs]
        found[who] = median(each), f"{min(each):.2f} to {max(each):.2f}"
    return found


@contextmanager
def sandbox_for_this() -> Iterator[tuple[Sandbox, SandboxInfo]]:
    """A NetBox of our own, stopped afterwards unless it ran before."""
    sandbox = Sandbox("bench")
    was_running = sandbox.status() is not None
    try:
        yield sandbox, sandbox.up()
    finally:
        if not was_running:
            sandbox.down()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=OBJECTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--lanes", type=int, default=LANES)
    chosen = parser.parse_args()
    with sandbox_for_this() as (sandbox, info):
        found = measure(sandbox, info, chosen.objects, chosen.rounds, chosen.lanes)
    for name, runs in found.items():
        seconds = median(run.seconds for run in runs)
        print(f"{name}: {runs[0].changes} objects, {seconds:.1f} s, requests {dict(runs[0].requests)}")
        for who, (reached, spread) in by_thousand(runs).items():
            print(f"  {who:26} {reached:7.2f} s for 1,000 objects ({spread})")


if __name__ == "__main__":
    main()
