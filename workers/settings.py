"""Settings of the background side: where Redis is, how long things are kept, how soon a death is noticed.

`netbox_mcp/config.py` extends this class with files and command-line options;
on its own it reads the environment, which is all that a worker needs.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_state_path
from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.execute import SETTLE_SECONDS
from orchestrator.lanes import LIST_SECONDS

DAY_SECONDS = 86_400
MIN_TOKEN_LENGTH = 16


def default_state_dir() -> Path:
    """Where this machine keeps what is not in Redis, by the platform's own convention."""
    return user_state_path("netbox-mcp")


class WorkerSettings(BaseSettings):
    """What workers, and servers that start tasks, need to know. Times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="NETBOX_MCP_", extra="ignore", validate_by_name=True, hide_input_in_errors=True
    )

    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("REDIS_URL", "NETBOX_MCP_REDIS_URL"),
        description="redis://[[user]:password@]host:port/db, rediss://, unix://. Unset: no background tasks.",
    )
    queue: str = Field(
        default="netbox-mcp",
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Name of the one queue that workers listen on.",
    )
    lease_ttl_seconds: int = Field(
        default=15, ge=2, le=120, description="A worker that has not renewed for this long counts as dead."
    )
    heartbeat_seconds: float = Field(
        default=3.0,
        gt=0,
        le=30,
        description="How often a running task renews its lease and its sign of life; "
        "at most a third of the lease's time.",
    )
    lease_wait_seconds: int = Field(
        default=900,
        ge=0,
        description="How long a task waits for another batch on the same target before it gives up.",
    )
    task_retention_seconds: int = Field(
        default=7 * DAY_SECONDS, ge=60, description="How long tasks, documents and plans are kept."
    )
    journal_retention_seconds: int = Field(
        default=90 * DAY_SECONDS,
        ge=60,
        description="How long the journal of a batch is kept.",
    )
    job_timeout: int = Field(
        default=DAY_SECONDS, ge=10, description="A task that runs longer than this is stopped."
    )
    plan_valid_seconds: int = Field(
        default=DAY_SECONDS, ge=1, description="A plan that is older than this is not applied any more."
    )
    require_plan: bool = Field(
        default=False,
        description="Only plans that were kept may be applied, never a document by itself. "
        "Set it for workers and servers alike.",
    )
    require_approval: bool = Field(
        default=False,
        description="Only plans that a person has approved may be applied; implies NETBOX_MCP_REQUIRE_PLAN. "
        "Set it for workers and servers alike.",
    )
    approve_token: SecretStr | None = Field(
        default=None,
        description="The secret of those who approve plans, at least 16 characters: for workers, the HTTP "
        "server and `netbox-mcp approve`; never for a server that a model starts itself.",
    )
    approval_ttl_seconds: int = Field(default=3600, ge=1, description="How long an approval is good for.")
    lanes: int = Field(default=2, ge=1, le=8, description="Write requests to one NetBox at the same time.")
    list_seconds: float = Field(
        default=LIST_SECONDS,
        ge=0.5,
        le=15,
        description="How much of NetBox's work a list of rows is about, once its pace is known. Longer lists "
        "are quicker; shorter ones for a proxy that gives up early, or to cancel soon. Two lanes share "
        "NetBox, so that an answer takes about twice as long; time-outs must allow that.",
    )
    settle_seconds: float = Field(
        default=SETTLE_SECONDS,
        ge=0,
        description="How long NetBox may still be at work on a write whose answer was lost, at least the "
        "time its server allows a request. No second copy is sent before, where its database would "
        "let one in.",
    )
    log_format: str = Field(
        default="console", pattern="^(console|json)$", description="console: key=value; json."
    )
    state_dir: Path = Field(
        default_factory=default_state_dir,
        description="What is kept on this machine: the SQLite journals of synchronous runs (with and without "
        "Redis), the locks that keep them apart, and the bearer token made for HTTP.",
    )

    @property
    def plan_required(self) -> bool:
        """Whether nothing but a plan that was kept may be applied."""
        return self.require_plan or self.require_approval

    @field_validator("approve_token")
    @classmethod
    def _long_enough_to_sign(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < MIN_TOKEN_LENGTH:
            raise ValueError(f"an approve token must have at least {MIN_TOKEN_LENGTH} characters")
        return token

    @field_validator("heartbeat_seconds")
    @classmethod
    def _three_beats_in_a_lease(cls, value: float, info: ValidationInfo) -> float:
        """A slower heart would lose the lease, and every apply with it, while all is well."""
        lease_ttl = info.data.get("lease_ttl_seconds")
        if lease_ttl is not None and 3 * value > lease_ttl:
            raise ValueError(
                f"{value:g} s is more than a third of NETBOX_MCP_LEASE_TTL_SECONDS ({lease_ttl}): "
                f"the lease would lapse between two beats"
            )
        return value
