"""`on_error: rollback`: a batch that has not landed whole is taken back by the very run that wrote it.

Shared by workers (tasks.py) and synchronous runs. Of a task, another run goes
on with the undoing; a synchronous run that dies leaves the journal of its
batch, from which anyone can roll it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import OrchestratorError
from orchestrator.models import Change, Outcome, Plan, Report
from orchestrator.ports import History, Journal, Progress
from orchestrator.resume import NOTHING_DONE, Done
from workers.errors import how_to_roll_back

MAX_LABELS = 3


@dataclass(frozen=True, slots=True)
class FailedBatch:
    """A batch that must be taken back: what failed in it, and what it has written."""

    batch_id: str
    errors: Sequence[Outcome]
    history: History


@dataclass(frozen=True, slots=True)
class Undone:
    """The rollback of a batch: under which id, as planned, and what became of it."""

    batch_id: str
    plan: Plan
    report: Report

    @property
    def whole(self) -> bool:
        """Whether nothing of the batch is left."""
        return self.report.ok

    def as_text(self) -> str:
        """One or two sentences: what was undone, and what could not be."""
        totals = self.report.totals()
        done = ", ".join(f"{totals[name]} {name}" for name in ("deleted", "updated") if totals[name])
        told = f"{done} by batch {self.batch_id}" if done else "nothing had been written"
        if self.whole:
            return f"All of the batch was undone: {told}."
        return f"Not all of the batch could be undone ({told}); left as it is: {'; '.join(self._left())}."

    def _left(self) -> list[str]:
        left = [_told(change) for change in self.plan.conflicts]
        left += [f"{one.object_type} {one.label!r}: {one.message}" for one in self.report.first_errors]
        more = [f"{len(left) - MAX_LABELS} more"] if len(left) > MAX_LABELS else []
        return left[:MAX_LABELS] + more


def _told(change: Change) -> str:
    return f"{change.object_type} {change.label!r} ({change.reason})"


def must_undo(plan: Plan, report: Report) -> bool:
    """Whether the document wanted all of it or nothing, and did not get all."""
    return plan.on_error == "rollback" and not plan.undoes and not report.ok


def what_failed(errors: Sequence[Outcome]) -> str:
    """The first failure of an apply, in a sentence."""
    for outcome in errors:
        place = f" ({outcome.path})" if outcome.path else ""
        return f"{outcome.object_type} {outcome.label!r}{place} failed: {outcome.message.rstrip('.')}."
    return "Not all of the batch could be applied."


def undo_now(
    engine: NetBoxBulkOrchestrator,
    failed: FailedBatch,
    batch_id: str,
    journal: Journal,
    progress: Progress,
    checkpoint: Callable[[], None],
    done: Done = NOTHING_DONE,
) -> Undone:
    """Take back what the failed apply has done, as batch `batch_id`.

    `done` is what earlier runs of that batch have settled, if it was interrupted. What the engine raises
    says, beside its own reason, why there was something to undo and how to go on.
    """
    try:
        plan = engine.plan_rollback(failed.batch_id, failed.history)
        return Undone(batch_id, plan, engine.apply(plan, batch_id, journal, progress, checkpoint, done))
    except OrchestratorError as error:
        error.message = f"{what_failed(failed.errors)} Undoing the batch then stopped: {error.message}"
        error.hint = f"{error.hint} To undo the rest: {how_to_roll_back(failed.batch_id)}.".strip()
        raise
