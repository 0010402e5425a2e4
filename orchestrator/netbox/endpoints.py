"""Every endpoint of a NetBox from Python: `client.dcim.devices.filter(site="ams1")`, plugins included.

The apps and endpoints are those that the live NetBox has. Answers are NetBox's
own rows, as JSON gives them. What is misspelt is an error before anything is sent.
Writes need `confirm=True`, send nothing in dry-run, and are told to an audit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.errors import (
    BadFilterError,
    NotConfirmedError,
    NotThereError,
    Problem,
    UnknownNameError,
)
from orchestrator.json_shape import check_json
from orchestrator.netbox.asking import ask_for
from orchestrator.netbox.cache import CacheManager
from orchestrator.netbox.rest import RestNetBox
from orchestrator.netbox.surface import Endpoint, Surface
from orchestrator.netbox.surface_store import SurfaceStore
from orchestrator.netbox.transport import Parameters, encode
from orchestrator.plugin_types import PluginLists
from orchestrator.ports import Row, Written
from orchestrator.values import suggest

Answer = TypeVar("Answer")
_ACTIONS = {"POST": "create", "PATCH": "update", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Mutation:
    """A write to any endpoint: which objects, what they were, what they are to be.

    `rows` are what is sent; `before` the objects as they were, none for creates;
    `place` is where NetBox chooses what is free, as in `ipam/prefixes/7/available-ips`;
    `dry_run` that nothing leaves.
    """

    verb: str
    endpoint: Endpoint
    rows: Sequence[Row]
    before: Sequence[Row]
    dry_run: bool
    place: str = ""

    @property
    def action(self) -> str:
        """create, update or delete."""
        return _ACTIONS[self.verb]


Audit = Callable[[Mutation], AbstractContextManager[Callable[[Written], None]]]
"""Entered before a write leaves, left once its fate is known; what it gives is told the answer.

May raise on entry, and then nothing is sent: whether there may be a write at all is decided there.
"""


@dataclass(frozen=True, slots=True)
class _Access:
    """The way to one NetBox: how it is asked, who is told of writes, what is kept of its answers.

    `fresh` answers are asked for, and kept in the place of what was.
    """

    netbox: RestNetBox
    audit: Audit
    cache: CacheManager | None
    fresh: bool = False


class Endpoints:
    """The endpoints of one target. Threads may share it. Every write is told to `audit`."""

    def __init__(
        self, netbox: RestNetBox, folder: Path, audit: Audit, cache: CacheManager | None = None
    ) -> None:
        self._netbox = netbox
        self._access = _Access(netbox, audit, cache)
        self._store = SurfaceStore(netbox, folder)

    @property
    def surface(self) -> Surface:
        """What this NetBox offers. The first call on a machine takes as long as NetBox needs to tell."""
        return self._store.get()

    def plugin_lists(self) -> PluginLists:
        """The lists of its plugins that documents may have objects of; none where it has no plugins."""
        return self._store.plugin_lists()

    def find(self, object_type: str, cached: bool = False) -> EndpointWrapper:
        """The endpoint of `dcim.device`, `dcim/devices` or `devices`. Raises UnknownNameError.

        It asks NetBox for every answer, as who means to write must; `cached` is for those who only read.
        """
        access = self._access if cached else replace(self._access, cache=None)
        return EndpointWrapper(access, self.surface.find(object_type))

    def raw(self, path: str, limit: int) -> list[Row]:
        """The first rows that NetBox lists below one object, as in `ipam/prefixes/7/available-ips`."""
        return self._netbox.raw.plain_list(path, limit)

    def side_by_side(self, calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
        """The answers of several calls, in their order, over as many connections as the target allows."""
        return self._netbox.raw.side_by_side(calls)

    def app(self, name: str) -> AppWrapper:
        """The app of that name, as in `client.dcim`. Raises UnknownNameError."""
        surface = self.surface
        return AppWrapper(self._access, surface, surface.find_below("", name, "app"))


class AppWrapper:
    """One app, `client.dcim`: its endpoints are attributes. `client.plugins` has the plugins' apps."""

    def __init__(self, access: _Access, surface: Surface, path: str) -> None:
        self._access = access
        self._surface = surface
        self._path = path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        path = self._surface.find_below(f"{self._path}/", name, "endpoint")
        if path in self._surface.endpoints:
            return EndpointWrapper(self._access, self._surface.endpoints[path])
        return AppWrapper(self._access, self._surface, path)

    def __dir__(self) -> Iterable[str]:
        return self._surface.below(f"{self._path}/")


class EndpointWrapper:
    """One endpoint, `client.dcim.devices`. Filters are NetBox's own; a list asks for any of its values.

    Every call raises UnknownNameError for filters and fields that NetBox does not
    have, and UnreachableError, AccessError or NetBoxError for what goes wrong with it.
    What is read may have been kept (cache.py), unless it is read by `fresh`; what a write reads has not.
    """

    def __init__(self, access: _Access, endpoint: Endpoint) -> None:
        self._access = access
        self._netbox = access.netbox
        self.endpoint = endpoint

    @property
    def fresh(self) -> EndpointWrapper:
        """The same, asking NetBox for every answer: `client.dcim.devices.fresh.filter(site="ams1")`."""
        return EndpointWrapper(replace(self._access, fresh=True), self.endpoint)

    @property
    def dry_run(self) -> bool:
        """Whether writes are answered and not sent."""
        return self._netbox.settings.dry_run

    def filter(
        self, *, fields: Sequence[str] = (), ordering: Sequence[str] = (), **filters: Any
    ) -> list[Row]:
        """All objects that match, whole or with the named fields only. At least one filter is needed."""
        if not filters:
            raise BadFilterError(
                f"A filter without a condition would read all {self.endpoint.path}; nothing was sent.",
                "Use all() where that is meant.",
            )
        return self._read(filters, fields, ordering)

    def all(self, *, fields: Sequence[str] = (), ordering: Sequence[str] = ()) -> list[Row]:
        """All objects there are."""
        return self._read({}, fields, ordering)

    def get(
        self, object_id: int | None = None, /, *, fields: Sequence[str] = (), **filters: Any
    ) -> Row | None:
        """The one object with that id, or that matches; None if there is none.

        `object_id=7` is a filter: of contact assignments, the object that they point at. Raises
        BadFilterError where several match.
        """
        conditions = filters if object_id is None else {"id": object_id, **filters}
        if not conditions:
            raise BadFilterError("get() needs an id or a filter; nothing was sent.")
        answer = self.page(conditions, fields=fields, limit=2)
        if answer["count"] > 1:
            raise BadFilterError(
                f"{answer['count']} objects of {self.endpoint.model} match, where one was asked for.",
                "Narrow the filters down, or use filter().",
            )
        rows: list[Row] = answer["results"]
        return rows[0] if rows else None

    def count(self, **filters: Any) -> int:
        """How many objects match; without a filter, how many there are."""
        return int(self.page(filters, limit=1)["count"])

    def page(
        self,
        filters: Mapping[str, Any],
        *,
        fields: Sequence[str] = (),
        brief: bool = False,
        limit: int = 50,
        offset: int = 0,
        ordering: Sequence[str] = (),
    ) -> dict[str, Any]:
        """One page as NetBox gives it: `{count, next, previous, results}`; see `page_of`."""
        asked = self.ask(filters, fields, ordering, brief)
        return self.page_of(asked, limit, offset)

    def page_of(self, asked: Parameters, limit: int, offset: int) -> dict[str, Any]:
        """One page of the answer to a question that `ask` has made; one that was kept has `age_seconds`."""
        wanted: Parameters = [*asked, ("limit", limit), ("offset", offset)]
        page, age = self._recall(wanted, lambda: self._netbox.raw.page(self.endpoint.path, wanted))
        return page if age is None else {**page, "age_seconds": math.ceil(age)}

    def create(self, rows: Row | Sequence[Row], *, confirm: bool = False, message: str = "") -> list[Row]:
        """Create one object or several, all or none; returns them as they are now.

        In dry-run nothing is sent and the rows come back as they were given. `message` goes to NetBox's
        changelog. Raises NotConfirmedError without `confirm`, RejectedError with NetBox's reasons.
        """
        given = [rows] if isinstance(rows, Mapping) else list(rows)
        for row in given:
            self.check_fields(row)
        return self._write("POST", given, [], confirm, message)

    def allocate(self, place: str, row: Row, *, confirm: bool = False, message: str = "") -> list[Row]:
        """Create an object where NetBox itself chooses what is free: in `ipam/prefixes/7/available-ips`, say.

        It chooses under a lock of its own: callers at the same moment get different ones. See `create`.
        """
        self.check_fields({name: value for name, value in row.items() if name != "prefix_length"})
        return self._write("POST", [row], [], confirm, message, place)

    def update(self, rows: Row | Sequence[Row], *, confirm: bool = False, message: str = "") -> list[Row]:
        """Set the named fields of one object or several, each with its `id`. See `create`.

        Raises NotThereError, before anything is sent, where one of them does not exist.
        """
        given = [rows] if isinstance(rows, Mapping) else list(rows)
        for row in given:
            self.check_fields({name: value for name, value in row.items() if name != "id"})
        before = self._read_by_ids([row.get("id") for row in given])
        return self._write("PATCH", given, before, confirm, message)

    def delete(self, ids: int | Sequence[int], *, confirm: bool = False, message: str = "") -> None:
        """Delete one object or several, all or none. See `update`.

        NetBox deletes what belongs to them as well, and refuses where others depend on them.
        """
        wanted = [ids] if isinstance(ids, int) else list(ids)
        before = self._read_by_ids(wanted)
        self._write("DELETE", [{"id": one} for one in wanted], before, confirm, message)

    def _write(
        self,
        verb: str,
        rows: Sequence[Row],
        before: Sequence[Row],
        confirm: bool,
        message: str,
        place: str = "",
    ) -> list[Row]:
        if not rows:
            raise BadFilterError(f"A write names no {self.endpoint.model}; nothing was sent.")
        if verb not in self.endpoint.methods:
            raise BadFilterError(f"NetBox does not let anyone {_ACTIONS[verb]} {self.endpoint.model}.")
        dry_run = self.dry_run
        if not confirm and not dry_run:
            raise NotConfirmedError(
                f"{len(rows)} {self.endpoint.model} would be written; nothing was sent.",
                "Say confirm=True to write.",
            )
        with self._access.audit(Mutation(verb, self.endpoint, rows, before, dry_run, place)) as tell:
            if dry_run:
                return [*rows]
            extra = self._netbox.with_message(message)
            body = [{**row, **extra} for row in rows]
            written = self._netbox.raw.write(verb, place or self.endpoint.path, body)
            tell(written)
            return written.rows

    def check_fields(self, row: Mapping[str, Any]) -> None:
        """Raise UnknownNameError where a write would name fields that NetBox has not, and ignores.

        Raises BadFilterError for values that JSON cannot hold: half a character, infinity.
        """
        if problems := check_json(dict(row)):
            first = problems[0]
            raise BadFilterError(f"fields.{first.path}: {first.message}; nothing was sent.", first.hint)
        known = self.endpoint.writable
        unknown = sorted(row.keys() - known)
        if unknown:
            hint = suggest(unknown[0], known) or f"known: {', '.join(sorted(known))}"
            wrong = [Problem(f"fields.{one}", "cannot be written", suggest(one, known)) for one in unknown]
            raise UnknownNameError(
                f"{self.endpoint.model} has no field {unknown[0]!r} to write; NetBox would ignore it.",
                hint,
                wrong,
            )

    def _read_by_ids(self, ids: Sequence[Any]) -> list[Row]:
        """These objects, in this order. Raises BadFilterError, NotThereError."""
        if not ids or any(isinstance(one, bool) or not isinstance(one, int) for one in ids):
            raise BadFilterError(f"Each {self.endpoint.model} must be named by its id; nothing was sent.")
        if len(set(ids)) != len(ids):
            raise BadFilterError(f"The same {self.endpoint.model} is named twice; nothing was sent.")
        found = {row["id"]: row for row in self._rows(self.ask({"id": list(ids)}))}
        gone = [one for one in ids if one not in found]
        if gone:
            raise NotThereError(f"There is no {self.endpoint.model} with the id {gone[0]}; nothing was sent.")
        return [found[one] for one in ids]

    def url(self, parameters: Parameters) -> str:
        """The address of this list at NetBox, with these parameters."""
        return f"{self._netbox.url}/api/{self.endpoint.path}/?{encode(parameters)}"

    def ask(
        self,
        filters: Mapping[str, Any],
        fields: Sequence[str] = (),
        ordering: Sequence[str] = (),
        brief: bool = False,
    ) -> Parameters:
        """The parameters of a question to this list, checked."""
        asked = ask_for(self.endpoint, filters, self._netbox.raw.custom_field, fields, ordering)
        return [*asked, ("brief", "true")] if brief else asked

    def _read(self, filters: Mapping[str, Any], fields: Sequence[str], ordering: Sequence[str]) -> list[Row]:
        asked = self.ask(filters, list(dict.fromkeys(["id", *fields])) if fields else [], ordering)
        return self._recall(asked, lambda: self._rows(asked, bool(ordering)))[0]

    def _rows(self, asked: Parameters, ordered: bool = False) -> list[Row]:
        by_id = not ordered and "id__gt" in self.endpoint.filters
        return self._netbox.raw.rows(self.endpoint.path, asked, by_id)

    def _recall(self, asked: Parameters, ask: Callable[[], Answer]) -> tuple[Answer, float | None]:
        """The answer to a question, and its age in seconds if it was kept."""
        cache, fresh = self._access.cache, self._access.fresh
        return (ask(), None) if cache is None else cache.read(self.endpoint, asked, ask, fresh)
