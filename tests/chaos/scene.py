"""One NetBox, one queue, some workers; a batch in it, an injury, and a look at what is left."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from redis import Redis

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.stack import Stack
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import NetBoxSettings, open_netbox
from tests.chaos import batch
from tests.chaos.injuries import KILLS, StumblingProxy, Workers, cut_connections
from tests.integration.worker_process import STOP_SECONDS, NetBoxOverHttp
from workers.connection import connect_briefly
from workers.errors import NothingToResumeError, RedisUnavailableError, TaskEndedError
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings
from workers.sqlite_journal import SqliteJournal
from workers.status import TaskState, TaskStatus

WORKERS = 2
SETTLE_SECONDS = 10
"""NetBox answers a list within some seconds here; the product's default is 120."""
END_SECONDS = 300.0
CANCEL_SECONDS = 10.0
BEFORE = "b-before"
_REDIS_AWAY_SECONDS = (1.0, 25.0)
_POLL_SECONDS = 0.1
_TRIES = 20


@dataclass
class Injury:
    """What was done to a batch, in words, and what about it was not as promised."""

    told: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    took: float = 0.0


@dataclass
class Ended:
    """How a disturbed batch ended, and what is wrong with what it left: nothing, if all is well."""

    kind: str
    injuries: list[str]
    seconds: float
    objects: int
    lost: list[str]
    doubled: list[str]
    wrong: list[str]
    took: float = 0.0
    """How long the injury itself took, where that is promised: a cancel, a stop."""
    requests: int = 0
    """Requests to NetBox of which some went wrong."""

    @property
    def well(self) -> bool:
        """As if nothing had happened."""
        return not (self.lost or self.doubled or self.wrong)


@dataclass(frozen=True)
class Undisturbed:
    """The measure of all others."""

    picture: batch.Picture
    counts: dict[str, int]
    seconds: float


class Scene:
    """A sandbox that is emptied for each batch. The first batch is undisturbed."""

    def __init__(self, sandbox: Sandbox, info: SandboxInfo, folder: Path) -> None:
        self.info = info
        self.folder = folder
        self.netbox = NetBoxOverHttp(info.url, info.token_v2)
        self._sandbox = sandbox
        self.undisturbed = self._run_undisturbed()

    def run(self, kind: str, chance: random.Random) -> Ended:
        """A batch with an injury of a kind (INJURIES, or `netbox`): which, and when, is drawn.

        A batch that had ended before it could be injured, and ended well, is no run; the next one is.
        """
        for _ in range(_TRIES):
            ended = self._try(kind, chance)
            if ended is not None:
                return ended
        raise SystemExit(f"Of {_TRIES} batches none was hit by {kind!r} before its end.")

    def _try(self, kind: str, chance: random.Random) -> Ended | None:
        self.prepare()
        with ExitStack() as stack:
            proxy = stack.enter_context(StumblingProxy(self.info.url, chance.randrange(2**32)))
            play = stack.enter_context(self.play(proxy.url))
            begun = time.monotonic()
            if kind == "netbox":
                proxy.begin()
            task = play.start(batch.document(), batch.SIZE)
            injury = Injury()
            if kind != "netbox":
                status = play.follow(task, until=begun + chance.uniform(0, self.undisturbed.seconds))
                if not status.ended:
                    injury = INJURIES[kind](play, task, chance)
            status = play.follow(task, until=begun + END_SECONDS)
            seconds = time.monotonic() - begun
            proxy.active = False
            proxy.wait_until_idle()
            if proxy.lost_an_answer:
                injury.told += proxy.injected
        ended = self._judge(kind, injury, status, seconds)
        ended.requests = proxy.requests
        return ended if ended.injuries or not ended.well else None

    def _judge(self, kind: str, injury: Injury, status: TaskStatus, seconds: float) -> Ended:
        if status.status is not TaskState.COMPLETED:
            injury.wrong.append(f"it is {status.status}: {status.message} {status.first_errors}")
        elif status.counts != self.undisturbed.counts:
            injury.wrong.append(f"it tells {status.counts} instead of {self.undisturbed.counts}")
        stamps = batch.stamps(self.netbox) - {BEFORE, status.batch_id}
        if stamps:
            injury.wrong.append(f"objects bear the batch {stamps} instead of {status.batch_id}")
        return self.look(kind, injury, seconds)

    def look(
        self,
        kind: str,
        injury: Injury,
        seconds: float,
        wanted: batch.Picture | None = None,
        counters: bool = True,
    ) -> Ended:
        """Compare what is in NetBox now with what should be, with or without its own counters."""
        wanted, found = wanted or self.undisturbed.picture, batch.take_picture(self.netbox)
        if not counters:
            wanted, found = batch.without_counters(wanted), batch.without_counters(found)
        lost, doubled = batch.compare(wanted, found)
        doubled += batch.created_twice(self.netbox)
        objects = sum(len(rows) for rows in found.values())
        return Ended(kind, injury.told, seconds, objects, lost, doubled, injury.wrong, injury.took)

    def empty(self) -> None:
        """Nothing in NetBox."""
        self._sandbox.reset()

    def prepare(self) -> None:
        """An empty NetBox with what the batch finds there."""
        self.empty()
        self.apply_here(batch.before())

    def apply_here(self, *documents: batch.Document) -> None:
        """Apply documents one after another in this process, undisturbed."""
        settings = NetBoxSettings(url=self.info.url, token=SecretStr(self.info.token_v2))
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as state,
            open_netbox(settings) as netbox,
        ):
            engine = NetBoxBulkOrchestrator(netbox)
            for number, document in enumerate(documents):
                name = f"{BEFORE}-{number}" if number else BEFORE
                with closing(SqliteJournal(Path(state), name)) as journal:
                    if not engine.apply(engine.plan(document), name, journal).ok:
                        raise SystemExit("What is to be there before a batch could not be created.")

    @contextmanager
    def play(self, netbox_url: str = "", workers: int = WORKERS) -> Iterator[Play]:
        """A queue and workers, until the block ends."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
            around = stack.enter_context(Stack(folder, netbox_url or self.info.url, self.info.token_v2))
            around.environment["NETBOX_MCP_SETTLE_SECONDS"] = str(SETTLE_SECONDS)
            settings = WorkerSettings(redis_url=SecretStr(around.environment["REDIS_URL"]))
            redis = stack.enter_context(closing(connect_briefly(settings)))
            crew = Workers(around, workers)
            stack.callback(crew.end)
            play = Play(around, redis, AsyncTaskManager(redis, settings), crew)
            play.wait_for_workers(workers)
            yield play

    def _run_undisturbed(self) -> Undisturbed:
        self.prepare()
        with self.play() as play:
            begun = time.monotonic()
            status = play.follow(play.start(batch.document(), batch.SIZE), until=begun + END_SECONDS)
            seconds = time.monotonic() - begun
        if status.status is not TaskState.COMPLETED or status.total < batch.SIZE:
            raise SystemExit(f"The batch does not even land undisturbed: {status.message}")
        return Undisturbed(batch.take_picture(self.netbox), status.counts, seconds)


@dataclass
class Play:
    """Queue and workers of one batch."""

    stack: Stack
    redis: Redis
    manager: AsyncTaskManager
    workers: Workers

    def start(self, document: batch.Document, total: int, key: str | None = None) -> str:
        """Put a batch in line."""
        return self.manager.start_apply(document, "default", total, key).task_id

    def follow(self, task_id: str, until: float) -> TaskStatus:
        """Where the task stands once it has ended, or the moment has come; a supervisor minds the workers."""
        while True:
            with suppress(RedisUnavailableError):
                status = self.manager.status(task_id)
                if status.ended or time.monotonic() >= until:
                    return status
            self.workers.replace()
            time.sleep(_POLL_SECONDS)

    def wait_for_workers(self, number: int) -> None:
        """Until they listen."""
        deadline = time.monotonic() + 60
        while len(self.manager.queue_info().workers) < number:
            if time.monotonic() > deadline:
                raise SystemExit("The workers do not start.")
            time.sleep(_POLL_SECONDS)

    def wait_until_at_work(self, task_id: str) -> bool:
        """Until a process runs the task; False once it has ended."""
        while self.workers.at_work() is None:
            if self.manager.status(task_id).ended:
                return False
            time.sleep(_POLL_SECONDS / 10)
        return True


def kill(play: Play, task_id: str, chance: random.Random) -> Injury:
    """kill -9 of worker, horse or both, or all connections to Redis cut."""
    what = chance.choice(KILLS)
    if not play.wait_until_at_work(task_id):
        return Injury()
    done = cut_connections(play.redis) if what == "connections" else play.workers.kill(what)
    told = "connections to Redis cut" if what == "connections" else f"{what} killed"
    return Injury([told] if done else [])


def stop_redis(play: Play, task_id: str, chance: random.Random) -> Injury:
    """Redis stopped and started again."""
    seconds = chance.uniform(*_REDIS_AWAY_SECONDS)
    play.stack.redis.stop()
    time.sleep(seconds)
    play.stack.redis.start()
    return Injury([f"Redis away for {seconds:.0f} s"])


def cancel(play: Play, task_id: str, chance: random.Random) -> Injury:
    """Cancelled, and resumed once that has taken effect."""
    asked_at = time.monotonic()
    try:
        play.manager.cancel(task_id)
        status = play.follow(task_id, until=asked_at + 6 * CANCEL_SECONDS)
        took = time.monotonic() - asked_at
        play.manager.resume(task_id)
    except TaskEndedError:
        return Injury()
    except NothingToResumeError:  # it was about to end, or did not care
        late = time.monotonic() - asked_at > CANCEL_SECONDS
        return Injury(["cancelled"], ["it went on to its end"]) if late else Injury()
    wrong = [f"the cancel took {took:.1f} s"] if took > CANCEL_SECONDS else []
    if status.status is not TaskState.CANCELLED:
        wrong.append(f"cancelled, it was {status.status}: {status.message}")
    return Injury(["cancelled and resumed"], wrong, took)


def stop_worker(play: Play, task_id: str, chance: random.Random) -> Injury:
    """The worker told to stop, and replaced."""
    if not play.wait_until_at_work(task_id) or (took := play.workers.stop()) is None:
        return Injury()
    late = [f"the stop took {took:.1f} s"] if took > STOP_SECONDS else []
    killed = "the task was not handed back in time" in play.stack.log("worker").read_text()
    return Injury(["stopped, its task killed" if killed else "stopped, its task handed back"], late, took)


INJURIES: dict[str, Callable[[Play, str, random.Random], Injury]] = {
    "kill": kill,
    "redis": stop_redis,
    "cancel": cancel,
    "stop": stop_worker,
}
