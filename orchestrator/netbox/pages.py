"""Follows NetBox's lists to their end, several of them side by side; used by rest.py.

Lists are read by id from page to page, so that rows which others add or delete
meanwhile shift nothing. What is long is cut beforehand: a filter with many
values by the length of the request line, a whole list whose extent is known by
ranges of ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from threading import Event
from typing import TypeVar

from orchestrator.errors import NetBoxError
from orchestrator.netbox.queries import Values, split_values
from orchestrator.netbox.transport import Parameters, Transport
from orchestrator.ports import Extent, Row

# gunicorn refuses request lines over 4,094 bytes; method, protocol and the cursor of later pages need some.
MAX_LINE_BYTES = 4_000
_NEVER = Event()

Answer = TypeVar("Answer")
Read = Callable[[Event], Answer]
"""One of several reads. It ends before its next request once the event is set: another one has failed."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A list to follow: of its rows those with ids above `after` and, if it has an end, up to `up_to`."""

    path: str
    parameters: Parameters
    after: int = 0
    up_to: int | None = None


class PageReader:
    """Follows lists, each call with at most `connections` requests under way. Threads may share it."""

    def __init__(self, transport: Transport, page_size: int, connections: int) -> None:
        self._transport = transport
        self.page_size = page_size
        self._connections = connections

    def side_by_side(self, reads: Sequence[Read[Answer]]) -> list[Answer]:
        """The answers of several reads, in their order.

        The first failure is raised once the requests under way have been answered; no others are sent.
        """
        if len(reads) < 2 or self._connections < 2:
            return [read(_NEVER) for read in reads]
        stop = Event()
        with ThreadPoolExecutor(min(self._connections, len(reads)), "reads") as pool:
            try:
                # In a copy of our context: log lines name the task.
                answers = [pool.submit(copy_context().run, read, stop) for read in reads]
                done, _ = wait(answers, return_when=FIRST_EXCEPTION)
                failed = next((one for one in done if one.exception() is not None), None)
                return [one.result() for one in (answers if failed is None else [failed])]
            finally:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)

    def read_all(self, walks: Sequence[Walk]) -> list[list[Row]]:
        """The rows of several lists."""
        return self.side_by_side([partial(self.read, walk) for walk in walks])

    def read(self, walk: Walk, stop: Event = _NEVER) -> list[Row]:
        """Follow one list. A page may be shorter than asked for (MAX_PAGE_SIZE): only `count` ends it."""
        rows: list[Row] = []
        last = walk.after
        end: Parameters = [] if walk.up_to is None else [("id__lte", walk.up_to)]
        base = [*walk.parameters, ("ordering", "id"), ("limit", self.page_size), *end]
        while not stop.is_set():
            answer = self._transport.get_list(walk.path, [*base, ("id__gt", last)] if last else base)
            page: list[Row] = answer["results"]
            if page and page[0]["id"] <= last:
                raise NetBoxError(f"NetBox gave {walk.path} out of order; reading it would have no end.")
            rows += page
            if not page or len(page) >= answer["count"]:
                return rows
            last = page[-1]["id"]
        raise CancelledError

    def extent(self, path: str, stop: Event = _NEVER) -> Extent:
        """How long a list is, and between which ids; for one of a page the last will do."""
        count, last = self._end_of(path, "-id")
        if count <= self.page_size or stop.is_set():
            return Extent(count, 0, last)
        return Extent(count, self._end_of(path, "id")[1], last)

    def _end_of(self, path: str, ordering: str) -> tuple[int, int]:
        answer = self._transport.get_list(path, [("fields", "id"), ("ordering", ordering), ("limit", 1)])
        return int(answer["count"]), max((row["id"] for row in answer["results"]), default=0)

    def cut_by_values(self, path: str, base: Parameters, name: str, values: Values) -> list[Walk]:
        """The walks that find all rows which a filter lets through for one of the values."""

        def filtered(chunk: Values) -> Parameters:
            return [*base, *((name, value) for value in chunk)]

        paging: Parameters = [("ordering", "id"), ("limit", self.page_size)]
        chunks = split_values(
            values,
            lambda chunk: self._transport.line_length(path, [*filtered(chunk), *paging]),
            MAX_LINE_BYTES,
        )
        return [Walk(path, filtered(chunk)) for chunk in chunks]

    def cut_by_ids(self, whole: Walk, extent: Extent | None) -> list[Walk]:
        """A whole list in parts of about a page each; they are uneven where its ids have large gaps.

        The first part has no beginning and the last no end: what others add meanwhile is found.
        """
        parts = -(-extent.count // self.page_size) if extent else 1
        if extent is None or parts < 2:
            return [whole]
        before = max(0, extent.first_id - 1)
        edges = [before + (extent.last_id - before) * part // parts for part in range(1, parts)]
        return [
            replace(whole, after=after or 0, up_to=up_to) for after, up_to in pairwise([None, *edges, None])
        ]
