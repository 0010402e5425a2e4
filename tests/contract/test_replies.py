"""Replies that are cut to size lose what matters least."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from netbox_mcp.summaries import MAX_MESSAGE, plan_parts, short_message
from orchestrator.models import Action, Change, Plan
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


def test_a_plan_in_short_shows_first_what_a_person_should_look_at() -> None:
    site = Change("", "sites", Action.UPDATE, "", "", live_id=1, before={"name": "B"}, after={"name": "A"})
    changes = (
        replace(site, id="1", action=Action.CREATE, label="new"),
        replace(site, id="2", label="plain"),
        replace(site, id="3", label="drifted", drift={"name": "netbox"}),
        replace(site, id="4", label="kept", action=Action.UNCHANGED, after={}, drift={"name": "netbox"}),
        replace(site, id="5", label="gone", action=Action.DELETE, reason="and 3 devices with it"),
        replace(site, id="6", label="stuck", action=Action.CONFLICT, reason="changed in NetBox"),
        replace(site, id="7", label="quiet", action=Action.UNCHANGED, after={}),
    )
    parts = plan_parts(Plan("default", changes, stale_at="2026-11-02T12:00:00+00:00"))
    assert parts["totals"] == {"create": 1, "update": 2, "unchanged": 2, "delete": 1, "conflict": 1}
    assert parts["by_type"]["sites"]["conflict"] == 1
    assert parts["writes"] == 4
    assert (parts["applyable"], parts["complete"]) == (False, False)
    assert parts["stale_at"] == "2026-11-02T12:00:00+00:00"
    drifted = "(changed in NetBox since the last apply: name)"
    assert parts["samples"] == [
        "conflict sites stuck: changed in NetBox",
        "delete sites gone: and 3 devices with it",
        f"update sites drifted: name B -> A {drifted}",
        "update sites plain: name B -> A",
        "create sites new",
        f"unchanged sites kept {drifted}",
    ]
