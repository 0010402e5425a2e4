"""Following work: a moving bar on a terminal, plain lines in a pipe. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from netbox_mcp.cli.output import ExitCode, errors, say
from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.sync_apply import SyncProgress
from orchestrator.models import Outcome, Plan, Stage
from workers.errors import RedisUnavailableError
from workers.status import TaskStatus

POLL_SECONDS = 0.4
PLAIN_LINE_SECONDS = 2.0
REDIS_PATIENCE_SECONDS = 30.0


class Display(Protocol):
    """Shows how far the work is."""

    def show(self, text: str, done: int, total: int) -> None:
        """Replace what was shown before."""
        ...

    def close(self) -> None:
        """Stop showing."""
        ...


class Bar:
    """A moving bar."""

    def __init__(self) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30))
        self._bar = Progress(
            *columns, MofNCompleteColumn(), TimeElapsedColumn(), console=errors, transient=True
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def show(self, text: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, description=text, completed=done, total=total or None)

    def close(self) -> None:
        """Wipe it off."""
        self._bar.stop()


class Lines:
    """One line when the text changes, and every few seconds while only the numbers do."""

    def __init__(self) -> None:
        self._text = ""
        self._done = -1
        self._said_at = float("-inf")

    def show(self, text: str, done: int, total: int) -> None:
        """Print a line, unless it would tell nothing new."""
        now = time.monotonic()
        if text == self._text and (done == self._done or now - self._said_at < PLAIN_LINE_SECONDS):
            return
        self._text, self._done, self._said_at = text, done, now
        say(f"{text}: {done} of {total}" if total else text)

    def close(self) -> None:
        """Nothing to clear away."""


def open_display() -> Display:
    """What fits the place that stderr leads to."""
    return Bar() if errors.is_terminal else Lines()


class BarProgress(SyncProgress):
    """Progress of a synchronous apply, shown as it happens."""

    def __enter__(self) -> Self:
        self._display = open_display()
        self._display.show(self.stage_name, 0, 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.close()

    def planned(self, plan: Plan) -> None:
        """The plan is made; its size is known."""
        super().planned(plan)
        self._show()

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """A stage begins."""
        super().stage(stage, number, of)
        self._show()

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """These changes have found their end."""
        super().settled(outcomes)
        self._show()

    def _show(self) -> None:
        self._display.show(self.stage_name, self.done, self.total)


def follow(task_id: str) -> TaskStatus:
    """Show a task until it has ended. Ctrl-C leaves it alone, says how to come back, and ends the command."""
    display = open_display()
    try:
        while True:
            status = _patient_status(task_id)
            if status.ended:
                return status
            display.show(describe(status), status.done, status.total)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        display.close()
        say(f"The task goes on in the background. Come back with: netbox-mcp status {task_id} --watch")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        display.close()


def _patient_status(task_id: str) -> TaskStatus:
    """The status; a short outage of Redis is waited out, since the worker does so too."""
    deadline = time.monotonic() + REDIS_PATIENCE_SECONDS
    while True:
        try:
            return get_task_manager().status(task_id)
        except RedisUnavailableError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_SECONDS)


def describe(status: TaskStatus) -> str:
    """Where a running task stands, on one line."""
    parts = [status.status.value]
    if status.stage:
        place = f" ({status.stage_number} of {status.stages})" if status.stage_number else ""
        parts.append(f"{status.passes or ''} {status.stage}{place}".strip())
    elif status.message:
        parts.append(status.message.rstrip("."))
    if status.rate_per_second:
        parts.append(f"{status.rate_per_second:.0f}/s")
    if status.eta_seconds is not None:
        parts.append(f"{status.eta_seconds} s left")
    return ", ".join(parts)
