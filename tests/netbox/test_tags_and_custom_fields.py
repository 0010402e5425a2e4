"""Tags and custom fields that a document declares, on the real NetBox: made, used and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.netbox import RestNetBox
from orchestrator.ports import Query, Row
from tests.netbox.real_batches import apply, roll_back

FIELDS = ("name", "tags", "custom_fields", "description")


@pytest.fixture
def mark(mark: str, netbox: RestNetBox) -> Iterator[str]:
    """Nothing outlives it: others know of no required custom field."""
    yield mark
    for name in ("custom_fields", "sites", "tags"):
        left = [row["id"] for row in netbox.read(Query(name, ("name",))) if row["name"].startswith(mark)]
        if left:
            netbox.delete(name, left, "by hand")


@pytest.fixture
def site(netbox: RestNetBox, mark: str) -> Row:
    """One that was there before, and is the same again afterwards."""
    (made,) = netbox.create("sites", [{"name": mark, "slug": mark, "description": "old"}], "by hand").rows
    return made


def document(mark: str) -> dict[str, Any]:
    """A required custom field among them: its value cannot be emptied while it is there."""
    values = {f"{mark}_room": "4.11", f"{mark}_floor": 3}
    return {
        "options": {"tags": [f"{mark} all"]},
        "sites": [
            {"name": mark, "description": "new", "tags": [f"{mark} edge"], "custom_fields": values},
            {"name": f"{mark} 2", "custom_fields": values},
        ],
        "tags": [f"{mark} all", {"name": f"{mark} edge", "color": "#FF0000"}],
        "custom_fields": [
            {"name": f"{mark}_room", "type": "text", "object_types": ["dcim.site"], "required": True},
            {"name": f"{mark}_floor", "type": "integer", "object_types": ["dcim.rack", "dcim.site"]},
        ],
    }


def shown(netbox: RestNetBox, site: Row, mark: str) -> Row:
    """The site with what is ours in it."""
    (row,) = netbox.read(Query("sites", FIELDS, "id", [site["id"]]))
    held = {name: value for name, value in row["custom_fields"].items() if name.startswith(mark)}
    return {**row, "custom_fields": held}


@pytest.mark.parametrize("from_changelog", [False, True])
def test_what_was_there_before_is_as_it_was(
    netbox: RestNetBox, site: Row, mark: str, from_changelog: bool
) -> None:
    floor = {"name": f"{mark}_floor", "type": "integer", "object_types": ["dcim.rack"]}
    narrow = apply(netbox, {"custom_fields": [floor]}, f"b-{mark}-narrow")
    before = shown(netbox, site, mark)
    journal = apply(netbox, document(mark), f"b-{mark}")
    assert shown(netbox, site, mark)["custom_fields"] == {f"{mark}_room": "4.11", f"{mark}_floor": 3}

    assert roll_back(netbox, f"b-{mark}", None if from_changelog else journal) == {}
    assert shown(netbox, site, mark) == before
    (left,) = netbox.read(Query("custom_fields", ("object_types",), "name", [f"{mark}_floor"]))
    assert left["object_types"] == ["dcim.rack"]
    assert roll_back(netbox, f"b-{mark}-narrow", narrow) == {}


def test_what_others_use_by_now_stays(netbox: RestNetBox, site: Row, mark: str) -> None:
    journal = apply(netbox, document(mark), f"b-{mark}")
    (tag,) = netbox.read(Query("tags", ("name",), "name", [f"{mark} edge"]))
    fields = {"tags": [tag["id"]], "custom_fields": {f"{mark}_room": "9.1"}}
    (other,) = netbox.create("sites", [{"name": f"{mark} 9", "slug": f"{mark}-9", **fields}], "by hand").rows
    because = f"others depend on it: site '{mark} 9'"
    assert roll_back(netbox, f"b-{mark}", journal) == {f"{mark} edge": because, f"{mark}_room": because}
    assert shown(netbox, other, mark)["custom_fields"] == {f"{mark}_room": "9.1"}

    assert shown(netbox, site, mark)["custom_fields"] == {f"{mark}_room": "4.11"}
    assert shown(netbox, site, mark)["description"] == "old"

    netbox.delete("sites", [other["id"]], "by hand")
    assert roll_back(netbox, f"b-{mark}", journal) == {}
    assert netbox.read(Query("custom_fields", ("name",), "name", [f"{mark}_room", f"{mark}_floor"])) == []
    assert netbox.read(Query("tags", ("name",), "name", [f"{mark} edge", f"{mark} all"])) == []
