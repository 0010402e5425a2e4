"""Sandboxes with plugins that go wrong, made here; tests/contract/test_plugins.py has one that is well."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from netbox_mcp.sandbox import Sandbox, SandboxError, SandboxInfo
from netbox_mcp.sandbox.layout import cache_home
from tests.netbox.tidy_fixture import call
from tests.sandbox_fixture import PLUGINS

NAME = "selftest-plugins"
COMMAND = [str(Path(sys.executable).with_name("netbox-mcp")), "sandbox"]
PLUGIN = """from netbox.plugins import PluginConfig

class Tiny(PluginConfig):
    name = "netbox_tiny"
    version = "1.0"
    min_version = "{min_version}"

config = Tiny
"""


def wheel(folder: Path, source: str, needs: str = "") -> str:
    """A package with one module, as pip takes it."""
    folder.mkdir()
    about = "netbox_tiny-1.0.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    file = folder / "netbox_tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("netbox_tiny/__init__.py", source)
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: netbox-tiny\nVersion: 1.0\n{requires}"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{about}/RECORD",
            f"netbox_tiny/__init__.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n",
        )
    return str(file)


def up(plugin: str) -> Any:
    arguments = ["up", "--json", "--name", NAME, "--plugin", plugin]
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def test_other_sandboxes_know_nothing_of_them(netbox_sandbox: SandboxInfo) -> None:
    assert netbox_sandbox.plugins == ()
    assert call(netbox_sandbox, "GET", "status")["plugins"] == {}
    with pytest.raises(SandboxError, match="was made without plugins"):
        Sandbox(netbox_sandbox.name, plugins=PLUGINS).up()


def test_after_plugins_that_fail_up_takes_corrected_ones(tmp_path: Path) -> None:
    good = PLUGIN.format(min_version="4.0")
    failing = {
        wheel(tmp_path / "none", "config = None\n"): ("no NetBox plugin in the package netbox-tiny", ""),
        wheel(tmp_path / "old", good, "Django<6"): ("pip could not install", "Django"),
        wheel(tmp_path / "new", PLUGIN.format(min_version="9.0")): (
            "NetBox could not prepare its database with these plugins.",
            "netbox_tiny requires NetBox minimum version 9.0",
        ),
    }
    Sandbox(NAME).down(delete=True)
    try:
        for plugin, (sentence, reason) in failing.items():
            error = up(plugin)["error"]
            assert sentence in error["message"]
            assert reason in error["hint"]
            assert "may be run again with other plugins" in error["hint"]
            assert Sandbox(NAME).status() is None

        corrected = wheel(tmp_path / "good", good)
        assert up(corrected)["plugins"] == [corrected]
        info = Sandbox(NAME).status()
        assert info is not None
        assert call(info, "GET", "status")["plugins"] == {"netbox_tiny": "1.0"}
    finally:
        Sandbox(NAME).down(delete=True)
    assert not (cache_home() / "instances" / NAME).exists()
