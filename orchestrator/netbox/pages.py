"""Follows NetBox's lists to their end, several of them side by side; used by rest.py.

Lists are read by id from page to page, so that rows which others add or delete
meanwhile shift nothing. What is long is cut beforehand: a filter with many
values by the length of the request line, a whole list by ranges of ids.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from orchestrator.errors import NetBoxError
from orchestrator.netbox.answers import not_netbox
from orchestrator.netbox.queries import Values, split_values
from orchestrator.netbox.transport import Parameters, Transport
from orchestrator.ports import Extent, Row

# gunicorn refuses request lines over 4,094 bytes; method, protocol and the cursor of later pages need some.
_MAX_LINE_BYTES = 4_000

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Walk:
    """A list to follow: of its rows those with ids above `after` and, unless it is 0, up to `up_to`."""

    path: str
    parameters: Parameters
    after: int = 0
    up_to: int = 0


class PageReader:
    """Follows lists over at most `connections` requests at a time. Safe to share between threads."""

    def __init__(self, transport: Transport, url: str, page_size: int, connections: int) -> None:
        self._transport = transport
        self._url = url
        self._page_size = page_size
        self._connections = connections
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the threads; a later read starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def side_by_side(self, calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
        """The answers of several reads, in their order. The first failure ends those that have not begun."""
        if len(calls) < 2 or self._connections < 2:
            return [call() for call in calls]
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(self._connections, "reads")
            answers = self._pool.map(_call, calls)
        return list(answers)

    def read_all(self, walks: Sequence[Walk]) -> list[list[Row]]:
        """The rows of several lists."""
        return self.side_by_side([partial(self.read, walk) for walk in walks])

    def read(self, walk: Walk) -> list[Row]:
        """Follow one list. A page may be shorter than asked for (MAX_PAGE_SIZE): only `count` ends it."""
        rows: list[Row] = []
        last = walk.after
        end: Parameters = [("id__lte", walk.up_to)] if walk.up_to else []
        base = [*walk.parameters, ("ordering", "id"), ("limit", self._page_size), *end]
        while True:
            answer = self._page(walk.path, [*base, ("id__gt", last)] if last else base)
            page: list[Row] = answer["results"]
            if page and page[0]["id"] <= last:
                raise NetBoxError(f"NetBox gave {walk.path} out of order; reading it would have no end.")
            rows += page
            if not page or len(page) >= answer["count"]:
                return rows
            last = page[-1]["id"]

    def extent(self, path: str) -> Extent:
        """How long a list is."""
        answer = self._page(path, [("fields", "id"), ("ordering", "-id"), ("limit", 1)])
        return Extent(int(answer["count"]), max((row["id"] for row in answer["results"]), default=0))

    def cut_by_values(self, path: str, base: Parameters, name: str, values: Values) -> list[Walk]:
        """The walks that find all rows which a filter lets through for one of the values."""

        def filtered(chunk: Values) -> Parameters:
            return [*base, *((name, value) for value in chunk)]

        paging: Parameters = [("ordering", "id"), ("limit", self._page_size)]
        chunks = split_values(
            values,
            lambda chunk: self._transport.line_length(path, [*filtered(chunk), *paging]),
            _MAX_LINE_BYTES,
        )
        return [Walk(path, filtered(chunk)) for chunk in chunks]

    def cut_by_ids(self, whole: Walk, extent: Extent | None) -> list[Walk]:
        """A whole list in parts of about a page each, if its ids have no large gaps; else they are uneven.

        The last part has no end: what others add meanwhile is found there.
        """
        parts = -(-extent.count // self._page_size) if extent else 1
        if extent is None or parts < 2:
            return [whole]
        edges = [extent.last_id * part // parts for part in range(1, parts)]
        return [
            replace(whole, after=after, up_to=up_to)
            for after, up_to in zip([0, *edges], [*edges, 0], strict=True)
        ]

    def _page(self, path: str, parameters: Parameters) -> dict[str, Any]:
        answer = self._transport.get(path, parameters)
        if not isinstance(answer, dict) or "results" not in answer:
            raise not_netbox(self._url)
        return answer


def _call(call: Callable[[], Answer]) -> Answer:
    return call()
