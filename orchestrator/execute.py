"""Carries out a plan: stage after stage, lanes side by side, every change with an outcome.

Knows edges only: which change waits for which is in the plan. What happens to
a single list write is the writer's business (writer.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context

from orchestrator.graph import build_stages
from orchestrator.lanes import LIST_SECONDS, Pace, cut_chunks, cut_lanes
from orchestrator.ledger import Ledger, outcome_of
from orchestrator.models import Action, Change, Outcome, Plan, Report, Result, Stage
from orchestrator.ports import SILENT, Journal, NetBox, Progress
from orchestrator.resume import NOTHING_DONE, Done
from orchestrator.writer import ListWriter

SETTLE_SECONDS = 120.0
# Outcomes handed to the journal at a time.
_SETTLE_ROWS = 1000


def carry_on() -> None:
    """The checkpoint of someone who never stops an apply."""


def apply_plan(
    plan: Plan,
    netbox: NetBox,
    journal: Journal,
    progress: Progress = SILENT,
    *,
    batch_id: str,
    checkpoint: Callable[[], None] = carry_on,
    lanes: int = 2,
    list_seconds: float = LIST_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
    done: Done = NOTHING_DONE,
) -> Report:
    """Carry out a plan and say what became of each change.

    A change starts once everything it depends on has been applied; when one
    fails, those that depend on it are skipped and all others still run. The
    before-image is in the journal before its object is touched. `checkpoint`
    is called before every write request; what it raises ends the apply.
    `settle_seconds` is how long NetBox may still be at work on a request whose
    answer was lost. `done` is what earlier runs of the same batch have settled (resume.py): the report
    counts it, and what needs nothing more is not settled a second time.

    Raises NetBoxError, JournalError or what `checkpoint` raised when the batch
    cannot go on; what was done until then is in the journal.
    """
    counts = {name: dict(per_type) for name, per_type in done.counts.items()}
    report = Report(batch_id, counts, warnings=list(plan.warnings))
    written_twice = frozenset(change.subject for change in plan.changes if change.subject)
    stops = plan.on_error in ("stop", "rollback")
    ledger = Ledger(report, journal, progress, stops, written_twice)
    pace = Pace(lanes, list_seconds)
    writer = ListWriter(
        netbox, journal, ledger, batch_id, checkpoint, settle_seconds, pace, plan.undoes, done.resumes
    )
    stages = build_stages(plan.changes)
    rest = [change for change in plan.changes if not done.covers(change)]
    journal.open(plan)
    progress.planned(plan, done.total - (len(plan.changes) - len(rest)))
    _settle_unwritten([change for change in rest if not change.writes], ledger)
    for number, stage in enumerate(stages, start=1):
        progress.stage(stage, number, len(stages))
        _run_stage(stage, ledger, writer, lanes, pace)
    return report


def _settle_unwritten(still: Sequence[Change], ledger: Ledger) -> None:
    """What is as it should be, and what a rollback must leave alone."""
    for start in range(0, len(still), _SETTLE_ROWS):
        ledger.settle([_unwritten(change) for change in still[start : start + _SETTLE_ROWS]])


def _unwritten(change: Change) -> Outcome:
    if change.action is Action.CONFLICT:
        return outcome_of(change, Result.SKIPPED, change.live_id, change.reason)
    return outcome_of(change, Result.UNCHANGED, change.live_id)


def _run_stage(stage: Stage, ledger: Ledger, writer: ListWriter, lanes: int, pace: Pace) -> None:
    ready = _without_orphans(stage.changes, ledger)
    shards = cut_lanes(ready, lanes)
    abort = threading.Event()
    if len(shards) == 1:
        _run_lane(shards[0], ledger, writer, abort, pace)
    elif shards:
        with ThreadPoolExecutor(len(shards), thread_name_prefix="lane") as pool:
            # In a copy of our context: it has the types of plugins, and log lines name the task.
            futures = [
                pool.submit(copy_context().run, _run_lane, shard, ledger, writer, abort, pace)
                for shard in shards
            ]
            try:
                wait(futures)
            except BaseException:  # such as the end of the task's time
                abort.set()
                raise
        for future in futures:
            future.result()


def _without_orphans(changes: Sequence[Change], ledger: Ledger) -> list[Change]:
    """Skip the changes whose cause has failed; return the others."""
    causes = {change.id: ledger.cause(change) for change in changes}
    ledger.settle(
        [
            outcome_of(change, Result.SKIPPED, message=f"waits for {causes[change.id]}")
            for change in changes
            if causes[change.id]
        ]
    )
    return [change for change in changes if not causes[change.id]]


def _run_lane(
    lane: Sequence[Change], ledger: Ledger, writer: ListWriter, abort: threading.Event, pace: Pace
) -> None:
    """The chunks of one lane, one after another. An error in any lane stops all at their next chunk."""
    try:
        for chunk in cut_chunks(lane, pace.list_seconds):
            if abort.is_set():
                return
            if ledger.stopped:
                message = "not started: the batch stopped at its first failure (on_error: stop)"
                ledger.settle([outcome_of(c, Result.CANCELLED, message=message) for c in chunk])
                continue
            writer.write(chunk)
    except BaseException:
        abort.set()
        raise
