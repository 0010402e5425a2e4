"""One line about work under way, in the room that there is."""

from __future__ import annotations

import pytest

from netbox_mcp.cli.progress import Lines, StageLines, fitted
from netbox_mcp.summaries import pace_text

PLACE = "running, build devices (5 of 5)"
NUMBERS = ["214 of 253", "4/s", "9 s left"]


@pytest.mark.parametrize(
    ("room", "line"),
    [
        (60, "running, build devices (5 of 5), 214 of 253, 4/s, 9 s left"),
        (50, "build devices (5 of 5), 214 of 253, 4/s, 9 s left"),
        (40, "build device…, 214 of 253, 4/s, 9 s left"),
        (30, "214 of 253, 4/s, 9 s left"),
        (22, "214 of 253, 9 s left"),
        (15, "214 of 253"),
        (4, "214 "),
        (0, ""),
    ],
)
def test_the_numbers_stay_when_room_is_short(room: int, line: str) -> None:
    assert fitted(PLACE, NUMBERS, room) == line
    assert len(line) <= room


def test_words_without_numbers_are_cut() -> None:
    assert fitted("queued, Waiting for a free worker", [], 20) == "queued, Waiting for…"
    assert fitted("planning", [], 20) == "planning"


@pytest.mark.parametrize(
    ("rate", "eta", "words"),
    [
        (None, None, ""),
        (4.4, 9, "4/s, 9 s left"),
        (0.2, 3_900, "12/min, 65 min left"),
        (30.0, None, "30/s"),
    ],
)
def test_rates_and_what_is_left(rate: float | None, eta: int | None, words: str) -> None:
    assert pace_text(rate, eta) == words


def test_each_stage_that_did_something_leaves_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    stages = StageLines(Lines())
    for name, done in (("sites", 2), ("sites", 30), ("racks", 40), ("devices", 40), ("devices", 50)):
        stages.at(name, done)
    stages.end(60)
    stages.end(60)
    told = capsys.readouterr().err.splitlines()
    assert told == ["sites: 38 in less than 1 s", "devices: 20 in less than 1 s"]
