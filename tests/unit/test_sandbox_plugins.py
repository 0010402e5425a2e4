"""What the sandbox makes of plugins before any process runs: modules, settings, and what is dumped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from netbox_mcp.sandbox import SandboxError, layout
from netbox_mcp.sandbox.databases import Databases
from netbox_mcp.sandbox.plugins import plugin_modules
from netbox_mcp.sandbox.progress import silent
from netbox_mcp.sandbox.settings import ensure_settings, load_settings

PLUGIN = "from netbox.plugins import PluginConfig\n\nclass Its(PluginConfig): ...\n\nconfig = Its\n"


def install(folder: Path, package: str, module: str, source: str, requested: bool = True) -> None:
    """What pip leaves behind."""
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(source)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (about / "RECORD").write_text(f"{module}/__init__.py,,\n{module}/inner/__init__.py,,\n")
    if requested:
        (about / "REQUESTED").touch()


def test_modules_come_in_the_order_asked_for_after_what_they_depend_on(tmp_path: Path) -> None:
    install(tmp_path, "netbox-bgp", "netbox_bgp", PLUGIN)
    install(tmp_path, "Some.Name", "netbox_acls", PLUGIN)
    install(tmp_path, "netbox-base", "netbox_base", PLUGIN, requested=False)
    install(tmp_path, "dnspython", "dns", "config = 1\n", requested=False)
    packages = ("netbox_bgp==1.0", "some-name[extra]>=1")
    assert plugin_modules(tmp_path, packages) == ("netbox_base", "netbox_bgp", "netbox_acls")


def test_a_package_without_a_plugin_is_named(tmp_path: Path) -> None:
    install(tmp_path, "netbox-bgp", "netbox_bgp", PLUGIN)
    install(tmp_path, "attrs", "attrs", "# speaks of a PluginConfig\n")
    with pytest.raises(SandboxError, match="no NetBox plugin in the package attrs"):
        plugin_modules(tmp_path, ("netbox-bgp", "attrs"))


def test_settings_from_before_there_were_plugins_still_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(layout.HOME_VARIABLE, str(tmp_path))
    file = tmp_path / "settings.json"
    chosen = ensure_settings(file, running=lambda role: False)
    assert chosen.plugins is None
    assert load_settings(file) == chosen

    entries = json.loads(file.read_text())
    del entries["plugins"]
    file.write_text(json.dumps(entries))
    old = load_settings(file)
    assert old is not None
    assert old.plugins == ()
    file.write_text(json.dumps({**entries, "plugins": ["netbox-bgp"]}))
    settled = load_settings(file)
    assert settled is not None
    assert settled.plugins == ("netbox-bgp",)


class Recorder:
    """Stands for the cluster and for NetBox, and writes down what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def record(*arguments: Any, **options: Any) -> None:
            self.calls.append((name, *(option for key, option in options.items() if key == "bare")))

        return record

    def exists(self, database: str) -> bool:
        return False

    def databases(self) -> list[str]:
        return []


def test_the_dump_that_sandboxes_share_has_no_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made of a bare database; the plugins' migrations come after it."""
    monkeypatch.setenv(layout.HOME_VARIABLE, str(tmp_path))
    monkeypatch.setenv(layout.SEED_VARIABLE, "off")
    recorder = Recorder()
    Databases(cast(Any, recorder), cast(Any, recorder), "4.7.3").ensure(silent)
    relevant = [call for call in recorder.calls if call[0] in ("prepare_database", "dump", "seal")]
    assert relevant == [("prepare_database", True), ("dump",), ("prepare_database", False), ("seal",)]
