"""What the engine needs from the world, as Protocols.

`orchestrator/netbox/` implements NetBox over REST, `orchestrator/testing.py`
in memory; `workers/` implements Journal and Progress. The engine imports none
of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.models import Change, Intent, Outcome, Plan, Stage
from orchestrator.plugin_types import PluginTypes

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """How many objects of a type there are, and between which ids (0 to 0 where there is none).

    The lower end may be lower than the lowest id.
    """

    count: int
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of one object type to read.

    Without `filter` the whole list is meant; with it, rows where the field has
    one of `values`, of which there must be at least one. They are spread over
    as many requests as NetBox's limit on request lines demands. `fields` limits
    what comes back. `extent`, where it is known, lets the parts of a whole
    list be read side by side.
    """

    object_type: str
    fields: tuple[str, ...]
    filter: str = ""
    values: Sequence[str | int] = ()
    extent: Extent | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a list write: the rows as they are now, in the order sent, and the request's id."""

    rows: list[Row]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object of a type in the catalog that carries a tag."""

    tag_id: int
    object_type: str
    object_id: int
    label: str


@dataclass(frozen=True, slots=True)
class Attached:
    """What hangs on objects, in words by their ids; `unseen` are kinds that the token may not see.

    Of tags, `tagged` has what carries them.
    """

    words: list[tuple[int, str]] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    tagged: list[Tagged] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LoggedChange:
    """One entry of NetBox's changelog, about an object of a type in the catalog.

    `action` is create, update or delete. `before` and `after` are NetBox's own
    notation (model fields; references by id, choices by value, tags by name)
    and empty where there was nothing. Only object types
    are named by their models (`dcim.interface`), since the ids of content
    types differ from one NetBox to another. `time` is ISO 8601.
    """

    object_type: str
    object_id: int
    action: str
    before: Row
    after: Row
    user: str
    time: str
    request_id: str
    message: str
    label: str


class NetBox(Protocol):
    """One target: raw rows in, raw rows out, errors by type (errors.py)."""

    def read(self, query: Query) -> list[Row]:
        """All rows that match, in no particular order. Safe to call from several threads."""
        ...

    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]:
        """The rows of several queries, in their order; they may be read side by side."""
        ...

    def extents(self, object_types: Sequence[str]) -> list[Extent]:
        """How much there is of each of these types."""
        ...

    def create(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Create all rows in one request or none, answers in the same order. The changelog gets `message`."""
        ...

    def update(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Update all rows (each with its `id`) in one request or none; answers in the same order."""
        ...

    def delete(self, object_type: str, ids: Sequence[int], message: str) -> str:
        """Delete all objects in one request or none; returns NetBox's id of the request.

        Raises RejectedError, with indexes into `ids` where NetBox says which, for what others depend on.
        """
        ...

    def logged(self, message: str) -> list[LoggedChange]:
        """The changelog entries with this message, oldest first; types that are not ours are left out.

        Also those whose message goes on with a remark in brackets: `message (...)`.
        """
        ...

    def logged_since(self, object_type: str, ids: Sequence[int], since: str) -> list[LoggedChange]:
        """What the changelog says of these objects after a moment (ISO 8601), oldest first."""
        ...

    def attached(self, object_type: str, ids: Sequence[int]) -> Attached:
        """What hangs on these live objects and is of no type in the catalog."""
        ...

    def may_create(self, object_type: str) -> bool:
        """Whether the token may create objects of a type."""
        ...

    def may_change(self, object_type: str) -> bool:
        """Whether the token may change objects of a type; maybe not each of them."""
        ...

    def may_delete(self, object_type: str) -> bool:
        """Whether the token may delete objects of a type; maybe not each of them. Deletes nothing."""
        ...

    def choices(self, object_type: str) -> Mapping[str, Mapping[str, str]]:
        """Field -> {value: label} for the choice fields, as this NetBox is configured."""
        ...


class Journal(Protocol):
    """The record of one batch: what was about to be done and what was done."""

    def open(self, plan: Plan) -> None:
        """Begin: note what the plan is. Called once, before the first intent."""
        ...

    def intend(self, changes: Sequence[Change], rows: Sequence[Row]) -> None:
        """Make durable what is about to be sent (`rows`, one per change). Returns only once it is."""
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record what became of changes."""
        ...


class History(Protocol):
    """What a journal remembers of a batch, for whoever undoes it or goes on with it."""

    def intents(self) -> Iterable[Intent]:
        """Everything that was about to be done, in order; a change sent again appears again."""
        ...

    def settled(self) -> Iterable[Outcome]:
        """Every outcome, in order."""
        ...

    def undoes(self) -> str:
        """The batch that this one took back; empty unless it was a rollback."""
        ...

    def types(self) -> PluginTypes:
        """The types of plugins that the batch is about."""
        ...

    def is_whole(self) -> bool:
        """Whether all that was written to it is surely still there."""
        ...


class Resumable(Journal, History, Protocol):
    """A journal that a later run of the same batch takes up again."""

    def begin_run(self) -> None:
        """From now on, take no outcomes from earlier runs: this one reads back what they have not told."""
        ...

    def reopen(self) -> None:
        """Count and report the outcomes that wrote nothing no more: they follow from this run's own plan.

        `settled` still has them: what failed must not be taken for a write of unknown fate.
        """
        ...

    def unsettled(self) -> Sequence[Intent]:
        """Intents of which nobody knows what became of them: the last one of each change, in order."""
        ...

    def give_up(self, intents: Sequence[Intent]) -> None:
        """Note that nothing came of these intents; should it do so all the same, a rollback looks again."""
        ...


class Progress(Protocol):
    """Told where an apply stands. Called from several threads."""

    def planned(self, plan: Plan, done: int = 0) -> None:
        """The plan is made; its size is known. `done` changes beside it were settled by earlier runs."""
        ...

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """A stage begins."""
        ...

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """These changes have found their end."""
        ...


class _Silent:
    """Progress that tells nobody."""

    def planned(self, plan: Plan, done: int = 0) -> None:
        """Ignore."""

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """Ignore."""

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Ignore."""


SILENT: Progress = _Silent()
