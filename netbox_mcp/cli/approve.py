"""`netbox-mcp approve`: a person looks at a plan and lets it be applied."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer
from pydantic import SecretStr

from netbox_mcp.cli.output import JsonFlag, confirm, print_json, say
from netbox_mcp.cli.plan_view import print_plan
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import UsageError
from netbox_mcp.service import get_service
from orchestrator.stale import refuse_unapplyable
from workers.settings import MIN_TOKEN_LENGTH


def approve(
    plan_id: Annotated[str, typer.Argument(metavar="PLAN", help="Plan id, as plan shows it.")],
    by: Annotated[str | None, typer.Option("--by", help="Who approves it; else the login name.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Let exactly this plan be applied, for as long as NETBOX_MCP_APPROVAL_TTL_SECONDS says.

    Shows the plan and asks, unless --yes is given. Wants the token of those who approve, from
    NETBOX_MCP_APPROVE_TOKEN or typed in; workers have the same one and check it when the plan is applied.
    """
    plan = get_service().load_plan(plan_id, None)
    if not as_json:
        print_plan(plan)
    refuse_unapplyable(plan)
    if not yes:
        confirm(f"Let {plan.writes} changes be written to target {plan.target!r}?")
    reply = get_service().approve(plan_id, _token(), by or _login_name(), plan.digest)
    if as_json:
        print_json(reply)
    else:
        print(f"Plan {plan_id} (digest {reply.digest}):")
        print(f"approved by {reply.approved_by} until {reply.expires_at}")
        say(f"To apply it: netbox-mcp apply --plan {plan_id}")


def _token() -> SecretStr:
    configured = get_settings().approve_token
    if configured is not None:
        return configured
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "There is no approve token.", "Set NETBOX_MCP_APPROVE_TOKEN, or type it in at a terminal."
        )
    typed = getpass.getpass("Approve token: ").strip()
    if len(typed) < MIN_TOKEN_LENGTH:
        raise UsageError(f"Nothing was approved: the token has at least {MIN_TOKEN_LENGTH} characters.")
    return SecretStr(typed)


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user need not have a name
        return "somebody"
