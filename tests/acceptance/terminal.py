"""A person at a terminal: lines are typed into a shell, questions are answered, all of it is kept."""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_PROMPT = re.compile(r"newcomer:(\d+)\$ $")
_QUESTION = re.compile(r"\[y/N\]: $")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-B]|\x1b[=>]|\x07")

_END = 500
"""So much of what was printed last is looked at for a prompt or a question."""


class Typed(NamedTuple):
    """What came of a line."""

    line: str
    output: str
    code: int
    seconds: float


class Terminal:
    """A shell in a terminal of 120 columns; `transcript` grows as it is used."""

    def __init__(self, command: list[str], environment: Mapping[str, str], transcript: Path) -> None:
        self._transcript = transcript
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._shell = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, "PS1": "newcomer:$?$ ", "COLUMNS": "120"},
        )
        os.close(theirs)
        self._read(60)

    def type(self, line: str, seconds: float) -> Typed:
        """Type a line, say yes to what it asks, and wait for the next prompt."""
        began = time.monotonic()
        os.write(self._ours, line.encode() + b"\n")
        shown = self._read(seconds)
        code = _PROMPT.search(shown)
        assert code, f"no prompt within {seconds} s after {line!r}; so far:\n{shown[-2000:]}"
        # Without the echo of the line itself and the prompt that follows.
        output = shown.removeprefix(line).removesuffix(code[0]).strip("\n")
        typed = Typed(line, output, int(code[1]), time.monotonic() - began)
        with self._transcript.open("a") as kept:
            kept.write(f"$ {line}\n{output}\n[{typed.code}, {typed.seconds:.0f} s]\n\n")
        return typed

    def close(self) -> None:
        """End the shell, and all that it has started."""
        self._shell.kill()
        self._shell.wait()
        os.close(self._ours)

    def _read(self, seconds: float) -> str:
        deadline, raw = time.monotonic() + seconds, ""
        while time.monotonic() < deadline and self._shell.poll() is None:
            if not select.select([self._ours], [], [], 0.5)[0]:
                continue
            try:
                raw += self._decoder.decode(os.read(self._ours, 65536))
            except OSError:  # the shell has ended
                break
            end = _as_read(raw[-_END:])
            if _PROMPT.search(end):
                break
            if _QUESTION.search(end):
                os.write(
                    self._ours, b"y\n"
                )  # its echo is read next, and the question is not at the end any more
        return _as_read(raw)


def _as_read(raw: str) -> str:
    """What a person has before their eyes: no colours, of a line that is written over only the last state."""
    text = _ESCAPES.sub("", raw).replace("\r\n", "\n")
    return "\n".join(line.rsplit("\r", 1)[-1] for line in text.split("\n"))
