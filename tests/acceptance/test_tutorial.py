"""docs/tutorial.md, word for word: its shell blocks in one bash, its output blocks against what comes out.

The rule of comparison. The `sh` blocks are run in order. A `text` block is what the `sh` block before it
prints, stdout and stderr together, character by character, save for this:

- ids of plans, tasks and batches, and addresses on loopback, are examples. Each stands for what the run has
  in its place, from there on and also in the commands that follow, as for one who copies it off the screen;
- `...` stands for passwords and the token, and on a line by itself for lines that are left out;
- lines of progress (what is being done, how far it is, how long a stage took) are not shown.

A block without output block may print nothing but progress.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from netbox_mcp.sandbox import Sandbox

TUTORIAL = Path(__file__).parents[2] / "docs/tutorial.md"
STEP = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
EXAMPLE = re.compile(
    r"\b[pt]-[0-9a-f]{12}\b|\bb-\d{8}-[0-9a-f]{8}\b|(?:http://|redis://:\.\.\.@)127\.0\.0\.1:\d+"
)
SECRET = re.compile(r"(?<=Login: admin / )\S+|(?<=nbt_)\S+|(?<=redis://:)[^@]+")
# What progress.py prints: work that counts, stages that have passed, and the sandbox's steps.
PROGRESS = re.compile(
    r"^(.*: \d+ (of \d+(, .*)?|in (\d+ (min|s)|less than).*)|(queued|planning|running|cancelling)\b.*"
    r"|(Starting|Stopping|Restoring|Making|Installing|Migrating|Waiting|NetBox's database)\b.*)\n",
    re.MULTILINE,
)
LEFT_OUT = "...\n"
SANDBOX = "tutorial"
END = "this block ended with"


@dataclass(slots=True)
class Examples:
    """Which of this run's ids stands behind which example."""

    real: dict[str, str] = field(default_factory=dict)

    def learn(self, shown: str, printed: str) -> None:
        """Pair the examples of an output block with what was printed in their places."""
        examples, ours = EXAMPLE.findall(shown), EXAMPLE.findall(printed)
        assert len(examples) == len(ours), f"shown:\n{shown}\nprinted:\n{printed}"
        for example, one in zip(examples, ours, strict=True):
            assert self.real.setdefault(example, one) == one, f"{example} is {self.real[example]} and {one}"

    def fill_in(self, text: str) -> str:
        """The text with this run's ids; one that no output has shown is a mistake of the tutorial's."""
        return EXAMPLE.sub(lambda found: self.real[found[0]], text)


class Shell:
    """One bash for all of the tutorial, in a folder that is empty at the beginning."""

    def __init__(self, folder: Path) -> None:
        self._scripts = folder / "blocks"
        self._scripts.mkdir()
        (folder / "fresh").mkdir()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        ours = ("NETBOX_", "REDIS_URL")
        neutral = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        home = {name: value for name, value in os.environ.items() if name.startswith("NETBOX_MCP_SANDBOX")}
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder / "fresh",
            env={**neutral, **home, "PATH": path, "NETBOX_MCP_STATE_DIR": str(folder / "state")},
        )

    def run(self, number: int, commands: str) -> tuple[int, str]:
        """Run one block as if it was typed; its exit status, and all that it printed but progress."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        script = self._scripts / f"{number}.sh"
        script.write_text(commands)
        self._bash.stdin.write(f"source {script} < /dev/null; printf '\\n{END} %s\\n' $?\n")
        self._bash.stdin.flush()
        printed = ""
        for line in self._bash.stdout:
            if line.startswith(END):
                return int(line.removeprefix(END)), PROGRESS.sub("", _whole_lines(printed))
            printed += line
        raise AssertionError(f"bash has ended:\n{printed}")

    def close(self) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write("kill $(jobs -p) 2> /dev/null; exit\n")
        self._bash.stdin.close()
        self._bash.wait(30)


def _whole_lines(printed: str) -> str:
    """Without the line feed that comes before the mark, which a last line without an end of its own needs."""
    text = printed.removesuffix("\n")
    return text if text == "" or text.endswith("\n") else text + "\n"


def is_shown(printed: str, shown: str) -> bool:
    """Whether an output block tells what was printed."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == LEFT_OUT else re.escape(line) for line in shown.splitlines(True)
    )
    return re.fullmatch(pattern, printed) is not None


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A bash beside which no sandbox of the tutorial's name runs or lies about, before and after."""
    Sandbox(SANDBOX).down(delete=True)
    shell = Shell(tmp_path)
    try:
        yield shell
    finally:
        shell.close()
        Sandbox(SANDBOX).down(delete=True)


@pytest.mark.timeout(1800)
def test_the_tutorial_is_what_happens(shell: Shell) -> None:
    examples, text = Examples(), TUTORIAL.read_text()
    steps = list(STEP.finditer(text))
    assert (len(steps), sum(step[2] is not None for step in steps)) == (
        text.count("```sh"),
        text.count("```text"),
    )
    for number, step in enumerate(steps, 1):
        commands, shown = examples.fill_in(step[1]), step[2] or ""
        status, printed = shell.run(number, commands)
        assert status == 0, f"{commands}\nended with {status}:\n{printed}"
        printed = SECRET.sub("...", printed)
        examples.learn(shown, printed)
        assert is_shown(printed, examples.fill_in(shown)), f"{commands}\nprints\n{printed}\nand not\n{shown}"
    assert Sandbox(SANDBOX).status() is None


def test_what_is_not_shown_as_it_is_printed_is_noticed() -> None:
    printed = "Task t-0123456789ab\none\ntwo\nthree\n"
    assert is_shown(printed, printed)
    assert is_shown(printed, "Task t-0123456789ab\n...\nthree\n")
    for wrong in ("", "...\ntwo\n", "Task t-0123456789ab\none\ntwo\n", printed + "four\n", printed.upper()):
        assert not is_shown(printed, wrong)
    examples = Examples()
    examples.learn("task t-aaaaaaaaaaaa", "task t-0123456789ab")
    assert examples.fill_in("report t-aaaaaaaaaaaa") == "report t-0123456789ab"
    with pytest.raises(AssertionError):
        examples.learn("task t-aaaaaaaaaaaa", "task t-bbbbbbbbbbbb")
    with pytest.raises(KeyError):
        examples.fill_in("rollback b-20260101-0a1b2c3d")
