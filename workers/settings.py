"""Settings of the background side: where Redis is, how long things are kept, how soon a death is noticed.

`netbox_mcp/config.py` extends this class with files and command-line options;
on its own it reads the environment, which is all that a worker needs.
"""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_state_path
from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DAY_SECONDS = 86_400


def default_state_dir() -> Path:
    """Where journals live on a machine that has no Redis, by the platform's own convention."""
    return user_state_path("netbox-mcp")


class WorkerSettings(BaseSettings):
    """What workers, and servers that start tasks, need to know. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="NETBOX_MCP_", extra="ignore", validate_by_name=True)

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
        description="How often a running task renews its lease and its sign of life.",
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
    lanes: int = Field(default=2, ge=1, le=8, description="Write requests to one NetBox at the same time.")
    log_format: str = Field(
        default="console", pattern="^(console|json)$", description="console: key=value; json."
    )
    state_dir: Path = Field(
        default_factory=default_state_dir, description="Journals of runs without Redis (SQLite files)."
    )
