"""The devicetype-library's files, and folders of other files, as one document."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from netbox_mcp.cli.documents import load_document
from netbox_mcp.failures import UsageError
from orchestrator.errors import DocumentError
from orchestrator.normalise import normalise

SWITCH = """\
    ---
    manufacturer: Corvane
    model: S48
    u_height: 1
    front_image: true
    console-ports: [{name: con0, type: rj-45}]
    interfaces: [{name: Port 1, type: 1000base-t}]
    rear-ports: [{name: R1, type: lc}]
    front-ports: [{name: F1, type: lc, rear_port: R1, rear_port_position: 1}]
    """


def write(folder: Path, **files: str) -> None:
    """Files by their names, in which two underscores stand for a slash and one before the end for a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path = path.with_name(".".join(path.name.rsplit("_", 1)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))


def test_a_type_is_an_entry_with_its_templates(tmp_path: Path) -> None:
    write(tmp_path, **{"device-types__Corvane__S48_yaml": SWITCH})
    assert load_document(str(tmp_path)) == {
        "options": {"expand": False},
        "sources": {
            "manufacturers": [["device-types/Corvane/S48.yaml", 1]],
            "device_types": [["device-types/Corvane/S48.yaml", 1]],
        },
        "manufacturers": ["Corvane"],
        "device_types": [
            {
                "manufacturer": "Corvane",
                "model": "S48",
                "u_height": 1,
                "console_port_templates": [{"name": "con0", "type": "rj-45"}],
                "interface_templates": [{"name": "Port 1", "type": "1000base-t"}],
                "rear_port_templates": [{"name": "R1", "type": "lc"}],
                "front_port_templates": [
                    {"name": "F1", "type": "lc", "rear_port": "R1", "rear_port_position": 1}
                ],
            }
        ],
    }


def test_a_part_of_the_library_is_known_by_where_it_lies(tmp_path: Path) -> None:
    write(tmp_path, **{"module-types__Corvane__M8_yml": "{manufacturer: Corvane, model: M8}"})
    document = load_document(str(tmp_path / "module-types" / "Corvane"))
    assert document["module_types"] == [{"manufacturer": "Corvane", "model": "M8"}]


def test_mappings_beside_the_ports_are_said_on_the_front_ports(tmp_path: Path) -> None:
    panel = """\
        manufacturer: Tarn
        model: P2
        rear-ports: [{name: R1, type: mpo, positions: 2}]
        front-ports: [{name: F1, type: lc}, {name: F2, type: lc}]
        port-mappings:
          - {front_port: F1, front_port_position: 1, rear_port: R1, rear_port_position: 1}
          - {front_port: F2, rear_port: R1, rear_port_position: 2}
        """
    write(tmp_path, **{"device-types__Tarn__P2_yaml": panel})
    (entry,) = load_document(str(tmp_path))["device_types"]
    assert [port["rear_ports"] for port in entry["front_port_templates"]] == [
        [{"position": 1, "rear_port": "R1", "rear_port_position": 1}],
        [{"position": 1, "rear_port": "R1", "rear_port_position": 2}],
    ]


def test_the_same_type_twice_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, **{"device-types__Corvane__S48_yaml": SWITCH, "device-types__Other__S48_yaml": SWITCH})
    load_document(str(tmp_path))
    said = capsys.readouterr().err
    assert said == ("Warning: device-types/Other/S48.yaml is the same as device-types/Corvane/S48.yaml\n")


def test_two_that_differ_are_refused(tmp_path: Path) -> None:
    other = SWITCH.replace("u_height: 1", "u_height: 2")
    write(tmp_path, **{"device-types__Corvane__S48_yaml": SWITCH, "device-types__Corvane__S48B_yaml": other})
    with pytest.raises(DocumentError) as caught:
        load_document(str(tmp_path))
    (problem,) = caught.value.problems
    assert str(problem).startswith(
        "device-types/Corvane/S48B.yaml: is another model 'S48' of Corvane, as in "
        "device-types/Corvane/S48.yaml"
    )


def test_problems_name_the_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "device-types__A__one_yaml": "{manufacturer: A, model: one}",
            "device-types__A__two_yaml": "{manufacturer: A, model: two, interfaces: [{name: x, type: y}]}",
        },
    )
    (problem,) = normalise(load_document(str(tmp_path))).problems
    assert problem.path == "device-types/A/two.yaml: device_types[0].interface_templates[0].type"


def test_a_folder_of_parts(tmp_path: Path) -> None:
    write(
        tmp_path,
        base_yaml="options: {create_parents: false}\nsites: [AMS1]",
        devices_csv="name,site\nsw-1,AMS1\n",
        more__sites_json='[{"name": "AMS2", "status": "foo"}]',
        more__notes_txt="nothing of ours",
    )
    document = load_document(str(tmp_path))
    assert document == {
        "options": {"create_parents": False},
        "sources": {
            "sites": [["base.yaml", 1], ["more/sites.json", 1]],
            "devices": [["devices.csv", 1]],
        },
        "sites": ["AMS1", {"name": "AMS2", "status": "foo"}],
        "devices": [{"name": "sw-1", "site": "AMS1"}],
    }
    (problem,) = normalise(document).problems
    assert problem.path == "more/sites.json: sites[0].status"


def test_what_no_folder_can_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no document in"):
        load_document(str(tmp_path))
    write(
        tmp_path,
        a_yaml="options: {create_parents: false}\nsites: [AMS1]",
        b_yaml="options: {create_parents: true}\nsites: AMS2",
        c_yaml="[1, 2]",
    )
    with pytest.raises(DocumentError) as caught:
        load_document(str(tmp_path))
    assert [(problem.path, problem.message) for problem in caught.value.problems] == [
        ("b.yaml: options", "differ from those in a.yaml"),
        ("b.yaml: sites", "must be a list of objects"),
        ("c.yaml", "is no mapping of object types to lists"),
    ]


def test_sources_are_lists_of_files_and_numbers() -> None:
    found = normalise({"sites": ["AMS1"], "sources": {"sites": [["a.yaml"]]}})
    assert [problem.path for problem in found.problems] == ["sources"]


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("{manufacturer: {name: C}, model: [x]}", "a.yaml: device_types[0].model", "expected text"),
        (
            "{manufacturer: C, model: x, port-mappings: [{front_port: F9, rear_port: R1}, 7]}",
            "a.yaml: port-mappings[0]",
            "names no front port of the file",
        ),
        ("{manufacturer: C, model: x, port-mappings: {}}", "", ""),
        ("{manufacturer: C, model: x, port-mappings: 7}", "a.yaml: port-mappings", "must be a list"),
        (
            "{manufacturer: C, model: x, front-ports: [{name: F1, type: lc, rear_ports: null}],"
            " port-mappings: [{front_port: F1, rear_port: R1}]}",
            "a.yaml: device_types[0].front_port_templates[0].rear_ports",
            "must be a list of mappings, got None",
        ),
        ("[1]", "a.yaml", "does not describe a type"),
        ("{manufacturer: C, model: 'x [1-2]', interfaces: null}", "", ""),
    ],
)
def test_odd_types(tmp_path: Path, text: str, path: str, says: str) -> None:
    write(tmp_path, **{"device-types__a_yaml": text})
    try:
        found = normalise(load_document(str(tmp_path)))
        problems = found.problems
        assert len(found.entries["device_types"]) == 1  # no ranges
    except DocumentError as error:
        problems = error.problems
    told = [(one.path.removeprefix("device-types/"), one.message) for one in problems]
    assert (
        (path, True) in [(place, message.startswith(says)) for place, message in told] if path else not told
    )


def test_numbers_and_texts_are_the_same_model(tmp_path: Path) -> None:
    write(
        tmp_path,
        **{
            "device-types__a_yaml": "{manufacturer: C, model: 7050}",
            "device-types__b_yaml": "{manufacturer: C, model: '7050', u_height: 2}",
        },
    )
    with pytest.raises(DocumentError, match="is another model '7050' of C"):
        load_document(str(tmp_path))


def test_a_port_that_stands_twice_by_an_anchor_is_mapped_once_each(tmp_path: Path) -> None:
    text = """\
        manufacturer: C
        model: x
        front-ports: [&p {name: F1, type: lc}, *p]
        port-mappings: [{front_port: F1, rear_port: R1}]
        """
    write(tmp_path, **{"device-types__a_yaml": text})
    (entry,) = load_document(str(tmp_path))["device_types"]
    assert [len(port["rear_ports"]) for port in entry["front_port_templates"]] == [1, 1]


def test_documents_beside_types_are_not_passed_over_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, **{"device-types__a_yaml": "{manufacturer: C, model: x}", "sites_yaml": "sites: [AMS1]"})
    assert "sites" not in load_document(str(tmp_path))
    assert "left out: sites.yaml" in capsys.readouterr().err


def test_what_is_wrong_with_a_table_names_the_file(tmp_path: Path) -> None:
    write(tmp_path, sites_csv="name\nAMS1,extra\n", notes_yaml="# nothing yet")
    with pytest.raises(DocumentError) as caught:
        load_document(str(tmp_path))
    assert caught.value.problems[0].path.startswith("sites.csv: line 2")


@pytest.mark.parametrize(
    "source", [["a1"], {"a": 3}, True, [["a", 1.9]], [["a", "1"]], [["a" * 400, 1]], [["\n", 1]]]
)
def test_sources_are_names_of_files(source: Any) -> None:
    found = normalise({"sites": ["AMS1"], "sources": {"sites": source}})
    assert [problem.path for problem in found.problems] == ["sources"]
