"""`make demo ARGS=--exit`: the whole product in one command, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from netbox_mcp.sandbox import Sandbox

CAMPUS = Path(__file__).parents[2] / "examples/campus.yaml"


def test_the_demo_shows_a_campus_and_stops_everything(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "netbox_mcp", "demo", str(CAMPUS), "--exit"],
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


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
