"""How the command line speaks: results, errors in one sentence, and exit codes.

Results go to stdout, everything else to stderr. With --json stdout holds one
JSON document: the result or `{"error": ...}`, also for wrong usage and Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Any

import typer
from pydantic_core import to_json
from rich.console import Console
from typer.core import TyperGroup

from netbox_mcp.failures import UsageError, explain
from orchestrator.errors import (
    DocumentError,
    NotApplyableError,
    NotConfirmedError,
    OrchestratorError,
    StalePlanError,
)
from orchestrator.stale import MAX_NAMED
from workers.logs import configure_logging

errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

EXIT_CODES_HELP = (
    "Exit codes: 0 all is well; 1 it failed; 2 wrong usage; 3 completed, but some objects failed or were "
    "skipped; 4 the document is invalid, nothing was written; 5 not confirmed or not approved, nothing was "
    "written; 6 NetBox or Redis cannot be reached; 130 interrupted."
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


EXIT_BY_CODE = {
    "invalid_document": ExitCode.INVALID_DOCUMENT,
    "invalid_arguments": ExitCode.USAGE,
    "unknown_name": ExitCode.USAGE,
    "invalid_filter": ExitCode.USAGE,
    "plan_required": ExitCode.USAGE,
    "not_confirmed": ExitCode.NOT_CONFIRMED,
    "not_approved": ExitCode.NOT_CONFIRMED,
    "netbox_unreachable": ExitCode.UNREACHABLE,
    "redis_unavailable": ExitCode.UNREACHABLE,
    "interrupted": ExitCode.INTERRUPTED,
}


def remember_json(context: typer.Context, value: bool) -> bool:
    """Have errors reported as JSON too; the callback of every --json option."""
    if value:
        context.find_root().meta["json"] = True
    return value


JsonFlag = Annotated[
    bool,
    typer.Option("--json", help="Answer with one JSON document.", callback=remember_json, is_eager=True),
]


def _turn_dry_run_on(value: bool) -> bool:
    if value:
        # The environment reaches everything that reads it: settings, targets, child processes.
        os.environ["NETBOX_DRY_RUN"] = "true"
    return value


DryRunFlag = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Plan everything, write nothing.", callback=_turn_dry_run_on, is_eager=True
    ),
]


class StoppedError(OrchestratorError):
    """Ctrl-C, told once it has had its effect."""

    code = "interrupted"


class SentenceGroup(TyperGroup):
    """Turns errors into one sentence and an exit code; --debug lets them through."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command and report what goes wrong the way an operator wants to read it."""
        asked_for_json = "--json" in ctx.args  # seen by no option where the usage is wrong
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `| head` has seen enough
            sys.stderr.close()
            raise typer.Exit(ExitCode.OK) from None
        except typer.TyperException as error:
            if not asked_for_json:
                raise
            report_error(UsageError(error.format_message()), as_json=True)
            raise typer.Exit(ExitCode.USAGE) from None
        except (typer.Exit, typer.Abort):
            raise
        except (Exception, KeyboardInterrupt) as raised:
            if ctx.params.get("debug"):
                raise
            told = StoppedError("Interrupted.") if isinstance(raised, KeyboardInterrupt) else raised
            report_error(told, as_json=bool(ctx.meta.get("json")))
            raise typer.Exit(exit_code_of(told)) from None


def start_logging(debug: bool, usual_level: int, log_format: str = "console") -> None:
    """Log to stderr: stdout belongs to results, and under `serve` to the protocol."""
    configure_logging(log_format)
    logging.getLogger().setLevel(logging.DEBUG if debug else usual_level)


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code that an error ends the command with."""
    return EXIT_BY_CODE.get(getattr(error, "code", ""), ExitCode.ERROR)


def report_error(error: Exception, as_json: bool) -> None:
    """Print an error with all its details and the hint."""
    reply = explain(error, all_details=True)
    if not isinstance(error, OrchestratorError):
        reply.hint = "Run the command again as `netbox-mcp --debug ...` to see where."
    if as_json:
        print_json({"error": reply})
        return
    if isinstance(error, StoppedError):
        errors.print(reply.message, markup=False)
    else:
        errors.print(f"Error: {reply.message}", markup=False, style="red")
    if isinstance(error, DocumentError):
        for problem in error.problems:
            errors.print(f"  {problem}", markup=False)
    elif isinstance(error, StalePlanError | NotApplyableError) and reply.detail_count > MAX_NAMED:
        for detail in reply.details:
            errors.print(f"  {detail['label']}: {detail['message']}", markup=False)
    if reply.hint:
        errors.print(reply.hint, markup=False)


def confirm(question: str) -> None:
    """Ask the person at the terminal. Raises NotConfirmedError for a no, and where there is nobody to ask."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotConfirmedError(
            "Not confirmed; nothing was written.", "Add --yes to apply without being asked."
        )
    try:
        answer = errors.input(f"{question} [y/N]: ", markup=False)
    except EOFError:  # Ctrl-D
        say("")
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise NotConfirmedError("Not confirmed; nothing was written.")


def print_json(value: Any) -> None:
    """One JSON document on stdout; models are written with their wire names."""
    print(to_json(value, indent=2, by_alias=True, fallback=str).decode())


def print_columns(rows: Sequence[Sequence[object]]) -> None:
    """Rows as aligned columns on stdout, the first row being the headings."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in texts) for at in range(len(texts[0]))]
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say(text: str) -> None:
    """A line for the person who watches, on stderr, so that stdout stays clean.

    What was printed before comes before it, where both go into one pipe as well.
    """
    sys.stdout.flush()
    errors.print(text, markup=False)
