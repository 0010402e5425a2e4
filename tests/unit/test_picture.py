"""The picture in the README, and the recorder that draws it."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.picture.recording import Frame, Recording, Screen
from tests.picture.svg import draw
from tests.picture.take import PICTURE

README = Path(__file__).parents[2] / "README.md"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def lines_of(svg: str, last_only: bool = False) -> list[str]:
    """The texts of a picture, in its order; without those that do not stay."""
    every = ElementTree.fromstring(svg).iter(f"{NAMESPACE}text")
    kept = [text for text in every if not (last_only and "once" in text.attrib["class"])]
    return ["".join(text.itertext()) for text in kept]


def test_the_readme_shows_a_run_that_reaches_for_nothing_outside() -> None:
    assert "](docs/images/run.svg)" in README.read_text()
    svg = PICTURE.read_text()
    assert set(re.findall(r"https?://[^\"' )]+|url\(|@import|@font-face|<script|<image", svg)) == {
        "http://www.w3.org/2000/svg"
    }
    assert len(svg) < 300_000
    shown = "\n".join(lines_of(svg, last_only=True))
    for part in (
        r"^  \+ ",
        r"^  ~ ",
        r"changed in NetBox since our last apply",
        r": completed",
        r"nothing to do",
    ):
        assert re.search(part, shown, re.MULTILINE), part
    assert re.search(r"running, build \w+ .* left", "\n".join(lines_of(svg)))


def test_a_line_that_is_wiped_off_is_gone_from_the_last_frame() -> None:
    screen, frames = Screen(), []
    for second, written in enumerate(("\x1b[32mone\x1b[0m\n", "bar 1", "\r\x1b[2Kbar 2", "\r\x1b[2Kdone\n")):
        screen.feed(written)
        frames.append(Frame(float(second), screen.shown()))
    assert screen.shown() == ("\x1b[32mone\x1b[0m", "done")
    svg = draw(frames, "<a title>")
    assert lines_of(svg) == ["one", "bar 1", "bar 2", "done"]
    assert lines_of(svg, last_only=True) == ["one", "done"]
    assert "&lt;a title&gt;" in svg


def test_a_recording_is_of_a_real_terminal_at_which_somebody_says_yes(tmp_path: Path) -> None:
    recording = Recording(tmp_path, dict(os.environ))
    asked = "test -t 0 && test -t 1 && echo -n 'Go on? [y/N]: ' && read answer && echo \"said $answer\""
    assert recording.run(asked) == 0
    assert [line for line in recording.screen.shown() if "$" not in line] == ["Go on? [y/N]: y", "said y"]
    assert recording.run("exit 3") == 3
