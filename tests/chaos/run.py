"""`make chaos`: disturbs batches again and again, and writes what became of them to docs/reliability.md.

Two hours on two cores. How many runs of each kind there are can be said (`--kill 5`), also none (0);
`--seed` repeats a run.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from netbox_mcp.sandbox import NETBOX_VERSION, Sandbox
from tests.chaos import batch
from tests.chaos.rivals import RIVALS
from tests.chaos.scene import INJURIES, SETTLE_SECONDS, WORKERS, Ended, Scene

FILE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
MARK = "<!-- written by `make chaos` from here on -->"
WORDS = {
    "kill": "kill -9 of worker, horse or both, or their connections to Redis cut",
    "redis": "Redis stopped and started again (append-only file)",
    "netbox": "requests to NetBox that go wrong, are slow, or whose answer is lost",
    "cancel": "cancelled, and resumed",
    "stop": "worker stopped by SIGTERM, and replaced",
    "identical": "8 identical batches at once, 4 workers",
    "parents": "8 batches that share new parents at once, 4 workers",
    "no lease": "4 synchronous processes with one document, no lease between them",
}
HEAD = (
    "| disturbed by | runs | injuries | objects compared | lost | doubled | wrong | longest | run at |",
    "|---|---|---|---|---|---|---|---|---|",
)
TAIL = (
    "Longest: seconds from start to end of a batch; in brackets what a cancel (promised: 10) or a stop (15) "
    "took at most. Run at: commit, its date, seed.",
    "",
    f"NetBox {NETBOX_VERSION}; each batch {batch.SIZE} creates, updates and links; {WORKERS} workers; "
    f"`NETBOX_MCP_SETTLE_SECONDS={SETTLE_SECONDS}`, everything else as it comes.",
)
RUNS = {"kill": 60, "redis": 15, "netbox": 15, "cancel": 30, "stop": 30, "rivals": 3}
_MOST = 5


def main() -> None:
    """Run what was asked for; the exit code is 1 if anything was lost, doubled or not as promised."""
    chosen = _arguments()
    for name in [name for name in os.environ if name.startswith(("NETBOX_", "REDIS_URL"))]:
        del os.environ[name]  # what configures the caller must not reach the batches
    sandbox = Sandbox("chaos", report=_report)
    was_running = sandbox.status() is not None
    ended: list[Ended] = []
    whole = False
    try:
        with tempfile.TemporaryDirectory(prefix="netbox-mcp-chaos-") as folder:
            for one in _runs(Scene(sandbox, sandbox.up(), Path(folder)), chosen):
                ended.append(one)
        whole = True
    finally:
        if not was_running:
            sandbox.down()
        if ended:
            _write(ended, chosen, whole)
    sys.exit(not all(one.well for one in ended))


def _runs(scene: Scene, chosen: argparse.Namespace) -> Iterator[Ended]:
    _tell(f"undisturbed: {scene.undisturbed.seconds:.0f} s, {scene.undisturbed.counts}")
    for kind in (*INJURIES, "netbox"):
        seeds = random.Random(f"{chosen.seed} {kind}")
        for at in range(getattr(chosen, kind)):
            yield _tell_of(f"{kind} {at + 1} of {getattr(chosen, kind)}", scene.run(kind, seeds))
    for at in range(chosen.rivals):
        for kind, race in RIVALS.items():
            yield _tell_of(f"{kind} {at + 1} of {chosen.rivals}", race(scene))


def _tell_of(which: str, one: Ended) -> Ended:
    told = Counter(one.injuries)
    injuries = ", ".join(f"{name} x{number}" if number > 1 else name for name, number in told.items())
    wrong = "; ".join([*one.wrong, *one.lost[:_MOST], *one.doubled[:_MOST]])
    took = f" ({one.took:.1f} s)" if one.took else ""
    end = f"WRONG: {wrong}" if wrong else "as undisturbed"
    _tell(f"{which}: {injuries}{took}: {one.seconds:.0f} s, {end}")
    return one


def _write(ended: Sequence[Ended], chosen: argparse.Namespace, whole: bool) -> None:
    """Write the rows of what was run; those of other kinds stay as an earlier run has left them."""
    before, _, table = FILE.read_text().partition(MARK)
    rows = {line.split(" | ")[0]: line for line in table.splitlines() if line.startswith("| ")}
    source = f"{_commit()}, `--seed {chosen.seed}`" + ("" if whole else ", broken off")
    lines = [MARK, "", *HEAD]
    for kind, words in WORDS.items():
        some = [one for one in ended if one.kind == kind]
        lines += [_row(words, some, source)] if some else filter(None, [rows.get(f"| {words}")])
    FILE.write_text(before + "\n".join([*lines, _sums(lines), "", *TAIL]) + "\n")


def _sums(lines: Sequence[str]) -> str:
    """The last row: the numbers of all others, whenever they were run."""
    table = [line.split(" | ")[1:7] for line in lines[2 + len(HEAD) :]]
    sums = [sum(int(cell.split()[0]) for cell in column) for column in zip(*table, strict=True)]
    return f"| in all | {' | '.join(str(number) for number in sums)} | | |"


def _row(words: str, some: Sequence[Ended], source: str) -> str:
    took, injuries = max(one.took for one in some), sum(len(one.injuries) for one in some)
    requests = sum(one.requests for one in some) if some[0].kind == "netbox" else 0
    cells = (
        words,
        len(some),
        f"{injuries}" + (f" in {requests} requests" if requests else ""),
        sum(one.objects for one in some),
        sum(len(one.lost) for one in some),
        sum(len(one.doubled) for one in some),
        sum(bool(one.wrong) for one in some),
        f"{max(one.seconds for one in some):.0f}" + (f" ({took:.1f})" if took else ""),
        source,
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _commit() -> str:
    told = subprocess.run(
        ["git", "log", "-1", "--format=%h, %cs"], cwd=FILE.parent, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown commit"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draws what happens when (%(default)s)")
    for kind, number in RUNS.items():
        words = WORDS.get(kind, "batches that start at once, three ways")
        parser.add_argument(
            f"--{kind}", type=int, default=number, metavar="N", help=f"runs: {words} (%(default)s)"
        )
    return parser.parse_args()


def _report(message: str, done: int | None = None, total: int | None = None) -> None:
    _tell(message)


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
