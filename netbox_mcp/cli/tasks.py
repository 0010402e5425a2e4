"""`netbox-mcp status`, `tasks`, `report`, `cancel`, `resume`: background work, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from netbox_mcp.background import background, check_object_type
from netbox_mcp.cli.output import EXIT_BY_CODE, ExitCode, JsonFlag, print_columns, print_json, say
from netbox_mcp.cli.progress import describe, follow
from netbox_mcp.cli.report_file import STANDARD_OUTPUT, write_report
from netbox_mcp.failures import UsageError
from netbox_mcp.service import get_service
from orchestrator.models import Outcome, Result
from workers.status import TaskState, TaskStatus

PAGE_ROWS = 500

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Task id, as apply and tasks show it.")]


def status(
    task_id: TaskArgument,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it has ended.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say where a task stands.

    With --watch the exit code tells how the task ended, as that of apply does. Without --watch it is 0 if
    there is such a task, however it fares.
    """
    with background() as manager:
        found = manager.status(task_id)
    if watch:
        end_with(follow(task_id), as_json)
    elif as_json:
        print_json(found)
    else:
        _print_status(found)


def cancel(task_id: TaskArgument, as_json: JsonFlag = False) -> None:
    """Stop a task before its next write to NetBox, and wait until it has stopped.

    What was written stays: resume the task to do the rest, or roll the batch back. The exit code is 0 once
    the task is cancelled, and that of the task where it ended by itself first.
    """
    asked = get_service().cancel_task(task_id)
    ended = asked if asked.ended else follow(task_id)
    if ended.status is not TaskState.CANCELLED:
        end_with(ended, as_json)
    elif as_json:
        print_json(ended)
    else:
        _print_status(ended)


def resume(task_id: TaskArgument, as_json: JsonFlag = False) -> None:
    """Go on with a task that failed, was cancelled or left errors, and follow it until it ends.

    The batch stays the same. What NetBox has made of what was on its way is found out first, then the rest
    is done. A task that was interrupted goes on by itself; Ctrl-C only stops following.
    """
    asked = get_service().resume_task(task_id)
    end_with(asked if asked.ended else follow(task_id), as_json)


def tasks(
    include_finished: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List tasks, newest first."""
    with background() as manager:
        found = manager.list_tasks(include_finished, limit)
    if as_json:
        print_json(found)
    elif not found:
        say(
            "No tasks."
            if include_finished
            else "No task is queued or running; --all shows those that have ended."
        )
    else:
        rows = [
            (one.task_id, one.status, one.kind, one.target, f"{one.percent}%", _moment(one)) for one in found
        ]
        print_columns([("TASK", "STATUS", "KIND", "TARGET", "DONE", "CREATED"), *rows])


def report(
    task_id: TaskArgument,
    outcome: Annotated[Result | None, typer.Option(help="Only objects with this outcome.")] = None,
    object_type: Annotated[str | None, typer.Option("--type", help="Only this object type.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most; all if not given.")] = None,
    html: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write all of it to an HTML file, to mail or to keep; a folder: under a name of its own; "
            "-: to standard output.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what became of each object of a task.

    With --html as a page that needs no server and no network: when, by whom and where, the counts, how fast
    it went, what failed and why, and how to take it back. Of a task that still runs, what is known so far.
    """
    if html is not None:
        _report_as_html(task_id, html, (outcome, object_type, limit) != (None, None, None), as_json)
        return
    check_object_type(object_type)
    with background() as manager:
        counts = manager.report(task_id, limit=1).counts
        rows = list(_outcomes(task_id, outcome, object_type, limit))
    if as_json:
        print_json({"task_id": task_id, "counts": counts, "rows": [row.as_dict() for row in rows]})
        return
    if rows:
        cells = [
            (row.result, row.object_type, row.label, row.object_id or "", row.path, row.message)
            for row in rows
        ]
        print_columns([("OUTCOME", "TYPE", "OBJECT", "ID", "PATH", "MESSAGE"), *cells])
    else:
        say("No such outcomes.")


def _report_as_html(task_id: str, where: str, filtered: bool, as_json: bool) -> None:
    if filtered:
        raise UsageError("--html takes no --outcome, --type or --limit: that report is of the whole batch.")
    if as_json and where == STANDARD_OUTPUT:
        raise UsageError("--json and --html - both write to standard output.", "Give --html a file.")
    path, size = write_report(task_id, where)
    if as_json:
        print_json({"task_id": task_id, "html": path, "bytes": size})


def _outcomes(
    task_id: str, outcome: str | None, object_type: str | None, limit: int | None
) -> Iterator[Outcome]:
    cursor, left = None, limit
    with background() as manager:
        while left is None or left > 0:
            page = manager.report(task_id, outcome, object_type, cursor, min(PAGE_ROWS, left or PAGE_ROWS))
            yield from page.rows
            cursor = page.next_cursor
            left = None if left is None else left - len(page.rows)
            if cursor is None:
                return


def end_with(status: TaskStatus, as_json: bool) -> None:
    """Print how a task ended and leave with the exit code that says so."""
    if as_json:
        print_json(status)
    else:
        _print_status(status)
    code = exit_code_of_task(status)
    if code is not ExitCode.OK:
        raise typer.Exit(code)


def exit_code_of_task(status: TaskStatus) -> ExitCode:
    """The exit code for the end of a task."""
    if status.status is TaskState.COMPLETED:
        return ExitCode.OK
    if status.status is TaskState.COMPLETED_WITH_ERRORS:
        return ExitCode.WITH_ERRORS
    return EXIT_BY_CODE.get(status.code or "", ExitCode.ERROR)


def print_counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    """A table of outcomes by object type, without the columns that are empty."""
    results = [result.value for result in Result if any(result.value in row for row in counts.values())]
    if not results:
        return
    rows = [(name, *(row.get(result, 0) for result in results)) for name, row in counts.items()]
    print_columns([("TYPE", *(result.upper() for result in results)), *rows])


def _print_status(status: TaskStatus) -> None:
    print(f"Task {status.task_id}: {describe(status) if not status.ended else status.status.value}")
    if status.batch_id:
        print(f"Batch {status.batch_id}, target {status.target}")
    if status.message:
        print(status.message)
    if status.kind != "plan":
        with background() as manager:
            print_counts(manager.report(status.task_id, limit=1).counts)
    for error in status.first_errors:
        say(
            ": ".join(
                part
                for part in (error.get("path") or error.get("label", ""), error.get("message", ""))
                if part
            )
        )
    if status.hint:
        say(status.hint)
    if status.status is TaskState.COMPLETED_WITH_ERRORS:
        outcome = "skipped" if status.kind == "rollback" else "failed"
        say(f"All of them: netbox-mcp report {status.task_id} --outcome {outcome}")


def _moment(status: TaskStatus) -> str:
    return status.created_at.isoformat(sep=" ", timespec="seconds")
