"""`make demo ARGS=--exit`: the whole product in one command, act by act, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netbox_mcp.cli.demo_acts import ACTS
from netbox_mcp.sandbox import Sandbox
from orchestrator.document import read_document

SITE = Path(__file__).parents[2] / "examples/site.yaml"
# What each act is to show. Ids and times are its own.
SHOWN = {
    "Plan": (
        r"\+ devices con-ams1-1",
        r"Plan p-\w+: \d+ to create, 3 to update\.",
        r"The changelog of this new NetBox has 0 entries\.",
    ),
    "Approval": (
        r"confirm=true without it: Plan p-\w+ has not been approved; nothing was written\.",
        r"Approved by jane until ",
        r"Batch b-\S+: completed in \d+ s\.",
        r"ip_addresses .* 3 ",
    ),
    "Again": (r"Second run: 0 writes, 0 new changelog entries in NetBox\.",),
    "Drift": (
        r"By hand: sw-bru1-02 is offline",
        r"~ devices sw-bru1-02: status offline -> active \(changed in NetBox since the last apply: status\)",
        r"sw-bru1-02 is active again; .* still A-1013\.",
    ),
    "A bad row": (
        r"Batch b-\S+: completed_with_errors in ",
        r"devices sw-bru1-13 \(devices\[0\]\): asset_tag: device with this asset tag already exists\.",
        r"5 of 6 switches are in NetBox\.",
    ),
    "Rollback": (
        r"- devices sw-bru1-16",
        r"Rollback of b-\S+ on default: 0 to update, 10 to delete, 0 unchanged\. NetBox deletes about",
        r"Batch b-\S+: completed in ",
        r"devices +. 7 +. 12 +. 7 ",
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The demo, once, in a folder of its own; stderr goes the way of stdout, as on a terminal."""
    folder = tmp_path_factory.mktemp("demo")
    return subprocess.run(
        [sys.executable, "-m", "netbox_mcp", "demo", str(three_devices(folder)), "--exit"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"},
        timeout=900,
        check=False,
    )


def test_every_act_goes_as_its_line_says(run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode == 0, run.stdout
    assert "This is not what" not in run.stdout
    headings = [f"{at}/{len(ACTS)} {act.title}: {act.explanation}" for at, act in enumerate(ACTS, 1)]
    places = [run.stdout.index(heading) for heading in headings]
    assert places == sorted(places)
    told = [run.stdout[start:end] for start, end in zip(places, [*places[1:], None], strict=True)]
    for act, text in zip(ACTS, told, strict=True):
        for line in SHOWN[act.title]:
            assert re.search(line, text, re.MULTILINE), f"{act.title}: {line!r} is not in\n{text}"


def test_it_says_where_to_look_and_how_long_it_took(run: subprocess.CompletedProcess[str]) -> None:
    for line in (
        r"Look around: http://127\.0\.0\.1:\d+/dcim/devices/",
        r"changelog/",
        r"Log in as admin with the password \S+",
        r"All of it took \d+ s\.",
    ):
        assert re.search(line, run.stdout), run.stdout
    assert Sandbox("demo").status() is None


def test_nothing_is_left_behind(run: subprocess.CompletedProcess[str]) -> None:
    """Queue, worker and server work in a folder of the demo's own, which is gone by now."""
    folder = str(Path(run.args[4]).parent)
    assert [path for path in Path("/proc").glob("[0-9]*/cwd") if folder in _target(path)] == []
    assert [path.name for path in Path(folder).iterdir()] == ["site.json"]


def three_devices(folder: Path) -> Path:
    """The example with a few of its devices: their number is nothing to the demo, and a minute to us."""
    document = read_document(SITE.read_text(), SITE.name)
    core, *_, console = document["devices"]
    document["devices"] = [core, {**console, "name": "con-ams1-[1-1]"}]
    path = folder / "site.json"
    path.write_text(json.dumps(document))
    return path


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
