"""Server-sent events for the pages that are kept up to date: one look for all who watch the same thing.

A feed looks at its task, or at the list of tasks, as long as anybody watches, and makes the HTML once for all
of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import orjson

from netbox_mcp.failures import OverLimitError
from orchestrator.errors import OrchestratorError
from workers.errors import RedisUnavailableError

MOST_STREAMS = 200
MOST_STREAMS_OF_ONE = 20
HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 2.0
"""How soon a stream ends after its session has."""
PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """What a page shows at one moment: HTML, one sentence for screen readers, what may be done, the title.

    After one that has `ended` there is no other.
    """

    html: str
    say: str = ""
    title: str = ""
    can: tuple[str, ...] = ()
    ended: bool = False

    def as_event(self) -> str:
        """The event that carries it. JSON has no line breaks, which would end the event."""
        fields = {"html": self.html, "say": self.say, "title": self.title, "can": self.can}
        return f"event: view\ndata: {orjson.dumps(fields | {'ended': self.ended}).decode()}\n\n"


Look = Callable[[], Awaitable[View]]


class Streams:
    """The streams of this process: so many, and so many of one caller. Used in its event loop only."""

    def __init__(self, most: int = MOST_STREAMS, most_of_one: int = MOST_STREAMS_OF_ONE) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._feeds: dict[str, _Feed] = {}
        self._watching: Counter[str] = Counter()

    def refuse_too_many(self, who: str) -> None:
        """Raise OverLimitError where there are too many streams already, of this caller or of all."""
        if self._watching.total() >= self._most or self._watching[who] >= self._most_of_one:
            raise OverLimitError("Too many pages are kept up to date already.", "Close some of them.")

    async def follow(
        self, name: str, who: str, look: Look, is_open: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """The events of a thing, until it has ended or the session is no longer open."""
        self._watching[who] += 1
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = _Feed(look)
        feed.watchers += 1
        try:
            async for event in feed.events(is_open):
                yield event
        finally:
            self._watching[who] -= 1
            self._watching += Counter()  # drops those that watch nothing
            feed.watchers -= 1
            if not feed.watchers:
                feed.stop()
                self._feeds.pop(name, None)


@dataclass(eq=False)
class _Feed:
    """Looks again and again, and tells when there is something new."""

    look: Look
    watchers: int = 0
    latest: str = ""
    number: int = 0
    over: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: asyncio.Task[None] | None = None

    async def events(self, is_open: Callable[[], bool]) -> AsyncIterator[str]:
        """What there is, then what is new; a comment where nothing has been for a while."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on())
        seen, silent = 0, 0.0
        while is_open():
            if self.number > seen:
                seen, silent = self.number, 0.0
                yield self.latest
            elif silent >= HEARTBEAT_SECONDS:
                silent = 0.0
                yield ": nothing new\n\n"
            if self.over and self.number == seen:
                return
            with anyio.move_on_after(CHECK_SECONDS) as waited:
                await self._news.wait()
            silent += CHECK_SECONDS if waited.cancelled_caught else 0.0

    def stop(self) -> None:
        """Nobody watches any more."""
        if self._looking is not None:
            self._looking.cancel()

    async def _look_on(self) -> None:
        try:
            while not self.over:
                try:
                    view = await self.look()
                except RedisUnavailableError:  # it may come back
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                self.over = view.ended
                self._tell(view.as_event())
                await asyncio.sleep(PAUSE_SECONDS)
        except OrchestratorError as error:
            log.info("a page is not kept up to date any more: %s", error.message)
        except Exception:
            log.exception("a page cannot be kept up to date")
        finally:
            self.over = True
            self._wake()

    def _tell(self, event: str) -> None:
        if event != self.latest:
            self.latest = event
            self.number += 1
            self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
