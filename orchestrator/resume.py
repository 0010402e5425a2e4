"""Goes on with a batch whose last run broke off: settles what nobody knows the fate of, and sums up the rest.

What was on its way is read back by natural key before anything is sent again
(design, rule 6). What the batch still lacks is not in its journal: it follows
from a new plan of the same document.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import Key
from orchestrator.models import Action, Change, Intent, Outcome, Pass, Result
from orchestrator.ports import NetBox, Resumable
from orchestrator.unsettled import find_landed, has_its_values
from orchestrator.writes import RESULTS, may_double, wait

WRITTEN = frozenset({Result.CREATED, Result.UPDATED, Result.DELETED})
"""The outcomes that a later run keeps. All others follow from its own plan."""


@dataclass(frozen=True, slots=True)
class Done:
    """What earlier runs of a batch have written: numbers by object type and result; objects; change ids.

    `resumes`: there were earlier runs, though they may have written nothing.
    """

    resumes: bool = False
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    objects: frozenset[Key] = frozenset()
    changes: frozenset[str] = frozenset()

    @property
    def total(self) -> int:
        """How many changes that are."""
        return sum(number for per_type in self.counts.values() for number in per_type.values())

    def knows(self, change: Change) -> bool:
        """Whether an earlier run has written the object of a change."""
        return (change.object_type, change.live_id) in self.objects or change.id in self.changes

    def covers(self, change: Change) -> bool:
        """Whether nothing is left to do or to say about a change."""
        return change.action is Action.UNCHANGED and self.knows(change)


NOTHING_DONE = Done()
"""What a batch that begins has behind it."""


def take_up(
    netbox: NetBox,
    journal: Resumable,
    batch_id: str,
    checkpoint: Callable[[], None],
    settle_seconds: float,
) -> Done:
    """Bring the journal of an interrupted batch to what is true in NetBox, and say what is done.

    Where the database would let a second copy in, it waits `settle_seconds`, so that NetBox is no longer at
    work on the first. `checkpoint` is called while it waits and may raise.
    """
    journal.begin_run()
    lost = _settle_landed(netbox, journal, journal.unsettled(), batch_id)
    if any(_may_still_land(intent) for intent in lost):
        wait(settle_seconds, checkpoint)
        lost = _settle_landed(netbox, journal, lost, batch_id)
    journal.give_up(lost)
    return _done_in(journal)


def _settle_landed(
    netbox: NetBox, journal: Resumable, intents: Sequence[Intent], batch_id: str
) -> list[Intent]:
    """Settle the intents that NetBox has carried out; return the others."""
    undoes = journal.undoes()
    landed = {
        intent.change_id: _outcome_of(intent, live["id"])
        for intent, live in find_landed(netbox, intents, batch_id, undoes)
        if intent.action != Action.UPDATE or has_its_values(intent, live)
    }
    if landed:
        journal.settle(list(landed.values()))
    return [intent for intent in intents if intent.change_id not in landed]


def _outcome_of(intent: Intent, object_id: int) -> Outcome:
    """Without `last_updated`: nobody has seen the answer, so a rollback asks the changelog."""
    return Outcome(
        change_id=intent.change_id,
        object_type=intent.object_type,
        label=intent.label,
        path=intent.path,
        result=RESULTS[Action(intent.action)],
        object_id=object_id,
        passes=Pass(intent.passes),
        run=intent.run,
    )


def _may_still_land(intent: Intent) -> bool:
    """A write is announced some time before it is sent, by a clock that may not be ours: hence an hour."""
    announced = datetime.fromisoformat(intent.at)
    recent = datetime.now(UTC) - announced < timedelta(hours=1)
    return recent and may_double(OBJECT_TYPES[intent.object_type], intent.action, intent.key)


def _done_in(journal: Resumable) -> Done:
    counts: dict[str, Counter[str]] = {}
    objects: set[Key] = set()
    changes: set[str] = set()
    for outcome in journal.settled():
        if outcome.result not in WRITTEN:
            continue
        counts.setdefault(outcome.object_type, Counter())[outcome.result.value] += 1
        changes.add(outcome.change_id)
        if outcome.object_id is not None:
            objects.add((outcome.object_type, outcome.object_id))
    return Done(True, counts, frozenset(objects), frozenset(changes))
