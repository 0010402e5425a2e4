"""Who leads what it is in: a virtual chassis has a master, an interface its primary MAC address.

NetBox lets neither leave while it leads (dcim/models/devices.py, Device.clean).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import RestNetBox
from orchestrator.ports import Query, Row
from tests.netbox.real_batches import apply, roll_back


@pytest.fixture(autouse=True)
def taken_back(netbox: RestNetBox, mark: str) -> Iterator[None]:
    """Two switches with a port each; they go again with the test."""
    journal = apply(netbox, switches(mark), f"b-{mark}-switches")
    yield
    assert roll_back(netbox, f"b-{mark}-switches", journal) == {}


def switches(mark: str) -> dict[str, Any]:
    return {
        "devices": [
            {
                "name": f"{mark}-[1-2]",
                "site": mark,
                "role": mark,
                "device_type": {"manufacturer": mark, "model": mark},
                "interfaces": [{"name": "e1", "type": "virtual"}],
            }
        ]
    }


def stack(mark: str, name: str, *members: int, master: int | None) -> dict[str, Any]:
    devices = [
        {"name": f"{mark}-{number}", "site": mark, "virtual_chassis": f"{mark} {name}", "vc_position": number}
        for number in members
    ]
    leader = None if master is None else {"name": f"{mark}-{master}", "site": mark}
    return {"virtual_chassis": [{"name": f"{mark} {name}", "master": leader}], "devices": devices}


def mac(mark: str, port: int) -> dict[str, Any]:
    """An address that is the primary one of a port."""
    ports = {"device": f"{mark}-{port}", "name": "e1"}
    address = "02:00:5E:00:53:" + mark[-2:].upper()
    return {
        "mac_addresses": [{"mac_address": address, "assigned_object": ports}],
        "interfaces": [{**ports, "primary_mac_address": {"mac_address": address, "assigned_object": ports}}],
    }


def leaders(netbox: RestNetBox, mark: str) -> dict[str, str | None]:
    rows = netbox.read(Query("virtual_chassis", ("name", "master")))
    return {row["name"]: (row["master"] or {}).get("name") for row in rows if row["name"].startswith(mark)}


def members(netbox: RestNetBox, mark: str) -> list[Row | None]:
    names = [f"{mark}-1", f"{mark}-2"]
    rows = netbox.read(Query("devices", ("name", "virtual_chassis"), "name__ie", names))
    return [row["virtual_chassis"] and row["virtual_chassis"]["name"] for row in rows]


def test_a_stack_of_switches_that_were_there_is_taken_apart_again(netbox: RestNetBox, mark: str) -> None:
    journal = apply(netbox, stack(mark, "one", 1, 2, master=1), f"b-{mark}")
    assert leaders(netbox, mark) == {f"{mark} one": f"{mark}-1"}
    assert roll_back(netbox, f"b-{mark}", journal) == {}
    assert (leaders(netbox, mark), members(netbox, mark)) == ({}, [None, None])


def test_the_master_moves_to_another_stack_and_back(netbox: RestNetBox, mark: str) -> None:
    first = apply(netbox, stack(mark, "one", 1, 2, master=1), f"b-{mark}-1")
    apart, other = stack(mark, "one", 2, master=2), stack(mark, "two", 1, master=1)
    moved = {name: [*apart[name], *other[name]] for name in apart}
    second = apply(netbox, moved, f"b-{mark}-2")
    assert leaders(netbox, mark) == {f"{mark} one": f"{mark}-2", f"{mark} two": f"{mark}-1"}
    assert roll_back(netbox, f"b-{mark}-2", second) == {}
    assert leaders(netbox, mark) == {f"{mark} one": f"{mark}-1"}
    assert members(netbox, mark) == [f"{mark} one"] * 2
    assert roll_back(netbox, f"b-{mark}-1", first) == {}


def test_a_master_that_leaves_leaves_the_stack_without_one(netbox: RestNetBox, mark: str) -> None:
    """Nothing else of the stack is in the document."""
    first = apply(netbox, stack(mark, "one", 1, 2, master=1), f"b-{mark}-1")
    wanted = {"devices": [{"name": f"{mark}-1", "site": mark, "virtual_chassis": None, "vc_position": None}]}
    told = f"devices[0]: '{mark}-1' leaves the virtual chassis '{mark} one', which it was the master of"
    assert NetBoxBulkOrchestrator(netbox).plan(wanted).warnings == (told,)
    second = apply(netbox, wanted, f"b-{mark}-2", told)
    assert leaders(netbox, mark) == {f"{mark} one": None}
    assert roll_back(netbox, f"b-{mark}-2", second) == {}
    assert leaders(netbox, mark) == {f"{mark} one": f"{mark}-1"}
    assert roll_back(netbox, f"b-{mark}-1", first) == {}


def test_a_primary_mac_address_moves_to_another_port_and_back(netbox: RestNetBox, mark: str) -> None:
    first = apply(netbox, mac(mark, 1), f"b-{mark}-1")
    moved = mac(mark, 2)
    moved["interfaces"].append({"device": f"{mark}-1", "name": "e1", "primary_mac_address": None})
    second = apply(netbox, moved, f"b-{mark}-2")
    assert roll_back(netbox, f"b-{mark}-2", second) == {}
    assert NetBoxBulkOrchestrator(netbox).plan(mac(mark, 1)).writes == 0
    assert roll_back(netbox, f"b-{mark}-1", first) == {}
