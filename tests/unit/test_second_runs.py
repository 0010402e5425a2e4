"""Documents that are easily written twice: after each of them the same document has nothing left to do."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.testing import Fault, MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, switches

VIP = {"address": "192.0.2.77/24", "role": "vip"}
ON = {"interface": "Vlan1", "device": "sw-01"}


def unnamed(**fields: Any) -> dict[str, Any]:
    return {"site": "AMS1", "role": "Access", "device_type": "C9300-48P", **fields}


@pytest.mark.parametrize(
    "document",
    [
        {"devices": [{"name": "sw-renamed", "match": {"name": "sw-01"}}]},
        {"devices": [{"name": "r", "match": {"name": "sw-01"}, "interfaces": [{"name": "Vlan1", "mtu": 9}]}]},
        {"devices": [unnamed(asset_tag="A1", interfaces=[{"name": "Vlan1", "type": "virtual"}])]},
        {"devices": [unnamed(serial="0012345", description="x")]},
        {"ip_addresses": [{**VIP, **ON}, {**VIP, "interface": "Vlan1", "device": "sw-02"}]},
        {"ip_addresses": [{**VIP, **ON, "description": "x"}]},
        {"ip_addresses": [{**VIP, "description": "nowhere"}]},
        {"interfaces": [{"device": "sw-01", "name": "Vlan1", "wwn": "10:00:00:00:c9:00:00:0a"}]},
        {"devices": [{"name": "sw-01", "local_context_data": {"id": 7, "value": 1}}]},
        {"devices": [{"name": "İstanbul", **unnamed()}]},
        {"device_roles": [{"name": "root"}, {"name": "child", "parent": "root"}]},
        {"interfaces": [
            {"device": "sw-01", "name": "po1", "type": "lag"},
            {"device": "sw-01", "name": "eth1", "type": "1000base-t", "lag": "po1"},
            {"device": "sw-01", "name": "eth1.5", "type": "virtual", "parent": "eth1", "bridge": "po1"},
        ]},
    ],
    ids=lambda document: "-".join(document),
)  # fmt: skip
def test_nothing_is_left_to_do(document: dict[str, Any]) -> None:
    netbox = MemoryNetBox()
    apply(netbox, switches(2))
    report = apply(netbox, document)
    assert report.ok, report.first_errors
    assert report.write_requests > 0
    counts = {name: len(rows) for name, rows in netbox.tables.items()}
    assert [
        change.label for change in NetBoxBulkOrchestrator(netbox).plan(document).changes if change.writes
    ] == []
    assert apply(netbox, document).write_requests == 0
    assert {name: len(rows) for name, rows in netbox.tables.items()} == counts


@pytest.mark.parametrize("fault", [Fault.LOST_AFTER, Fault.LOST_BEFORE])
@pytest.mark.parametrize(
    "document",
    [
        {"devices": [unnamed(serial="S1")]},
        {"ip_addresses": [{**VIP, **ON}]},
        {"ip_addresses": [{"address": "198.51.100.1/24", "dns_name": "a.example.com"}]},
    ],
    ids=["unnamed", "vip", "address"],
)
def test_a_lost_answer_makes_no_second_copy(document: dict[str, Any], fault: Fault) -> None:
    class Whimsical(MemoryNetBox):
        """Keeps another description than it was sent."""

        def create(self, object_type: str, rows: Any, message: str) -> Any:
            return super().create(object_type, [{**row, "description": "mine"} for row in rows], message)

    netbox = Whimsical()
    apply(netbox, switches(1))
    before = {name: len(rows) for name, rows in netbox.tables.items()}
    (name,) = document
    document = {name: [{**document[name][0], "description": "yours"}]}
    netbox.faults.append(fault)
    apply(netbox, document)
    assert len(netbox.tables[name]) == before[name] + 1


def test_a_slug_that_was_derived_is_not_forced_on_an_object_that_someone_else_made_meanwhile() -> None:
    netbox = MemoryNetBox()
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    plan = engine.plan({"sites": [{"name": "Lon 1", "description": "x"}]})
    apply(netbox, {"sites": [{"name": "Lon 1", "slug": "london-one"}]})
    assert engine.apply(plan, "b-late", MemoryJournal()).ok
    (site,) = netbox.tables["sites"].values()
    assert (site["slug"], site["description"]) == ("london-one", "x")
