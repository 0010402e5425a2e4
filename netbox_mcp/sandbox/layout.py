"""Where the sandbox keeps its things, all of it outside the repository.

One cache folder holds what instances share (virtual environments, database
dumps) and one folder per named instance. Every other module asks here for its
paths.
"""

import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from platformdirs import user_cache_path

from netbox_mcp.sandbox.errors import SandboxError

NETBOX_VERSION = "4.7.3"
HOME_VARIABLE = "NETBOX_MCP_SANDBOX_HOME"
SEED_VARIABLE = "NETBOX_MCP_SANDBOX_SEED"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SEED_NAME = re.compile(r"seed-(\d+(?:\.\d+)*)\.sql\.gz")


def cache_home() -> Path:
    """The cache folder: ``NETBOX_MCP_SANDBOX_HOME``, else the usual place of the system.

    For root it is below /var/cache, since PostgreSQL runs under its own user
    there and that user cannot see into root's home.
    """
    configured = os.environ.get(HOME_VARIABLE)
    if configured:
        return Path(configured).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/netbox-mcp")
    return user_cache_path("netbox-mcp")


@dataclass(frozen=True)
class InstanceFolder:
    """The paths of one named instance."""

    root: Path

    @classmethod
    def of(cls, name: str) -> "InstanceFolder":
        """The folder of the instance with this name; refuses names that are no plain word."""
        if not _NAME.fullmatch(name):
            raise SandboxError(
                f"'{name}' cannot be the name of a sandbox.",
                "Use up to 32 lower-case letters, digits, '-' and '_'.",
            )
        return cls(cache_home() / "instances" / name)

    @property
    def lock(self) -> Path:
        """Held while an instance is being changed; beside its folder, which may be deleted meanwhile."""
        return self.root.with_name(f"{self.root.name}.lock")

    @property
    def state(self) -> Path:
        """Which processes run, by role."""
        return self.root / "state.json"

    @property
    def settings(self) -> Path:
        """Ports and secrets, chosen once; readable by the owner only."""
        return self.root / "settings.json"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.root / "postgres"

    @property
    def redis(self) -> Path:
        """The folder of NetBox's Redis."""
        return self.root / "redis"

    @property
    def plugins(self) -> Path:
        """The packages of its NetBox plugins, where it has some."""
        return self.root / "plugins"

    @property
    def netbox(self) -> Path:
        """NetBox's instance root (``NETBOX_ROOT``)."""
        return self.root / "netbox"


def shared_lock() -> Path:
    """Held while something that concerns all instances is being decided."""
    return cache_home() / "instances" / ".lock"


def virtual_environment(version: str, python_tag: str) -> Path:
    """The virtual environment of one NetBox version under one Python, shared by all instances."""
    return cache_home() / "environments" / f"netbox-{version}-{python_tag}"


def cached_dump(version: str) -> Path:
    """A migrated, otherwise empty database that an earlier start left for the next instance."""
    return cache_home() / "dumps" / f"migrated-{version}.sql.gz"


def packaged_seed(version: str) -> Path | None:
    """The newest dump shipped with us that is not newer than ``version``, if any."""
    wanted = _as_numbers(version)
    found: list[tuple[tuple[int, ...], Path]] = []
    for entry in files("netbox_mcp.sandbox").iterdir():
        match = _SEED_NAME.fullmatch(entry.name)
        if match and _as_numbers(match[1]) <= wanted:
            found.append((_as_numbers(match[1]), Path(str(entry))))
    return max(found)[1] if found else None


def starting_dumps(version: str) -> list[Path]:
    """Dumps worth restoring before a migration, best first; none when seeds are switched off."""
    if os.environ.get(SEED_VARIABLE, "").lower() == "off":
        return []
    candidates = [cached_dump(version), packaged_seed(version)]
    return [dump for dump in candidates if dump is not None and dump.is_file()]


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
