"""Which NetBoxes there are, where they listen and which token opens them.

Environment > `.env` > TOML or YAML file > defaults. The environment describes
the target `default`; the file may describe it too (`[netbox]`) and any number
of others (`[targets.NAME]`). A file never holds a token: it names the variable
or the file that does. NETBOX_DRY_RUN holds for every target.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from dotenv import dotenv_values
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.errors import OrchestratorError

DEFAULT_TARGET = "default"
CONFIG_VARIABLE = "NETBOX_MCP_CONFIG"
CONFIG_NAMES = ("netbox-mcp.toml", "netbox-mcp.yaml", "netbox-mcp.yml")
ENV_FILE = ".env"

_TARGET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLES = {
    "url": "NETBOX_URL",
    "token": "NETBOX_TOKEN",
    "dry_run": "NETBOX_DRY_RUN",
    "verify_tls": "NETBOX_MCP_VERIFY_TLS",
    "connect_timeout_seconds": "NETBOX_MCP_CONNECT_TIMEOUT_SECONDS",
    "read_timeout_seconds": "NETBOX_MCP_READ_TIMEOUT_SECONDS",
    "max_requests_per_second": "NETBOX_MCP_MAX_REQUESTS_PER_SECOND",
    "read_connections": "NETBOX_MCP_READ_CONNECTIONS",
}
_FILE_KEYS = (*(name for name in _VARIABLES if name != "token"), "token_env", "token_file")


class ConfigError(OrchestratorError):
    """The configuration cannot be used. One sentence that names the variable, and the way out as the hint."""

    code = "invalid_configuration"


class NetBoxSettings(BaseModel):
    """One target: where it is and how to talk to it. The token never shows in `repr` or in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = DEFAULT_TARGET
    url: str = Field(description="Address of NetBox as in a browser, without /api.")
    token: SecretStr = Field(description="API token: v2 (nbt_<key>.<secret>) or v1 (40 characters).")
    dry_run: bool = Field(default=False, description="Plan everything, send no write.")
    verify_tls: bool | Path = Field(
        default=True, description="true, false, or the file with the certificate of the CA to trust."
    )
    connect_timeout_seconds: float = Field(
        default=5.0, gt=0, le=300, description="How long to wait for a connection."
    )
    read_timeout_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="How long to wait for NetBox's answer to one request."
    )
    max_requests_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="Reads and writes together that each of our processes sends to this NetBox at most, "
        "evenly spaced. Unset: no limit.",
    )
    read_connections: int = Field(
        default=2,
        ge=1,
        le=8,
        description="Read requests to this NetBox at the same time, by one plan; up to 8.",
    )

    @field_validator("name")
    @classmethod
    def _plain_name(cls, name: str) -> str:
        if not _TARGET_NAME.fullmatch(name):
            raise ValueError("a target's name is made of letters, digits, - and _")
        return name

    @field_validator("url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        """`https://netbox.example.com`, also when it came with a slash or /api at its end."""
        text = url.strip().rstrip("/").removesuffix("/api").rstrip("/")
        try:
            parts = urlsplit(text)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment or " " in text:
            raise ValueError("write it like https://netbox.example.com")
        if parts.username or parts.password:
            raise ValueError(
                "a URL must not carry a user name or a password; the token goes into its own variable"
            )
        return text

    @field_validator("token")
    @classmethod
    def _plain_token(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value().strip()
        for word in ("Bearer ", "Token "):
            text = text.removeprefix(word).strip()
        if not text:
            raise ValueError("it is empty")
        if not text.isascii() or any(char.isspace() or not char.isprintable() for char in text):
            raise ValueError("a token holds no spaces, line breaks or letters beyond ASCII")
        if text.startswith("nbt_") and not text.partition(".")[2]:
            raise ValueError("a v2 token has two parts, nbt_<key>.<secret>, and the second is missing")
        return SecretStr(text)

    @field_validator("verify_tls", mode="before")
    @classmethod
    def _switch_or_path(cls, value: Any) -> Any:
        """Words for yes and no are switches, everything else is a path that must be there."""
        words = {
            "true": True,
            "yes": True,
            "on": True,
            "1": True,
            "false": False,
            "no": False,
            "off": False,
            "0": False,
        }
        text = str(value).strip()
        if text.lower() in words:
            return words[text.lower()]
        path = Path(text).expanduser()
        if not path.exists():
            raise ValueError(f"there is no file {text}; write true, false or the path of a CA certificate")
        return path


class _Environment(BaseSettings):
    """What the environment and `.env` say, as text: checked together with the rest, in one place."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    url: str | None = Field(default=None, validation_alias=AliasChoices("NETBOX_URL"))
    token: SecretStr | None = Field(default=None, validation_alias=AliasChoices("NETBOX_TOKEN"))
    dry_run: str | None = Field(default=None, validation_alias=AliasChoices("NETBOX_DRY_RUN"))
    verify_tls: str | None = Field(default=None, validation_alias=AliasChoices("NETBOX_MCP_VERIFY_TLS"))
    connect_timeout_seconds: str | None = Field(
        default=None, validation_alias=AliasChoices("NETBOX_MCP_CONNECT_TIMEOUT_SECONDS")
    )
    read_timeout_seconds: str | None = Field(
        default=None, validation_alias=AliasChoices("NETBOX_MCP_READ_TIMEOUT_SECONDS")
    )
    max_requests_per_second: str | None = Field(
        default=None, validation_alias=AliasChoices("NETBOX_MCP_MAX_REQUESTS_PER_SECOND")
    )
    read_connections: str | None = Field(
        default=None, validation_alias=AliasChoices("NETBOX_MCP_READ_CONNECTIONS")
    )

    def given(self) -> dict[str, Any]:
        """What is set."""
        return self.model_dump(exclude_none=True)


def load_targets() -> dict[str, NetBoxSettings]:
    """Every configured NetBox by name. Raises ConfigError, also when there is none at all."""
    env = _Environment().given()
    path = find_config_file()
    tables, file_dry_run = _read_tables(path)
    if "url" in env or "token" in env:
        tables.setdefault(DEFAULT_TARGET, {})
    if not tables:
        raise ConfigError(
            "NETBOX_URL is not set, so there is no NetBox to talk to.",
            "Set NETBOX_URL and NETBOX_TOKEN, or name a NetBox in netbox-mcp.toml; "
            "`netbox-mcp sandbox up` starts one to try things on.",
        )
    shared = {"dry_run": env["dry_run"]} if "dry_run" in env else {}
    targets = {}
    for name, table in tables.items():
        own = env if name == DEFAULT_TARGET else shared
        targets[name] = _make_target(name, path, {"dry_run": file_dry_run, **table}, own)
    return targets


def find_config_file() -> Path | None:
    """The file named by NETBOX_MCP_CONFIG, else netbox-mcp.toml or .yaml in the working directory."""
    named = os.environ.get(CONFIG_VARIABLE)
    if not named:
        return next((Path(name) for name in CONFIG_NAMES if Path(name).is_file()), None)
    path = Path(named).expanduser()
    if not path.is_file():
        raise ConfigError(f"{CONFIG_VARIABLE} names {named}, and there is no such file.", "Correct the path.")
    return path


def read_config_tables(path: Path) -> dict[str, Any]:
    """A TOML or YAML file as it stands. Raises ConfigError, which quotes nothing of the file's text."""
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else f" ({error})" if path.suffix == ".toml" else ""
        raise ConfigError(f"{path} cannot be read{where}.", "Correct the file or unset it.") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold names and values.", "For example: port = 8765")
    return data


def _read_tables(path: Path | None) -> tuple[dict[str, dict[str, Any]], bool]:
    """The tables of all targets in the file, and its own `dry_run`."""
    if path is None:
        return {}, False
    data = read_config_tables(path)
    targets = data.get("targets") or {}
    if not isinstance(targets, Mapping):
        raise ConfigError(
            f"{path}: targets must hold one table per NetBox.", 'Write [targets.lab], then url = "..."'
        )
    tables = {str(name): table for name, table in targets.items()}
    if data.get("netbox") is not None:
        if DEFAULT_TARGET in tables:
            raise ConfigError(
                f"{path} describes the default target twice.", "Keep [netbox] or [targets.default]."
            )
        tables[DEFAULT_TARGET] = data["netbox"]
    for name, table in tables.items():
        _check_keys(path, name, table)
    return {name: dict(table) for name, table in tables.items()}, data.get("dry_run") or False


def _check_keys(path: Path, name: str, table: Any) -> None:
    if not isinstance(table, Mapping):
        raise ConfigError(
            f"{path}: target {name} must be a table.", 'For example: url = "https://netbox.example.com"'
        )
    for key in table:
        if key == "token":
            raise ConfigError(
                f"{path}: target {name} holds a token itself, which a configuration file must not.",
                "Name where it is instead: token_env (a variable) or token_file (a file).",
            )
        if key not in _FILE_KEYS:
            raise ConfigError(
                f"{path}: target {name} has no setting {key!r}.", f"Known: {', '.join(_FILE_KEYS)}."
            )


def _make_target(name: str, path: Path | None, table: dict[str, Any], env: dict[str, Any]) -> NetBoxSettings:
    values = {key: value for key, value in table.items() if key not in ("token_env", "token_file")} | env
    if "url" not in values:
        raise ConfigError(
            f"{_source('url', name, path, env)} is not set.", "Set it to https://netbox.example.com."
        )
    if "token" not in values:
        values["token"] = _find_token(name, path, table)
    try:
        return NetBoxSettings(name=name, **values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = str(first["loc"][0])
        reason = str(first["msg"]).removeprefix("Value error, ")
        source = (
            table.get("token_env") or table.get("token_file")
            if field == "token" and field not in env
            else None
        )
        info = NetBoxSettings.model_fields.get(field)
        raise ConfigError(
            f"{source or _source(field, name, path, env)} is not usable: {reason}.",
            (info.description if info else None) or "Correct it or unset it.",
        ) from None


def _find_token(name: str, path: Path | None, table: dict[str, Any]) -> SecretStr:
    variable, file = table.get("token_env"), table.get("token_file")
    if variable:
        found = os.environ.get(str(variable)) or dotenv_values(ENV_FILE).get(str(variable))
        if not found:
            raise ConfigError(
                f"{variable} is not set; target {name} expects its token there.", f"Set {variable}."
            )
        return SecretStr(found)
    if file:
        try:
            return SecretStr(Path(str(file)).expanduser().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ConfigError(
                f"{file} cannot be read; target {name} expects its token there.", "Correct token_file."
            ) from None
    if name == DEFAULT_TARGET:
        raise ConfigError(
            "NETBOX_TOKEN is not set.", "Create a token in NetBox (user menu, API tokens) and set it."
        )
    raise ConfigError(
        f"{path}: target {name} does not say where its token is.", "Add token_env or token_file."
    )


def _source(field: str, name: str, path: Path | None, env: Mapping[str, Any]) -> str:
    """Where a value came from, or would come from, in words an operator can search for."""
    if field in env or (name == DEFAULT_TARGET and path is None):
        return _VARIABLES.get(field, field)
    return f"{path}: {field} of target {name}"
