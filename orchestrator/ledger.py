"""What became of each change while a plan is applied: ids, failures, sums. Shared by all lanes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.generic import generic_token
from orchestrator.models import Change, Outcome, Planned, Report, Result
from orchestrator.ports import Journal, Progress

_BAD = (Result.FAILED, Result.SKIPPED, Result.CANCELLED)
_MAX_WARNINGS = 50


class Ledger:
    """Takes outcomes in, tells journal and progress, and answers what later changes need to know."""

    def __init__(
        self,
        report: Report,
        journal: Journal,
        progress: Progress,
        stop_on_failure: bool,
        written_twice: frozenset[str] = frozenset(),
    ) -> None:
        """`written_twice` are the changes whose object another change of this batch writes again."""
        self.report = report
        self.stopped = False
        self._journal = journal
        self._progress = progress
        self._stop_on_failure = stop_on_failure
        self._ids: dict[str, int] = {}
        self._causes: dict[str, str] = {}
        self._written_twice = written_twice
        self._digests: dict[str, Mapping[str, str]] = {}
        self._lock = threading.Lock()

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes, in the journal first."""
        if not outcomes:
            return
        with self._lock:
            self._journal.settle(outcomes)
            for outcome in outcomes:
                self._note(outcome)
            self.report.add(outcomes)
            self._progress.settled(outcomes)

    def _note(self, outcome: Outcome) -> None:
        if outcome.object_id is not None:
            self._ids[outcome.change_id] = outcome.object_id
        if outcome.result in _BAD:
            self._causes[outcome.change_id] = f"{outcome.object_type} {outcome.label!r}: {outcome.message}"
        if outcome.result is Result.FAILED and self._stop_on_failure:
            self.stopped = True

    def count_request(self) -> None:
        """One more write request has been sent."""
        with self._lock:
            self.report.write_requests += 1

    def warn(self, text: str) -> None:
        """Something an operator should know; the first fifty are kept."""
        with self._lock:
            if len(self.report.warnings) < _MAX_WARNINGS and text not in self.report.warnings:
                self.report.warnings.append(text)

    def cause(self, change: Change) -> str:
        """What went wrong with something that this change depends on; empty when nothing did."""
        return next((self._causes[dep] for dep in change.depends_on if dep in self._causes), "")

    def keep_digests(self, change_id: str, digests: Mapping[str, str]) -> None:
        """Remember the digests that a change leaves on its object, if it is written again later."""
        if change_id in self._written_twice:
            self._digests[change_id] = digests

    def digests(self, change_id: str) -> Mapping[str, str]:
        """The digests that an earlier change of this batch has left on the object."""
        return self._digests.get(change_id, {})

    def object_id(self, change: Change) -> int:
        """The id of the object that an update is about."""
        return change.live_id if change.live_id is not None else self._ids[change.subject]

    def fill_in(self, object_type: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of an object of a type with the ids of objects that this batch has made."""
        row = OBJECT_TYPES[object_type]
        return {name: self._filled(row, name, value) for name, value in fields.items()}

    def _filled(self, row: ObjectType, name: str, value: Any) -> Any:
        if isinstance(value, Planned):
            object_id = self._ids[value.change_id]
            is_generic = name in row.generic
            return generic_token(row, name, value.object_type, object_id) if is_generic else object_id
        if name in row.unlogged:
            return tuple(tuple(self._filled(row, "", part) for part in parts) for parts in value or ())
        if isinstance(value, tuple) and any(isinstance(one, Planned) for one in value):
            return tuple(sorted(self._filled(row, name, one) for one in value))
        return value


def outcome_of(change: Change, result: Result, object_id: int | None = None, message: str = "") -> Outcome:
    """The outcome of a change."""
    return Outcome(
        change_id=change.id,
        object_type=change.object_type,
        label=change.label,
        path=change.path,
        result=result,
        object_id=object_id,
        passes=change.passes,
        message=message,
    )
