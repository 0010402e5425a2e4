"""Prompts: what an engineer asks for often, put so that a model uses the tools as they are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import Field

from netbox_mcp.failures import did_you_mean

_ROLLOUT = """
Prepare the new site {site} in NetBox. {after}
Write one batch document with the site and everything in it; ranges such as sw-[01-48] keep it short, and
the resource netbox-mcp://document-schema has its shape. Plan it with netbox_plan_bulk.
Nothing may be written before I have seen the plan and agreed: show me its counts, warnings and samples, and
ask. Then apply exactly that plan, netbox_start_bulk_async with its plan_id and confirm=true, and follow it
with netbox_get_task_status and wait_seconds=30 until it has ended.
"""
_LIKE = """
It is to be like {like}: read the devices, interfaces, addresses and VLANs there with netbox_get_objects,
naming the fields you need, and take over roles, types and the way things are named; not serial numbers,
asset tags or addresses.
"""
_REVIEW = """
Find out what went wrong with {which}. Read netbox_get_task_status, then netbox_get_task_report with
outcome=failed and outcome=skipped, page by page. Group the failures by cause, name the places in the
document, and tell me which of these fits: netbox_resume_task, where what failed can succeed now; a corrected
document, planned again, where the data is wrong; netbox_rollback_batch, where it should not have been begun,
and without confirm it says what that costs. Do none of it before I say so.
"""
_UNDO = """
Take a change in NetBox back. {find}
Call netbox_rollback_batch without confirm and tell me what would be deleted and restored, what it costs, and
above all the conflicts: what others have changed since, or depend on by now, stays as it is. Use force only
if I ask for it by name. Once I agree, call it with confirm=true and follow the task_id to its end.
"""


def add_prompts(server: MCPServer[Any]) -> None:
    """Put the prompts on a server."""

    @server.prompt(title="Plan a site roll-out")
    def plan_a_site_rollout(
        site: Annotated[str, Field(description="Name of the new site, e.g. AMS3")],
        like: Annotated[str, Field(description="A site to take after, e.g. AMS2")] = "",
    ) -> str:
        """Bring up a site, perhaps like another one: look, plan, ask, apply."""
        after = _LIKE.format(like=like) if like else "Ask me for its devices, roles, types and addresses."
        return _in_one_line(_ROLLOUT.format(site=site, after=after))

    @server.prompt(title="Review a failed batch")
    def review_a_failed_batch(
        task_id: Annotated[str, Field(description="The task; left out, the latest that failed")] = "",
    ) -> str:
        """What failed, why, and what to do: resume, correct and send again, or roll back."""
        latest = "the latest task that failed (netbox_list_active_tasks with include_finished=true)"
        return _in_one_line(_REVIEW.format(which=f"the task {task_id}" if task_id else latest))

    @server.prompt(title="Undo a change")
    def undo_a_change(
        batch_id: Annotated[str, Field(description="The batch, if it is known")] = "",
        since: Annotated[str, Field(description="When, e.g. yesterday, 2026-11-25")] = "yesterday",
    ) -> str:
        """Find the batch, show what taking it back would do and what stays; do it once that is agreed."""
        find = (
            f"It is the batch {batch_id}."
            if batch_id
            else f"It was made {since}: find the batch with netbox_list_active_tasks, include_finished=true, "
            "or with netbox_get_changelogs, whose messages name batches. Ask me if there are several."
        )
        return _in_one_line(_UNDO.format(find=find))


def check_prompt(prompts: Iterable[Prompt], name: str, arguments: Mapping[str, Any]) -> None:
    """Raise MCPError, invalid params, for a prompt that there is not or arguments that it does not take."""
    known = {prompt.name: prompt.arguments or [] for prompt in prompts}
    if name not in known:
        way_out = did_you_mean(name, known) or f"Known: {', '.join(known)}."
        raise MCPError(INVALID_PARAMS, f"There is no prompt {name!r}. {way_out}")
    takes = [argument.name for argument in known[name]]
    needs = [argument.name for argument in known[name] if argument.required]
    if not set(needs) <= arguments.keys() <= set(takes):
        needed = f", and needs {', '.join(needs)}" if needs else ""
        raise MCPError(INVALID_PARAMS, f"The prompt {name} takes only {', '.join(takes)}{needed}.")


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
