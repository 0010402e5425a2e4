"""The functions that workers run. A job names one of them and a task id, and nothing else."""

from __future__ import annotations

from workers.errors import TaskCancelledError
from workers.task_run import running
from workers.undo import must_undo


def run_apply(task_id: str) -> None:
    """Make NetBox match the task's document; a task made from a plan does exactly what that plan says."""
    with running(task_id) as run, run.lease() as lease, run.engine() as engine:
        plan = run.permitted(run.make_plan(engine))
        journal = run.journal(lease)
        checkpoint = run.checkpoint(lease)
        report = engine.apply(plan, run.record.batch_id, journal, run.tracker, checkpoint)
        if must_undo(plan, report):
            run.tracker.taken_back(report, run.take_back(engine, report, lease))
        else:
            run.tracker.applied(report)


def run_rollback(task_id: str) -> None:
    """Take back the batch that the task names: what it created is deleted, what it changed is restored."""
    with running(task_id) as run, run.lease() as lease, run.engine() as engine:
        plan = run.permitted(run.make_plan(engine))
        batch_id, checkpoint = run.record.batch_id, run.checkpoint(lease)
        try:
            report = engine.apply(plan, batch_id, run.journal(lease), run.tracker, checkpoint)
        except TaskCancelledError:
            run.batches.note_undone(plan.undoes, batch_id, whole=False)
            raise
        run.batches.note_undone(plan.undoes, batch_id, report.ok)
        run.tracker.undone(report, plan.conflicts)


def run_plan(task_id: str) -> None:
    """Work out what the task would change in NetBox, and keep the plan."""
    with running(task_id) as run, run.engine() as engine:
        plan = run.make_plan(engine)
        plan_id = run.store.save_plan(plan, run.record.document_id)
        run.tracker.plan_ready(plan, plan_id)
