"""One row on its way to NetBox, and the questions that a write without an answer raises.

Used by writer.py, which sends the lists.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.catalog import ObjectType
from orchestrator.diff import compare
from orchestrator.errors import AccessError
from orchestrator.metadata import BATCH_FIELD
from orchestrator.models import Action, Change, Result
from orchestrator.ports import NetBox, Row
from orchestrator.schema import load_schema

# Before any entry of a changelog.
_EVER = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Write:
    """A change and the row to send for it, all ids known. Rows of updates carry their `id`."""

    change: Change
    row: Row

    def fields(self) -> Row:
        """What will be written, without the id."""
        return {name: value for name, value in self.row.items() if name != "id"}


RESULTS = {
    Action.CREATE: Result.CREATED,
    Action.UPDATE: Result.UPDATED,
    Action.DELETE: Result.DELETED,
}
"""What becomes of a change that NetBox carries out."""


def wait(seconds: float, checkpoint: Callable[[], None]) -> None:
    """Wait, and call `checkpoint` about every second, which may raise."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        checkpoint()
        time.sleep(min(1.0, left))


def batch_message(batch_id: str, undoes: str = "") -> str:
    """What NetBox's changelog says of everything that a batch writes; by it a batch is found again.

    A rollback says which batch it takes back, in brackets: whoever asks the changelog can tell it apart.
    """
    return f"netbox-mcp batch {batch_id}" + (rollback_remark(undoes) if undoes else "")


def rollback_remark(undoes: str) -> str:
    """What ends the message of every rollback of a batch."""
    return f" (rollback of {undoes})"


def may_double(row: ObjectType, action: str, key: Mapping[str, Any]) -> bool:
    """Whether the database would let a second copy of an object with this natural key in."""
    if action != Action.CREATE:
        return False
    enforced = row.key_enforced and bool({row.label, "asset_tag"} & key.keys())
    return not enforced


def lacking(row: ObjectType, write: Write) -> str:
    """Why a component that did not come with its parent cannot be created; empty when it can."""
    required: list[Any] = [name for name, spec in load_schema()[row.name].items() if spec.required]
    missing = [name for name in required if write.row.get(name) is None]
    if not missing:
        return ""
    return f"did not come with the device type, and {' and '.join(missing)} is missing to create it"


def written_by(
    netbox: NetBox,
    row: ObjectType,
    action: Action,
    sent: Sequence[tuple[Row, Row]],
    batch_id: str,
    undoes: str = "",
) -> set[int]:
    """Of objects that may have been written by a batch, the ids of those that were. Pairs are (sent, live).

    A rollback must not take away what others made. Our stamp tells, or else NetBox's changelog, or where
    there is none, or none that may be read, the values.
    """
    ours = {live["id"] for _, live in sent if (live.get("custom_fields") or {}).get(BATCH_FIELD) == batch_id}
    unclear = {live["id"]: (fields, live) for fields, live in sent if live["id"] not in ours}
    if not unclear:
        return ours
    try:
        entries = netbox.logged_since(row.name, sorted(unclear), _EVER) if row.logged else None
    except AccessError:
        entries = None
    if entries is None:
        return ours | {id_ for id_, (fields, live) in unclear.items() if not compare(row, fields, live)[1]}
    message = batch_message(batch_id, undoes)
    return ours | {
        entry.object_id for entry in entries if entry.action == action and entry.message == message
    }
