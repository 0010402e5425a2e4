"""Any endpoint, whether the catalog knows it or not: pages, whole lists, list writes, the OpenAPI document.

What may be asked for and written is for asking.py and endpoints.py to say; nothing here checks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event
from typing import Any, TypeVar

from orchestrator.errors import (
    BadFilterError,
    DryRunError,
    NetBoxError,
    UnknownOutcomeError,
    UnreachableError,
)
from orchestrator.netbox.custom_filters import FIELDS as CUSTOM_FIELD_FIELDS
from orchestrator.netbox.marks import WriteMarks, marked
from orchestrator.netbox.pages import MAX_LINE_BYTES, PageReader, Walk
from orchestrator.netbox.transport import Parameters, Transport
from orchestrator.ports import Row, Written

Answer = TypeVar("Answer")

OPENAPI_PATIENCE_SECONDS = 120.0
# What the pages of a list are asked for beside its own parameters.
_CURSOR: Parameters = [("ordering", "id"), ("limit", 1000), ("id__gt", 10**9)]
# NetBox wants all of several tags, where any of several other values is enough.
_ALL_OF = frozenset({"tag", "tag_id"})


class RawAccess:
    """Raw answers of one NetBox, whose every write `marks` are told of. Threads may share it."""

    def __init__(
        self, transport: Transport, pages: PageReader, dry_run: bool, marks: WriteMarks | None = None
    ) -> None:
        self._dry_run = dry_run
        self._transport = transport
        self._pages = pages
        self._marks = marks

    def openapi(self) -> dict[str, Any]:
        """NetBox's description of its own API: some 15 MB, and seconds of its work."""
        answer: dict[str, Any] = self._transport.get("schema", [("format", "json")], OPENAPI_PATIENCE_SECONDS)
        return answer

    def models_by_path(self) -> dict[str, str]:
        """`plugins/branching/branches` -> `netbox_branching.branch`; empty where NetBox does not tell."""
        fields = "id,app_label,model,rest_api_endpoint"
        try:
            rows = self._pages.read(Walk("core/object-types", [("fields", fields)]))
        except UnreachableError:
            raise  # what is made of this is kept
        except NetBoxError:
            return {}
        return {
            row["rest_api_endpoint"].removeprefix("/api/").strip("/"): f"{row['app_label']}.{row['model']}"
            for row in rows
            if row.get("rest_api_endpoint")
        }

    def custom_field(self, name: str) -> Row | None:
        """The custom field of that name, as far as filters go."""
        if not name:
            return None
        asked: Parameters = [("name", name), ("fields", CUSTOM_FIELD_FIELDS), ("limit", 1)]
        rows: list[Row] = self._transport.get_list("extras/custom-fields", asked)["results"]
        return rows[0] if rows else None

    def page(self, path: str, parameters: Parameters) -> dict[str, Any]:
        """One page as NetBox gives it. Raises BadFilterError for what is too long for one request."""
        if not self._fits(path, parameters):
            raise self._too_long()
        return self._transport.get_list(path, parameters)

    def plain_list(self, path: str, limit: int) -> list[Row]:
        """The first rows of a list without pages."""
        answer = self._transport.get(path, [("limit", limit)])
        if not isinstance(answer, list):
            raise NetBoxError(f"NetBox answered {path} with something that is no list.")
        return answer[:limit]

    def rows(self, path: str, parameters: Parameters, by_id: bool) -> list[Row]:
        """All rows of a list, each once; `by_id` where rows that others add or delete must shift nothing."""
        named = Counter(name for name, _ in parameters)
        if not by_id or "id__gt" in named:  # which is what pages are told apart by
            return self._by_offset(path, parameters)
        longest = max(named, key=lambda name: named[name], default="")
        if named[longest] < 2 or self._fits(path, parameters):
            return self._pages.read(Walk(path, parameters))
        if not _is_any_of(longest):
            raise self._too_long()
        rest = [(name, value) for name, value in parameters if name != longest]
        values = [value for name, value in parameters if name == longest]
        parts = self._pages.read_all(self._pages.cut_by_values(path, rest, longest, values))
        return list({row["id"]: row for part in parts for row in part}.values())

    def _fits(self, path: str, parameters: Parameters) -> bool:
        return self._transport.line_length(path, [*parameters, *_CURSOR]) <= MAX_LINE_BYTES

    def _too_long(self) -> BadFilterError:
        return BadFilterError(
            "These are more values than one request to NetBox can hold; nothing was sent.",
            "Ask for fewer of them at a time, some 200.",
        )

    def side_by_side(self, calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
        """The answers of several calls, in their order; the first failure is raised."""
        return self._pages.side_by_side([partial(_unstopped, call) for call in calls])

    def write(self, method: str, path: str, rows: Sequence[Row]) -> Written:
        """Create, update (each row with its id) or delete (rows of ids) in one request, all or none.

        Answers are in the order of the rows. Raises DryRunError while dry-run is on, and UnknownOutcomeError
        also for an answer that does not fit what was sent.
        """
        if self._dry_run:
            raise DryRunError(
                f"Dry-run is on: {path} was not sent to NetBox.", "Unset NETBOX_DRY_RUN to write."
            )
        with marked(self._marks):
            return self._send(method, path, rows)

    def _send(self, method: str, path: str, rows: Sequence[Row]) -> Written:
        answer, request_id = self._transport.write(method, path, rows)
        what = f"the {len(rows)} {path.rpartition('/')[2]}"
        if method == "DELETE":
            if answer is not None:
                raise UnknownOutcomeError(f"NetBox's answer does not say that {what} are gone.")
            return Written([], request_id)
        if not isinstance(answer, list) or len(answer) != len(rows):
            raise UnknownOutcomeError(f"NetBox's answer does not match {what} that were sent.")
        return Written(_in_order(rows, answer) if method == "PATCH" else answer, request_id)

    def _by_offset(self, path: str, parameters: Parameters) -> list[Row]:
        rows: list[Row] = []
        while True:
            paging: Parameters = [("limit", self._pages.page_size), ("offset", len(rows))]
            answer = self.page(path, [*parameters, *paging])
            rows += answer["results"]
            if not answer["results"] or len(rows) >= answer["count"]:
                return rows


def _in_order(rows: Sequence[Row], answer: Sequence[Row]) -> list[Row]:
    """The answer to an update, which NetBox may give in another order."""
    by_id = {row["id"]: row for row in answer}
    if by_id.keys() != {row["id"] for row in rows}:
        raise UnknownOutcomeError("NetBox answered an update with other objects than those that were sent.")
    return [by_id[row["id"]] for row in rows]


def _unstopped(call: Callable[[], Answer], _stop: Event) -> Answer:
    """A read that is one request has no place where it could stop early."""
    return call()


def _is_any_of(name: str) -> bool:
    """Whether several values of a filter let through what any one of them does, and can be asked apart.

    Negations let through what none of them names.
    """
    lookup = name.rpartition("__")[2] if "__" in name else ""
    return name not in _ALL_OF and not lookup.startswith("n")
