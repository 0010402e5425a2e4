"""Replies that are cut to size lose what matters least."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from netbox_mcp.summaries import MAX_MESSAGE, short_message
from workers.records import TaskRecord
from workers.status import TaskProgress, TaskSnapshot, derive_status


@pytest.mark.parametrize("reason", ["NetBox is away.", "NetBox said " + "no " * 400])
def test_what_was_done_is_kept_and_the_reason_cut(reason: str) -> None:
    now = datetime.now(UTC)
    status = derive_status(
        TaskSnapshot(
            record=TaskRecord("t-1", "b-1", "apply", "default", "d-1", "", 9, now),
            now=now,
            job_status="failed",
            progress=TaskProgress(state="failed", stage="devices", total=9, message=reason),
            journal_counts={"created": 4},
            in_doubt=2,
        )
    )
    short = short_message(status.message)
    assert len(short) <= MAX_MESSAGE
    assert short.startswith(reason[:12])
    assert short.endswith("Done so far: 4 of 9 objects (4 created). 2 more were on their way to NetBox "
                          "and may have been written.")  # fmt: skip
