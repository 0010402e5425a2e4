"""Journal entries, groups, permissions and owners on the real NetBox: made once, told apart, taken back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import RestNetBox
from orchestrator.ports import Query
from tests.netbox.real_batches import apply, roll_back

TYPES = ("permissions", "owners", "owner_groups", "groups", "sites")


@pytest.fixture
def mark(mark: str, netbox: RestNetBox) -> Iterator[str]:
    """Nothing outlives it."""
    yield mark
    for name in TYPES:
        if left := [row["id"] for row in ours(netbox, name, mark)]:
            netbox.delete(name, left, "by hand")


def ours(netbox: RestNetBox, object_type: str, mark: str) -> list[dict[str, Any]]:
    rows = netbox.read(Query(object_type, (OBJECT_TYPES[object_type].label,)))
    return [row for row in rows if row[OBJECT_TYPES[object_type].label].startswith(mark)]


def document(mark: str) -> dict[str, Any]:
    remark = f"{mark} outage.\n\n- Ports [1-4] were down\n- *nobody* noticed"
    return {
        "sites": [{"name": mark, "owner": f"{mark} team"}, f"{mark} 2"],
        "groups": [f"{mark} operators"],
        "owner_groups": [f"{mark} owners"],
        "owners": [
            {"name": f"{mark} team", "group": f"{mark} owners", "user_groups": [f"{mark} operators"]},
            f"{mark} nobody",
        ],
        "permissions": [
            {
                "name": f"{mark} sites",
                "object_types": ["dcim.site", "dcim.location"],
                "actions": ["view", "change"],
                "constraints": [{"status": "active"}, {"region__slug": "emea", "latitude__gt": 1.5}],
                "groups": [f"{mark} operators"],
            }
        ],
        "journal_entries": [
            {"assigned_object": {"site": name}, "comments": remark, "kind": "warning"}
            for name in (mark, f"{mark} 2")
        ],
    }


def test_they_are_made_once_and_taken_back(netbox: RestNetBox, mark: str) -> None:
    journal = apply(netbox, document(mark), f"b-{mark}")
    assert len(ours(netbox, "journal_entries", mark)) == 2
    later = {
        "journal_entries": [{"assigned_object": {"site": mark}, "comments": f"{mark} was mended"}],
        "permissions": [{**document(mark)["permissions"][0], "actions": ["view"], "constraints": None}],
    }
    added = apply(netbox, later, f"b-{mark}-2")
    assert len(ours(netbox, "journal_entries", mark)) == 3

    assert roll_back(netbox, f"b-{mark}-2", added) == {}
    assert [one for one in NetBoxBulkOrchestrator(netbox).plan(document(mark)).changes if one.writes] == []
    assert roll_back(netbox, f"b-{mark}", journal) == {}
    assert [ours(netbox, name, mark) for name in (*TYPES, "journal_entries")] == [[]] * 6


def test_what_others_did_since_stays(netbox: RestNetBox, mark: str) -> None:
    journal = apply(netbox, document(mark), f"b-{mark}")
    (permission,) = ours(netbox, "permissions", mark)
    netbox.update("permissions", [{"id": permission["id"], "actions": ["view", "delete"]}], "by hand")
    group = ours(netbox, "groups", mark)[0]["id"]
    user = {"username": mark, "password": f"A1{secrets.token_urlsafe(20)}", "groups": [group]}
    (made,) = netbox.create("users", [user], "by hand").rows
    try:
        assert roll_back(netbox, f"b-{mark}", journal) == {
            f"{mark} sites": "changed since, NetBox does not log by whom: actions",
            f"{mark} operators": f"others depend on it: user '{mark}', object permission '{mark} sites'",
        }
    finally:
        netbox.delete("users", [made["id"]], "by hand")
    assert roll_back(netbox, f"b-{mark}", journal, force=True) == {}
    assert ours(netbox, "permissions", mark) == ours(netbox, "groups", mark) == []


def test_a_write_that_nobody_saw_the_end_of_is_known_by_its_values(netbox: RestNetBox, mark: str) -> None:
    journal = apply(netbox, document(mark), f"b-{mark}")
    journal.outcomes.clear()  # as where the worker was killed before it could note them
    assert roll_back(netbox, f"b-{mark}", journal) == {}
    assert [ours(netbox, name, mark) for name in (*TYPES, "journal_entries")] == [[]] * 6
