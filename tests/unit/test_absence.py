"""Objects of ours that a document no longer has are told, within a scope, and left alone."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.models import Plan
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.plan_text import render_plan
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import apply, switches


@pytest.fixture
def netbox() -> MemoryNetBox:
    netbox = MemoryNetBox()
    netbox.create("tags", [{"name": "Nightly", "slug": "nightly"}], "by hand")
    return netbox


def plan(netbox: MemoryNetBox, document: dict[str, Any], **options: Any) -> Plan:
    return NetBoxBulkOrchestrator(netbox).plan({**document, "options": options})


def absent(netbox: MemoryNetBox, document: dict[str, Any], **scope: str) -> list[tuple[str, str]]:
    made = plan(netbox, document, absent="report", scope=scope)
    assert load_plan(dump_plan(made)) == made
    return [(one.object_type, one.label) for one in made.absent]


def test_what_carries_the_tag_and_our_mark_is_told(netbox: MemoryNetBox) -> None:
    tagged = {"options": {"tags": ["Nightly"]}}
    apply(netbox, {**tagged, "sites": ["AMS1", "AMS2", "AMS3"], "tenants": ["Acme"]})
    apply(netbox, {"sites": ["AMS4"]})  # ours, and of no tag
    netbox.create("sites", [{"name": "AMS5", "slug": "ams5", "tags": [1]}], "by hand")
    assert absent(netbox, {"sites": ["AMS1"]}, tag="nightly") == [("sites", "AMS2"), ("sites", "AMS3")]
    assert absent(netbox, {"sites": ["AMS1", "AMS2", "AMS3"]}, tag="Nightly") == []


def test_it_is_in_the_text_and_in_a_warning_and_no_write(netbox: MemoryNetBox) -> None:
    apply(netbox, {"options": {"tags": ["Nightly"]}, "sites": [f"AMS{number}" for number in range(1, 9)]})
    found = plan(netbox, {"sites": ["AMS1"]}, absent="report", scope={"tag": "Nightly"})
    assert (found.writes, len(found.absent)) == (0, 7)
    text = render_plan(found, per_group=2)
    first = found.absent[0]
    assert f"Not in the document: 7\n  = site AMS2 (id {first.object_id})\n" in text
    assert "    ... and 5 more" in text
    assert found.warnings == (
        "7 of our objects in the scope are not in the document and stay as they are: "
        "site 'AMS2', site 'AMS3', site 'AMS4', site 'AMS5', site 'AMS6' and 2 more",
    )
    assert plan(netbox, {"sites": ["AMS1"]}).warnings == ()


def test_a_site_has_its_devices_and_what_is_on_them(netbox: MemoryNetBox) -> None:
    ports = [{"name": "Vlan1", "type": "virtual"}, {"name": "Vlan2", "type": "virtual"}]
    apply(netbox, switches(3, interfaces=ports))
    apply(netbox, {"sites": ["AMS2"]})
    left = switches(1, interfaces=ports[:1])
    assert absent(netbox, left, site="AMS1") == [
        ("devices", "sw-02"),
        ("devices", "sw-03"),
        *[("interfaces", "Vlan2")],
        *[("interfaces", name) for _ in range(2) for name in ("Vlan1", "Vlan2")],
    ]
    assert absent(netbox, left, site="AMS2") == []


@pytest.mark.parametrize(
    ("options", "path", "says"),
    [
        ({"absent": "report"}, "options.absent", "report needs a scope"),
        ({"absent": "delete"}, "options.absent", "'delete' is not allowed"),
        ({"absent": "report", "scope": {"rack": "R1"}}, "options.scope", "expected one tag or site"),
        ({"absent": "report", "scope": {"tag": " "}}, "options.scope", "expected one tag or site"),
        ({"absent": "report", "scope": {"tag": "Nihgtly"}}, "options.scope.tag", "there is no tag 'Nihgtly'"),
    ],
)
def test_what_is_no_scope(netbox: MemoryNetBox, options: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        plan(netbox, {"sites": ["AMS1"]}, **options)
    assert says in next(one.message for one in caught.value.problems if one.path == path)


def test_a_name_is_a_name_first_and_what_is_yet_to_be_made_has_nothing(netbox: MemoryNetBox) -> None:
    netbox.create("tags", [{"name": "nightly", "slug": "other"}], "by hand")
    apply(netbox, {"sites": ["AMS1"]})
    apply(netbox, {"sites": [{"name": "AMS2", "tags": [{"slug": "other"}]}]})
    assert absent(netbox, {"sites": ["AMS1"]}, tag="nightly") == [("sites", "AMS2")]
    assert absent(netbox, {"sites": ["AMS9"]}, site="AMS9") == []
