"""What the engine needs from the world, as Protocols.

`orchestrator/netbox/` implements NetBox over REST, `orchestrator/testing.py`
in memory; `workers/` implements Journal and Progress. The engine imports none
of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.models import Change, Outcome, Plan, Stage

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of one object type to read.

    Without `filter` the whole list is meant; with it, rows where the field has
    one of `values`, of which there must be at least one. They are spread over
    as many requests as NetBox's limit on request lines demands. `fields` limits
    what comes back.
    """

    object_type: str
    fields: tuple[str, ...]
    filter: str = ""
    values: Sequence[str | int] = ()


class NetBox(Protocol):
    """One target: raw rows in, raw rows out, errors by type (errors.py)."""

    def read(self, query: Query) -> list[Row]:
        """All rows that match, in no particular order. Safe to call from several threads."""
        ...

    def count(self, object_type: str) -> int:
        """How many objects of a type there are."""
        ...

    def create(self, object_type: str, rows: Sequence[Row], message: str) -> list[Row]:
        """Create all rows in one request or none, answers in the same order. The changelog gets `message`."""
        ...

    def update(self, object_type: str, rows: Sequence[Row], message: str) -> list[Row]:
        """Update all rows (each with its `id`) in one request or none; answers in the same order."""
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


class Progress(Protocol):
    """Told where an apply stands. Called from several threads."""

    def planned(self, plan: Plan) -> None:
        """The plan is made; its size is known."""
        ...

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """A stage begins."""
        ...

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """These changes have found their end."""
        ...


class _Silent:
    """Progress that tells nobody."""

    def planned(self, plan: Plan) -> None:
        """Ignore."""

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """Ignore."""

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """Ignore."""


SILENT: Progress = _Silent()
