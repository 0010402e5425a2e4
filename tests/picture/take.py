"""Takes the picture: `make picture`, or `python -m tests.picture.take`. Writes docs/images/run.svg.

A branch office is there already and a colleague has changed it by hand. What is recorded is somebody who
applies the next version of its document, and then applies it once more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.stack import Stack
from tests.picture.recording import Recording
from tests.picture.svg import draw

PICTURE = Path(__file__).parents[2] / "docs/images/run.svg"
TITLE = (
    "A terminal: netbox-mcp apply shows a plan with creations, changes and a drift, asks, shows how far it "
    "is, and reports what became of each type; a second apply finds nothing to do."
)
SANDBOX = "picture"
BEFORE = """
defaults: {devices: {site: BRU1, status: active}}
sites: [{name: BRU1, status: planned}]
devices:
  - name: sw-bru1-[01-12]
    role: Access Switch
    device_type: {manufacturer: Cisco, model: C9300-24UX}
"""
NOW = """
defaults: {devices: {site: BRU1, status: active}}
sites: [{name: BRU1, status: active}]
devices:
  - name: sw-bru1-[01-12]
    role: Access Switch
    device_type: {manufacturer: Cisco, model: C9300-24UX}
  - name: sw-bru1-13
    role: Access Switch
    device_type: {manufacturer: Cisco, model: C9300-24UX}
    interfaces: [{name: Vlan1, type: virtual}]
    ip_addresses: [{address: 192.0.2.1/24, interface: Vlan1}]
    primary_ip4: 192.0.2.1/24
"""


def main() -> None:
    """Bring up what is needed, prepare, record, draw."""
    sandbox = Sandbox(SANDBOX, report=lambda message, *_: print(message, file=sys.stderr))
    netbox = sandbox.up()
    try:
        sandbox.reset()
        with tempfile.TemporaryDirectory(prefix="netbox-mcp-picture-") as folder:
            recording = record(netbox, Path(folder))
    finally:
        sandbox.down()
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw(recording.frames, TITLE))
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes, {len(recording.frames)} frames")


def record(netbox: SandboxInfo, folder: Path) -> Recording:
    """What the picture shows."""
    desk = folder / "desk"
    desk.mkdir()
    (desk / "branch.yaml").write_text(BEFORE)
    with Stack(folder, netbox.url, netbox.token_v2) as stack:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = stack.variables({"PATH": path})
        stack.start_worker()
        command = ["netbox-mcp", "apply", "branch.yaml", "--yes"]
        subprocess.run(command, cwd=desk, env=environment, check=True, stdout=subprocess.DEVNULL)
        change_by_hand(netbox)
        (desk / "branch.yaml").write_text(NOW)
        recording = Recording(desk, environment)
        for number in (1, 2):
            status = recording.run("netbox-mcp apply branch.yaml")
            if status:
                raise SystemExit(f"Run {number} ended with {status}:\n" + "\n".join(recording.screen.shown()))
    return recording


def change_by_hand(netbox: SandboxInfo) -> None:
    """A colleague at NetBox's own API."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {netbox.token_v2}"
        found = session.get(f"{netbox.url}/api/dcim/devices/", params={"name": "sw-bru1-07"}, timeout=60)
        (device,) = found.json()["results"]
        answer = session.patch(
            f"{netbox.url}/api/dcim/devices/{device['id']}/", json={"status": "offline"}, timeout=60
        )
        answer.raise_for_status()


if __name__ == "__main__":
    main()
