"""Documents out of NetBox: planned again they find nothing to do, elsewhere they make the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.csv_text import read_csv, write_csv
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.export import Exported
from orchestrator.ports import Query, Row
from orchestrator.testing import MemoryNetBox
from orchestrator.yaml_text import dump_yaml, load_yaml
from tests.unit.batches import MemoryJournal, apply
from tests.unit.test_properties import documents, slow, world

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
tricky = st.sampled_from(
    ["no", "007", "1e5", "1.5", "~", "2024-01-01", "10:11:22", "0x1F", " a", "#", "", "a: b"]
)
data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | tricky,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(texts | tricky, parts, max_size=4),
    max_leaves=12,
)


def exported(netbox: MemoryNetBox) -> Exported:
    """All devices and sites there are."""
    return NetBoxBulkOrchestrator(netbox).export(
        {name: list(netbox.tables[name]) for name in ("sites", "devices")}
    )


@slow
@given(documents())
def test_what_was_exported_is_true_there_and_becomes_true_elsewhere(document: dict[str, Any]) -> None:
    netbox, elsewhere = world(), world()
    assert apply(netbox, document).ok
    found = exported(netbox)
    assert NetBoxBulkOrchestrator(netbox).plan(found.document).writes == 0
    assert load_yaml(dump_yaml(found.document)) == found.document
    assert apply(elsewhere, found.document).ok
    assert exported(elsewhere).document == found.document


def test_what_all_have_in_common_is_said_once() -> None:
    netbox = world()
    devices = [
        {
            "name": f"sw-{at}",
            "site": "AMS1",
            "role": "Core",
            "device_type": {"manufacturer": "Cisco", "model": "X1"},
        }
        for at in (10, 9, 1)
    ]
    apply(netbox, {"options": {"create_parents": True}, "devices": devices})
    document = exported(netbox).document
    assert document["defaults"] == {
        "devices": {"device_type": "X1", "role": "Core", "site": "AMS1", "status": "active"}
    }
    assert document["devices"] == [{"name": "sw-1"}, {"name": "sw-9"}, {"name": "sw-10"}]


@pytest.fixture
def awkward() -> MemoryNetBox:
    """Objects that bear the same names, or none; a LAG on the neighbour."""
    netbox = world()

    def make(object_type: str, **fields: Any) -> int:
        return int(netbox.create(object_type, [fields], "by hand").rows[0]["id"])

    site, maker = make("sites", name="S1", slug="s1"), make("manufacturers", name="M", slug="m")
    on = {"site": site, "device_type": make("device_types", manufacturer=maker, model="X", slug="x")}
    roles = [
        make("device_roles", name="Leaf", slug=slug, parent=make("device_roles", name=slug, slug=f"p-{slug}"))
        for slug in ("leaf", "leaf-2")
    ]
    plain, made = [make("platforms", name="IOS", slug="ios", manufacturer=one) for one in (None, maker)]
    tenant = make("tenants", name="T", slug="t")
    make("tags", name="Core 2", slug="lab-2")
    tag = make("tags", name="lab-2", slug="z5")
    first = make("devices", name="sw", role=roles[0], platform=plain, tags=[tag], **on)
    second = make("devices", name="SW", role=roles[1], platform=made, tenant=tenant, **on)
    for serial in ("SN1", "N/A", "N/A", ""):
        make("devices", role=roles[0], serial=serial, **on)
    other, own = [make("interfaces", device=device, name="Po1", type="lag") for device in (second, first)]
    port = make("interfaces", device=first, name="e1", type="virtual", lag=other)
    red = make("vrfs", name="red")
    make("ip_addresses", address="10.0.0.1/24", assigned_object=port)
    make("ip_addresses", address="10.0.0.1/24", assigned_object=own, vrf=red)
    return netbox


def test_what_has_the_same_name_is_told_apart(awkward: MemoryNetBox) -> None:
    found = exported(awkward)
    assert found.left_out == {"devices": 3}  # nobody could say which, but by the id
    assert not found.by_id
    plan = NetBoxBulkOrchestrator(awkward).plan(found.document)
    assert [change for change in plan.changes if change.writes] == []
    assert len(plan.changes) == found.objects


def test_a_template_has_nothing_that_one_object_has_alone(awkward: MemoryNetBox) -> None:
    engine = NetBoxBulkOrchestrator(awkward)
    found = engine.export({name: list(awkward.tables[name]) for name in ("sites", "devices")}, template=True)
    text = dump_yaml(found.document)
    assert not re.search("serial|asset_tag|10\\.0|ip_addresses|primary", text)
    plan = engine.plan(load_yaml(text.replace("S1", "S9")))
    assert [change.id for change in plan.changes if change.writes and change.live_id is not None] == []
    assert plan.totals()["create"] == 1 + 2 + 3


def test_what_the_token_may_not_see_is_left_out_and_ends(
    awkward: MemoryNetBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NetBox names it all the same, in the rows that point to it."""
    read_all = awkward.read_all

    def read_some(queries: Sequence[Query]) -> list[list[Row]]:
        found = zip(queries, read_all(queries), strict=True)
        return [[] if query.object_type == "device_roles" else rows for query, rows in found]

    monkeypatch.setattr(awkward, "read_all", read_some)
    found = exported(awkward)
    assert found.left_out["devices.role"] == 3
    assert "device_roles" not in found.document


def test_an_export_needs_no_right_to_what_it_does_not_name(awkward: MemoryNetBox) -> None:
    awkward.forbidden = {"read custom_fields", "read regions", "read locations", "read racks"}
    assert exported(awkward).objects == 20


def test_values_that_only_look_alike_are_not_the_same() -> None:
    netbox = world()
    device = {"site": "AMS1", "role": "Core", "device_type": {"manufacturer": "Cisco", "model": "X1"}}
    devices = [
        {"name": f"sw-{at}", "local_context_data": {"a": value}, **device}
        for at, value in enumerate((True, 1, 1.5, False, 0))
    ]
    apply(netbox, {"options": {"create_parents": True}, "devices": devices})
    assert NetBoxBulkOrchestrator(netbox).plan(exported(netbox).document).writes == 0


def test_names_with_brackets_are_no_ranges() -> None:
    netbox = world()
    apply(netbox, {"options": {"expand": False}, "sites": [{"name": "Hall [1-3]", "slug": "hall"}]})
    document = exported(netbox).document
    assert document == {
        "options": {"expand": False},
        "sites": [{"name": "Hall [1-3]", "status": "active", "slug": "hall"}],
    }
    assert NetBoxBulkOrchestrator(netbox).plan(document).writes == 0


# Notations


@given(data)
def test_yaml_reads_back_as_it_was_written(value: Any) -> None:
    assert load_yaml(dump_yaml(value)) == value


@given(st.lists(texts | tricky, max_size=5))
def test_text_is_text_to_readers_of_older_yaml_as_well(values: list[str]) -> None:
    assert yaml.safe_load(dump_yaml(values)) == values


SITES = [
    {"name": "AMS1", "latitude": 52.37, "tags": ["core", "a,b"], "region": {"name": "NL"}},
    {
        "name": "007",
        "facility": 'with "quotes" and\na line',
        "custom_fields": {"floor": 3, "deep": {"a": [1]}},
    },
]


def test_a_table_reads_back_as_it_was_written() -> None:
    text = write_csv({"sites": SITES})
    assert text.splitlines()[0] == "name,latitude,tags,region.name,facility,custom_fields"
    assert read_csv(text, "sites") == {"sites": SITES}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"sites": [{"name": "A"}, {"name": "B", "facility": None}]}, "sites[1].facility"),
        ({"sites": [{"name": "A", "facility": ""}]}, "sites[0].facility"),
        ({"sites": [{"name": "A", "region": {}}]}, "sites[0].region"),
        ({"sites": [{"name": "A", "region": {"id": 3, "deep": {"is": 4}}}]}, "sites[0].region.deep.is"),
        ({"sites": ["AMS1"]}, "sites[0]"),
        ({"sites": [{"name": "A"}], "options": {"tags": ["x"]}}, "document"),
        ({"devices": [{"name": "A", "interfaces": [{"name": "Eth1"}]}]}, "devices[0].interfaces"),
        ({"sites": []}, "document"),
        ([{"name": "A"}], "document"),
    ],
)
def test_what_a_table_cannot_say_is_refused_with_its_place(document: Any, place: str) -> None:
    with pytest.raises(DocumentError) as caught:
        write_csv(document)
    assert caught.value.problems[0].path == place


def test_groups_of_one_name_in_two_places_say_where_they_are() -> None:
    netbox = MemoryNetBox()
    engine = NetBoxBulkOrchestrator(netbox)
    groups = [{"name": "Campus", "slug": f"campus-{site}", "scope": {"site": site}} for site in ("a", "b")]
    engine.apply(engine.plan({"sites": ["a", "b"], "vlan_groups": groups}), "b-1", MemoryJournal())
    found = engine.export({"vlan_groups": list(netbox.tables["vlan_groups"])})
    assert [one["scope"] for one in found.document["vlan_groups"]] == [{"site": "a"}, {"site": "b"}]
    assert engine.plan(found.document).writes == 0
