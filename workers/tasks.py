"""The functions that workers run. A job names one of them and a task id, and nothing else."""

from __future__ import annotations

from workers.carry_out import carry_out
from workers.task_run import TaskRun
from workers.undo import must_undo


def run_apply(task_id: str) -> None:
    """Make NetBox match the task's document; a task made from a plan does exactly what that plan says."""
    carry_out(task_id, _apply)


def run_rollback(task_id: str) -> None:
    """Take back the batch that the task names: what it created is deleted, what it changed is restored."""
    carry_out(task_id, _roll_back)


def run_plan(task_id: str) -> None:
    """Work out what the task would change in NetBox, and keep the plan."""
    carry_out(task_id, _plan)


def _apply(run: TaskRun) -> None:
    with run.lease() as lease, run.engine() as engine:
        if not run.undoing:
            done = run.take_up(engine, lease)
            plan = run.permitted(run.make_plan(engine), done)
            report = run.apply(engine, plan, lease, done)
            if not must_undo(plan, report):
                run.tracker.applied(report)
                return
        run.take_back(engine, lease)


def _roll_back(run: TaskRun) -> None:
    with run.lease() as lease, run.engine() as engine:
        done = run.take_up(engine, lease)
        plan = run.permitted(run.make_plan(engine), done)
        report = run.apply(engine, plan, lease, done)
        run.tracker.undone(report, plan.conflicts)


def _plan(run: TaskRun) -> None:
    with run.engine() as engine:
        plan = run.make_plan(engine)
        plan_id = run.store.save_plan(plan, run.record.document_id)
        run.tracker.plan_ready(plan, plan_id)
