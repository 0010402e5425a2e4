"""Documents out of NetBox: planned again they find nothing to do, elsewhere they make the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.csv_text import read_csv, write_csv
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.export import Exported
from orchestrator.testing import MemoryNetBox
from orchestrator.yaml_text import dump_yaml, load_yaml
from tests.unit.batches import apply
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
