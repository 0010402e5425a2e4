"""What NetBox copies into an object from what it points to, and what of it comes back with a rollback."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.live import all_fields, canonical_row
from orchestrator.netbox import NetBoxSettings, RestNetBox, open_netbox
from orchestrator.ports import Query
from tests.unit.batches import MemoryJournal


@pytest.fixture
def netbox(netbox_sandbox: SandboxInfo) -> Iterator[RestNetBox]:
    with open_netbox(
        NetBoxSettings(url=netbox_sandbox.url, token=SecretStr(netbox_sandbox.token_v2))
    ) as opened:
        yield opened


def racks(netbox: RestNetBox, mark: str) -> list[dict[str, Any]]:
    """The racks of a site, with everything that can be written."""
    row = OBJECT_TYPES["racks"]
    found = netbox.read(Query("racks", all_fields(row), "name", [f"{mark} 1", f"{mark} 2"]))
    values = sorted((canonical_row(row, one) for one in found), key=lambda one: str(one["name"]))
    return [{name: one for name, one in rack.items() if name != "last_updated"} for rack in values]


@pytest.mark.parametrize("from_changelog", [False, True])
def test_a_rack_that_was_given_a_type_is_as_it_was(netbox: RestNetBox, from_changelog: bool) -> None:
    mark = f"t{secrets.token_hex(3)}"
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    tall = {"manufacturer": mark, "model": f"{mark} tall", "u_height": 47, "form_factor": "4-post-cabinet"}
    small = {"manufacturer": mark, "model": f"{mark} small", "u_height": 12, "form_factor": "wall-cabinet"}
    before = {
        "rack_types": [
            {**tall, "width": 23, "desc_units": True, "max_weight": 900, "weight_unit": "kg"},
            small,
        ],
        "racks": [
            {"name": f"{mark} 1", "site": mark, "u_height": 45, "outer_width": 600, "outer_unit": "mm"},
            {"name": f"{mark} 2", "site": mark, "rack_type": f"{mark} small"},
        ],
    }
    given = {
        "racks": [{"name": f"{mark} {n}", "site": mark, "rack_type": f"{mark} tall"} for n in (1, 2)],
    }
    first, second = MemoryJournal(), MemoryJournal()
    assert engine.apply(engine.plan(before), f"b-{mark}-1", first).ok
    was = racks(netbox, mark)
    assert engine.apply(engine.plan(given), f"b-{mark}-2", second).ok
    assert [(rack["u_height"], rack["form_factor"]) for rack in racks(netbox, mark)] == [
        (47, "4-post-cabinet")
    ] * 2

    for batch, journal in ((f"b-{mark}-2", None if from_changelog else second), (f"b-{mark}-1", first)):
        plan = engine.plan_rollback(batch, journal)
        assert plan.conflicts == []
        assert engine.apply(plan, f"{batch}-undone", MemoryJournal()).ok
        assert racks(netbox, mark) == (was if batch.endswith("2") else [])
