"""`make demo ARGS=--exit`: the whole product in one command, and nothing left behind."""

from __future__ import annotations

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
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Second run: 0 writes, 0 new changelog entries in NetBox." in done.stdout
    for line in ("devices", "interfaces", "ip_addresses"):
        assert line in done.stdout
    assert "Log in as" in done.stdout
    assert Sandbox("demo").status() is None
    assert [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"netbox-mcp-demo-" in _read(path)] == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
