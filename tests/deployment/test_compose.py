"""docker-compose.yml and .env.example: valid by the Compose specification, true to settings and commands."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from compose_spec import PyCompose
from dotenv import dotenv_values

from netbox_mcp.cli import app
from netbox_mcp.config import Settings, load_settings, variable_of
from orchestrator.netbox.settings import _VARIABLES as TARGET_VARIABLES
from orchestrator.netbox.settings import NetBoxSettings, load_targets
from tests.deployment.compose_file import (
    COMPOSE_FILE,
    ENV_EXAMPLE,
    OURS,
    REPOSITORY,
    fill_in,
    load,
    new_environment,
    run_new_env,
    start_order,
    variables_named,
)
from workers.settings import WorkerSettings

PROFILES = ([], ["netbox"], ["monitoring"], ["netbox", "monitoring"])
SECRETS = re.compile(r"PASSWORD|SECRET|TOKEN|KEY|PEPPER")
SETTINGS_HEAD = "# ---- Settings of netbox-mcp, as in docs/configuration.md\n"
# The compose file says these itself: where Redis is, and what is fixed in a container.
SAID_THERE = {"REDIS_URL", "NETBOX_MCP_HOST", "NETBOX_MCP_PORT", "NETBOX_MCP_STATE_DIR"}


def of_targets() -> dict[str, Any]:
    return {TARGET_VARIABLES[name]: NetBoxSettings.model_fields[name] for name in TARGET_VARIABLES}


def of(settings: type[WorkerSettings]) -> dict[str, Any]:
    return {variable_of(name): info for name, info in settings.model_fields.items() if name != "dry_run"}


EVERY_SETTING = of_targets() | of(Settings)


@pytest.fixture
def raw() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE_FILE.read_text())


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return new_environment(tmp_path, "netbox", "monitoring")


@pytest.fixture
def services(environment: dict[str, str]) -> dict[str, Any]:
    return load(environment)["services"]


@pytest.mark.parametrize("profiles", PROFILES)
def test_it_is_valid_by_the_compose_specification(profiles: list[str], tmp_path: Path) -> None:
    made = {name: value for name, value in new_environment(tmp_path, *profiles).items() if value}
    variables = {"NETBOX_URL": "https://netbox.example.net", "NETBOX_TOKEN": "nbt_a.b", **made}
    # Anchors and merges are YAML's business, and done with once it is read.
    PyCompose.from_yaml(yaml.safe_dump(load(variables))).validate()


def test_the_specification_refuses_what_is_none_of_it(services: dict[str, Any]) -> None:
    services["server"]["helthcheck"] = services["server"].pop("healthcheck")
    with pytest.raises(ValueError, match="helthcheck"):
        PyCompose.from_yaml(yaml.safe_dump({"services": services}))


def test_every_setting_reaches_those_who_read_it(raw: dict[str, Any]) -> None:
    """A setting that a container is not handed could be set in .env without any effect."""
    of_worker = raw["services"]["worker"]["environment"]
    assert set(of_worker) == set(of_targets() | of(WorkerSettings))
    assert set(raw["services"]["server"]["environment"]) == set(EVERY_SETTING)
    assert "NETBOX_MCP_TOKEN" not in of_worker


def settings_lines() -> str:
    """The second part of .env.example."""
    lines = []
    for name, info in EVERY_SETTING.items():
        if name not in SAID_THERE:
            lines += ["", *wrapped(info.description), f"{'' if name in needed() else '# '}{name}="]
    lines += ["", "# Said by docker-compose.yml itself; for other ways to run it."]
    lines += [f"# {name}=" for name in sorted(SAID_THERE)]
    return "\n".join(lines) + "\n"


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 108, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def needed() -> set[str]:
    return set(re.findall(r"\$\{(\w+):\?", COMPOSE_FILE.read_text())) & set(EVERY_SETTING)


def test_the_example_has_every_variable_and_no_other(request: pytest.FixtureRequest) -> None:
    text = ENV_EXAMPLE.read_text()
    head, found, _ = text.partition(SETTINGS_HEAD)
    assert found
    if request.config.getoption("--update-golden"):
        ENV_EXAMPLE.write_text(head + SETTINGS_HEAD + settings_lines())
    assert ENV_EXAMPLE.read_text() == head + SETTINGS_HEAD + settings_lines()
    of_the_stack = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", head, re.MULTILINE))
    wanted = variables_named(COMPOSE_FILE.read_text()) | {"METRICS_TOKEN", "COMPOSE_PROFILES"}
    assert of_the_stack == wanted - set(EVERY_SETTING)


def test_defaults_in_the_example_are_those_of_the_compose_file() -> None:
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", COMPOSE_FILE.read_text()))
    shown = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", ENV_EXAMPLE.read_text(), re.MULTILINE))
    assert shown == {name: value for name, value in defaults.items() if name not in EVERY_SETTING}


@pytest.mark.parametrize("name", OURS)
def test_the_environment_of_our_containers_is_a_configuration(
    name: str,
    services: dict[str, Any],
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path / "deploy")  # where there is no .env
    for variable in EVERY_SETTING:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in services[name]["environment"].items():
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.redis_url is not None
    assert settings.redis_url.get_secret_value() == f"redis://:{environment['REDIS_PASSWORD']}@redis:6379/0"
    assert load_targets()["default"].url == "http://netbox:8080"
    if name == "server":
        assert settings.host == "0.0.0.0"
        assert [token.get_secret_value() for token in settings.http_tokens] == [
            environment["NETBOX_MCP_TOKEN"]
        ]
        (prometheus,) = settings.clients
        assert prometheus.sha256 == hashlib.sha256(environment["METRICS_TOKEN"].encode()).hexdigest()
        assert prometheus.scopes == ("read",)


@pytest.mark.parametrize("name", OURS)
def test_what_our_containers_run_is_a_command_of_ours(name: str, services: dict[str, Any]) -> None:
    commands = [services[name]["command"]]
    health = services[name]["healthcheck"]["test"]
    if health[1] == "netbox-mcp":
        commands.append(health[2:])
    for command in commands:
        group = typer.main.get_command(app)
        context = group.make_context("netbox-mcp", list(command))
        _, chosen, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        chosen.make_context(chosen.name, rest, parent=context)


def test_every_service_is_waited_for_by_its_health(services: dict[str, Any]) -> None:
    order = start_order(services)
    assert order.index("redis") < order.index("worker")
    assert order.index("netbox") < order.index("server")
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            assert services[other]["healthcheck"]["test"]
            if set(services[other].get("profiles", [])) - set(service.get("profiles", [])):
                assert how["required"] is False, "what a profile leaves out is not waited for"
    assert [name for name, service in services.items() if "healthcheck" not in service] == []


def test_images_are_pinned(raw: dict[str, Any], services: dict[str, Any]) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    for name, service in services.items():
        image = service["image"]
        if name in OURS:
            assert image == f"netbox-mcp-orchestrator:{version}"
        else:
            assert re.fullmatch(r"docker\.io/[a-z]+/[a-z]+:v?\d+(\.\d+)+(-[\w.]+)?", image)
    dockerfile = (REPOSITORY / "deploy/Dockerfile").read_text()
    assert f"ARG VERSION={version}\n" in dockerfile
    assert re.search(r"^ARG BASE_IMAGE=docker\.io/library/python:3\.\d+-slim-\w+$", dockerfile, re.MULTILINE)


def test_no_secret_is_written_down(raw: dict[str, Any]) -> None:
    for service in raw["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRETS.search(name) and name != "SUPERUSER_NAME":
                assert value is None or re.fullmatch(r"\$\{\w+(:\?[^}]*)?\}", value), name
    assert {name: value for name, value in dotenv_values(ENV_EXAMPLE).items() if value} == {}


def test_ours_may_do_no_more_than_they_need(services: dict[str, Any]) -> None:
    for name in (*OURS, "redis"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
    for service in services.values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "nothing leaves the machine unless it is told to"
    assert "ports" not in services["redis"]


def test_files_that_are_mounted_are_there(services: dict[str, Any]) -> None:
    mounts = [mount.split(":") for service in services.values() for mount in service.get("volumes", [])]
    ours = [(source, mode) for source, _, *mode in mounts if source.startswith("./")]
    assert ours
    for source, mode in ours:
        assert (REPOSITORY / source).exists()
        assert mode == ["ro"]


class TestNewEnvironment:
    def test_every_secret_is_new_and_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        first.mkdir()
        second.mkdir()
        one, two = new_environment(first, "netbox"), new_environment(second)
        secret = {name for name in one if SECRETS.search(name)}
        assert len(secret) >= 12
        assert {name for name in secret if one[name] == two[name]} == set()
        assert {name for name in secret if len(one[name]) < 12} == set()
        assert stat.S_IMODE((first / ".env").stat().st_mode) == 0o600

    def test_with_netbox_there_is_nothing_left_to_fill_in(self, tmp_path: Path) -> None:
        made = new_environment(tmp_path, "netbox", "monitoring")
        assert made["COMPOSE_PROFILES"] == "netbox,monitoring"
        assert made["NETBOX_URL"] == "http://netbox:8080"
        key, secret = made["NETBOX_ADMIN_TOKEN_KEY"], made["NETBOX_ADMIN_TOKEN_SECRET"]
        assert made["NETBOX_TOKEN"] == f"nbt_{key}.{secret}"
        # What NetBox asks of them.
        assert (len(key), len(secret)) == (12, 40)
        assert len(made["NETBOX_SECRET_KEY"]) >= 50
        assert len(made["NETBOX_TOKEN_PEPPER"]) >= 50
        assert json.loads(made["NETBOX_MCP_CLIENTS"])

    def test_without_it_compose_says_what_is_missing(self, tmp_path: Path) -> None:
        made = new_environment(tmp_path)
        with pytest.raises(KeyError, match=r"NETBOX_URL is not set: run deploy/new-env\.sh"):
            load(made)

    def test_one_that_is_there_stays(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("NETBOX_URL=https://netbox.example.net\n")
        done = run_new_env(tmp_path)
        assert done.returncode == 1
        assert done.stderr == "There is a .env already, or it cannot be written; nothing was changed.\n"
        assert (tmp_path / ".env").read_text() == "NETBOX_URL=https://netbox.example.net\n"

    def test_an_unknown_profile_is_refused(self, tmp_path: Path) -> None:
        done = run_new_env(tmp_path, "netbx")
        assert done.returncode == 1
        assert "There is no profile netbx" in done.stderr
        assert not (tmp_path / ".env").exists()


def test_variables_are_filled_in_as_compose_does() -> None:
    assert fill_in("${A}-${B:-b}-$$C", {"A": "a"}) == "a-b-$C"
    with pytest.raises(KeyError, match="A is not set: do this"):
        fill_in("${A:?do this}", {"A": ""})
