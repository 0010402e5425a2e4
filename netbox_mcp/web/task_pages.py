"""The pages of tasks: the list of them, and one task as it goes on, to be stopped or resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from netbox_mcp.access import Scope, require
from netbox_mcp.auth import name_of
from netbox_mcp.background import background
from netbox_mcp.service import get_service
from netbox_mcp.web.answers import go_to, page
from netbox_mcp.web.batch_report import open_report
from netbox_mcp.web.chart import pace_chart
from netbox_mcp.web.gate import session_of
from netbox_mcp.web.permission import Form, acts, looks
from netbox_mcp.web.rendering import render, words
from netbox_mcp.web.sessions import Sessions
from netbox_mcp.web.streams import Look, Streams, View
from workers.journal_entries import Counts
from workers.pace import Pace
from workers.status import RESUMABLE, TaskState, TaskStatus

MOST_LISTED = 50
_SAY_EVERY_PERCENT = 25


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks that have not ended, and the newest of those that have."""

    active: Sequence[TaskStatus]
    ended: Sequence[TaskStatus]


@dataclass(frozen=True, slots=True)
class OneTask:
    """A task, its outcomes so far by object type, and how fast it went."""

    status: TaskStatus
    counts: Counts
    pace: Pace

    @property
    def chart(self) -> Markup:
        """Objects per minute, by what became of them."""
        return pace_chart(self.pace)

    @property
    def can(self) -> tuple[str, ...]:
        """What its buttons can do now."""
        status = self.status.status
        if not self.status.ended:
            return ("wait",) if status is TaskState.CANCELLING else ("cancel",)
        can = ["resume"] if status in RESUMABLE and self.status.batch_id else []
        if self.status.kind == "apply" and any(self.counts.values()) and status is not TaskState.ROLLED_BACK:
            can.append("roll-back")
        return tuple(can)


class TaskPages:
    """The pages, and the streams that keep them up to date."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._streams = Streams()

    async def list_events(self, request: Request) -> Response:
        """The list of tasks, whenever it has changed."""
        return self._stream(request, "", _view_list)

    async def task_events(self, request: Request) -> Response:
        """A task, whenever it has moved on, until it has ended. Raises UnknownTaskError."""
        task_id = request.path_params["task_id"]
        require(request.auth.scopes, Scope.READ)
        await run_in_threadpool(read_task, task_id)
        return self._stream(request, task_id, partial(_view_task, task_id))

    def _stream(self, request: Request, name: str, look: Look) -> Response:
        require(request.auth.scopes, Scope.READ)
        session = session_of(request)
        assert session is not None  # the gate has seen to it
        who = name_of(session.who)
        self._streams.refuse_too_many(who)
        events = self._streams.follow(name, who, look, partial(self._sessions.is_open, session))
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@looks(Scope.READ)
def show_list(request: Request) -> Response:
    """Running and queued tasks, and the newest of those that have ended."""
    return page(request, "tasks.html", tasks=read_list())


@looks(Scope.READ)
def show_task(request: Request) -> Response:
    """Where one task stands. Raises UnknownTaskError."""
    task = read_task(request.path_params["task_id"])
    return page(request, "task.html", task=task, title=title(task.status))


@looks(Scope.READ)
def save_report(request: Request) -> Response:
    """What became of each object as one HTML file, to mail or to keep. Raises UnknownTaskError."""
    report = open_report(request.path_params["task_id"])
    headers = {"Content-Disposition": f'attachment; filename="{report.file_name}"'}
    return StreamingResponse(report.parts, media_type="text/html; charset=utf-8", headers=headers)


@acts(Scope.WRITE)
def cancel_task(request: Request, _form: Form) -> Response:
    """Stop a task before its next write."""
    return go_to(_path(get_service().cancel(request.path_params["task_id"]).task_id))


@acts(Scope.WRITE)
def resume_task(request: Request, _form: Form) -> Response:
    """Go on with a task that failed, was cancelled or left errors."""
    return go_to(_path(get_service().resume(request.path_params["task_id"]).task_id))


def read_list() -> Tasks:
    """The tasks. Raises RedisUnavailableError."""
    with background() as manager:
        active = manager.list_tasks(False, MOST_LISTED)
        newest = manager.list_tasks(True, MOST_LISTED)
    return Tasks(active, [status for status in newest if status.ended])


def read_task(task_id: str) -> OneTask:
    """One task. Raises UnknownTaskError, RedisUnavailableError."""
    with background() as manager:
        status = manager.status(task_id)
        counts = manager.batch_counts(status.batch_id) if status.batch_id else {}
        return OneTask(status, counts, manager.pace(task_id))


async def _view_list() -> View:
    tasks = await run_in_threadpool(read_list)
    say = f"{len(tasks.active)} queued or running"
    return View(render("_tasks.html", tasks=tasks), say, "Tasks")


async def _view_task(task_id: str) -> View:
    task = await run_in_threadpool(read_task, task_id)
    return View(
        render("_task.html", task=task), say(task.status), title(task.status), task.can, task.status.ended
    )


def say(status: TaskStatus) -> str:
    """Where a task stands, for screen readers: they hear of its state, and of each quarter that is done."""
    state = words(status.status.value)
    if status.status is not TaskState.RUNNING:
        return f"{state}. {status.message}" if status.ended else state
    return f"{state}, {status.percent // _SAY_EVERY_PERCENT * _SAY_EVERY_PERCENT} percent"


def title(status: TaskStatus) -> str:
    """The same for the title of the window."""
    state = words(status.status.value)
    return f"{status.percent}% {state}" if status.status is TaskState.RUNNING else state.capitalize()


def _path(task_id: str) -> str:
    return f"/tasks/{quote(task_id, safe='')}"
