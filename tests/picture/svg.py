"""Frames of a terminal as one SVG that moves: no script, no font and no address from elsewhere.

Who has asked their system for less motion, or looks with a program that does not
animate, sees the last frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from rich.ansi import AnsiDecoder
from rich.style import Style
from rich.terminal_theme import TerminalTheme

from tests.picture.recording import COLUMNS, Frame

CHARACTER, LINE, MARGIN, TOP = 7.8, 18, 16, 40
LONGEST_WAIT_SECONDS, FINAL_SECONDS = 0.8, 8.0
BACKGROUND, EDGE, LIGHTS = "#0d1117", "#30363d", ("#ff5f57", "#febc2e", "#28c840")
THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [
        (110, 118, 129), (255, 123, 114), (63, 185, 80), (210, 153, 34),
        (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196),
    ],
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Showing:
    """One line in one row, from one moment to another; to the end if `until` is None."""

    row: int
    line: str
    since: float
    until: float | None


def draw(frames: Sequence[Frame], title: str) -> str:
    """The SVG; `title` is what a screen reader says of it."""
    starts = _compressed(frames)
    total = starts[-1] + FINAL_SECONDS
    showings = list(_showings(frames, starts))
    spans = sorted({(one.since, one.until or total) for one in showings})
    names = {span: f"t{number}" for number, span in enumerate(spans)}
    width = COLUMNS * CHARACTER + 2 * MARGIN
    height = max(len(frame.lines) for frame in frames) * LINE + TOP + MARGIN
    lines = [
        _line(one, names[one.since, one.until or total])
        for one in showings
        if re.sub(r"\x1b\[[\d;]*m", "", one.line).strip()
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" role="img">',
            f"<title>{escape(title)}</title>",
            "<style>",
            "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
            "white-space:pre}",
            ".b{font-weight:bold}.once{opacity:0}",
            "@media (prefers-reduced-motion:no-preference){",
            *(_animation(names[span], span, total) for span in spans),
            "}</style>",
            f'<rect x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8" fill="{BACKGROUND}" '
            f'stroke="{EDGE}"/>',
            *(
                f'<circle cx="{20 + 20 * at}" cy="20" r="6" fill="{light}"/>'
                for at, light in enumerate(LIGHTS)
            ),
            *lines,
            "</svg>\n",
        ]
    )


def _compressed(frames: Sequence[Frame]) -> list[float]:
    """When each frame begins, without the long waits between them."""
    starts = [0.0]
    for before, frame in pairwise(frames):
        starts.append(starts[-1] + min(frame.seconds - before.seconds, LONGEST_WAIT_SECONDS))
    return [round(start, 2) for start in starts]


def _showings(frames: Sequence[Frame], starts: Sequence[float]) -> Iterator[Showing]:
    for row in range(max(len(frame.lines) for frame in frames)):
        stands, since = "", 0.0
        for frame, start in zip(frames, starts, strict=True):
            line = frame.lines[row] if row < len(frame.lines) else ""
            if line != stands:
                if stands:
                    yield Showing(row, stands, since, start)
                stands, since = line, start
        if stands:
            yield Showing(row, stands, since, None)


def _animation(name: str, span: tuple[float, float], total: float) -> str:
    begin, end = (f"{100 * moment / total:.2f}%" for moment in span)
    hidden = "" if span[0] == 0 else "0%{opacity:0}"
    gone = "" if span[1] == total else f"{end}{{opacity:0}}"
    steps = f"{hidden}{begin}{{opacity:1}}{gone}100%{{opacity:{0 if gone else 1}}}"
    return f".{name}{{animation:{name} {total:g}s step-end infinite}}@keyframes {name}{{{steps}}}"


def _line(showing: Showing, name: str) -> str:
    text = AnsiDecoder().decode_line(showing.line)
    y = TOP + (showing.row + 1) * LINE - 4
    spans, column = [], 0
    for piece in text.divide(sorted({edge for span in text.spans for edge in (span.start, span.end)})):
        if piece.plain.strip():
            style = piece.spans[-1].style if piece.spans else Style.null()
            spans.append(_span(piece.plain, style if isinstance(style, Style) else Style.null(), column))
        column += len(piece.plain)
    once = "" if showing.until is None else " once"
    return f'<text y="{y}" class="{name}{once}" fill="{THEME.foreground_color.hex}">{"".join(spans)}</text>'


def _span(plain: str, style: Style, column: int) -> str:
    colour = f' fill="{style.color.get_truecolor(THEME).hex}"' if style.color else ""
    bold = ' class="b"' if style.bold else ""
    x, length = MARGIN + column * CHARACTER, len(plain) * CHARACTER
    return (
        f'<tspan x="{x:.1f}" textLength="{length:.1f}" lengthAdjust="spacingAndGlyphs"{colour}{bold}>'
        f"{escape(plain, quote=False)}</tspan>"
    )
