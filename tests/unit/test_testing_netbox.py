"""The NetBox in memory keeps the contract, and its faults do what they say."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import RejectedError, UnknownOutcomeError, UnreachableError
from orchestrator.testing import Fault, MemoryNetBox
from tests.netbox.netbox_contract import MESSAGE, NetBoxContract, Rig, named


@pytest.fixture
def memory() -> MemoryNetBox:
    return MemoryNetBox()


class TestMemoryNetBox(NetBoxContract):
    @pytest.fixture
    def rig(self, memory: MemoryNetBox) -> Rig:
        def add_template(device_type: int, name: str, kind: str) -> None:
            memory.interface_templates[device_type].append((name, kind))

        return Rig(
            memory,
            MemoryNetBox(dry_run=True),
            add_template,
            lambda: [(entry.action, entry.message) for entry in memory.changelog],
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
    assert memory.count("sites") == 1 + written
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
    assert memory.count("sites") == 0


def test_nothing_of_a_refused_list_is_logged(memory: MemoryNetBox) -> None:
    with pytest.raises(RejectedError):
        memory.create("sites", [named("AMS1"), named("AMS1")], MESSAGE)
    assert memory.changelog == []
    assert memory.tables["sites"] == {}
