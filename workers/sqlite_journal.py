"""The journal of a batch in a local SQLite file, for synchronous runs.

Each call is one transaction, on disk before it returns. The file is this
process's own, so nothing here asks for the lease: its holder does (sync_apply.py).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import JournalError
from orchestrator.models import Change, Intent, Outcome, Plan
from orchestrator.plugin_types import PluginTypes, types_from_data, types_to_data
from orchestrator.ports import Row
from workers.journal_entries import dump, intent_from, intent_row, outcome_from
from workers.settings import DAY_SECONDS

SUFFIX = ".sqlite3"
READ_ROWS = 1000

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS intents (place INTEGER PRIMARY KEY, change_id TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS intents_by_change ON intents (change_id);
CREATE TABLE IF NOT EXISTS outcomes (
    place INTEGER PRIMARY KEY, change_id TEXT NOT NULL, object_type TEXT NOT NULL, result TEXT NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS outcomes_by_change ON outcomes (change_id);
"""
INTENTS = "SELECT place, body FROM intents WHERE place > ? ORDER BY place LIMIT ?"
OUTCOMES = "SELECT place, body FROM outcomes WHERE place > ? ORDER BY place LIMIT ?"
UNSETTLED = """
SELECT body FROM intents WHERE place IN (SELECT max(place) FROM intents GROUP BY change_id)
AND change_id NOT IN (SELECT change_id FROM outcomes) ORDER BY place
"""


class SqliteJournal:
    """Implements the engine's Journal and History in one file per batch."""

    def __init__(self, state_dir: Path, batch_id: str, retention_seconds: int = 90 * DAY_SECONDS) -> None:
        """Open the journal, and make it if need be. Removes those that were last written too long ago."""
        self.batch_id = batch_id
        self._lock = threading.Lock()
        folder = state_dir / "journals"
        with self._errors():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / f"{batch_id}{SUFFIX}"
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
            _prune(folder, kept=path, before=time.time() - retention_seconds)

    @classmethod
    def find(cls, state_dir: Path, batch_id: str) -> SqliteJournal | None:
        """The journal of a batch that was applied on this machine; None where there is none."""
        there = (state_dir / "journals" / f"{batch_id}{SUFFIX}").is_file()
        return cls(state_dir, batch_id) if there else None

    # Writing (orchestrator.ports.Journal)

    def open(self, plan: Plan) -> None:
        """Note what the plan is. Raises JournalError when the file cannot be written."""
        facts = {
            "batch_id": self.batch_id,
            "target": plan.target,
            "digest": plan.digest,
            "planned": dump(plan.totals()).decode(),
            "undoes": plan.undoes,
            "types": dump(types_to_data(plan.types)).decode(),
        }
        with self._write() as db:
            db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    def intend(self, changes: Sequence[Change], rows: Sequence[Row]) -> None:
        """Take down what is about to be sent."""
        entries = [
            (change.id, dump(intent_row(change, row))) for change, row in zip(changes, rows, strict=True)
        ]
        with self._write() as db:
            db.executemany("INSERT INTO intents (change_id, body) VALUES (?, ?)", entries)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Take down what became of changes."""
        entries = [(o.change_id, o.object_type, o.result.value, dump(o.as_dict())) for o in outcomes]
        with self._write() as db:
            db.executemany(
                "INSERT INTO outcomes (change_id, object_type, result, body) VALUES (?, ?, ?, ?)", entries
            )

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._errors(), self._db:
            yield self._db

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"The journal of batch {self.batch_id} cannot be written: {error}.",
                hint="Check the disk and the permissions of the state directory (NETBOX_MCP_STATE_DIR).",
            ) from None

    # Reading

    def intents(self) -> Iterator[Intent]:
        """Everything that was about to be done, in order; a change sent again appears again."""
        return map(intent_from, self._rows(INTENTS))

    def settled(self) -> Iterator[Outcome]:
        """Every outcome, in order."""
        return map(outcome_from, self._rows(OUTCOMES))

    @property
    def target(self) -> str:
        """Where the batch was applied; empty if it never came that far."""
        return self._fact("target")

    def is_whole(self) -> bool:
        """It is: each write has reached the disk before the next request leaves."""
        return True

    def undoes(self) -> str:
        """The batch that this one took back; empty unless it was a rollback."""
        return self._fact("undoes")

    def types(self) -> PluginTypes:
        """The types of plugins that the batch is about."""
        return types_from_data(orjson.loads(self._fact("types") or "[]"))

    def _fact(self, name: str) -> str:
        return next((value for (value,) in self._read("SELECT value FROM facts WHERE name = ?", name)), "")

    def unsettled(self) -> list[Intent]:
        """Intents of which nobody knows what became of them, in order: to be read back first."""
        return [intent_from(orjson.loads(body)) for (body,) in self._read(UNSETTLED)]

    def _rows(self, query: str) -> Iterator[dict[str, Any]]:
        place = 0
        while found := self._read(query, place, READ_ROWS):
            yield from (orjson.loads(body) for _, body in found)
            place = found[-1][0]

    def _read(self, query: str, *values: int | str) -> list[Any]:
        with self._lock, self._errors():
            return self._db.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file. Nothing is lost without it."""
        self._db.close()


def _prune(folder: Path, kept: Path, before: float) -> None:
    """Remove the journals that nobody has written to since then, by the clock of the file system."""
    for path in folder.glob(f"*{SUFFIX}"):
        files = [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]
        if path != kept and all(_written_at(file) < before for file in files):
            for file in files:
                file.unlink(missing_ok=True)


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
