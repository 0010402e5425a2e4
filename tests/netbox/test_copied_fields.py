"""What NetBox copies into an object from what it points to, and what of it comes back with a rollback."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.live import all_fields, canonical_row
from orchestrator.netbox import RestNetBox
from orchestrator.ports import Query
from tests.netbox.real_batches import apply, roll_back


def racks(netbox: RestNetBox, mark: str) -> list[dict[str, Any]]:
    """The racks of a site, with everything that can be written."""
    row = OBJECT_TYPES["racks"]
    found = netbox.read(Query("racks", all_fields(row), "name", [f"{mark} 1", f"{mark} 2"]))
    values = sorted((canonical_row(row, one) for one in found), key=lambda one: str(one["name"]))
    return [{name: one for name, one in rack.items() if name != "last_updated"} for rack in values]


@pytest.mark.parametrize("from_changelog", [False, True])
def test_a_rack_given_a_type_is_as_it_was(netbox: RestNetBox, mark: str, from_changelog: bool) -> None:
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
    first = apply(netbox, before, f"b-{mark}-1")
    was = racks(netbox, mark)
    second = apply(netbox, given, f"b-{mark}-2")
    assert [(rack["u_height"], rack["form_factor"]) for rack in racks(netbox, mark)] == [
        (47, "4-post-cabinet")
    ] * 2

    assert roll_back(netbox, f"b-{mark}-2", None if from_changelog else second) == {}
    assert racks(netbox, mark) == was
    assert roll_back(netbox, f"b-{mark}-1", first) == {}
    assert racks(netbox, mark) == []
