"""For how long answers of which types are kept: as people write it, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netbox_mcp.config import load_settings
from orchestrator.netbox import ConfigError
from orchestrator.netbox.lifetimes import DEFAULT_LIFETIMES, read_lifetimes


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("", {}),
        ("devices=60", {"devices": 60}),
        (" DCIM.Device = 60 ,dcim/sites=0,", {"devices": 60, "sites": 0}),
        ("device-types=5, dcim.rack=6", {"device_types": 5, "racks": 6}),
        ("device=1, devices=2", {"devices": 2}),
        (
            "extras.bookmark=9, plugins/branching/branches=8",
            {"extras.bookmark": 9, "plugins.branching.branches": 8},
        ),
        ({"dcim.device": 60, "sites": "5"}, {"devices": 60, "sites": 5}),
    ],
)
def test_types_are_named_as_people_do(given: Any, seconds: dict[str, int]) -> None:
    assert read_lifetimes(given) == DEFAULT_LIFETIMES | seconds


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("devices", "'devices' is no pair of a type and seconds, as in devices=60"),
        ("devices=soon", "devices must be given whole seconds up to 604,800, a week"),
        ("devices=-1", "devices must be given whole seconds"),
        ("devices=604801", "devices must be given whole seconds"),
        ("devices=1.5", "devices must be given whole seconds"),
        ("devcies=60", "'devcies' is no object type that is known (did you mean 'devices'?)"),
        ("=60", "'' is no object type that is known"),
        ("zzz=60", "others are named as NetBox does, like extras.bookmark"),
    ],
)
def test_a_wrong_one_is_one_sentence(monkeypatch: pytest.MonkeyPatch, value: str, words: str) -> None:
    monkeypatch.setenv("NETBOX_MCP_CACHE_TTLS", value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.message.startswith("NETBOX_MCP_CACHE_TTLS is not usable: ")
    assert words in caught.value.message


def test_a_file_has_a_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NETBOX_MCP_CACHE_TTLS", raising=False)
    (tmp_path / "netbox-mcp.toml").write_text("[cache_ttls]\ndevices = 60\n'dcim.rack' = 7\n")
    assert load_settings().cache_ttls == {**DEFAULT_LIFETIMES, "devices": 60, "racks": 7}
    (tmp_path / "netbox-mcp.toml").write_text("cache_ttls = 'devices=61'\n")
    assert load_settings().cache_ttls["devices"] == 61
    (tmp_path / "netbox-mcp.toml").write_text("[cache_ttls]\ndcim.rack = 7\n")
    with pytest.raises(ConfigError, match="write names with a dot in quotes"):
        load_settings()
    for wrong in ("cache_ttls = 60", "[cache_ttls]\ndevices = true", "[cache_ttls]\ndevices = 1.5"):
        (tmp_path / "netbox-mcp.toml").write_text(wrong)
        with pytest.raises(ConfigError, match="NETBOX_MCP_CACHE_TTLS is not usable"):
            load_settings()
