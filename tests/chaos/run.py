"""`make chaos`: disturbs batches again and again, and writes what became of them to docs/reliability.md.

An hour and a half on two cores; `--kills`, `--redis` and `--netbox` say how many runs of each kind there
are, `--seed` repeats a run.
"""

from __future__ import annotations

import argparse
import random
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from netbox_mcp.sandbox import NETBOX_VERSION, Sandbox
from tests.chaos import batch
from tests.chaos.scene import SETTLE_SECONDS, WORKERS, Ended, Scene

FILE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
MARK = "<!-- written by `make chaos` from here on -->"
WORDS = {
    "kill": "kill -9 of worker, horse or both, or their connections to Redis cut",
    "redis": "Redis stopped and started again (append-only file)",
    "netbox": "a tenth of NetBox's answers faulty, slow or lost",
}


def main() -> None:
    """Run what was asked for; the exit code is 1 if anything was lost or doubled."""
    chosen = _arguments()
    sandbox = Sandbox("chaos", report=_report)
    was_running = sandbox.status() is not None
    ended: list[Ended] = []
    try:
        with tempfile.TemporaryDirectory(prefix="netbox-mcp-chaos-") as folder:
            scene = Scene(sandbox, sandbox.up(), Path(folder))
            _tell(f"undisturbed: {scene.undisturbed.seconds:.0f} s, {scene.undisturbed.counts}")
            seeds = random.Random(chosen.seed)
            for kind, number in {
                "kill": chosen.kills,
                "redis": chosen.redis,
                "netbox": chosen.netbox,
            }.items():
                for at in range(number):
                    seed = seeds.randrange(2**32)
                    ended.append(scene.run(kind, seed))
                    _tell(_line(f"{kind} {at + 1} of {number} (seed {seed})", ended[-1]))
    finally:
        if not was_running:
            sandbox.down()
        if ended:
            _write(ended)
    sys.exit(not all(one.well for one in ended))


def _line(which: str, one: Ended) -> str:
    told = Counter(one.injuries)
    injuries = ", ".join(f"{name} x{number}" if number > 1 else name for name, number in told.items())
    wrong = "; ".join([*one.lost, *one.doubled])
    end = "as undisturbed" if one.well else f"WRONG: {one.status.status} {one.status.message} {wrong}"
    return f"{which}: {injuries}: {one.seconds:.0f} s, {end}"


def _write(ended: Sequence[Ended]) -> None:
    kept, _, _ = FILE.read_text().partition(MARK)
    rows = [_row(WORDS[kind], [one for one in ended if one.kind == kind]) for kind in WORDS]
    lines = [
        MARK,
        "",
        "| disturbed by | runs | injuries | objects compared | lost | doubled | not completed |",
        "|---|---|---|---|---|---|---|",
        *(row for row in rows if row),
        _row("in all", ended),
        "",
        f"- command: `make chaos ARGS={shlex.quote(shlex.join(sys.argv[1:]))}`",
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, NetBox {NETBOX_VERSION}",
        f"- each batch: {batch.SIZE} creates, updates and links; {WORKERS} workers; "
        f"`NETBOX_MCP_SETTLE_SECONDS={SETTLE_SECONDS}`",
    ]
    FILE.write_text(kept + "\n".join(lines) + "\n")


def _row(words: str, some: Sequence[Ended]) -> str:
    if not some:
        return ""
    cells = (
        words,
        len(some),
        sum(len(one.injuries) for one in some),
        sum(one.objects for one in some),
        sum(len(one.lost) for one in some),
        sum(len(one.doubled) for one in some),
        sum(one.status.status != "completed" for one in some),
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="repeats a run")
    parser.add_argument("--kills", type=int, default=60, help="runs with a kill or cut (%(default)s)")
    parser.add_argument("--redis", type=int, default=15, help="runs with Redis away (%(default)s)")
    parser.add_argument("--netbox", type=int, default=15, help="runs with a faulty NetBox (%(default)s)")
    return parser.parse_args()


def _report(message: str, done: int | None = None, total: int | None = None) -> None:
    _tell(message)


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
