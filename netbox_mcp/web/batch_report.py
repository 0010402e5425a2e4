"""A batch as one HTML file, to mail or to keep: it needs no server, no script and no network.

Made bit by bit, so that a hundred thousand objects need no more memory than a few. What a batch did comes
from its journal; whatever stands in there is escaped, and made harmless to read (names.py).
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from markupsafe import Markup

from netbox_mcp import __version__
from netbox_mcp.background import background
from netbox_mcp.dependencies import get_settings
from netbox_mcp.times import moment, span
from netbox_mcp.web.chart import pace_chart
from netbox_mcp.web.links import Link, address_of, objects_in
from netbox_mcp.web.names import isolated, plain
from netbox_mcp.web.rendering import ENVIRONMENT, render, words
from orchestrator.models import Outcome, Result
from workers.manager import ReportPage
from workers.pace import Pace
from workers.records import TaskRecord
from workers.settings import DAY_SECONDS
from workers.status import TaskState, TaskStatus

MAX_ROWS = 20_000
"""So many rows make about 5 MB; browsers and mail servers take no pleasure in much more."""
PAGE_ROWS = 500
PIECES = 400
"""What the template yields is handed on in parts of so many pieces."""
ORDER = (
    *(Result.FAILED, Result.SKIPPED, Result.CANCELLED),
    *(Result.DELETED, Result.UPDATED, Result.CREATED, Result.UNCHANGED),
)
WRITTEN = (Result.CREATED, Result.UPDATED, Result.DELETED)


@dataclass(frozen=True, slots=True)
class HtmlReport:
    """A report on its way: what its file may be called, the policy that it keeps to, its bytes in parts."""

    file_name: str
    policy: str
    parts: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """One object as the report shows it."""

    object_type: str
    label: Markup
    url: str
    path: Markup
    message: Markup


@dataclass(frozen=True, slots=True)
class Section:
    """All objects with one outcome: how many there are, how many are listed, and these."""

    result: str
    count: int
    listed: int
    rows: Iterator[Row]

    @property
    def left_out(self) -> int:
        """How many are not listed."""
        return self.count - self.listed


def open_report(task_id: str) -> HtmlReport:
    """The report of a task as it stands. Raises UnknownTaskError, RedisUnavailableError.

    Its parts are made as they are taken; Redis may be lost in between, and is an error then.
    """
    with background() as manager:
        status = manager.status(task_id)
        record, _ = manager.record(task_id)
        page, pace = manager.report(task_id, limit=1), manager.pace(task_id)
    css = render("_report.css")
    policy = f"default-src 'none'; style-src '{_digest(css)}'; base-uri 'none'; form-action 'none'"
    values = _values(status, record, page, pace)
    stream = ENVIRONMENT.get_template("report.html").stream(css=Markup(css), policy=policy, **values)  # noqa: S704
    stream.enable_buffering(PIECES)
    name = f"{status.batch_id or status.task_id}.html"
    return HtmlReport(name, policy, (part.encode("utf-8", "replace") for part in stream))


def _digest(css: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(css.encode()).digest()).decode()}"


def _values(status: TaskStatus, record: TaskRecord, page: ReportPage, pace: Pace) -> dict[str, object]:
    """What the template is filled with."""
    netbox, totals = address_of(status.target), page.totals()
    return {
        "status": status,
        "state": words(status.status.value),
        "bad": status.status not in (TaskState.COMPLETED, TaskState.ROLLED_BACK) and status.ended,
        "title": f"{status.kind.capitalize()} {status.batch_id or status.task_id}",
        "facts": _facts(status, record, netbox),
        "netbox": netbox,
        "message": isolated(status.message),
        "hint": isolated(status.hint),
        "results": [result.value for result in ORDER if totals[result.value]],
        "totals": totals,
        "counts": page.counts,
        "in_flight": page.in_flight,
        "chart": pace_chart(pace),
        "sections": list(_sections(status, totals)),
        "back": _way_back(status, totals),
        "kept_days": get_settings().journal_retention_seconds // DAY_SECONDS,
        "made_at": moment(datetime.now(UTC)),
        "version": __version__,
    }


def _facts(status: TaskStatus, record: TaskRecord, netbox: str) -> list[tuple[str, str]]:
    began, ended = status.started_at, status.ended_at
    facts = {
        "Batch": status.batch_id or "",
        "Task": f"{status.task_id} ({status.kind})",
        "Takes back": record.undoes,
        "Target": status.target,
        "NetBox": netbox or "its address is not configured where this report was made",
        "Plan": status.plan_id or "",
        "Asked for by": record.asked_by,
        "Asked for at": moment(record.created_at),
        "Began": moment(began),
        "Ended": moment(ended),
        "Took": span((ended - began).total_seconds()) if began and ended else "",
        "Objects": f"{status.done:,} of {status.total:,}",
    }
    return [(name, plain(text)) for name, text in facts.items() if text]


def _sections(status: TaskStatus, totals: Counter[str]) -> Iterator[Section]:
    """What went wrong first; the rows are read when they are asked for."""
    left, link = MAX_ROWS, objects_in(status.target)
    for result in ORDER:
        count = totals[result.value]
        if not count:
            continue
        listed = min(count, left)
        left -= listed
        gone = result is Result.DELETED or status.status is TaskState.ROLLED_BACK
        rows = _rows(status.task_id, result.value, listed, _no_link if gone else link)
        yield Section(result.value, count, listed, rows)


def _no_link(object_type: str, object_id: int | None) -> str:
    """What is gone has no page."""
    return ""


def _rows(task_id: str, result: str, limit: int, link: Link) -> Iterator[Row]:
    outcomes = _outcomes(task_id, result)
    return (_row(outcome, link) for outcome in islice(outcomes, limit))


def _outcomes(task_id: str, result: str) -> Iterable[Outcome]:
    cursor = None
    while True:
        with background() as manager:
            page = manager.report(task_id, result, None, cursor, PAGE_ROWS)
        yield from page.rows
        cursor = page.next_cursor
        if cursor is None:
            return


def _row(outcome: Outcome, link: Link) -> Row:
    return Row(
        outcome.object_type,
        isolated(outcome.label) or Markup("(no name)"),
        link(outcome.object_type, outcome.object_id),
        isolated(outcome.path),
        isolated(outcome.message),
    )


def _way_back(status: TaskStatus, totals: Counter[str]) -> str:
    """What can be done to take the batch back: `command`, or why there is nothing to be done."""
    if status.status is TaskState.ROLLED_BACK:
        return "It has been taken back."
    if status.kind == "rollback":
        return "A rollback cannot itself be taken back: apply the document again."
    if not status.ended:
        return "It can be taken back once it has ended, with the command below."
    if not any(totals[result.value] for result in WRITTEN):
        return "Nothing was written, so there is nothing to take back."
    return ""
