"""A small operator's whole network: made, made again for nothing, and taken back to nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from mcp.client import Client

from netbox_mcp.stack import Stack
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.document import read_document
from orchestrator.normalise import normalise
from tests.acceptance.conftest import PlainNetBox, Users, apply, call, follow

EVERYTHING = Path(__file__).parents[2] / "examples/everything.yaml"
OUR_FIELDS = 2


@pytest.mark.timeout(1800)
def test_everything_is_made_and_made_again_and_taken_back(
    stack: Stack, users: Users, netbox: PlainNetBox
) -> None:
    document = read_document(EVERYTHING.read_text(), EVERYTHING.name)
    wanted = {name: len(entries) for name, entries in normalise(document).entries.items()}
    assert len(wanted) >= 60
    assert 1_400 <= sum(wanted.values()) <= 1_600
    before = counted(netbox, wanted)  # NetBox comes with some
    stack.start_worker()
    stack.start_server()

    made = users.over_http(lambda client: apply(client, document))
    assert made["status"] == "completed", made
    assert made["counts"]["created"] == sum(wanted.values()) + OUR_FIELDS
    assert counted(netbox, wanted) == {name: before[name] + number for name, number in wanted.items()}

    entries = netbox.changelog_entries()
    again = users.over_http(lambda client: apply(client, document))
    assert (again["status"], set(again["counts"])) == ("completed", {"unchanged"})
    assert netbox.changelog_entries() == entries

    async def take_back(client: Client) -> dict[str, object]:
        started = await call(client, "netbox_rollback_batch", batch_id=made["batch_id"], confirm=True)
        return await follow(client, str(started["task_id"]))

    undone = users.over_http(take_back)
    assert undone["status"] == "completed", undone
    assert counted(netbox, wanted) == before


def counted(netbox: PlainNetBox, object_types: Iterable[str]) -> dict[str, int]:
    """How many objects there are of each type."""
    return {name: len(netbox.all(OBJECT_TYPES[name].path)) for name in object_types}
