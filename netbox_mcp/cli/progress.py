"""Following work: a moving bar on a terminal, plain lines in a pipe. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from netbox_mcp.cli.output import StoppedError, errors, say
from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.summaries import joined, pace_of, place_of
from netbox_mcp.sync_apply import SyncProgress
from orchestrator.models import Outcome, Plan, Stage
from workers.errors import RedisUnavailableError
from workers.status import TaskStatus

POLL_SECONDS = 0.4
PLAIN_LINE_SECONDS = 2.0
REDIS_PATIENCE_SECONDS = 90.0


class Display(Protocol):
    """Shows how far the work is."""

    def show(self, text: str, done: int, total: int, detail: str = "") -> None:
        """Replace what was shown before. `detail` may change at every call, `text` names a stage."""
        ...

    def close(self) -> None:
        """Stop showing."""
        ...


class Bar:
    """A moving bar."""

    def __init__(self) -> None:
        text = TextColumn("{task.description}", markup=False)
        columns = (SpinnerColumn(), text, BarColumn(bar_width=30))
        self._bar = Progress(
            *columns, MofNCompleteColumn(), TimeElapsedColumn(), console=errors, transient=True
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()

    def show(self, text: str, done: int, total: int, detail: str = "") -> None:
        """Move the bar."""
        description = joined(text, detail)
        self._bar.update(self._task, description=description, completed=done, total=total or None)

    def close(self) -> None:
        """Wipe it off."""
        self._bar.stop()


class Lines:
    """One line when the text changes, and every few seconds while only the numbers do."""

    def __init__(self) -> None:
        self._text = ""
        self._rest: tuple[int, str] = (-1, "")
        self._said_at = float("-inf")

    def show(self, text: str, done: int, total: int, detail: str = "") -> None:
        """Print a line, unless it would tell nothing new."""
        now, rest = time.monotonic(), (done, detail)
        if text == self._text and (rest == self._rest or now - self._said_at < PLAIN_LINE_SECONDS):
            return
        self._text, self._rest, self._said_at = text, rest, now
        say(joined(f"{text}: {done} of {total}" if total else text, detail))

    def close(self) -> None:
        """Nothing to clear away."""


def open_display() -> Display:
    """What fits the place that stderr leads to."""
    return Bar() if errors.is_terminal else Lines()


@contextmanager
def show_steps() -> Iterator[Callable[[str, int | None, int | None], None]]:
    """A display for work that reports `stage: detail` and n of m, as the sandbox does."""
    display = open_display()

    def show(message: str, done: int | None = None, total: int | None = None) -> None:
        stage, _, detail = message.partition(": ")
        display.show(stage, done or 0, total or 0, detail)

    try:
        yield show
    finally:
        display.close()


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

    def waiting(self, reason: str) -> None:
        """Nothing is done yet, for this reason."""
        super().waiting(reason)
        self._show()

    def planned(self, plan: Plan, done: int = 0) -> None:
        """The plan is made; its size is known."""
        super().planned(plan, done)
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
            show_task(display, status)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        raise StoppedError(
            "The task goes on in the background.", f"Come back with: netbox-mcp status {task_id} --watch"
        ) from None
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


def show_task(display: Display, status: TaskStatus) -> None:
    """Show where a running task stands."""
    display.show(place_of(status), status.done, status.total, pace_of(status))


def describe(status: TaskStatus) -> str:
    """Where a running task stands, on one line."""
    return joined(place_of(status), pace_of(status))
