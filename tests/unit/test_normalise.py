"""From text to entries: what is read as what, and what is refused with a place instead of a traceback."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orchestrator.desired import Desired, Reference
from orchestrator.document import read_document
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.json_shape import MAX_DEPTH
from orchestrator.normalise import normalise
from orchestrator.testing import MemoryNetBox


def problems(document: Any) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in normalise(document).problems]


def first_fields(document: Any) -> dict[str, Any]:
    desired = normalise(document)
    assert desired.problems == []
    return next(desired.all_entries()).fields


def device(**fields: Any) -> dict[str, Any]:
    return {"devices": [{"name": "sw-1", **fields}]}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0012345", "0012345"),
        ("1_000", "1_000"),
        ("10:11:22:33:44:55", "10:11:22:33:44:55"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-13-45", "2024-13-45"),
        ("0x1F", "0x1F"),
        ("+5", "+5"),
        ("-0", "-0"),
        ("yes", "yes"),
        ("off", "off"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("'true'", "true"),
        ("!!str 5", "5"),
        ("5", 5),
        ("-12", -12),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("TRUE", True),
        ("false", False),
        ("~", None),
        ("", None),
    ],
)
def test_yaml_keeps_what_was_typed(written: str, read: Any) -> None:
    (value,) = read_document(f"[{written}]" if written else "- ", "d.yaml")
    assert (type(value), value) == (type(read), read)


def test_one_mapping_may_be_merged_into_another_and_a_third() -> None:
    text = "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, y: 3}"
    assert read_document(text, "d.yaml") == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 2, "y": 3}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "d.yaml:2: cannot be read: the key 'a' stands twice in one mapping"),
        ("? [a]\n: b", "d.yaml:1: cannot be read: a list or mapping cannot be a key"),
        ("a: !!int foo", "d.yaml:1: cannot be read: 'foo' is not a value of type int"),
        ("a: !!bool yes", "d.yaml:1: cannot be read: 'yes' is not a value of type bool"),
        ("a: " + "9" * 5000, f"d.yaml:1: cannot be read: '{'9' * 40}' is not a value of type int"),
        ("a: !!set {b}", "d.yaml:1: cannot be read: there is nothing of type !!set in a document"),
        ("a: !!binary aGk=", "d.yaml:1: cannot be read: there is nothing of type !!binary in a document"),
        ("!!python/object:os.system x", "there is nothing of type !!python/object:os.system in a document"),
        ("- " * 100_000, "d.yaml:1: cannot be read: nested more than 200 deep"),
        ("[" * 100_000 + "]" * 100_000, "d.yaml:1: cannot be read: nested more than 200 deep"),
        ("\x00", "d.yaml: cannot be read: unacceptable character"),
        ("a: '\ud800'", "d.yaml: cannot be read: 'utf-8' codec"),
        ("1: x", "document: a key is a number (1), not text"),
        ("a: {~: x}", "a: a key is empty, not text"),
        ("a: [.nan, -.inf]", "a[0]: nan is not a number that NetBox can keep"),
        ("a: " + "9" * 30, "a: is a number of more than 64 bits"),
        ("&a [*a, *a, *a, *a]", "devices_data[0]: contains itself"),
        ("a: &a {b: &b [*a, *b]}", "a.b[0]: contains itself"),
        ("[" * 30 + "]" * 30, "devices_data" + "[0]" * MAX_DEPTH + ": is nested more than 20 deep"),
    ],
    ids=lambda text: text[:20],
)
def test_yaml_that_cannot_be_a_document_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(DocumentError) as error:
        read_document(text, "d.yaml")
    assert says in str(error.value.problems[0])


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": "\\ud800"}', "[1,", '{"a": 1e999}', '{"a":' * 5000], ids=len
)
def test_json_that_cannot_be_read_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(DocumentError) as error:
        read_document(text, "d.json")
    assert error.value.problems[0].path == "d.json:1"


def test_aliases_that_stand_for_millions_are_refused_at_once() -> None:
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))]
    started = time.process_time()
    with pytest.raises(DocumentError, match="stands for more than 10,000,000 values"):
        read_document("\n".join(lines), "d.yaml")
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "nan is not a number that NetBox can keep"),
        (10**30, "is a number of more than 64 bits"),
        (10**5000, "is a number of more than 64 bits"),
        (b"x", "is a bytes, which JSON does not have"),
        ({"x"}, "is a set, which JSON does not have"),
        ((1, 2), "is a tuple, which JSON does not have"),
        ("\ud800", "is not valid Unicode text"),
        ({1: 2}, "a key is a number (1), not text"),
        ({10**5000: 2}, "a key is a number, not text"),
        ({"\ud800": 2}, "the key '\\ud800' is not valid Unicode text"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_that_is_not_json_is_refused_wherever_it_comes_from(value: Any, says: str) -> None:
    engine = NetBoxBulkOrchestrator(MemoryNetBox())
    for document, root in ((device(custom_fields={"a": value}), "devices"), ([{"a": value}], "devices_data")):
        with pytest.raises(DocumentError) as error:
            engine.plan(document)
        place = f"{root}[0]." + ("custom_fields.a" if root == "devices" else "a")
        assert [(p.path, p.message) for p in error.value.problems] == [(place, says)]


def test_only_the_first_offenders_are_told() -> None:
    assert len(problems([{"name": bytes([n])} for n in range(100)])) == 20


@pytest.mark.parametrize("value", [True, "3", 0, -1, 1.0, 10**19, [3]])
def test_an_id_is_a_whole_number_from_one_up(value: Any) -> None:
    bad = f"expected a NetBox id, got {value!r}"
    assert problems({"sites": [{"id": value}]}) == [f"sites[0].id: {bad}"]
    assert problems({"sites": [{"match": {"id": value}}]}) == [f"sites[0].match.id: {bad}"]
    assert problems(device(site={"id": value})) == [f"devices[0].site.id: {bad}"]
    assert problems(device(site_id=value)) == [f"devices[0].site_id: {bad}"]
    assert problems(device(cluster_id=value)) == [f"devices[0].cluster_id: {bad}"]
    assert problems(device(tags=[{"id": value}])) == [f"devices[0].tags[0].id: {bad}"]


def test_an_empty_id_means_the_same_as_an_empty_field() -> None:
    assert first_fields(device(tenant_id=None, cluster_id=None)) == {
        "name": "sw-1",
        "tenant": None,
        "cluster": None,
    }
    assert problems(device(site_id=None)) == ["devices[0].site_id: site cannot be empty"]


def test_a_part_may_say_that_there_is_none() -> None:
    reference = first_fields(device(primary_ip4={"address": "192.0.2.1/24", "vrf": None}))["primary_ip4"]
    assert reference.parts == {"address": "192.0.2.1/24", "vrf": None}
    assert str(reference) == "address 192.0.2.1/24, no vrf"
    assert problems(device(site={"name": None})) == ["devices[0].site.name: expected text, got None"]


@pytest.mark.parametrize("part", [["a"], {"a": 1}, True, 1.1, " ", None])
def test_a_part_of_a_natural_key_is_text(part: Any) -> None:
    bad = f"expected text, got {part!r}"
    assert problems(device(site={"name": "X", "slug": part})) == [f"devices[0].site.slug: {bad}"]
    if part is not None:
        assert problems(device(manufacturer="Cisco", model=part)) == [f"devices[0].device_type.model: {bad}"]


def test_a_number_that_is_part_of_a_natural_key_is_its_text() -> None:
    assert first_fields(device(device_type={"model": 9300}))["device_type"].parts == {"model": "9300"}


def test_a_field_given_in_two_spellings_is_refused() -> None:
    assert problems(device(site="AMS1", site_id=4)) == ["devices[0].site_id: given twice: site and site_id"]
    defaults = {"site": "AMS1", "site_id": 4}
    assert problems({"defaults": {"devices": defaults}, **device()}) == [
        "defaults.devices.site_id: given twice: site and site_id"
    ]
    assert problems(device(id=1, match={"name": "x"})) == ["devices[0].match: stands beside id"]
    assert problems(device(site={"id": 3, "name": "AMS1"})) == [
        "devices[0].site.id: stands beside other keys"
    ]


def test_a_child_cannot_name_another_parent() -> None:
    mine, other = {"name": "e1", "device": "sw-1"}, {"name": "e2", "device": "sw-2"}
    assert problems(device(interfaces=[mine, other, {"name": "e3", "device_id": 5}])) == [
        "devices[0].interfaces[1].device: the entry stands inside another device",
        "devices[0].interfaces[2].device: the entry stands inside another device",
    ]


DEFAULTS: list[tuple[dict[str, Any], dict[str, Any], Any]] = [
    ({"site": "AMS1"}, {"site_id": 4}, ("site", 4)),
    ({"site_id": 4}, {"site": "AMS1"}, ("site", "AMS1")),
    ({"manufacturer": "Cisco"}, {"device_type": {"manufacturer": "Arista", "model": "Z"}}, "Arista/Z"),
    ({"manufacturer": "Cisco"}, {"manufacturer": "Arista", "model": "Z"}, "Arista/Z"),
    ({"manufacturer": "Cisco"}, {"model": "Z"}, "Cisco/Z"),
    ({"manufacturer": "Cisco"}, {"device_type": "Z"}, "Cisco/Z"),
    ({"manufacturer": "Cisco"}, {"device_type_id": 6}, ("device_type", 6)),
    ({"manufacturer": "Cisco"}, {"device_type": {"id": 6}}, ("device_type", 6)),
    ({"manufacturer": "Cisco"}, {}, ("device_type", None)),
    ({"manufacturer": "Cisco", "model": "X"}, {"model": "Z"}, "Cisco/Z"),
    ({"device_type": {"manufacturer": "Cisco", "model": "X"}}, {"model": "Z"}, "Cisco/Z"),
    ({"device_type": {"manufacturer": "Cisco", "model": "X"}}, {"device_type": "Z"}, "Cisco/Z"),
    ({"device_type_id": 6}, {"manufacturer": "Arista", "model": "Z"}, "Arista/Z"),
    ({"device_type": {"manufacturer": "Cisco", "model": "X"}}, {}, "Cisco/X"),
    ({"device_type_id": 6}, {}, ("device_type", 6)),
]


@pytest.mark.parametrize(("defaults", "own", "expected"), DEFAULTS)
def test_defaults_yield_in_every_spelling(
    defaults: dict[str, Any], own: dict[str, Any], expected: Any
) -> None:
    fields = first_fields({"defaults": {"devices": defaults}, **device(**own)})
    if isinstance(expected, str):
        parts = fields["device_type"].parts
        assert f"{parts['manufacturer']}/{parts['model']}" == expected
    else:
        name, wanted = expected
        found = fields.get(name)
        assert (found.id or found.name if isinstance(found, Reference) else found) == wanted


def test_defaults_of_an_address_yield_in_every_spelling() -> None:
    def assigned(defaults: dict[str, Any], **own: Any) -> Any:
        addresses = [{"address": "192.0.2.1/24", **own}]
        document = {"defaults": {"ip_addresses": defaults}, "ip_addresses": addresses}
        return str(first_fields(document)["assigned_object"])

    beside = {"device": "sw-1", "interface": "Vlan1"}
    generic = {"assigned_object_type": "dcim.interface", "assigned_object_id": 11}
    assert assigned({"device": "sw-1"}, interface="Vlan2") == "device sw-1, name Vlan2"
    assert assigned(beside, interface="Vlan2") == "device sw-1, name Vlan2"
    assert assigned(beside, device="sw-2") == "device sw-2, name Vlan1"
    assert assigned(beside, **generic) == "id 11"
    assert assigned(generic, **beside) == "device sw-1, name Vlan1"
    assert assigned(beside, interface=None) == "None"


def test_placeholders_in_defaults_are_filled_in_like_in_the_entry() -> None:
    document = {
        "defaults": {
            "devices": {"serial": "S{1}"},
            "interfaces": {"description": "of {1}", "device": "elsewhere"},
        },
        "devices": [{"name": "sw-[1-2]", "interfaces": ["Vlan1", {"name": "e[7-8]"}]}],
    }
    desired = normalise(document)
    assert desired.problems == []
    assert [entry.fields["serial"] for entry in desired.entries["devices"]] == ["S1", "S2"]
    described = [entry.fields["description"] for entry in desired.entries["interfaces"]]
    assert described == ["of 1", "of 7", "of 8", "of 2", "of 7", "of 8"]


ADDRESSES: list[tuple[dict[str, Any], str]] = [
    ({"device": "sw-1"}, "interface: which interface?"),
    ({"interface": "Vlan1"}, "interface: an interface needs its device or virtual machine"),
    ({"interface": {"name": "Vlan1"}}, "interface: an interface needs its device or virtual machine"),
    ({"interface": ["Vlan1"], "device": "sw-1"}, "interface.name: expected text, got ['Vlan1']"),
    ({"interface": {"id": 3}, "device": "sw-1"}, "device: stands beside an interface with its own"),
    ({"assigned_object_id": 3, "device": "sw-1"}, "device: stands beside assigned_object_id"),
    ({"assigned_object_id": 3}, "assigned_object_id: needs assigned_object_type beside it"),
    (
        {"assigned_object_type": "dcim.interface"},
        "assigned_object_type: needs assigned_object_id beside it",
    ),
    (
        {"assigned_object_type": "dcim.site", "assigned_object_id": 3},
        "assigned_object_type: 'dcim.site' cannot be the assigned_object of ip_addresses",
    ),
    (
        {"assigned_object_type": "dcim.interface", "assigned_object_id": True},
        "assigned_object_id: expected a NetBox id, got True",
    ),
    (
        {"interface": "Vlan1", "device": "sw-1", "assigned_object_id": 3},
        "assigned_object_id: given twice: interface and assigned_object_id",
    ),
]


@pytest.mark.parametrize(("fields", "says"), ADDRESSES)
def test_an_address_must_say_which_interface(fields: dict[str, Any], says: str) -> None:
    document = {"ip_addresses": [{"address": "192.0.2.1/24", **fields}]}
    assert problems(document) == [f"ip_addresses[0].{says}"]


def test_an_address_inside_a_device_must_say_which_interface() -> None:
    assert problems(device(ip_addresses=["192.0.2.1/24"])) == [
        "devices[0].ip_addresses[0].interface: which interface?"
    ]
    assert problems(device(ip_addresses=[{"address": "192.0.2.1/24", "interface": None}])) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"assigned_object_type": "dcim.interface", "assigned_object_id": 11}, "id 11"),
        ({"assigned_object_type": None, "assigned_object_id": None}, "None"),
        ({"assigned_object": {"device": "sw-1", "name": "e1"}}, "device sw-1, name e1"),
        ({"interface": {"name": "e1"}, "device": "sw-1"}, "device sw-1, name e1"),
        ({"interface": {"id": 11}}, "id 11"),
    ],
)
def test_an_interface_can_be_named_in_several_ways(fields: dict[str, Any], expected: str) -> None:
    document = {"ip_addresses": [{"address": "192.0.2.1/24", **fields}]}
    assert str(first_fields(document)["assigned_object"]) == expected


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"create_parents": 0}, "options.create_parents: 0 is not allowed"),
        ({"create_parents": 1}, "options.create_parents: 1 is not allowed"),
        ({"create_parents": "false"}, "options.create_parents: 'false' is not allowed"),
        ({"expand": 0}, "options.expand: 0 is not allowed"),
        ({"expand": "false"}, "options.expand: 'false' is not allowed"),
        ({"metadata": 0}, "options.metadata: 0 is not allowed"),
        ({"metadata": "true"}, "options.metadata: 'true' is not allowed"),
        ({"on_drift": "fial"}, "options.on_drift: 'fial' is not allowed"),
        ({"on_error": ["stop"]}, "options.on_error: ['stop'] is not allowed"),
        ({"tags": [" "]}, "options.tags: must be a list of tag names"),
        ({"tags": ""}, "options.tags: must be a list of tag names"),
        ([], "options: must be a mapping"),
        (0, "options: must be a mapping"),
    ],
)
def test_an_option_is_checked_by_type_and_value(options: Any, says: str) -> None:
    assert problems({"options": options, "sites": ["AMS1"]}) == [says]


@pytest.mark.parametrize(("value", "expected"), [(True, "true"), (False, "false"), ("guarded", "guarded")])
def test_create_parents_is_one_of_three(value: Any, expected: str) -> None:
    assert normalise({"options": {"create_parents": value}}).options.create_parents == expected


@pytest.mark.parametrize(("value", "expected"), [("on", True), (True, True), ("off", False), (False, False)])
def test_metadata_is_on_or_off(value: Any, expected: bool) -> None:
    assert normalise({"options": {"metadata": value}}).options.metadata is expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("on_drift", "overwrite"), ("on_drift", "keep"), ("on_drift", "fail"), ("on_error", "rollback")],
)
def test_every_documented_value_of_an_option_is_taken(name: str, value: str) -> None:
    options = normalise({"options": {name: value}, "sites": ["AMS1"]})
    assert options.problems == []
    assert getattr(options.options, name) == value


def test_a_mistake_in_a_range_is_told_once() -> None:
    document = {"devices": [{"name": "sw-[1-1000]", "colour": "red", "status": "busy"}]}
    desired = normalise(document)
    assert [problem.path for problem in desired.problems] == ["devices[0].colour", "devices[0].status"]
    assert not desired.only_choices_doubted
    del document["devices"][0]["colour"]
    doubted: Desired = normalise(document)
    assert (len(doubted.problems), doubted.unknown_choices) == (1, ["devices"])
    assert doubted.only_choices_doubted


def test_thousands_of_mistakes_do_not_slow_down_the_next() -> None:
    document = {"sites": [{"description": n} for n in range(20_000)]}
    started = time.process_time()
    assert len(problems(document)) == 20_000
    assert time.process_time() - started < 5


def test_a_document_has_an_upper_limit() -> None:
    document = {"sites": [{"name": "s[1-60]"}, {"name": "t[1-60]"}]}
    (problem,) = normalise(document, max_objects=100).problems
    assert (problem.path, problem.message) == ("document", "stands for more than 100 objects")
    assert normalise(document, max_objects=120).problems == []


def test_a_tag_that_looks_like_a_number_gets_a_hint_that_works() -> None:
    (problem,) = normalise(device(tags=[5])).problems
    assert problem.hint == 'write "5" in quotes for a name, {id: 5} for an id'
    assert first_fields(device(tags=["5", {"id": 5}]))["tags"][1].id == 5
