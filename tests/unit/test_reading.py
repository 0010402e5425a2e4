"""What NetBox is asked for a document: no more than it takes, and parents before what hangs on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.normalise import normalise
from orchestrator.ports import Query, Row
from orchestrator.reading import read_live
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import apply, switches


class AskedNetBox(MemoryNetBox):
    """Notes what it is asked, in rounds of what is asked side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[list[Query]] = []

    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]:
        if queries:
            self.rounds.append(list(queries))
        return super().read_all(queries)


def asked(netbox: AskedNetBox, document: Any) -> list[list[tuple[str, str, int]]]:
    """Type, filter and number of values of each query, round by round."""
    netbox.rounds.clear()
    read_live(normalise(document), netbox)
    return [
        [(query.object_type, query.filter, len(query.values)) for query in queries]
        for queries in netbox.rounds
    ]


def filled(count: int = 3) -> AskedNetBox:
    netbox = AskedNetBox()
    assert apply(netbox, switches(count)).ok
    return netbox


def test_components_follow_the_objects_that_they_hang_on() -> None:
    first, second = asked(filled(), switches(3))
    assert ("devices", "name__ie", 3) in first
    assert ("ip_addresses", "address", 3) in first
    assert second == [("interfaces", "device_id", 3)]


def test_where_most_of_a_large_table_is_meant_it_is_read_whole_and_with_the_rest() -> None:
    (only,) = asked(filled(120), switches(120))
    for name in ("devices", "interfaces", "ip_addresses"):
        assert (name, "", 0) in only


def test_a_parent_that_is_named_many_times_is_asked_for_once() -> None:
    """A thousand addresses on one interface are no reason to read every interface there is."""
    netbox = filled(3)
    place = {"device": "sw-01", "interface": "Vlan1"}
    addresses = [{"address": f"10.{n // 250}.{n % 250}.1/32", **place} for n in range(1000)]
    rounds = asked(netbox, {"ip_addresses": addresses})
    assert [query for queries in rounds for query in queries if query[0] == "interfaces"] == [
        ("interfaces", "device_id", 1)
    ]


def test_the_neighbours_of_a_component_named_by_id_are_read_only_where_it_links_to_them() -> None:
    netbox = filled(1)
    (port,) = netbox.tables["interfaces"]
    assert len(asked(netbox, {"interfaces": [{"id": port, "mtu": 1400}]})) == 1
    _, second = asked(netbox, {"interfaces": [{"id": port, "lag": "Po1"}]})
    assert second == [("interfaces", "device_id", 1)]
