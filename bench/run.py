"""`make bench`: measures everything that has a number to reach and writes bench/RESULTS.md.

About an hour on two cores, nearly all of it NetBox's own time. `--devices`,
`--unchanged` and `--rounds` make it shorter (and the results say so); `--only` chooses parts.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import memory, pickup, plan_speed, queue_load, redis_size, results, shares
from bench.arena import Arena, tell
from bench.contests import (
    BARE_DELETES,
    BARE_READS,
    LANES,
    NO_CHANGE,
    ONE_LANE,
    ROLLBACK,
    SERIAL,
    SHARDED,
    Times,
    create_and_delete,
    create_with_lanes,
    no_change,
    objects_in,
)
from bench.results import Row, rate, speed_ratio
from netbox_mcp.sandbox import Sandbox

DEVICES, ROUNDS = 1000, 5

Measured = tuple[list[Row], Times]


def main() -> None:
    """Measure what was asked for, write the table, and fail unless every number is reached."""
    chosen = _arguments()
    rows: list[Row] = []
    taken: Times = {}
    for name in chosen.only:
        more, took = PARTS[name](chosen)
        rows += more
        taken |= took
        results.write(rows, taken, shlex.join(sys.argv[1:]), _shortened(chosen))
    print(results.FILE.read_text())
    sys.exit(not all(row.passed for row in rows))


def _creation(chosen: argparse.Namespace) -> Measured:
    with _arena() as arena:
        took = create_and_delete(arena, chosen.rounds, chosen.devices)
    return [
        *_lane_rows(took, chosen.devices),
        speed_ratio("the same with one lane", 0.95, took[ONE_LANE], took[SERIAL]),
        speed_ratio(
            f"rollback of {chosen.devices:,} creates, to bare list DELETEs",
            0.95,
            took[ROLLBACK],
            took[BARE_DELETES],
        ),
    ], took


def _lanes(chosen: argparse.Namespace) -> Measured:
    with _arena() as arena:
        took = create_with_lanes(arena, chosen.rounds, chosen.devices)
    return _lane_rows(took, chosen.devices), took


def _lane_rows(took: Times, count: int) -> list[Row]:
    return [
        speed_ratio(
            f"create {count:,} devices of 8 types, 2 lanes, to bare list POSTs",
            1.15,
            took[LANES],
            took[SERIAL],
        ),
        speed_ratio("2 lanes, to bare list POSTs sharded over 2 threads", 0.95, took[LANES], took[SHARDED]),
        speed_ratio(
            "what this machine has to give: these sharded ones, to one after another",
            None,
            took[SHARDED],
            took[SERIAL],
        ),
    ]


def _no_change(chosen: argparse.Namespace) -> Measured:
    with _arena() as arena:
        took = no_change(arena, chosen.rounds, chosen.unchanged)
    count = objects_in(chosen.unchanged)
    what = f"no-change run over {count:,} objects, to merely reading them"
    return [
        speed_ratio(what, 0.7, took[NO_CHANGE], took[BARE_READS]),
        rate("the same", 1500, count, took[NO_CHANGE]),
    ], took


def _planning(chosen: argparse.Namespace) -> Measured:
    tell("normalise, fingerprint, diff, plan without a network")
    rows = []
    for case, found in plan_speed.measure(rounds=chosen.rounds).items():
        what = f"plan 2,000 objects without network, {case}, per core"
        rows.append(Row(what, 30_000, found["small"], "objects/s"))
        rows.append(Row("time per object at 200,000 to that at 2,000", 1.3, found["ratio"], at_most=True))
    return rows, {}


def _memory(chosen: argparse.Namespace) -> Measured:
    tell("peak memory of a worker")
    found = memory.measure()
    return [Row("peak memory of a worker, 100,000 objects", 400, found["peak_mb"], "MB", at_most=True)], {}


def _redis(chosen: argparse.Namespace) -> Measured:
    tell("what a batch takes in Redis")
    rows = []
    for objects in redis_size.SIZES:
        found = redis_size.measure(objects)
        what = f"Redis after a batch of {objects:,} objects, by object"
        rows.append(Row(what, None, found["memory"] / objects, "bytes"))
        rows.append(Row("of that its journal", None, found["journal"] / objects, "bytes"))
    waiting = redis_size.measure_waiting()
    return [*rows, Row("Redis for each task that waits in the queue", None, waiting, "bytes")], {}


def _shares(chosen: argparse.Namespace) -> Measured:
    tell("who spends the processor's time")
    with shares.sandbox_for_this() as (sandbox, info):
        found = shares.measure(sandbox, info, rounds=chosen.rounds)
    rows = [
        Row(f"processor time of {who}, {case}, for 1,000 objects", None, reached, "s", spread)
        for case, runs in found.items()
        for who, (reached, spread) in shares.by_thousand(runs).items()
    ]
    return rows, {}


def _queue(chosen: argparse.Namespace) -> Measured:
    tell("a queue with many tasks, and many who ask about them")
    found = queue_load.measure()
    queued = f"{queue_load.TASKS:,} tasks queued"
    crowd = f"{queue_load.LONG_POLLERS} clients long-poll, {queue_load.POLLERS} ask once a second"
    return [
        _latency(f"netbox_list_active_tasks, {queued}, median", found["netbox_list_active_tasks"], 0.5),
        _latency(f"netbox_get_queue_info, {queued}, median", found["netbox_get_queue_info"], 0.5),
        _latency(f"netbox_get_task_status while {crowd}, 99th percentile", found["poll"], 0.99),
    ], {}


def _pickup(chosen: argparse.Namespace) -> Measured:
    tell("from a request to the worker's first request to NetBox")
    what = f"netbox_start_bulk_async to the worker's first request to NetBox, slowest of {pickup.TASKS}"
    return [_latency(what, pickup.measure(), 1.0, must=1000)], {}


def _latency(what: str, taken: Sequence[float], share: float, must: float = 50) -> Row:
    reached = queue_load.percentile(taken, share)
    return Row(what, must, reached, "ms", f"{min(taken):,.0f} to {max(taken):,.0f}", at_most=True)


PARTS: Mapping[str, Callable[[argparse.Namespace], Measured]] = {
    "creation": _creation,
    "lanes": _lanes,
    "no-change": _no_change,
    "planning": _planning,
    "memory": _memory,
    "redis": _redis,
    "shares": _shares,
    "queue": _queue,
    "pickup": _pickup,
}


WHOLE = [name for name in PARTS if name != "lanes"]
"""What a run measures unless told otherwise: `creation` has all that `lanes` has."""


@contextmanager
def _arena() -> Iterator[Arena]:
    """A NetBox of our own, stopped afterwards."""
    sandbox = Sandbox("bench", report=_report)
    was_running = sandbox.status() is not None
    with tempfile.TemporaryDirectory(prefix="netbox-mcp-bench-") as state:
        try:
            arena = Arena(sandbox, sandbox.up(), Path(state))
            try:
                yield arena
            finally:
                arena.close()
        finally:
            if not was_running:
                sandbox.down()


def _report(message: str, done: int | None = None, total: int | None = None) -> None:
    tell(message)


def _shortened(chosen: argparse.Namespace) -> str:
    """In which way this run is less than it should be; empty when it is all of it."""
    less = []
    if chosen.devices < DEVICES and {"creation", "lanes"} & set(chosen.only):
        less.append(f"{chosen.devices} devices created instead of {DEVICES}")
    if chosen.unchanged < DEVICES and "no-change" in chosen.only:
        less.append(f"{chosen.unchanged} devices read instead of {DEVICES}")
    if chosen.rounds < ROUNDS:
        less.append(f"{chosen.rounds} rounds instead of {ROUNDS}")
    if missing := [name for name in WHOLE if name not in chosen.only]:
        less.append(f"without {', '.join(missing)}")
    return ", ".join(less)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--devices", type=int, default=DEVICES, help="how many are created (%(default)s)")
    parser.add_argument(
        "--unchanged", type=int, default=DEVICES, help="how many a run without changes has (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is measured (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=WHOLE, help="measure these alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
