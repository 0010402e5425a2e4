"""The chart of a task: objects per minute as time went by, stacked by what became of them.

It is drawn on the server as SVG: no script, no style attributes (a strict policy for contents would block
both), colours that are told apart on light and on dark ground, and the same numbers as a table for those
who read or listen. Pages may give the classes below other colours; presentation attributes yield to CSS.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from netbox_mcp.times import span
from netbox_mcp.web.rendering import render
from workers.pace import Pace

# From the ground up: what was done, what was left, what went wrong. Each at least 3:1 against white and
# against black.
COLOURS = {
    "created": "#2c9657",
    "updated": "#3c82d0",
    "deleted": "#9a63c8",
    "unchanged": "#83898f",
    "skipped": "#b97a08",
    "cancelled": "#8f6d54",
    "failed": "#d9403c",
}
WIDTH, HEIGHT = 760, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 752, 34, 232
MAX_COLUMNS = 120
MIN_COLUMNS = 12
MAX_EMPTY = 6
"""A longer time without anything is drawn as a break."""
MAX_LABELS = 6


@dataclass(frozen=True, slots=True)
class Column:
    """One stretch of time; `pause` is how long nothing happened, for a break."""

    begin: datetime
    counts: Counter[str]
    pause: str = ""

    @property
    def total(self) -> int:
        """How many objects were settled in it."""
        return self.counts.total()


def pace_chart(pace: Pace, name: str = "pace") -> Markup:
    """A figure with the chart and the same as a table; `name` begins the ids in it, one per page."""
    if not pace.buckets:
        return Markup('<p class="pace-empty">No object has been settled yet.</p>')
    columns, seconds = _columns(pace)
    results = [result for result in COLOURS if any(column.counts[result] for column in columns)]
    step, ticks = _scale(max(column.total for column in columns) * 60 / seconds)
    top = step * ticks
    drawn = render(
        "_chart.html",
        name=name,
        size=(WIDTH, HEIGHT),
        frame=(LEFT, RIGHT, TOP, BOTTOM),
        description=_description(columns, results, seconds),
        legend=[(result, COLOURS[result], LEFT + 98 * at) for at, result in enumerate(results)],
        lines=[(f"{_height(step * at, top):.1f}", f"{step * at:,}") for at in range(ticks + 1)],
        stacks=list(_stacks(columns, results, seconds, top)),
        labels=list(_labels(columns, seconds)),
        columns=[column for column in columns if column.total],
        results=results,
        when=_when(columns, seconds),
        span=span(seconds),
    )
    return Markup(drawn)  # noqa: S704 (the template escapes what it shows)


def _columns(pace: Pace) -> tuple[list[Column], int]:
    """The columns and their width in seconds: as many as one can tell apart, with those that are empty."""
    seconds = pace.width_seconds
    while True:
        sums: dict[int, Counter[str]] = {}
        for bucket in pace.buckets:
            begin = int(bucket.begin.timestamp())
            sums.setdefault(begin - begin % seconds, Counter()).update(bucket.counts)
        columns = list(_without_gaps(sums, seconds))
        if len(columns) <= MAX_COLUMNS:
            return columns, seconds
        seconds *= 2


def _without_gaps(sums: dict[int, Counter[str]], seconds: int) -> Iterable[Column]:
    last = None
    for begin in sorted(sums):
        if last is not None:
            empty = range(last + seconds, begin, seconds)
            if len(empty) > MAX_EMPTY:
                yield Column(_moment(empty[0]), Counter(), span(begin - empty[0]))
            else:
                yield from (Column(_moment(at), Counter()) for at in empty)
        yield Column(_moment(begin), sums[begin])
        last = begin


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _scale(peak: float) -> tuple[int, int]:
    """The step of the scale, a round number, and how many steps reach the peak: two to five."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if peak <= 5 * step:
                return step, max(2, -(-int(peak + 0.999) // step))
        power *= 10


def _height(rate: float, top: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * rate / top


def _place(at: float, columns: Sequence[Column]) -> float:
    return LEFT + (RIGHT - LEFT) * at / max(len(columns), MIN_COLUMNS)


def _stacks(
    columns: Sequence[Column], results: Sequence[str], seconds: int, top: float
) -> Iterable[dict[str, object]]:
    """What is drawn of each column: its bars from the ground up, or the place of a break."""
    wide = _place(1, columns) - LEFT
    for at, column in enumerate(columns):
        left, below, bars = _place(at, columns), 0.0, []
        for result in results:
            rate = column.counts[result] * 60 / seconds
            if rate:
                upper, lower = _height(below + rate, top), _height(below, top)
                bars.append((result, COLOURS[result], f"{upper:.1f}", f"{max(0.4, lower - upper):.1f}"))
            below += rate
        if bars or column.pause:
            yield {
                "x": f"{left + wide * 0.08:.1f}",
                "middle": f"{left + wide / 2:.1f}",
                "width": f"{wide * 0.84:.1f}",
                "bars": bars,
                "told": f"nothing for {column.pause}" if column.pause else _told(column, results, seconds),
            }


def _told(column: Column, results: Sequence[str], seconds: int) -> str:
    counts = ", ".join(f"{column.counts[result]:,} {result}" for result in results if column.counts[result])
    return f"{column.begin:%H:%M:%S}, {span(seconds)}: {counts}"


def _labels(columns: Sequence[Column], seconds: int) -> Iterable[tuple[str, str, str]]:
    every = max(1, -(-len(columns) // MAX_LABELS))
    when = _when(columns, seconds)
    for at in range(0, len(columns), every):
        x = _place(at, columns)
        yield f"{x:.1f}", "end" if x > RIGHT - 80 else "start", columns[at].begin.strftime(when)


def _when(columns: Sequence[Column], seconds: int) -> str:
    """How moments are written: as short as they can be told apart."""
    if columns[0].begin.date() != columns[-1].begin.date():
        return "%d %b %H:%M"
    return "%H:%M" if seconds % 60 == 0 else "%H:%M:%S"


def _description(columns: Sequence[Column], results: Sequence[str], seconds: int) -> str:
    sums: Counter[str] = Counter()
    for column in columns:
        sums.update(column.counts)
    counts = ", ".join(f"{sums[result]:,} {result}" for result in results)
    peak = max(columns, key=lambda column: column.total)
    return (
        f"From {columns[0].begin:%d %B %Y %H:%M:%S} UTC on: {counts}. Most were settled at "
        f"{peak.begin:%H:%M:%S}, {peak.total * 60 / seconds:,.0f} a minute. The table below has all numbers."
    )
