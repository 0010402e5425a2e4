"""The README's way from nothing to a finished bulk job, typed as it stands there into a fresh Debian.

The commands are read from the README; the root has what mmdebstrap's minbase has, and no more: no Python, no
compiler, no locale, no init. Everything else is what those commands bring. The transcript is kept below the
sandbox's cache (`newcomer/transcript.txt`).

The first run on a machine proves all of it. Later ones find pip's downloads and NetBox's own virtual
environment as the first has left them, so that they do not prove NetBox's installation anew; removing the
folder `newcomer` of the cache makes the next run a first one. What no run proves: a Debian that boots (there
is no init), a newcomer who is not root, cloning (the checkout is copied in), other releases and Ubuntu.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbox_mcp.sandbox.layout import cache_home
from tests.acceptance.fresh_root import CHECKOUT, REPOSITORY, FreshRoot, shell_block
from tests.acceptance.terminal import Terminal, Typed

HEADING = "## From nothing to a finished job"
FIRST_TIME_SECONDS = 900
TRANSCRIPT = "newcomer/transcript.txt"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A shell in a fresh Debian, in the checkout."""
    root = FreshRoot(tmp_path / "root")
    root.make()
    transcript = cache_home() / TRANSCRIPT
    transcript.write_text("")
    shell = Terminal(root.entering("bash", "--norc", "-i"), root.variables(), transcript)
    try:
        shell.type(f"cd {CHECKOUT}", 10)
        yield shell
    finally:
        shell.close()
        # Nothing is mounted there: mounts were seen inside only, and ended with the shell.
        shutil.rmtree(root.folder)


@pytest.mark.timeout(2 * FIRST_TIME_SECONDS)
def test_what_the_readme_says_reaches_a_finished_bulk_job(terminal: Terminal) -> None:
    typed: dict[str, list[Typed]] = {}
    for line in shell_block(REPOSITORY / "README.md", HEADING):
        result = terminal.type(line, FIRST_TIME_SECONDS)
        assert result.code == 0, f"{line}\n{result.output[-3000:]}\nTranscript: {cache_home() / TRANSCRIPT}"
        typed.setdefault(line.split("#")[0].strip(), []).append(result)
    print(f"Transcript: {cache_home() / TRANSCRIPT}")
    first, again = typed["netbox-mcp apply examples/branch.yaml"]
    assert "Write 66 changes to target 'default'?" in first.output
    assert "Done: 55 created, 11 updated." in first.output
    assert "there is nothing to do" in again.output
    (listed,) = typed["netbox-mcp tasks --all"]
    assert "completed" in listed.output
    assert "100%" in listed.output
