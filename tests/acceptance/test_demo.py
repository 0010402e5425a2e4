"""`make demo ARGS=--exit`: the whole product in one command, and nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from netbox_mcp.sandbox import Sandbox
from orchestrator.document import read_document

CAMPUS = Path(__file__).parents[2] / "examples/campus.yaml"


def test_the_demo_shows_a_document_twice_and_stops_everything(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "netbox_mcp", "demo", str(one_site_of_the_campus(tmp_path)), "--exit"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Second run: 0 writes, 0 new changelog entries in NetBox." in done.stdout
    for line in ("devices", "interfaces", "ip_addresses"):
        assert line in done.stdout
    assert "Log in as" in done.stdout
    assert Sandbox("demo").status() is None
    # Queue, worker and server work in a folder of the demo's own, which is gone by now.
    assert [path for path in Path("/proc").glob("[0-9]*/cwd") if str(tmp_path) in _target(path)] == []


def one_site_of_the_campus(folder: Path) -> Path:
    """The example with a few of its devices: their number is nothing to the demo, and minutes to us."""
    document = read_document(CAMPUS.read_text(), CAMPUS.name)
    document["devices"] = document["devices"][:2]
    path = folder / "campus.json"
    path.write_text(json.dumps(document))
    return path


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
