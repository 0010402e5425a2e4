"""The journal of a batch in a local SQLite file, for runs without Redis.

Each call is one transaction, on disk before it returns. A run without Redis
has no other worker to fear, so there is no lease here.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import JournalError
from orchestrator.models import Change, Outcome, Plan
from orchestrator.ports import Row
from workers.errors import UnknownBatchError
from workers.journal_entries import Counts, Intent, OutcomePage, dump, intent_row, outcome_from, read_cursor

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS intents (place INTEGER PRIMARY KEY, change_id TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS intents_by_change ON intents (change_id);
CREATE TABLE IF NOT EXISTS outcomes (
    place INTEGER PRIMARY KEY, change_id TEXT NOT NULL, object_type TEXT NOT NULL, result TEXT NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS outcomes_by_change ON outcomes (change_id);
CREATE INDEX IF NOT EXISTS outcomes_by_result ON outcomes (result, place);
"""
UNSETTLED = """
SELECT body FROM intents WHERE place IN (SELECT max(place) FROM intents GROUP BY change_id)
AND change_id NOT IN (SELECT change_id FROM outcomes) ORDER BY place
"""
PAGE = """
SELECT place, body FROM outcomes
WHERE place >= :start AND (:result IS NULL OR result = :result)
AND (:object_type IS NULL OR object_type = :object_type)
ORDER BY place LIMIT :limit
"""


def journal_path(state_dir: Path, batch_id: str) -> Path:
    """Where the journal of a batch lies."""
    return state_dir / "journals" / f"{batch_id}.sqlite3"


class SqliteJournal:
    """Implements the engine's Journal in one file per batch."""

    def __init__(self, state_dir: Path, batch_id: str, create: bool = True) -> None:
        """Open the journal. Raises UnknownBatchError if it is not there and must not be created."""
        self.batch_id = batch_id
        path = journal_path(state_dir, batch_id)
        if not create and not path.exists():
            raise UnknownBatchError(batch_id)
        self._lock = threading.Lock()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)

    # Writing (orchestrator.ports.Journal)

    def open(self, plan: Plan) -> None:
        """Note what the plan is. Raises JournalError when the file cannot be written."""
        facts = {
            "batch_id": self.batch_id,
            "target": plan.target,
            "digest": plan.digest,
            "planned": dump(plan.totals()).decode(),
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

    def facts(self) -> dict[str, str]:
        """Target and digest of the batch. Raises UnknownBatchError if it was never opened."""
        found = dict(self._read("SELECT name, value FROM facts"))
        if not found:
            raise UnknownBatchError(self.batch_id)
        return found

    def counts(self) -> Counts:
        """Number of outcomes by object type and result."""
        table: Counts = {}
        for object_type, result, number in self._read(
            "SELECT object_type, result, count(*) FROM outcomes GROUP BY object_type, result"
        ):
            table.setdefault(object_type, {})[result] = number
        return table

    def outcomes(
        self,
        outcome: str | None = None,
        object_type: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> OutcomePage:
        """Outcomes in the order in which they were settled. A cursor stays good while more are added."""
        asked = {
            "start": read_cursor(cursor),
            "result": outcome,
            "object_type": object_type,
            "limit": limit + 1,
        }
        found = self._read(PAGE, asked)
        page = tuple(outcome_from(orjson.loads(body)) for _, body in found[:limit])
        return OutcomePage(page, str(found[limit][0]) if len(found) > limit else None)

    def intents(self) -> Iterator[Intent]:
        """Everything that was about to be done, in order; a change sent again appears again."""
        for (body,) in self._read("SELECT body FROM intents ORDER BY place"):
            yield Intent(**orjson.loads(body))

    def unsettled(self) -> list[Intent]:
        """Intents of which nobody knows what became of them, in order: to be read back first."""
        return [Intent(**orjson.loads(body)) for (body,) in self._read(UNSETTLED)]

    def _read(self, query: str, parameters: Any = ()) -> list[Any]:
        with self._lock, self._errors():
            return self._db.execute(query, parameters).fetchall()

    def close(self) -> None:
        """Close the file. Nothing is lost without it."""
        self._db.close()
