"""The nouns of the engine: changes, plans, stages, outcomes and reports.

Plans are data: they say what will be done, in what order and why, and survive
a round trip through JSON. Nothing here touches a network or a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Pass(StrEnum):
    """Which of the passes a change belongs to; the executor itself follows edges only."""

    BUILD = "build"
    LINK = "link"


class Action(StrEnum):
    """What the plan intends for one object."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


class Result(StrEnum):
    """What became of a change."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Planned:
    """Stands for the id of an object that this very plan will create or find."""

    change_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """One object and what is to happen to it.

    `before` and `after` hold only the fields that differ (for a create:
    everything that will be sent). References are ids, or `Planned` where the
    object is not there yet. `key` is all that identifies the object, in the
    same notation, so that it can be read back before anything is sent twice.
    `may_exist` marks an object that NetBox itself may create along with its
    parent (the components of a device type): it is read back before it is sent.
    A link change of an object that is not there yet names the change that
    creates it as `subject`. `create_only` names fields that we chose ourselves
    and that are never compared (derived slugs). `seconds` is an estimate of
    NetBox's work.
    """

    id: str
    object_type: str
    action: Action
    label: str
    path: str
    passes: Pass = Pass.BUILD
    live_id: int | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    key: Mapping[str, Any] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    may_exist: bool = False
    subject: str = ""
    create_only: tuple[str, ...] = ()
    seconds: float = 0.03

    @property
    def writes(self) -> bool:
        """Whether carrying out this change sends anything to NetBox."""
        return self.action in (Action.CREATE, Action.UPDATE)


@dataclass(frozen=True, slots=True)
class Stage:
    """Changes of one type that may run side by side, since none depends on another."""

    passes: Pass
    object_type: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, in order. `digest` names it; equal digests mean equal plans.

    `names` has the labels of the live objects that changes refer to, by object
    type and id, so that people need not read ids.
    """

    target: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    on_error: str = "continue"
    digest: str = ""
    names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of changes by object type and action, types in plan order; link changes count as updates."""
        table: dict[str, Counter[str]] = {}
        for change in self.changes:
            table.setdefault(change.object_type, Counter())[change.action.value] += 1
        return {name: dict(counter) for name, counter in table.items()}

    def totals(self) -> dict[str, int]:
        """Number of changes by action over all types; every action is present."""
        tally = Counter(change.action.value for change in self.changes)
        return {action.value: tally[action.value] for action in Action}

    @property
    def writes(self) -> int:
        """How many changes will be sent to NetBox."""
        return sum(1 for change in self.changes if change.writes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change; `message` says why when it did not go as planned."""

    change_id: str
    object_type: str
    label: str
    path: str
    result: Result
    object_id: int | None = None
    passes: Pass = Pass.BUILD
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(slots=True)
class Report:
    """Sums of a finished apply. The single outcomes are in the journal."""

    batch_id: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    first_errors: list[Outcome] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    write_requests: int = 0
    max_errors: int = 20

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count outcomes and keep the first failures."""
        for outcome in outcomes:
            per_type = self.counts.setdefault(outcome.object_type, {})
            per_type[outcome.result.value] = per_type.get(outcome.result.value, 0) + 1
            if outcome.result is Result.FAILED and len(self.first_errors) < self.max_errors:
                self.first_errors.append(outcome)

    def totals(self) -> dict[str, int]:
        """Number of outcomes by result over all types; every result is present."""
        tally: Counter[str] = Counter()
        for per_type in self.counts.values():
            tally.update(per_type)
        return {result.value: tally[result.value] for result in Result}

    @property
    def ok(self) -> bool:
        """True when nothing failed, was skipped or was cancelled."""
        totals = self.totals()
        return not (totals["failed"] or totals["skipped"] or totals["cancelled"])
