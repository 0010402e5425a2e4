"""How the command line speaks: results, errors in one sentence, and exit codes.

Results go to stdout, everything else to stderr. With --json stdout holds one
JSON document, whatever happens.
"""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import Annotated, Any

import typer
from orchestrator.errors import DocumentError, NetBoxError, OrchestratorError, UnreachableError
from pydantic import BaseModel
from pydantic_core import to_json
from rich.console import Console
from typer.core import TyperGroup
from workers.errors import RedisUnavailableError

from netbox_mcp.failures import UsageError, explain

errors = Console(stderr=True, highlight=False, soft_wrap=True)

EXIT_CODES_HELP = (
    "Exit codes: 0 all is well; 1 it failed; 2 wrong usage; 3 completed, but some objects failed or were "
    "skipped; 4 the document is invalid, nothing was written; 5 not confirmed, nothing was written; "
    "6 NetBox or Redis cannot be reached; 130 interrupted."
)


class ExitCode(IntEnum):
    """What the command line ends with; documented in `netbox-mcp --help`."""

    OK = 0
    ERROR = 1
    USAGE = 2
    WITH_ERRORS = 3
    INVALID_DOCUMENT = 4
    NOT_CONFIRMED = 5
    UNREACHABLE = 6
    INTERRUPTED = 130


def _remember_json(context: typer.Context, value: bool) -> bool:
    if value:
        context.find_root().meta["json"] = True
    return value


JsonFlag = Annotated[
    bool,
    typer.Option("--json", help="Answer with one JSON document.", callback=_remember_json, is_eager=True),
]


def _turn_dry_run_on(value: bool) -> bool:
    if value:
        # The environment reaches everything that reads it: settings, targets, child processes.
        os.environ["NETBOX_DRY_RUN"] = "true"
    return value


DryRunFlag = Annotated[
    bool,
    typer.Option("--dry-run", help="Plan everything, write nothing.", callback=_turn_dry_run_on, is_eager=True),
]


class SentenceGroup(TyperGroup):
    """Turns errors into one sentence and an exit code; --debug lets them through."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and report what goes wrong the way an operator wants to read it."""
        try:
            return super().invoke(ctx)
        except OrchestratorError as error:
            if ctx.params.get("debug"):
                raise
            report_error(error, as_json=bool(ctx.meta.get("json")))
            raise typer.Exit(exit_code_of(error)) from None
        except BrokenPipeError:  # `| head` has seen enough
            sys.stderr.close()
            raise typer.Exit(ExitCode.OK) from None


def exit_code_of(error: OrchestratorError) -> ExitCode:
    """The exit code that an error ends the command with."""
    if isinstance(error, DocumentError):
        return ExitCode.INVALID_DOCUMENT
    if isinstance(error, UsageError):
        return ExitCode.USAGE
    if isinstance(error, (UnreachableError, RedisUnavailableError)):
        return ExitCode.UNREACHABLE
    return ExitCode.ERROR


def report_error(error: OrchestratorError, as_json: bool) -> None:
    """Print an error with all its details and the hint."""
    reply = explain(error, all_details=True)
    if as_json:
        print_json({"error": reply})
        return
    kind = "NetBox" if isinstance(error, NetBoxError) else "Error"
    errors.print(f"{kind}: {reply.message}", markup=False, style="red")
    if isinstance(error, DocumentError):
        for problem in error.problems:
            errors.print(f"  {problem}", markup=False)
    if reply.hint:
        errors.print(reply.hint, markup=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout; models are written with their wire names."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    print(to_json(value, indent=2, by_alias=True, fallback=str).decode())


def say(text: str) -> None:
    """A line for the person who watches, on stderr, so that stdout stays clean."""
    errors.print(text, markup=False)
