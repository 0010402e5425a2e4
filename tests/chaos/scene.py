"""One NetBox, one queue, some workers; a batch in it, an injury, and a look at what is left."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from redis import Redis

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.stack import Stack
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import NetBoxSettings, open_netbox
from tests.chaos import batch
from tests.chaos.injuries import KILLS, StumblingProxy, Workers, cut_connections, stop_redis
from tests.integration.worker_process import NetBoxOverHttp
from workers.connection import connect_briefly
from workers.errors import RedisUnavailableError
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings
from workers.sqlite_journal import SqliteJournal
from workers.status import TaskState, TaskStatus

WORKERS = 2
SETTLE_SECONDS = 10
"""NetBox answers a list within some seconds here; the product's default is 120."""
END_SECONDS = 300
_POLL_SECONDS = 0.2


@dataclass
class Ended:
    """How a disturbed batch ended, and what is wrong with what it left: nothing, if all is well."""

    kind: str
    injuries: list[str]
    status: TaskStatus
    seconds: float
    objects: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Completed, as if nothing had happened."""
        return self.status.status is TaskState.COMPLETED and not self.lost and not self.doubled


@dataclass(frozen=True)
class Undisturbed:
    """The measure of all others."""

    picture: batch.Picture
    counts: dict[str, int]
    seconds: float


class Scene:
    """A sandbox that is emptied for each batch. `undisturbed` is run first, and again on request."""

    def __init__(self, sandbox: Sandbox, info: SandboxInfo, folder: Path) -> None:
        self._sandbox = sandbox
        self._info = info
        self._folder = folder
        self._netbox = NetBoxOverHttp(info.url, info.token_v2)
        self.undisturbed = self._undisturbed()

    def run(self, kind: str, seed: int) -> Ended:
        """One batch with an injury of a kind (`kill`, `redis`, `netbox`), when and which by the seed."""
        chance = random.Random(seed)
        self._prepare()
        with ExitStack() as stack:
            proxy = stack.enter_context(StumblingProxy(self._info.url, seed))
            play = stack.enter_context(_Play(self._folder, proxy.url, self._info.token_v2))
            begun = time.monotonic()
            task = play.start()
            injuries: list[str] = []
            if kind == "netbox":
                proxy.active = True
            else:
                play.follow(task, until=begun + chance.uniform(0, self.undisturbed.seconds))
                injuries.append(play.injure(kind, chance))
            status = play.follow(task, until=begun + END_SECONDS)
            seconds = time.monotonic() - begun
            proxy.active = False
            proxy.wait_until_idle()
            injuries += proxy.injected
        found = batch.take_picture(self._netbox)
        lost, extra = batch.compare(self.undisturbed.picture, found)
        doubled = batch.created_twice(self._netbox) + extra
        if status.counts != self.undisturbed.counts:
            lost.append(f"the counts: {status.counts} instead of {self.undisturbed.counts}")
        return Ended(kind, injuries, status, seconds, sum(map(len, found.values())), lost, doubled)

    def _undisturbed(self) -> Undisturbed:
        self._prepare()
        with _Play(self._folder, self._info.url, self._info.token_v2) as play:
            begun = time.monotonic()
            status = play.follow(play.start(), until=begun + END_SECONDS)
            seconds = time.monotonic() - begun
        if status.status is not TaskState.COMPLETED or status.total < batch.SIZE:
            raise SystemExit(f"The batch does not even land undisturbed: {status.message}")
        return Undisturbed(batch.take_picture(self._netbox), status.counts, seconds)

    def _prepare(self) -> None:
        self._sandbox.reset()
        settings = NetBoxSettings(url=self._info.url, token=SecretStr(self._info.token_v2))
        with (
            tempfile.TemporaryDirectory(dir=self._folder) as state,
            open_netbox(settings) as netbox,
            closing(SqliteJournal(Path(state), "b-before")) as journal,
        ):
            engine = NetBoxBulkOrchestrator(netbox)
            if not engine.apply(engine.plan(batch.before()), "b-before", journal).ok:
                raise SystemExit("What is to be there before a batch could not be created.")


class _Play:
    """Queue and workers of one batch."""

    def __init__(self, folder: Path, netbox_url: str, token: str) -> None:
        self._folder = tempfile.TemporaryDirectory(dir=folder)
        self._stack = Stack(Path(self._folder.name), netbox_url, token)
        self._stack.environment |= {
            "NETBOX_MCP_SETTLE_SECONDS": str(SETTLE_SECONDS),
            "NETBOX_MCP_LOG_FORMAT": "json",
        }
        self._exit = ExitStack()

    def __enter__(self) -> _Play:
        self._exit.callback(self._folder.cleanup)
        self._exit.enter_context(self._stack)
        settings = WorkerSettings(redis_url=SecretStr(self._stack.environment["REDIS_URL"]))
        self._redis: Redis = self._exit.enter_context(closing(connect_briefly(settings)))
        self._manager = AsyncTaskManager(self._redis, settings)
        self._workers = Workers(self._stack, WORKERS)
        self._exit.callback(self._workers.end)
        deadline = time.monotonic() + 30
        while len(self._manager.queue_info().workers) < WORKERS:
            if time.monotonic() > deadline:
                raise SystemExit("The workers do not start.")
            time.sleep(_POLL_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def start(self) -> str:
        """Put the batch in line."""
        return self._manager.start_apply(batch.document(), "default", batch.SIZE).task_id

    def injure(self, kind: str, chance: random.Random) -> str:
        """Do it, and let the supervisor do its part."""
        if kind == "redis":
            return stop_redis(self._stack, chance)
        what = chance.choice(KILLS)
        told = cut_connections(self._redis) if what == "connections" else self._workers.kill(what)
        self._workers.replace()
        return told

    def follow(self, task_id: str, until: float) -> TaskStatus:
        """Where the task stands once it has ended, or the moment has come."""
        look: Callable[[], TaskStatus] = lambda: self._manager.status(task_id)  # noqa: E731
        while True:
            try:
                status = look()
                if status.ended or time.monotonic() >= until:
                    return status
            except RedisUnavailableError:
                if time.monotonic() >= until:
                    raise
            time.sleep(_POLL_SECONDS)
