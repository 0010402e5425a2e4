"""The tool that takes a batch back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import anyio.to_thread
from mcp.server.mcpserver import Context
from pydantic import Field

from netbox_mcp.registry import bulk_write
from netbox_mcp.replies import RollbackReply
from netbox_mcp.rollbacks import rollback, start_shown
from netbox_mcp.tools.arguments import Confirm


async def _roll_back_shown(
    _ctx: Context, shown: Mapping[str, Any], arguments: Mapping[str, Any]
) -> RollbackReply:
    """By the plan that was shown; the worker refuses it if NetBox has moved since."""
    return await anyio.to_thread.run_sync(start_shown, shown["plan_id"], arguments["force"])


@bulk_write(title="Roll a batch back", background=True, carry_out=_roll_back_shown)
def netbox_rollback_batch(
    batch_id: Annotated[
        str,
        Field(description="From the reply or status of what is to be undone", min_length=1, max_length=64),
    ],
    confirm: Confirm = False,
    force: Annotated[bool, Field(description="Also undo what others have changed since")] = False,
    target: Annotated[
        str | None, Field(description="Which configured NetBox; needed only where the journal is gone")
    ] = None,
) -> RollbackReply:
    """Undo a batch: delete what it created, restore what it changed. Nothing else is touched.

    Without confirm=true it returns the plan: counts, cost in seconds, samples, a plan_id, and as conflicts
    what stays as it is because others changed it since or depend on it. With it, the work is queued: call
    netbox_get_task_status with the task_id. Works without a journal, too, by NetBox's changelog.
    """
    return rollback(batch_id, target, force, confirm)
