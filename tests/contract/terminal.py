"""A terminal of a given width for commands that look whether they have one, and what a person then sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.contract.clients import PROGRAM, CommandLine

CONTROL_C = b"\x03"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_SECONDS = 120


@dataclass(frozen=True)
class Seen:
    """How the command ended, and each line that stood on the screen, also those that were replaced."""

    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def in_terminal(
    cli: CommandLine,
    *arguments: str,
    columns: int,
    interrupt_at: Callable[[str], bool] | None = None,
    **environment: str,
) -> Seen:
    """Run the command line in a terminal; Ctrl-C is typed once what was shown is as said."""
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=cli.folder,
        env={**cli.environment, "TERM": "xterm-256color", **environment},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(inside)
    try:
        shown = _watch(outside, process, interrupt_at)
    finally:
        process.kill()
        os.close(outside)
    lines = [_ESCAPES.sub("", line).strip() for line in re.split(r"\r\x1b\[2K|\r\n|\r", shown)]
    return Seen(process.wait(10), [line for line in lines if line])


def _watch(outside: int, process: subprocess.Popen[bytes], interrupt_at: Callable[[str], bool] | None) -> str:
    shown, deadline = b"", time.monotonic() + _SECONDS
    while True:
        assert time.monotonic() < deadline, shown[-3_000:]
        if select.select([outside], [], [], 0.1)[0]:
            try:
                part = os.read(outside, 65_536)
            except OSError:  # the last process that had the terminal has closed it
                part = b""
            if not part:
                process.wait(30)
                return shown.decode(errors="replace")
            shown += part
        if interrupt_at is not None and interrupt_at(shown.decode(errors="replace")):
            os.write(outside, CONTROL_C)
            interrupt_at = None
