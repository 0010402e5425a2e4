"""Commands on a pseudo-terminal, and what stood on the screen at each moment.

Understands as much of a terminal's language as our progress bars speak: new
lines, erased lines, the cursor a line up. Colours stay in the lines as they came.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = 100
QUESTION = "[y/N]: "
_SETTLED_SECONDS = 0.05
_TOKEN = re.compile(
    r"\x1b\[(?P<colour>[\d;]*)m|\x1b\[(?P<number>\d*)(?P<move>[A-K])|\x1b\[\?\d+[hl]|\r?\n|\r|[^\x1b\r\n]+"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """The lines on the screen, with their colours, from this second on."""

    seconds: float
    lines: tuple[str, ...]


@dataclass(slots=True)
class Screen:
    """A terminal without an end: nothing ever scrolls out of it."""

    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0

    def feed(self, text: str) -> None:
        """What a program has written."""
        for token in _TOKEN.finditer(text):
            if token[0].endswith("\n"):
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif token["move"] == "A":
                self.row -= int(token["number"] or 1)
            elif token["move"] == "K":
                self.lines[self.row] = ""
            elif not token[0].startswith(("\r", "\x1b[?")):
                self.lines[self.row] += token[0]

    def shown(self) -> tuple[str, ...]:
        """Every line, from the first to the last that has anything on it."""
        last = max((at for at, line in enumerate(self.lines) if line), default=-1)
        return tuple(self.lines[: last + 1])


@dataclass(slots=True)
class Recording:
    """Several commands, one after the other, on one screen."""

    folder: Path
    environment: Mapping[str, str]
    screen: Screen = field(default_factory=Screen)
    frames: list[Frame] = field(default_factory=list)

    def run(self, command: str) -> int:
        """Run a command as if it was typed at a prompt, saying yes where it asks; its exit status."""
        self.screen.feed(f"\x1b[1;36m$\x1b[0m \x1b[1m{command}\x1b[0m\n")
        self._note(time.monotonic())
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        process = subprocess.Popen(
            ["bash", "-c", command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.folder,
            env={**self.environment, **terminal},
            start_new_session=True,
        )
        os.close(theirs)
        try:
            self._follow(ours)
        finally:
            os.close(ours)
        self.screen.feed("\n")
        return process.wait()

    def _follow(self, terminal: int) -> None:
        while True:
            try:
                # Longest text first and decoded at once: our programs flush whole lines.
                text = os.read(terminal, 65536).decode(errors="replace")
            except OSError:  # the other side has closed
                return
            if not text:
                return
            self.screen.feed(text)
            self._note(time.monotonic())
            if self.screen.lines[self.screen.row].endswith(QUESTION):
                os.write(terminal, b"y\n")

    def _note(self, moment: float) -> None:
        lines = self.screen.shown()
        if self.frames and moment - self.frames[-1].seconds < _SETTLED_SECONDS:
            moment = self.frames.pop().seconds
        self.frames.append(Frame(moment, lines))
