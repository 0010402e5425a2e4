"""``Sandbox``: one named NetBox, from nothing to running and back.

The face of this package. It puts the parts in order (system packages, virtual
environment, plugins, PostgreSQL, Redis, NetBox) and leaves each step to its
module.
"""

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import redis

from netbox_mcp.sandbox.configuration import (
    CACHE_DATABASE,
    LIVE_DATABASE,
    QUEUE_DATABASE,
    TASKS_DATABASE,
    write_configuration,
)
from netbox_mcp.sandbox.databases import Databases
from netbox_mcp.sandbox.environment import (
    NetBoxEnvironment,
    ensure_environment,
    ready_environment,
    require_interpreter,
)
from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.layout import NETBOX_VERSION, InstanceFolder, shared_lock
from netbox_mcp.sandbox.locks import file_lock
from netbox_mcp.sandbox.netbox import USERNAME, WEB, WORKER, NetBoxServer
from netbox_mcp.sandbox.plugins import ensure_plugins
from netbox_mcp.sandbox.postgres import SUPERUSER, PostgresCluster, end_lost_servers
from netbox_mcp.sandbox.processes import ProcessTable
from netbox_mcp.sandbox.progress import Report, silent
from netbox_mcp.sandbox.redis_server import RedisServer, find_redis_binary
from netbox_mcp.sandbox.settings import InstanceSettings, ensure_settings, load_settings, save_settings
from netbox_mcp.sandbox.system_packages import PostgresBinaries, require_database_packages

_ROLES = ("postgres", "redis", WEB, WORKER)
# PostgreSQL takes an interrupt as "disconnect everyone and shut down".
_STOP_ORDER = (((WEB, WORKER), signal.SIGTERM), (("redis",), signal.SIGTERM), (("postgres",), signal.SIGINT))
# How NetBox's worker is known to RQ: it would announce itself again only minutes later.
_WORKER_KEYS = (b"rq:worker", b"rq:scheduler-lock")
_STILL_FREE = "The sandbox has never been up, so 'sandbox up' may be run again with other plugins, or none."


@dataclass(frozen=True)
class SandboxInfo:
    """A running sandbox: where it is and how to get in.

    `redis_url` is NetBox's own; `queue_url` a database beside it for tasks of ours, which outlive a restart.
    """

    name: str
    version: str
    url: str
    username: str
    password: str = field(repr=False)
    token_v1: str = field(repr=False)
    token_v2: str = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    queue_url: str = field(repr=False)
    processes: Mapping[str, int]
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Parts:
    """The running pieces of one instance, ready to be asked for something."""

    settings: InstanceSettings
    cluster: PostgresCluster
    redis: RedisServer
    netbox: NetBoxServer
    databases: Databases


class Sandbox:
    """A throwaway NetBox of the released kind, on loopback, known by its name.

    Instances with different names share nothing that runs. Every method may be
    called from any process; those that change an instance wait for each other.
    Its ``plugins``, packages as pip takes them, are chosen by the first ``up``
    that succeeds; without any, it has those that it was made with.
    """

    def __init__(
        self,
        name: str = "default",
        report: Report = silent,
        version: str = NETBOX_VERSION,
        plugins: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.version = version
        self._plugins = tuple(dict.fromkeys(plugins))
        self._report = report
        self._folder = InstanceFolder.of(name)
        self._processes = ProcessTable(self._folder.state)

    def up(self) -> SandboxInfo:
        """Bring it up, starting whatever does not run, and return once NetBox answers to both tokens.

        Minutes the first time (packages, database), well under a minute later,
        about a second when everything runs. If it fails, what it started is
        stopped again. Raises SandboxError, also for other plugins than it has.
        """
        with self._exclusively():
            self._refuse_other_plugins()
            running = self._healthy()
            if running is not None:
                return running
            before = self._processes.pids()
            try:
                return self._bring_up()
            except BaseException as error:
                self._stop_all_but(before)
                if isinstance(error, SandboxError) and self._plugins and self._made_with() is None:
                    error.hint = f"{error.hint}\n{_STILL_FREE}".lstrip()
                raise

    def reset(self) -> None:
        """Put NetBox back to its pristine database in about a second, while it keeps running.

        Requests that are under way fail; the tokens and the password stay as
        they are. Raises SandboxError when the sandbox is not up.
        """
        with self._exclusively():
            settings = load_settings(self._folder.settings)
            environment = ready_environment(self.version)
            if self.status() is None or settings is None or environment is None:
                raise SandboxError(
                    f"The sandbox '{self.name}' is not running, or not all of it.",
                    f"Run 'netbox-mcp sandbox up --name {self.name}'.",
                )
            binaries = require_database_packages(self._report, to_build_driver=False)
            parts = self._parts(settings, binaries, environment)
            # Before, so that no queued job writes into the new database; after, for what came in meanwhile.
            _forget_cached_state(parts.redis)
            parts.databases.reset()
            _forget_cached_state(parts.redis)

    def down(self, delete: bool = False) -> None:
        """Stop everything that ``up`` started; the data stay for a quick next start unless ``delete``.

        Harmless when nothing runs. Other sandboxes and what all of them share are left alone.
        """
        with self._exclusively():
            self._stop_all_but({})
            if delete:
                shutil.rmtree(self._folder.root, ignore_errors=True)

    def status(self) -> SandboxInfo | None:
        """What runs, or None unless all of it does."""
        settings = load_settings(self._folder.settings)
        processes = self._processes.pids()
        if settings is None or settings.plugins is None or not all(role in processes for role in _ROLES):
            return None
        return self._info(settings, processes)

    def ended(self) -> tuple[str, ...]:
        """What ought to run and does not, after a crash or a kill; empty when all is well or all is down."""
        return self._processes.ended()

    def write_seed(self, file: Path) -> None:
        """Make the database dump that ships with us, by NetBox's full migration (some minutes)."""
        with self._exclusively():
            before = self._processes.pids()
            try:
                self._prepared().databases.write_seed(file.absolute(), self._report)
            finally:
                self._stop_all_but(before)

    def _bring_up(self) -> SandboxInfo:
        parts = self._prepared()
        never_up = self._made_with() is None
        parts.databases.ensure(self._report, anew=never_up)
        self._report("Starting NetBox", None, None)
        if self._processes.running(WORKER) is None:
            _forget(parts.redis, TASKS_DATABASE, lambda key: key.startswith(_WORKER_KEYS))
        parts.netbox.start()
        parts.netbox.wait_until_ready()
        if never_up:  # from now on its plugins are fixed
            save_settings(parts.settings, self._folder.settings)
        info = self.status()
        if info is None:
            if never_up:
                save_settings(replace(parts.settings, plugins=None), self._folder.settings)
            message = "A process of the sandbox ended right after its start."
            raise SandboxError(message, f"See the logs in {self._folder.root}.")
        return info

    def _prepared(self) -> _Parts:
        """Install what is missing, start PostgreSQL and Redis, write NetBox's configuration."""
        # What cannot be helped by waiting is found out before the minutes of work begin.
        installed = ready_environment(self.version) is not None
        if not installed:
            require_interpreter(self._report)
        find_redis_binary()
        binaries = require_database_packages(self._report, to_build_driver=not installed)
        environment = ensure_environment(self.version, self._report)
        self._clear_away_wreckage()
        with file_lock(shared_lock(), self._report):  # two sandboxes must not choose the same port
            settings = ensure_settings(
                self._folder.settings, running=lambda role: self._processes.running(role) is not None
            )
        if settings.plugins is None:
            settings = replace(settings, plugins=self._plugins)
            shutil.rmtree(self._folder.plugins, ignore_errors=True)
        plugins = ensure_plugins(self._folder.plugins, settings.plugins or (), environment, self._report)
        parts = self._parts(settings, binaries, environment)
        self._report("Starting PostgreSQL and Redis", None, None)
        parts.cluster.start()
        was_down = self._processes.running("redis") is None
        parts.redis.start()
        if was_down:  # only our queue is to outlive a stop
            _forget(parts.redis, CACHE_DATABASE, lambda key: True)
            _forget(parts.redis, TASKS_DATABASE, lambda key: True)
        write_configuration(self._folder.netbox, settings, self._folder.plugins, plugins)
        return parts

    def _clear_away_wreckage(self) -> None:
        """Stop what a crash left behind, which would hold the ports and serve an older state."""
        running = self._processes.pids()
        if "redis" not in running:
            # The worker announced itself in that Redis and would do so again only minutes later;
            # without it, it does not end when told either.
            self._processes.stop(WORKER, patience_seconds=0.5)
            running.pop(WORKER, None)
        if self._made_with() is None:
            # A first start that was killed: NetBox may run with other plugins than are wanted now.
            running = {role: pid for role, pid in running.items() if role not in (WEB, WORKER)}
        self._stop_all_but(running)

    def _made_with(self) -> tuple[str, ...] | None:
        """The packages of its plugins, or None as long as it has never been up."""
        settings = load_settings(self._folder.settings)
        return None if settings is None else settings.plugins

    def _refuse_other_plugins(self) -> None:
        made_with = self._made_with()
        if self._plugins and made_with is not None and set(self._plugins) != set(made_with):
            difference = f"with other plugins: {', '.join(made_with)}" if made_with else "without plugins"
            raise SandboxError(
                f"The sandbox '{self.name}' was made {difference}.",
                f"Run 'netbox-mcp sandbox down --name {self.name} --delete' first, or choose another --name.",
            )

    def _parts(
        self, settings: InstanceSettings, binaries: PostgresBinaries, environment: NetBoxEnvironment
    ) -> _Parts:
        folder, processes = self._folder, self._processes
        cluster = PostgresCluster(
            folder.postgres, settings.postgres_port, settings.database_password, binaries, processes
        )
        redis_server = RedisServer(
            folder.redis,
            settings.redis_port,
            appendonly=True,  # for our queue, which must not lose tasks and journals
            password=settings.redis_password,
            processes=processes,
        )
        netbox = NetBoxServer(folder.netbox, settings, environment, processes)
        databases = Databases(cluster, netbox, self.version)
        return _Parts(settings, cluster, redis_server, netbox, databases)

    def _healthy(self) -> SandboxInfo | None:
        """The running sandbox if it answers, without touching anything."""
        info = self.status()
        settings = load_settings(self._folder.settings)
        environment = ready_environment(self.version)
        if info is None or settings is None or environment is None:
            return None
        netbox = NetBoxServer(self._folder.netbox, settings, environment, self._processes)
        return info if netbox.answers() else None

    def _info(self, settings: InstanceSettings, processes: dict[str, int]) -> SandboxInfo:
        postgres = f"127.0.0.1:{settings.postgres_port}"
        redis_at = f"redis://:{settings.redis_password}@127.0.0.1:{settings.redis_port}"
        return SandboxInfo(
            name=self.name,
            version=self.version,
            url=f"http://127.0.0.1:{settings.web_port}",
            username=USERNAME,
            password=settings.password,
            token_v1=settings.token_v1,
            token_v2=settings.token_v2,
            database_url=f"postgresql://{SUPERUSER}:{settings.database_password}@{postgres}/{LIVE_DATABASE}",
            redis_url=f"{redis_at}/{TASKS_DATABASE}",
            queue_url=f"{redis_at}/{QUEUE_DATABASE}",
            processes=processes,
            plugins=settings.plugins or (),
        )

    def _stop_all_but(self, kept: Mapping[str, int]) -> None:
        """Stop NetBox first, then what it stands on."""
        for roles, gently in _STOP_ORDER:
            self._processes.stop(*(role for role in roles if role not in kept), gently=gently)
        if "postgres" not in kept:
            end_lost_servers(self._folder.postgres)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with file_lock(self._folder.lock, self._report):
            yield


def _forget_cached_state(server: RedisServer) -> None:
    """Clear NetBox's cache, its queued jobs and our tasks, which speak of objects that are gone."""
    _forget(server, CACHE_DATABASE, lambda key: True)
    for database in (TASKS_DATABASE, QUEUE_DATABASE):
        _forget(server, database, lambda key: not key.startswith(_WORKER_KEYS))


def _forget(server: RedisServer, database: int, concerns: Callable[[bytes], bool]) -> None:
    with redis.Redis.from_url(f"{server.url}/{database}") as connection:
        keys = [key for key in connection.scan_iter(count=1000) if concerns(key)]
        if keys:
            connection.delete(*keys)
