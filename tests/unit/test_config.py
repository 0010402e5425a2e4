"""Settings: environment > .env > file > defaults, and one sentence for what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netbox_mcp.config import Settings, load_settings, variable_of
from orchestrator.netbox import ConfigError, load_targets


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory and an environment without our variables."""
    for name in list(os.environ):
        if name.startswith(("NETBOX_", "REDIS_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_defaults_are_safe() -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.http_tokens == []
    assert settings.dry_run is False
    assert settings.redis_url is None


def test_each_source_overrules_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "netbox-mcp.toml").write_text("port = 1001\nlanes = 3\nsync_max_objects = 11\n")
    assert load_settings().port == 1001
    (folder / ".env").write_text("NETBOX_MCP_PORT=1002\nNETBOX_MCP_LANES=4\n")
    assert load_settings().port == 1002
    monkeypatch.setenv("NETBOX_MCP_PORT", "1003")
    settings = load_settings()
    assert (settings.port, settings.lanes, settings.sync_max_objects) == (1003, 4, 11)


@pytest.mark.parametrize(("name", "text"), [("c.toml", "port = 2001"), ("c.yaml", "port: 2001")])
def test_a_file_may_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    (folder / name).write_text(text)
    monkeypatch.setenv("NETBOX_MCP_CONFIG", name)
    assert load_settings().port == 2001


def test_a_file_that_describes_targets_is_accepted(folder: Path) -> None:
    (folder / "netbox-mcp.toml").write_text(
        'port = 3001\n[targets.lab]\nurl = "https://lab.example.com"\ntoken_env = "LAB_TOKEN"\n'
    )
    assert load_settings().port == 3001


def test_the_names_in_a_file_are_those_of_the_manual(folder: Path) -> None:
    (folder / "netbox-mcp.toml").write_text(
        'http_tokens = ["a-token-long-enough"]\nredis_url = "redis://127.0.0.1/0"\ndry_run = true\n'
        '[netbox]\nurl = "https://n.example.com"\ntoken_file = "token"\nverify_tls = false\n'
    )
    (folder / "token").write_text("0123456789abcdef0123456789abcdef01234567")
    settings = load_settings()
    assert [token.get_secret_value() for token in settings.http_tokens] == ["a-token-long-enough"]
    assert settings.redis_url is not None
    assert settings.dry_run
    target = load_targets()["default"]
    assert (target.verify_tls, target.dry_run) == (False, True)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("NETBOX_MCP_PORT", "")
    settings = load_settings()
    assert settings.redis_url is None
    assert settings.port == Settings.model_fields["port"].default


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NETBOX_MCP_PORT", "70000"),
        ("NETBOX_MCP_TOKEN", "short"),
        ("NETBOX_MCP_APPROVE_TOKEN", "too-short"),
        ("NETBOX_DRY_RUN", "perhaps"),
        ("NETBOX_MCP_LANES", "0"),
    ],
)
def test_a_wrong_value_names_the_variable_and_does_not_show_the_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert caught.value.message.startswith(f"{variable} is not usable:")
    assert value not in caught.value.message.removeprefix(variable)
    assert caught.value.hint


def test_a_misspelt_setting_in_a_file_gets_a_suggestion(folder: Path) -> None:
    (folder / "netbox-mcp.toml").write_text("prot = 1")
    with pytest.raises(ConfigError, match="no setting 'prot'") as caught:
        load_settings()
    assert caught.value.hint == "Did you mean port?"


def test_a_file_that_is_named_and_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOX_MCP_CONFIG", "nowhere.toml")
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load_settings()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOX_MCP_TOKEN", "first-token-of-two, second-token-of-two")
    monkeypatch.setenv("NETBOX_MCP_TOOLSETS", "bulk,system")
    settings = load_settings()
    assert [token.get_secret_value() for token in settings.http_tokens] == [
        "first-token-of-two",
        "second-token-of-two",
    ]
    assert settings.toolsets == ["bulk", "system"]


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOX_MCP_TOKEN", "a-token-long-enough")
    monkeypatch.setenv("REDIS_URL", "redis://:sesame@127.0.0.1/0")
    shown = repr(load_settings())
    assert "a-token-long-enough" not in shown
    assert "sesame" not in shown


def test_every_setting_is_described_and_has_a_variable() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert variable_of(name).startswith(("NETBOX_", "REDIS_")), name
