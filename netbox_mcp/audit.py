"""Who changed what through us: one JSON line before a write leaves and one when its fate is known.

The file is `audit.jsonl` in the state directory, readable by its owner only; its
lines hold no secrets. What cannot be written down is not done. Batches have a
line when they are started; what each did to each object is in its journal.
"""

from __future__ import annotations

import errno
import getpass
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from netbox_mcp.redaction import Redaction
from orchestrator.errors import JournalError, OrchestratorError, UnknownOutcomeError
from orchestrator.netbox.endpoints import Mutation
from orchestrator.ports import Row, Written
from workers.errors import RedisUnavailableError

FILE_NAME = "audit.jsonl"
log = structlog.get_logger(__name__)


class AuditLog:
    """The audit of one state directory. Threads and processes may share it: a line is one append."""

    def __init__(self, folder: Path, target: str, hidden: list[str]) -> None:
        self._path = folder / FILE_NAME
        self._target = target
        self._hidden = hidden

    @contextmanager
    def __call__(self, mutation: Mutation) -> Iterator[Callable[[Written], None]]:
        """Note a write to an endpoint and what became of it. Raises JournalError before it leaves."""
        redaction = Redaction(mutation.endpoint.path, self._hidden)
        entry = {
            "id": secrets.token_hex(6),
            "action": mutation.action,
            "object_type": mutation.endpoint.model,
            **({"place": mutation.place} if mutation.place else {}),
            "objects": [_object(mutation, at, redaction) for at in range(len(mutation.rows))],
        }
        if mutation.dry_run:
            self.note(**entry, status="dry_run")
            yield lambda _written: None
            return
        self.note(**entry, status="sending")
        told: list[Written] = []
        try:
            yield told.append
        except BaseException as error:
            refused = isinstance(error, OrchestratorError) and not isinstance(error, UnknownOutcomeError)
            self.note_after(id=entry["id"], status="refused" if refused else "unknown", reason=_words(error))
            raise
        for written in told:
            ids = [row["id"] for row in written.rows if "id" in row]
            self.note_after(id=entry["id"], status="done", request_id=written.request_id, ids=ids)

    @contextmanager
    def batch(self, action: str, **what: Any) -> Iterator[Callable[..., None]]:
        """Note that work on many objects begins, and how that went; what it gives is told the rest.

        Raises JournalError before it begins. Work that was told its `batch_id` or `task_id` may have written
        something, however it ends.
        """
        entry = {"id": secrets.token_hex(6), "action": action}
        self.note(**entry, status="starting", **what)
        said: dict[str, Any] = {}
        try:
            yield said.update
        except BaseException as error:
            begun = "batch_id" in said or "task_id" in said
            # Redis may have put it in line before it was lost.
            lost = isinstance(error, RedisUnavailableError)
            status = "interrupted" if begun else "unknown" if lost else "failed"
            self.note_after(**entry, **{**said, "status": status}, reason=_words(error))
            raise
        self.note_after(**entry, **{"status": "done", **said})

    def note(self, **entry: Any) -> None:
        """Add a line: when, who, and what is given. Raises JournalError where that cannot be."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": caller(),
            "target": self._target,
            **entry,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _append(self._path, orjson.dumps(line, default=str) + b"\n")
        except OSError as error:
            raise JournalError(
                f"The audit log {self._path} cannot be written: {(error.strerror or 'error').lower()}.",
                "Nothing is sent to NetBox without it: set NETBOX_MCP_STATE_DIR to a directory that can.",
            ) from None
        log.info("audit", **{name: line[name] for name in line if name != "objects"})

    def note_after(self, **entry: Any) -> None:
        """The same where something has been done: a disk that is full does not make it undone."""
        try:
            self.note(**entry)
        except JournalError as error:
            log.error("the audit lacks a line", reason=error.message, **entry)


def _append(path: Path, line: bytes) -> None:
    """Add a line as a whole, in one write; what is left of one that was cut short is ended first."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        line = b"\n" + line if torn else line
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, OrchestratorError) else type(error).__name__


def caller() -> str:
    """Who is asking: the holder of a bearer token by name, or the user of this machine."""
    # Imported here: the MCP library takes a third of a second, and most commands do without it.
    from netbox_mcp.auth import caller_over_http

    name = caller_over_http()
    if name is not None:
        return name
    try:
        return f"user:{getpass.getuser()}"
    except (KeyError, OSError):  # no such user in the container's passwd
        return f"uid:{os.getuid()}"


def _object(mutation: Mutation, at: int, redaction: Redaction) -> Row:
    """One object of a write: its id, and the fields that are written, as they were and as they are to be."""
    row, before = mutation.rows[at], mutation.before[at] if mutation.before else {}
    if mutation.verb == "DELETE":
        return {"id": row["id"], "before": redaction.of(before)}
    after = {name: value for name, value in row.items() if name != "id"}
    was = {name: before.get(name) for name in after} if before else {}
    return {
        **({"id": row["id"]} if "id" in row else {}),
        "before": redaction.of(was),
        "after": redaction.of(after),
    }
