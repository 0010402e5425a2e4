"""Others at work in the same NetBox at the same moment: who is first, who made what, and what stays."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from netbox_mcp.sandbox import SandboxInfo
from tests.netbox.faulty_batches import DEVICES, DUPLICATE, Case
from tests.netbox.faulty_proxy import FaultyProxy, First, Meanwhile

pytestmark = pytest.mark.usefixtures("parents")

ROUNDS = 6


@pytest.mark.parametrize(("answer", "metadata"), [(None, "on"), (DUPLICATE, "on"), (DUPLICATE, "off")])
def test_devices_that_someone_else_has_made_first_are_adopted(case: Case, answer: Any, metadata: str) -> None:
    """NetBox answers 400 where its validation sees them, 500 where only its database does."""
    rivals = [case.device(1, description="ours"), case.device(2, description="theirs")]
    document = {"options": {"metadata": metadata}, **case.document(description="ours")}
    case.proxy.aim("POST", "dcim/devices", First(partial(case.plain.post, "dcim/devices", *rivals), answer))
    report = case.run(document)
    assert report.ok, report.first_errors
    assert report.counts["devices"] == {"created": DEVICES - 2, "unchanged": 1, "updated": 1 + DEVICES}
    case.assert_each_exactly_once()
    case.assert_journal_tells_whose("devices", "dcim.device")
    assert {row["description"] for row in case.devices()} == {"ours"}
    case.assert_nothing_left_to_do(document)


def test_an_address_that_someone_else_has_made_first_is_adopted(case: Case) -> None:
    """NetBox refuses it (400), for it is none of those that may exist twice."""
    document = case.document(
        ip_addresses=[{"address": f"10.{case.number}.0.{{1+0}}/24", "interface": "Vlan1"}]
    )
    rival = partial(case.plain.post, "ipam/ip-addresses", {"address": f"10.{case.number}.0.2/24"})
    case.proxy.aim("POST", "ipam/ip-addresses", First(rival))
    report = case.run(document)
    assert report.ok, report.first_errors
    assert report.counts["ip_addresses"] == {"created": DEVICES - 1, "updated": 1}
    case.assert_each_exactly_once()
    case.assert_journal_tells_whose("ip_addresses", "ipam.ipaddress")
    case.assert_nothing_left_to_do(document)


def test_two_clients_that_create_the_same_devices_at_once(
    swept_netbox: SandboxInfo, proxy: FaultyProxy
) -> None:
    """A real race: NetBox answers one of them 400, or 500 with an IntegrityError. Until it was the 500."""
    for _ in range(ROUNDS):
        case = Case(swept_netbox, proxy)
        proxy.answered.clear()
        proxy.aim("POST", "dcim/devices", Meanwhile(partial(send_as_rival, case)))
        report = case.run()
        assert report.ok, report.first_errors
        case.assert_each_exactly_once()
        case.assert_journal_tells_whose("devices", "dcim.device")
        if 500 in proxy.answered:
            return
    raise AssertionError(f"no 500 in {ROUNDS} races")


def send_as_rival(case: Case, body: bytes) -> None:
    """The same rows in the name of someone else."""
    rows = [{**row, "changelog_message": "a rival", "custom_fields": {}} for row in json.loads(body)]
    case.plain.call("POST", "dcim/devices", json=rows)


def test_a_deadlock_in_the_database(swept_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    """Two lists with the same devices as parents in opposite order, until ours is the one that falls."""
    for _ in range(ROUNDS):
        case = Case(swept_netbox, proxy)
        proxy.answered.clear()
        proxy.aim("POST", "dcim/interfaces", Meanwhile(partial(send_backwards, case)))
        report = case.run()
        assert report.ok, report.first_errors
        names = [row["name"] for row in case.plain.all("dcim/interfaces", site=case.site.lower())]
        assert names.count("Vlan1") == DEVICES
        if 500 in proxy.answered:
            return
    raise AssertionError(f"no deadlock in {ROUNDS} rounds")


def send_backwards(case: Case, body: bytes) -> None:
    """Begin with our last device, stay there for a while, and end with our first.

    So it is our list that waits first, and the database lets that one fall.
    """
    own = json.loads(body)
    devices = [own[-1]["device"]] * 6 + [own[0]["device"]]
    rows = [
        {"device": device, "name": f"Vlan{number}", "type": "virtual"}
        for number, device in enumerate(devices, start=100)
    ]
    case.plain.call("POST", "dcim/interfaces", json=rows)
