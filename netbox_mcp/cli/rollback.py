"""`netbox-mcp rollback`: show how a batch would be taken back, ask, then do it."""

from __future__ import annotations

from typing import Annotated

import typer

from netbox_mcp.cli.apply import SHOWN_PER_TYPE, end_applied, stop_on_interrupt
from netbox_mcp.cli.output import DryRunFlag, ExitCode, JsonFlag, confirm, print_json, say
from netbox_mcp.cli.plan_view import print_plan
from netbox_mcp.cli.progress import BarProgress, follow
from netbox_mcp.cli.tasks import end_with
from netbox_mcp.dependencies import get_settings
from netbox_mcp.next_steps import DRY_RUN
from netbox_mcp.rollbacks import (
    keep_plan,
    plan_rollback,
    refuse_without_redis,
    roll_back_now,
    start_plan,
)
from orchestrator.models import Plan


def rollback(
    batch_id: Annotated[str, typer.Argument(metavar="BATCH", help="Batch id, as apply and status show it.")],
    force: Annotated[bool, typer.Option("--force", help="Also undo what others have changed since.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    sync: Annotated[bool, typer.Option("--sync", help="Undo in this process: no Redis, no worker.")] = False,
    target: Annotated[
        str | None, typer.Option("--target", help="Which configured NetBox; a journal knows its own.")
    ] = None,
    as_json: JsonFlag = False,
    dry_run: DryRunFlag = False,
) -> None:
    """Undo a batch: delete what it created, restore what it changed.

    Shows the plan and what it costs, and asks, unless --yes is given. What others have changed since, or
    depend on by now, stays as it is and is named. The work is done by a worker in the background and
    followed here until it ends. With --sync this process does the work, by the journal of this machine if
    the batch was applied with --sync. Where no journal is left, NetBox's own changelog serves.
    """
    if not sync and not get_settings().dry_run:
        refuse_without_redis(batch_id)  # say that Redis is missing before the person has read a plan
    plan = plan_rollback(batch_id, target, force, here=sync)
    if not as_json:
        print_plan(plan, per_group=SHOWN_PER_TYPE)
    if get_settings().dry_run:
        _tell(plan, "planned", as_json)
        say(DRY_RUN)
    elif not plan.writes:
        _nothing_to_do(plan, as_json)
    else:
        if not yes:
            confirm(f"Undo batch {batch_id} with {plan.writes} changes to target {plan.target!r}?")
        if sync:
            _roll_back_here(batch_id, plan, as_json)
        else:
            _roll_back_in_background(plan, as_json)


def _roll_back_in_background(plan: Plan, as_json: bool) -> None:
    status = start_plan(keep_plan(plan), plan)
    say(f"Task {status.task_id}, batch {status.batch_id}")
    end_with(follow(status.task_id), as_json)


def _roll_back_here(batch_id: str, plan: Plan, as_json: bool) -> None:
    again = "rolling the batch back again"
    with stop_on_interrupt(again) as checkpoint, BarProgress() as progress:
        applied = roll_back_now(batch_id, plan.target, plan.force, plan, progress, checkpoint)
    end_applied(applied, as_json)


def _nothing_to_do(plan: Plan, as_json: bool) -> None:
    if not plan.conflicts:
        _tell(plan, "completed", as_json)
        say("NetBox is as it was before the batch: there is nothing to undo.")
        return
    _tell(plan, "completed_with_errors", as_json)
    say("Nothing of the batch can be undone; --force overrides what was changed since.")
    raise typer.Exit(ExitCode.WITH_ERRORS)


def _tell(plan: Plan, status: str, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "status": status,
                "target": plan.target,
                "undoes": plan.undoes,
                "totals": plan.totals(),
                "digest": plan.digest,
                "seconds": round(plan.seconds),
                "conflicts": [
                    {"object_type": one.object_type, "label": one.label, "message": one.reason}
                    for one in plan.conflicts
                ],
                "write_requests": 0,
            }
        )
