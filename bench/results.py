"""The table of results: what must be reached, what was reached, and on what."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from netbox_mcp.sandbox import NETBOX_VERSION
from netbox_mcp.sandbox.system_packages import find_postgres

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "bench" / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `at_most` turns the comparison round; without `must` it only informs."""

    what: str
    must: float | None
    reached: float
    unit: str = "x"
    spread: str = ""
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Judged as it is printed: what reads 0.95 is 0.95."""
        if self.must is None:
            return True
        reached = float(self._shown(self.reached).replace(",", ""))
        return reached <= self.must if self.at_most else reached >= self.must

    def line(self) -> str:
        """As Markdown."""
        bound = "at most" if self.at_most else "at least"
        cells = (
            self.what,
            "" if self.must is None else f"{bound} {self._shown(self.must)} {self.unit}",
            f"**{self._shown(self.reached)} {self.unit}**",
            self.spread,
            "" if self.must is None else "pass" if self.passed else "**FAIL**",
        )
        return f"| {' | '.join(cells)} |"

    def _shown(self, value: float) -> str:
        return f"{value:.2f}" if self.unit in ("x", "s") else f"{value:,.0f}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a piece of work took. `busy` is the part of all cores' time in which they were not idle."""

    seconds: float
    busy: float


def speed_ratio(what: str, must: float | None, ours: Sequence[Taken], theirs: Sequence[Taken]) -> Row:
    """How many times their speed we have: the median over the rounds, each compared within itself."""
    ratios = [their.seconds / our.seconds for our, their in zip(ours, theirs, strict=True)]
    return Row(what, must, median(ratios), spread=f"{min(ratios):.2f} to {max(ratios):.2f}")


def rate(what: str, must: float, count: int, taken: Sequence[Taken]) -> Row:
    """Objects per second, the median over the rounds."""
    rates = [count / each.seconds for each in taken]
    return Row(what, must, median(rates), "objects/s", f"{min(rates):,.0f} to {max(rates):,.0f}")


def write(rows: Iterable[Row], taken: Mapping[str, Sequence[Taken]], arguments: str, shortened: str) -> None:
    """Write the file. `shortened` says in which way this run was less than it should be."""
    lines = [
        "# Speed",
        "",
        "Written by `make bench`. Ratios compare speeds within one run on one machine: the median over",
        "rounds in which all contestants take turns. Seconds and objects/s depend on the machine.",
        "",
        *([f"**Less than a full run: {shortened}.**", ""] if shortened else []),
        "| what | must reach | reached | least and most | |",
        "|---|---|---|---|---|",
        *(row.line() for row in rows),
        "",
        "| seconds | median | each round | cores busy |",
        "|---|---|---|---|",
        *(_taken_line(name, each) for name, each in taken.items()),
        "",
        *(f"- {name}: {value}" for name, value in _circumstances(arguments).items()),
    ]
    FILE.write_text("\n".join(lines) + "\n")


def _taken_line(name: str, taken: Sequence[Taken]) -> str:
    each = ", ".join(f"{one.seconds:.2f}" for one in taken)
    middle, busy = median(one.seconds for one in taken), median(one.busy for one in taken)
    return f"| {name} | {middle:.2f} | {each} | {busy:.0%} |"


def _circumstances(arguments: str) -> dict[str, str]:
    postgres = find_postgres()
    versions = (
        f"NetBox {NETBOX_VERSION}",
        f"PostgreSQL {postgres.major if postgres else 'unknown'}",
        f"Python {platform.python_version()}",
        f"netbox-mcp-orchestrator {version('netbox-mcp-orchestrator')} at {_commit()}",
    )
    return {
        "command": "`make bench" + (f" ARGS='{arguments}'`" if arguments else "`"),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "versions": ", ".join(versions),
        "machine": f"{os.cpu_count()} cores ({platform.machine()}) for NetBox, its database and us together",
    }


def _commit() -> str:
    """The commit, marked where files differ from it; these results themselves do not count."""
    described = _said("git", "-C", str(ROOT), "describe", "--always", "--abbrev=10", "--exclude=*")
    changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--", ".", f":!{FILE.relative_to(ROOT)}")
    return (described or "an unknown commit") + (" with local changes" if changed else "")


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
