"""The NetBox in memory keeps the contract, and its faults do what they say."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.errors import RejectedError, UnknownOutcomeError, UnreachableError
from orchestrator.metadata import BATCH_FIELD, DIGESTS_FIELD, has_custom_fields
from orchestrator.ports import Query
from orchestrator.testing import Fault, MemoryNetBox
from tests.netbox.contract_rig import MESSAGE, Rig, build_world, how_many, named
from tests.netbox.netbox_contract import NetBoxContract


@pytest.fixture
def memory() -> MemoryNetBox:
    return MemoryNetBox()


class TestMemoryNetBox(NetBoxContract):
    @pytest.fixture
    def rig(self) -> Rig:
        memory = MemoryNetBox(metadata_fields=False)

        def add_template(device_type: int, name: str, kind: str) -> None:
            template = {"device_type": device_type, "name": name, "type": kind}
            memory.create("interface_templates", [template], MESSAGE)

        def add_vm_interface() -> int:
            (machine,) = memory.create("virtual_machines", [{"name": "vm-1"}], MESSAGE).rows
            port = {"name": "eth0", "virtual_machine": machine["id"]}
            return int(memory.create("vm_interfaces", [port], MESSAGE).rows[0]["id"])

        return Rig(
            memory,
            MemoryNetBox(dry_run=True),
            add_template,
            lambda: [(entry.action, entry.message) for entry in memory.changelog],
            "memory",
            lambda: MemoryNetBox(forbidden=OBJECT_TYPES),
            add_vm_interface,
        )


@pytest.mark.parametrize(
    ("fault", "error", "written"),
    [
        (Fault.UNREACHABLE, UnreachableError, 0),
        (Fault.LOST_BEFORE, UnknownOutcomeError, 0),
        (Fault.LOST_AFTER, UnknownOutcomeError, 1),
        (Fault.FAILED, UnknownOutcomeError, 0),
        (Fault.REFUSED, RejectedError, 0),
    ],
)
def test_faults_hit_one_write_each(
    memory: MemoryNetBox, fault: Fault, error: type[Exception], written: int
) -> None:
    memory.faults += [Fault.NONE, fault]
    memory.create("sites", [named("before")], MESSAGE)
    with pytest.raises(error):
        memory.create("sites", [named("AMS1")], MESSAGE)
    assert how_many(memory, "sites") == 1 + written
    memory.create("sites", [named("after")], MESSAGE)
    assert memory.write_requests == 3


def test_only_a_failed_answer_is_over(memory: MemoryNetBox) -> None:
    memory.faults += [Fault.FAILED, Fault.LOST_BEFORE]
    verdicts = []
    for _ in range(2):
        with pytest.raises(UnknownOutcomeError) as caught:
            memory.create("sites", [named("AMS1")], MESSAGE)
        verdicts.append(caught.value.over)
    assert verdicts == [True, False]


def test_a_test_can_look_at_each_write_and_stop_it(memory: MemoryNetBox) -> None:
    seen: list[Any] = []

    def watch(verb: str, object_type: str, rows: Any) -> None:
        seen.append((verb, object_type, len(rows)))
        raise RejectedError("row 0 is no good", {0: "name: no"})

    memory.on_write = watch
    with pytest.raises(RejectedError):
        memory.create("sites", [named("AMS1")], MESSAGE)
    assert seen == [("create", "sites", 1)]
    assert how_many(memory, "sites") == 0


def test_nothing_of_a_refused_list_is_logged(memory: MemoryNetBox) -> None:
    with pytest.raises(RejectedError):
        memory.create("sites", [named("AMS1"), named("AMS1")], MESSAGE)
    assert memory.changelog == []
    assert memory.tables["sites"] == {}


def test_the_fields_for_metadata_are_there_unless_a_test_wants_to_see_them_made(memory: MemoryNetBox) -> None:
    (site,) = memory.create("sites", [named("AMS1")], MESSAGE).rows
    assert site["custom_fields"] == {BATCH_FIELD: None, DIGESTS_FIELD: None}
    models = {OBJECT_TYPES[name].model for name in ENSURED if has_custom_fields(OBJECT_TYPES[name])}
    for row in memory.read(Query("custom_fields", ("name", "type", "object_types"))):
        assert set(row["object_types"]) == models
    bare = MemoryNetBox(metadata_fields=False)
    assert how_many(bare, "custom_fields") == 0
    assert bare.create("sites", [named("AMS1")], MESSAGE).rows[0]["custom_fields"] == {}


def test_a_delete_that_is_refused_changes_nothing(memory: MemoryNetBox) -> None:
    world = build_world(memory)
    before, entries = deepcopy(memory.tables), len(memory.changelog)
    memory.on_write = lambda verb, object_type, rows: seen.append((verb, object_type, list(rows)))
    seen: list[Any] = []
    with pytest.raises(RejectedError):
        memory.delete("sites", world.sites, MESSAGE)
    assert memory.tables == before
    assert len(memory.changelog) == entries
    assert seen == [("delete", "sites", [{"id": id_} for id_ in world.sites])]


def test_faults_hit_deletes_too(memory: MemoryNetBox) -> None:
    first, second = (row["id"] for row in memory.create("sites", [named("A"), named("B")], MESSAGE).rows)
    memory.faults += [Fault.LOST_BEFORE, Fault.LOST_AFTER]
    for id_ in (first, second):
        with pytest.raises(UnknownOutcomeError):
            memory.delete("sites", [id_], MESSAGE)
    assert set(memory.tables["sites"]) == {first}


def test_a_parent_never_goes_in_one_list_with_its_child(memory: MemoryNetBox) -> None:
    """The real one decides that by the names of the interfaces; nobody should count on it."""
    world = build_world(memory)
    child = {"device": world.device, "name": "Vlan1.5", "type": "virtual", "parent": world.interface}
    (row,) = memory.create("interfaces", [child], MESSAGE).rows
    with pytest.raises(RejectedError) as caught:
        memory.delete("interfaces", [row["id"], world.interface], MESSAGE)
    assert list(caught.value.rows) == [1]
