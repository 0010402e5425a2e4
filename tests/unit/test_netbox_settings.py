"""Where targets come from, what is refused, and that a token never shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.netbox import ConfigError, NetBoxSettings, load_targets

TOKEN = "nbt_abcdefghijkl.0123456789abcdef0123456789abcdef01234567"
OTHER = "89abcdef0123456789abcdef0123456789abcdef"
VARIABLES = (
    "NETBOX_URL",
    "NETBOX_TOKEN",
    "NETBOX_DRY_RUN",
    "NETBOX_MCP_CONFIG",
    "NETBOX_MCP_VERIFY_TLS",
    "NETBOX_MCP_CONNECT_TIMEOUT_SECONDS",
    "NETBOX_MCP_READ_TIMEOUT_SECONDS",
    "NETBOX_MCP_MAX_REQUESTS_PER_SECOND",
    "NETBOX_MCP_READ_CONNECTIONS",
    "LAB_TOKEN",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an empty environment."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The two variables that are enough."""
    monkeypatch.setenv("NETBOX_URL", "https://netbox.example.com")
    monkeypatch.setenv("NETBOX_TOKEN", TOKEN)
    return monkeypatch


def failure() -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_targets()
    for secret in (TOKEN, TOKEN.rpartition(".")[2], OTHER):
        assert secret not in f"{caught.value!r} {caught.value.message} {caught.value.hint}"
    return caught.value


def test_two_variables_are_enough(env: pytest.MonkeyPatch) -> None:
    (target,) = load_targets().values()
    assert target.name == "default"
    assert target.url == "https://netbox.example.com"
    assert target.token.get_secret_value() == TOKEN
    assert (target.dry_run, target.verify_tls) == (False, True)
    assert target.max_requests_per_second is None
    assert target.read_connections == 2


def test_the_rest_comes_from_the_environment_too(env: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "ca.pem").touch()
    env.setenv("NETBOX_DRY_RUN", " true ")
    env.setenv("NETBOX_MCP_VERIFY_TLS", str(folder / "ca.pem"))
    env.setenv("NETBOX_MCP_CONNECT_TIMEOUT_SECONDS", "1.5")
    env.setenv("NETBOX_MCP_READ_TIMEOUT_SECONDS", "90")
    env.setenv("NETBOX_MCP_MAX_REQUESTS_PER_SECOND", "2.5")
    env.setenv("NETBOX_MCP_READ_CONNECTIONS", "4")
    target = load_targets()["default"]
    assert target.dry_run is True
    assert target.verify_tls == folder / "ca.pem"
    assert (target.connect_timeout_seconds, target.read_timeout_seconds) == (1.5, 90)
    assert target.max_requests_per_second == 2.5
    assert target.read_connections == 4


def test_environment_beats_dotenv_beats_file(env: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / ".env").write_text("NETBOX_URL=http://dotenv:1\nNETBOX_MCP_READ_TIMEOUT_SECONDS=22\n")
    (folder / "netbox-mcp.toml").write_text(
        '[netbox]\nurl = "http://file:1"\nread_timeout_seconds = 33\nconnect_timeout_seconds = 3\n'
    )
    target = load_targets()["default"]
    assert target.url == "https://netbox.example.com"
    assert (target.read_timeout_seconds, target.connect_timeout_seconds) == (22, 3)


def test_several_targets_from_a_file(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "netbox-mcp.toml").write_text(
        f"""
        [netbox]
        url = "http://default"
        token_file = "{folder / "token"}"
        [targets.lab]
        url = "http://lab/"
        token_env = "LAB_TOKEN"
        verify_tls = false
        dry_run = true
        max_requests_per_second = 10
        read_connections = 1
        """
    )
    (folder / ".env").write_text(f"LAB_TOKEN={OTHER}\n")
    targets = load_targets()
    assert list(targets) == ["lab", "default"]
    assert targets["default"].token.get_secret_value() == TOKEN
    lab = targets["lab"]
    assert (lab.name, lab.url, lab.verify_tls, lab.dry_run) == ("lab", "http://lab", False, True)
    assert (lab.max_requests_per_second, targets["default"].max_requests_per_second) == (10, None)
    assert (lab.read_connections, targets["default"].read_connections) == (1, 2)
    assert lab.token.get_secret_value() == OTHER
    monkeypatch.setenv("LAB_TOKEN", TOKEN)
    assert load_targets()["lab"].token.get_secret_value() == TOKEN


def test_the_file_may_be_yaml_and_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.yaml"
    file.write_text("port: 9000\nnetbox: {url: 'http://file:1', token_env: LAB_TOKEN}\n")
    monkeypatch.setenv("NETBOX_MCP_CONFIG", str(file))
    monkeypatch.setenv("LAB_TOKEN", OTHER)
    assert load_targets()["default"].url == "http://file:1"


def test_dry_run_holds_for_every_target(env: pytest.MonkeyPatch, folder: Path) -> None:
    file = folder / "netbox-mcp.yaml"
    lab = "targets: {lab: {url: 'http://lab', token_env: NETBOX_TOKEN}}\n"
    file.write_text(lab)
    assert [target.dry_run for target in load_targets().values()] == [False, False]
    env.setenv("NETBOX_DRY_RUN", "true")
    assert [target.dry_run for target in load_targets().values()] == [True, True]
    env.delenv("NETBOX_DRY_RUN")
    file.write_text("dry_run: true\n" + lab)
    assert [target.dry_run for target in load_targets().values()] == [True, True]


@pytest.mark.parametrize(
    "url",
    [
        "https://netbox.example.com/",
        "https://netbox.example.com/api",
        " https://netbox.example.com/api/ ",
    ],
)
def test_urls_are_taken_as_people_write_them(env: pytest.MonkeyPatch, url: str) -> None:
    env.setenv("NETBOX_URL", url)
    assert load_targets()["default"].url == "https://netbox.example.com"


def test_a_netbox_below_a_path(env: pytest.MonkeyPatch) -> None:
    env.setenv("NETBOX_URL", "https://example.com/netbox/")
    assert load_targets()["default"].url == "https://example.com/netbox"


@pytest.mark.parametrize(
    "url",
    ["netbox.example.com", "ftp://netbox", "https://", "http://netbox:port", "http://a b", "http://n/?x=1"],
)
def test_urls_that_are_none(env: pytest.MonkeyPatch, url: str) -> None:
    env.setenv("NETBOX_URL", url)
    error = failure()
    assert error.message.startswith("NETBOX_URL is not usable: write it like https://netbox.example.com")


def test_a_password_in_the_url_is_refused(env: pytest.MonkeyPatch) -> None:
    env.setenv("NETBOX_URL", "https://admin:hunter2@netbox.example.com")
    error = failure()
    assert "NETBOX_URL" in error.message
    assert "hunter2" not in f"{error!r}{error.hint}"


@pytest.mark.parametrize("text", [f"  {TOKEN}\n", f"Bearer {TOKEN}", f"Token {TOKEN}"])
def test_tokens_are_stripped(env: pytest.MonkeyPatch, text: str) -> None:
    env.setenv("NETBOX_TOKEN", text)
    assert load_targets()["default"].token.get_secret_value() == TOKEN


@pytest.mark.parametrize("token", ["two words", "nbt_onlythekey", "töken"])
def test_tokens_that_are_none(env: pytest.MonkeyPatch, token: str) -> None:
    env.setenv("NETBOX_TOKEN", token)
    error = failure()
    assert error.message.startswith("NETBOX_TOKEN is not usable")
    assert token not in error.message + error.hint


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = failure()
    assert "NETBOX_URL is not set" in error.message
    assert "sandbox up" in error.hint
    monkeypatch.setenv("NETBOX_URL", "http://netbox")
    assert failure().message == "NETBOX_TOKEN is not set."
    monkeypatch.delenv("NETBOX_URL")
    monkeypatch.setenv("NETBOX_TOKEN", TOKEN)
    assert failure().message == "NETBOX_URL is not set."


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NETBOX_DRY_RUN", "perhaps"),
        ("NETBOX_MCP_VERIFY_TLS", "/no/such/ca.pem"),
        ("NETBOX_MCP_READ_TIMEOUT_SECONDS", "0"),
        ("NETBOX_MCP_CONNECT_TIMEOUT_SECONDS", "soon"),
        ("NETBOX_MCP_MAX_REQUESTS_PER_SECOND", "0"),
        ("NETBOX_MCP_MAX_REQUESTS_PER_SECOND", "inf"),
    ],
)
def test_a_bad_value_names_its_variable(env: pytest.MonkeyPatch, variable: str, value: str) -> None:
    env.setenv(variable, value)
    error = failure()
    assert error.message.startswith(f"{variable} is not usable: ")
    assert error.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"targets: {{lab: {{url: 'http://lab', token: '{OTHER}'}}}}", "holds a token itself"),
        ("targets: {lab: {url: 'http://lab', tokn_env: X}}", "has no setting 'tokn_env'"),
        ("targets: {lab: {url: 'http://lab'}}", "does not say where its token is"),
        ("targets: {lab: {url: 'http://lab', token_env: LAB_TOKEN}}", "LAB_TOKEN is not set"),
        ("targets: {lab: {url: 'http://lab', token_file: /no/such/file}}", "/no/such/file cannot be read"),
        ("targets: {lab: {token_env: LAB_TOKEN}}", "url of target lab is not set"),
        ("targets: {lab: {url: lab, token_env: NETBOX_TOKEN}}", "url of target lab is not usable"),
        ("targets: [lab]", "one table per NetBox"),
        ("targets: {lab: http://lab}", "target lab must be a table"),
        ("targets: {default: {}}\nnetbox: {}", "twice"),
        (f"netbox: {{url: [{OTHER}", "cannot be read"),
        ("just words", "names and values"),
    ],
)
def test_what_is_wrong_in_a_file(env: pytest.MonkeyPatch, folder: Path, text: str, words: str) -> None:
    (folder / "netbox-mcp.yaml").write_text(text)
    assert words in failure().message


def test_a_toml_file_that_cannot_be_read_gives_the_place(env: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "netbox-mcp.toml").write_text(f'[netbox]\nurl = "{OTHER}\n')
    assert "line 2" in failure().message


def test_a_config_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOX_MCP_CONFIG", "/no/such.toml")
    assert "NETBOX_MCP_CONFIG names /no/such.toml" in failure().message


def test_the_token_never_shows(env: pytest.MonkeyPatch) -> None:
    target = load_targets()["default"]
    assert TOKEN not in f"{target!r} {target} {target.model_dump()} {target.model_dump_json()}"


def test_settings_cannot_be_changed() -> None:
    target = NetBoxSettings(url="http://netbox", token=TOKEN)
    with pytest.raises(ValidationError):
        target.dry_run = True  # type: ignore[misc]
    assert target.model_copy(update={"dry_run": True}).dry_run
