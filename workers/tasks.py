"""The functions that workers run. A job names one of them and a task id, and nothing else."""

from __future__ import annotations

from workers.task_run import running


def run_apply(task_id: str) -> None:
    """Make NetBox match the task's document; a task made from a plan does exactly what that plan says."""
    with running(task_id) as run, run.lease() as lease, run.engine() as engine:
        document = run.store.load_document(run.record.document_id)
        plan = run.permitted(engine.plan(document))
        journal = run.journal(lease)
        report = engine.apply(plan, run.record.batch_id, journal, run.tracker, checkpoint=lease.check)
        run.tracker.applied(report)


def run_plan(task_id: str) -> None:
    """Work out what the task's document would change in NetBox, and keep the plan."""
    with running(task_id) as run, run.engine() as engine:
        plan = engine.plan(run.store.load_document(run.record.document_id))
        plan_id = run.store.save_plan(plan, run.record.document_id)
        run.tracker.plan_ready(plan, plan_id)
