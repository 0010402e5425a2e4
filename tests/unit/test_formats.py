"""What documents may be written in besides YAML and JSON: a part of them on each line, tables."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.csv_text import read_csv
from orchestrator.document import read_document
from orchestrator.errors import DocumentError


def test_each_line_is_a_part_of_the_document() -> None:
    text = (
        '{"options": {"expand": false}}\n'
        '{"sites": {"name": "AMS1"}}\n'
        "\n"
        '{"sites": [{"name": "AMS2"}, "AMS3"], "asns": [64496]}\n'
    )
    assert read_document(text, "network.ndjson") == {
        "options": {"expand": False},
        "sites": [{"name": "AMS1"}, {"name": "AMS2"}, "AMS3"],
        "asns": [64496],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"sites": {"name": "AMS1"}}\n{"sites": \n', "network.jsonl:2 cannot be read: "),
        ("\n[1]\n", "network.jsonl:2 cannot be read: a line is a mapping of an object type to an object"),
        (
            '{"defaults": {}}\n{"defaults": {}}\n',
            "network.jsonl:2 cannot be read: defaults are given a second time",
        ),
    ],
)
def test_a_line_that_is_none_is_named(text: str, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(text, "network.jsonl")
    (problem,) = caught.value.problems
    assert f"{problem.path} {problem.message}".startswith(says)


@pytest.mark.parametrize(
    ("object_type", "head", "cell", "value"),
    [
        ("interfaces", "tagged_vlans", "[100, 200]", [100, 200]),
        ("interfaces", "tagged_vlans", "Voice, 200", ["Voice", "200"]),
        ("sites", "tags", "Edge,Core", ["Edge", "Core"]),
        ("contacts", "groups", "On call", ["On call"]),
        ("custom_links", "object_types", "dcim.site,dcim.rack", ["dcim.site", "dcim.rack"]),
        ("asns", "asn", "64496", 64496),
        ("vlans", "vid", "100", 100),
        ("devices", "name", "007", "007"),
    ],
)
def test_cells_of_tables(object_type: str, head: str, cell: str, value: Any) -> None:
    assert read_csv(f'{head}\n"{cell}"\n', object_type) == {object_type: [{head: value}]}
