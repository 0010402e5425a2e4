"""The nouns of the engine: changes, plans, stages, outcomes and reports.

Plans are data: they say what will be done, in what order and why, and survive
a round trip through JSON. Nothing here touches a network or a clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from orchestrator.plugin_types import PluginTypes


class Pass(StrEnum):
    """Which of the passes a change belongs to; the executor itself follows edges only."""

    RELEASE = "release"
    BUILD = "build"
    LINK = "link"


class Action(StrEnum):
    """What the plan intends for one object."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    DELETE = "delete"
    CONFLICT = "conflict"


class Result(StrEnum):
    """What became of a change."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Planned:
    """Stands for the id of an object that this very plan will create or find."""

    change_id: str

    @property
    def object_type(self) -> str:
        """Of which type that object is: ids of changes begin with it."""
        return self.change_id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an apply leaves on an object beside the change itself (metadata.py).

    `digests` has the digests of managed fields that are known before the write;
    those of the written fields are added to them. `before` is what the two
    custom fields held until then. `tags` are the document's own where the
    plan makes one of them: their digest is known once it is there.
    """

    digests: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[Any, ...] = ()


NOTHING: Mapping[str, Any] = {}
"""No fields: one for all changes, since a large plan has few that fill all of theirs."""


def _nothing() -> Mapping[str, Any]:
    return NOTHING


# Not frozen, though nobody may change it: there is one for every object, and a frozen one of so many
# fields takes five times as long to make.
@dataclass(slots=True)
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
    and that are never compared (derived slugs). `drift` marks fields whose live
    value is not what our last apply wrote: "netbox" where only NetBox has moved,
    "both" where the document has, too. `reason` says why a conflict cannot be
    carried out, or what goes along with a delete. `stamp` is None where nothing is to be left on the
    object. `seconds` is an estimate of NetBox's work.
    """

    id: str
    object_type: str
    action: Action
    label: str
    path: str
    passes: Pass = Pass.BUILD
    live_id: int | None = None
    before: Mapping[str, Any] = field(default_factory=_nothing)
    after: Mapping[str, Any] = field(default_factory=_nothing)
    key: Mapping[str, Any] = field(default_factory=_nothing)
    depends_on: tuple[str, ...] = ()
    may_exist: bool = False
    subject: str = ""
    create_only: tuple[str, ...] = ()
    drift: Mapping[str, str] = field(default_factory=_nothing)
    reason: str = ""
    stamp: Stamp | None = None
    seconds: float = 0.03

    @property
    def writes(self) -> bool:
        """Whether carrying out this change sends anything to NetBox."""
        return self.action in _WRITING

    @property
    def kept_drift(self) -> list[str]:
        """Fields that stay as someone has set them in NetBox (`on_drift: keep`)."""
        custom = self.after.get("custom_fields") or {}
        written = {*self.after, *(f"custom_fields.{name}" for name in custom)}
        return [name for name in self.drift if name not in written]

    def after_these(self, more: Collection[str]) -> Change:
        """This change, which waits for some others, too."""
        return replace(self, depends_on=tuple(sorted({*self.depends_on, *more}))) if more else self

    def before_image(self) -> dict[str, Any]:
        """All that has to be put back to undo an update: the fields that differ, and the stamp."""
        if self.stamp is None or self.action is not Action.UPDATE:
            return dict(self.before)
        custom = {**(self.before.get("custom_fields") or {}), **self.stamp.before}
        return {**self.before, "custom_fields": custom}


# Asked several times for every object: members of an enum are slow to hash, and quick to compare.
_WRITING = (Action.CREATE, Action.UPDATE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class Stage:
    """Changes of one type that may run side by side, since none depends on another."""

    passes: Pass
    object_type: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """An object of our making that the document does not declare (`options.absent: report`)."""

    object_type: str
    object_id: int
    label: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, in order. `digest` names it; equal digests mean equal plans.

    `names` has the labels of the live objects that changes refer to, by object
    type and id, so that people need not read ids. `undoes` is the batch that a
    rollback plan takes back, empty for all others; `force` that it overrides
    what others have done since. `made_at` and `stale_at` (ISO 8601, UTC) say
    when NetBox was read and until when the plan may be applied; they are no
    part of the digest, nor is what is `absent`, which is left as it is. `types` are the types of plugins
    that it is about: whoever applies or shows it needs them (plugin_types.in_use).
    """

    target: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    on_error: str = "continue"
    digest: str = ""
    names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    undoes: str = ""
    force: bool = False
    made_at: str = ""
    stale_at: str = ""
    absent: tuple[Absent, ...] = ()
    types: PluginTypes = ()

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

    @property
    def conflicts(self) -> list[Change]:
        """What cannot be carried out, each with its reason."""
        return [change for change in self.changes if change.action is Action.CONFLICT]

    @property
    def applyable(self) -> bool:
        """Whether there is something to do and nothing forbids it.

        A conflict forbids an apply as a whole (`on_drift: fail`); a rollback passes over it.
        """
        return self.writes > 0 and (bool(self.undoes) or not self.conflicts)

    @property
    def complete(self) -> bool:
        """Whether applying it leaves nothing open: no conflict, and no drift that is kept."""
        return not any(change.action is Action.CONFLICT or change.kept_drift for change in self.changes)

    @property
    def seconds(self) -> float:
        """NetBox's work, estimated; with several lanes it takes less time than that."""
        return sum(change.seconds for change in self.changes if change.writes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change; `message` says why when it did not go as planned.

    `request_id` is NetBox's name for the request that did it, `last_updated`
    the moment that NetBox gave the object then: if it has another one later,
    somebody has changed it since. `run` tells which run of a batch it belongs
    to, as its intent does; 0 is the present one, until the journal fills it in.
    """

    change_id: str
    object_type: str
    label: str
    path: str
    result: Result
    object_id: int | None = None
    passes: Pass = Pass.BUILD
    message: str = ""
    request_id: str = ""
    last_updated: str = ""
    run: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Intent:
    """What was about to be sent for one change, and what was there before. References are ids by then.

    `at` is when (ISO 8601, UTC). `run` counts the runs of a batch that was
    interrupted and gone on with.
    """

    change_id: str
    action: str
    object_type: str
    label: str
    path: str
    live_id: int | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    key: Mapping[str, Any]
    sent: Mapping[str, Any]
    at: str
    passes: str = Pass.BUILD.value
    run: int = 1


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
