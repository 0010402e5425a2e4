"""Following work: a moving bar on a terminal, plain lines in a pipe. Always on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
)
from rich.progress_bar import ProgressBar
from rich.text import Text

from netbox_mcp.cli.output import StoppedError, errors, say
from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.summaries import joined, pace_of, pace_text, place_of, stage_of
from netbox_mcp.sync_apply import SyncProgress
from netbox_mcp.times import span
from orchestrator.models import Outcome, Plan, Result, Stage
from workers.errors import RedisUnavailableError
from workers.rate import Rate
from workers.status import TaskState, TaskStatus

POLL_SECONDS = 0.4
PLAIN_LINE_SECONDS = 2.0
MAX_PLAIN_LINE_SECONDS = 60.0
WIDE = 96
"""Columns of a terminal that has room for a bar, too."""
NOT_NARROW = 60
"""The same for a clock."""
BAR_WIDTH, CLOCK_WIDTH, SPINNER_AND_SPACES = 24, 7, 5
MIN_TEXT = 6
RUNNING = f"{TaskState.RUNNING}, "
REDIS_PATIENCE_SECONDS = 90.0


class Display(Protocol):
    """Shows how far the work is."""

    def show(self, text: str, done: int, total: int, detail: str = "") -> None:
        """Replace what was shown before. `detail` may change at every call, `text` names a stage."""
        ...

    def keep(self, text: str) -> None:
        """Say something that stays."""
        ...

    def close(self) -> None:
        """Stop showing."""
        ...


class Bar:
    """A moving bar, and in a narrow terminal a line without it."""

    def __init__(self) -> None:
        columns = (SpinnerColumn(), _LineColumn(), _RoomyBarColumn(bar_width=BAR_WIDTH), _RoomyClockColumn())
        self._bar = Progress(*columns, console=errors, transient=True)
        self._task = self._bar.add_task("", total=None, detail="")
        self._bar.start()

    def show(self, text: str, done: int, total: int, detail: str = "") -> None:
        """Move the bar."""
        self._bar.update(self._task, description=text, completed=done, total=total or None, detail=detail)

    def keep(self, text: str) -> None:
        """Leave a line above the bar."""
        say(text)

    def close(self) -> None:
        """Wipe it off."""
        self._bar.stop()


class _RoomyBarColumn(BarColumn):
    """The bar, where there is room for it."""

    def render(self, task: Task) -> ProgressBar | Text:  # type: ignore[override]
        """The bar, or nothing."""
        return super().render(task) if errors.width >= WIDE else Text()


class _RoomyClockColumn(TimeElapsedColumn):
    """How long it has taken, where there is room for it."""

    def render(self, task: Task) -> Text:
        """The time, or nothing."""
        return super().render(task) if errors.width >= NOT_NARROW else Text()


class _LineColumn(ProgressColumn):
    """What is being done, and the numbers."""

    def render(self, task: Task) -> Text:
        """One line that fits the terminal as it is now."""
        done = f"{task.completed:.0f} of {task.total:.0f}" if task.total else ""
        numbers = [part for part in (done, *task.fields["detail"].split(", ")) if part]
        room = errors.width - SPINNER_AND_SPACES
        room -= (CLOCK_WIDTH if errors.width >= NOT_NARROW else 0) + (
            BAR_WIDTH if errors.width >= WIDE else 0
        )
        return Text(fitted(task.description, numbers, room), no_wrap=True)


def fitted(text: str, numbers: Sequence[str], room: int) -> str:
    """One line of at most `room` characters: the text is cut first; of the numbers, the rate goes first."""
    kept = list(numbers)
    while len(kept) > 1 and len(joined(*kept)) > room:
        del kept[1]
    told = joined(*kept)
    if len(joined(text, told)) <= room:
        return joined(text, told)
    text, left = text.removeprefix(RUNNING), room - len(told) - (2 if told else 0)
    if len(text) > left:
        text = f"{text[: left - 1]}…" if left > MIN_TEXT else ""
    return joined(text, told)[: max(0, room)]


class Lines:
    """One line when the text changes, and one now and then while only the numbers do: ever less often."""

    def __init__(self) -> None:
        self._begun_at = time.monotonic()
        self._text = ""
        self._rest: tuple[int, str] = (-1, "")
        self._said_at = float("-inf")

    def show(self, text: str, done: int, total: int, detail: str = "") -> None:
        """Print a line, unless it would tell nothing new."""
        now, rest = time.monotonic(), (done, detail)
        pause = min(max(PLAIN_LINE_SECONDS, (now - self._begun_at) / 20), MAX_PLAIN_LINE_SECONDS)
        if text == self._text and (rest == self._rest or now - self._said_at < pause):
            return
        self._text, self._rest, self._said_at = text, rest, now
        say(joined(f"{text}: {done} of {total}" if total else text, detail))

    def keep(self, text: str) -> None:
        """Print a line."""
        say(text)

    def close(self) -> None:
        """Nothing to clear away."""


def open_display() -> Display:
    """What fits the place that stderr leads to."""
    return Bar() if errors.is_terminal and not errors.is_dumb_terminal else Lines()


class StageLines:
    """Leaves a line for each stage that has passed: how much was done in it, how long it took."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._name = ""
        self._begun_at = 0.0
        self._done_before = 0

    def at(self, name: str, done: int) -> None:
        """The work is in this stage; `done` counts from its very beginning, over all stages."""
        if name != self._name:
            self.end(done)
            self._name, self._begun_at, self._done_before = name, time.monotonic(), done

    def end(self, done: int) -> None:
        """The stage, if any, has passed."""
        number, seconds = done - self._done_before, time.monotonic() - self._begun_at
        if self._name and number > 0:
            rate = f", {number / seconds:.0f}/s" if seconds >= 1 else ""
            self._display.keep(f"{self._name}: {number} in {span(seconds)}{rate}")
        self._name = ""


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
        self._stages = StageLines(self._display)
        self._begin(0)
        self._display.show(self.stage_name, 0, 0)
        return self

    def _begin(self, writes: int) -> None:
        self._rate, self._written, self._writes = Rate(), 0, writes
        self._rate.note(0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stages.end(self.done)
        self._display.close()

    def waiting(self, reason: str) -> None:
        """Nothing is done yet, for this reason."""
        super().waiting(reason)
        self._show()

    def planned(self, plan: Plan, done: int = 0) -> None:
        """The plan is made; its size is known."""
        super().planned(plan, done)
        self._begin(plan.writes)
        self._show()

    def stage(self, stage: Stage, number: int, of: int) -> None:
        """A stage begins."""
        super().stage(stage, number, of)
        self._stages.at(self.stage_name, self.done)
        self._show()

    def settled(self, outcomes: Sequence[Outcome]) -> None:
        """These changes have found their end."""
        super().settled(outcomes)
        self._written += sum(1 for one in outcomes if one.result is not Result.UNCHANGED)
        self._rate.note(self._written)
        self._show()

    def undoing(self) -> None:
        """What follows takes the batch back."""
        self._stages.end(self.done)
        super().undoing()
        self._show()

    def _show(self) -> None:
        rate = self._rate.per_second(self._written)
        left = max(0, round((self._writes - self._written) / rate)) if rate else None
        self._display.show(self.stage_name, self.done, self.total, pace_text(rate, left))


def follow(task_id: str) -> TaskStatus:
    """Show a task until it has ended. Ctrl-C leaves it alone, says how to come back, and ends the command."""
    display = open_display()
    stages = StageLines(display)
    try:
        while True:
            status = _patient_status(task_id)
            if status.ended:
                stages.end(status.done)
                return status
            if status.stage:
                stages.at(stage_of(status), status.done)
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
