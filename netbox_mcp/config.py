"""The configuration: environment > .env > file (TOML or YAML) > defaults.

`Settings` extends what workers need by what the server and the command line
need. Its field descriptions are the reference; every name reads NETBOX_MCP_*
in the environment unless it says otherwise.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from netbox_mcp.access import EVERYTHING, ONLY_LOOKING, Client, Scope
from netbox_mcp.addresses import origin_of, parse_address
from netbox_mcp.failures import did_you_mean
from orchestrator.netbox.cache import MAX_BYTES
from orchestrator.netbox.lifetimes import DEFAULT_LIFETIMES, read_lifetimes
from orchestrator.netbox.settings import ConfigError, find_config_file, read_config_tables
from workers.settings import MIN_TOKEN_LENGTH, WorkerSettings

# Read by orchestrator/netbox/settings.py, from the same file.
TARGET_KEYS = ("netbox", "targets")

TextList = Annotated[list[str], NoDecode]
SecretList = Annotated[list[SecretStr], NoDecode]
ClientList = Annotated[list[Client], NoDecode]
Lifetimes = Annotated[dict[str, int], NoDecode]

DEFAULT_TOOLSETS = ["bulk", "read", "system"]


class Settings(WorkerSettings):
    """Everything that server and command line can be told."""

    model_config = SettingsConfigDict(
        env_prefix="NETBOX_MCP_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        validate_by_name=True,
        hide_input_in_errors=True,
    )

    host: str = Field(default="127.0.0.1", description="Address that the HTTP transport listens on.")
    port: int = Field(default=8765, ge=1, le=65535, description="Port that the HTTP transport listens on.")
    http_tokens: SecretList = Field(
        default=[],
        validation_alias=AliasChoices("NETBOX_MCP_TOKEN", "NETBOX_MCP_TOKENS", "http_tokens"),
        description="Bearer token for HTTP, several separated by commas. "
        "Unset, and no NETBOX_MCP_CLIENTS: one is made and kept in the state directory.",
    )
    clients: ClientList = Field(
        default=[],
        description="Callers over HTTP with less than all rights: a JSON list of objects with name, sha256 "
        "(of the bearer token) and scopes. `netbox-mcp token` makes one.",
    )
    public_url: str | None = Field(
        default=None,
        description="Where clients reach the HTTP server, as https://netbox-mcp.example.net; OAuth needs it.",
    )
    oauth_issuer: str | None = Field(
        default=None,
        description="The OAuth authorization server, exactly as it calls itself, whose tokens (JWTs for "
        "NETBOX_MCP_PUBLIC_URL/mcp, with the scopes read, plan, write, admin, approve) are accepted as well.",
    )
    read_only: bool = Field(
        default=False, description="Offer nothing over MCP and REST that writes; planning stays."
    )
    allowed_hosts: TextList = Field(
        default=[], description="Host names besides loopback by which clients may address the HTTP server."
    )
    toolsets: TextList = Field(
        default=DEFAULT_TOOLSETS,
        description="Toolsets offered, with commas: bulk, read, inventory, write, ipam, system; or all.",
    )
    redacted_fields: TextList = Field(
        default=[],
        description="Fields, custom ones too, that no read tool shows or filters by, beside those known to "
        "hold secrets (password, secret, auth_psk, preshared_key and the like); separated by commas.",
    )
    sync_max_objects: int = Field(
        default=500, ge=1, description="Largest document for the synchronous tool; larger ones are refused."
    )
    plan_max_objects: int = Field(
        default=5000, ge=1, description="Largest document that is planned while the caller waits."
    )
    max_objects: int = Field(
        default=200_000, ge=1, description="Largest document of all; a larger one is refused, to be split."
    )
    requests_per_minute: int = Field(
        default=6000,
        ge=0,
        description="Requests over HTTP that one caller may make in a minute; 0: no limit.",
    )
    session_seconds: int = Field(
        default=8 * 3600,
        ge=1,
        description="How long somebody stays signed in at the web pages; never beyond the end of the token.",
    )
    max_request_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, description="Largest HTTP request body that is accepted."
    )
    max_input_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="Largest document that is handed over by POST /inputs, or read from a file.",
    )
    inputs_folder: Path | None = Field(
        default=None,
        description="Folder, by its absolute path, of documents (YAML, JSON, NDJSON, or CSV named after its "
        "object type) that tools take as `input_id=file:NAME`; nothing outside of it is read. Unset: no "
        "file is.",
    )
    cache: bool = Field(
        default=True,
        description="Whether the server keeps answers to reads for a while. Whoever means to write asks "
        "NetBox in any case, and workers keep nothing.",
    )
    cache_ttls: Lifetimes = Field(
        default=DEFAULT_LIFETIMES,
        description="For how many seconds answers are kept, by object type: `devices=60, dcim.rack=600` "
        "changes and adds to the default, 0 takes a type out. Types not named are never kept.",
    )
    cache_max_bytes: int = Field(
        default=MAX_BYTES,
        ge=1024,
        description="How much is kept of each target; what has not been asked for longest goes first.",
    )
    dry_run: bool = Field(
        default=False,
        validation_alias=AliasChoices("NETBOX_DRY_RUN", "dry_run"),
        description="NETBOX_DRY_RUN: plan everything, write nothing.",
    )

    elicitation: bool = Field(
        default=True,
        description="Ask the person in the MCP client, where it can (elicitation), about a write that was "
        "called without confirm, and write what was shown if they agree. Off: it is only shown.",
    )

    @property
    def most_scopes(self) -> frozenset[Scope]:
        """What any caller may do at most."""
        return ONLY_LOOKING if self.read_only else EVERYTHING | {Scope.APPROVE}

    @field_validator("http_tokens", "allowed_hosts", "toolsets", "redacted_fields", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """`a, b` from the environment is a list too."""
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("inputs_folder", mode="before")
    @classmethod
    def _some_folder(cls, value: Any) -> Any:
        """Empty is none, and never the folder that the server happens to run in."""
        if value in (None, ""):
            return None
        folder = Path(str(value)).expanduser()
        if not folder.is_absolute():
            raise ValueError("write the absolute path of the folder")
        return folder

    @field_validator("cache_ttls", mode="before")
    @classmethod
    def _by_type(cls, value: Any) -> Any:
        """Text from the environment, a table in a file; what they do not name is as it was."""
        return read_lifetimes(value)

    @field_validator("http_tokens")
    @classmethod
    def _long_enough(cls, tokens: list[SecretStr]) -> list[SecretStr]:
        if any(len(token.get_secret_value()) < MIN_TOKEN_LENGTH for token in tokens):
            raise ValueError(f"a bearer token must have at least {MIN_TOKEN_LENGTH} characters")
        return tokens

    @field_validator("http_tokens")
    @classmethod
    def _nobody_approves_their_own(cls, tokens: list[SecretStr], info: ValidationInfo) -> list[SecretStr]:
        if info.data.get("approve_token") in tokens:
            raise ValueError("the token of those who approve (NETBOX_MCP_APPROVE_TOKEN) must be another one")
        return tokens

    @field_validator("public_url")
    @classmethod
    def _in_one_form(cls, url: str | None) -> str | None:
        return origin_of(url) if url is not None else None

    @field_validator("oauth_issuer")
    @classmethod
    def _for_whom(cls, issuer: str | None, info: ValidationInfo) -> str | None:
        if issuer is None:
            return None
        parse_address(issuer)
        if "public_url" in info.data and info.data["public_url"] is None:
            raise ValueError("tokens are issued for an address: set NETBOX_MCP_PUBLIC_URL as well")
        return issuer

    @field_validator("clients", mode="before")
    @classmethod
    def _decode(cls, value: Any) -> Any:
        """A list from a file, JSON from the environment."""
        if not isinstance(value, str):
            return value
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"it is no JSON ({error})") from None

    @field_validator("clients")
    @classmethod
    def _told_apart(cls, clients: list[Client], info: ValidationInfo) -> list[Client]:
        names = [client.name for client in clients]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"there are two clients named {twice}")
        tokens = [*info.data.get("http_tokens", []), info.data.get("approve_token")]
        taken = [sha256_of(token) for token in tokens if token is not None]
        taken += [client.sha256 for client in clients]
        same = next((client.name for client in clients if taken.count(client.sha256) > 1), None)
        if same is not None:
            raise ValueError(f"the token of {same} is that of somebody else as well")
        return clients

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the configuration file below the environment."""
        file_settings = InitSettingsSource(settings_cls, read_config_file(find_config_file()))
        return init_settings, env_settings, dotenv_settings, file_settings


def load_settings() -> Settings:
    """Read the configuration. Raises ConfigError: one sentence that names the variable and the way out."""
    try:
        return Settings()
    except ValidationError as error:
        raise _config_error(error) from None


def read_config_file(path: Path | None) -> dict[str, Any]:
    """The settings in a file, without those of the targets. Raises ConfigError, also for unknown names."""
    if path is None:
        return {}
    data = read_config_tables(path)
    known = [*Settings.model_fields, *TARGET_KEYS]
    for name in data:
        if name not in known:
            hint = did_you_mean(str(name), known) or f"Known: {', '.join(sorted(known))}."
            raise ConfigError(f"{path}: there is no setting {str(name)!r}.", hint)
    return {name: value for name, value in data.items() if name not in TARGET_KEYS}


def sha256_of(token: SecretStr) -> str:
    """The digest by which a bearer token is known."""
    return hashlib.sha256(token.get_secret_value().encode("utf-8", "replace")).hexdigest()


def variable_of(field: str) -> str:
    """The environment variable of a setting."""
    info = Settings.model_fields.get(field)
    alias = info.validation_alias if info is not None else None
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return field if field.isupper() else f"NETBOX_MCP_{field.upper()}"


def _config_error(error: ValidationError) -> ConfigError:
    first = error.errors(include_input=False, include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else "settings"
    where = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in first["loc"][1:])
    reason = str(first["msg"]).removeprefix("Value error, ")
    info = Settings.model_fields.get(field)
    hint = (info.description or "") if info is not None else ""
    return ConfigError(
        f"{variable_of(field)}{where} is not usable: {reason}.", hint or "Correct it or unset it."
    )
