"""Which object is meant: entries that name an old one, places that are exchanged, values that look alike."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError
from orchestrator.ports import Row
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, undo

KIND = {"manufacturer": "Cisco", "model": "X"}
PORT = {"name": "v", "type": "virtual"}


def device(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "site": "AMS1", "role": "Access", "device_type": KIND, **fields}


def two_devices(address: dict[str, Any]) -> list[dict[str, Any]]:
    """Devices a and b with a port each; the address is on that of a."""
    first = device("a", interfaces=[PORT], ip_addresses=[address])
    return [first, device("b", interfaces=[PORT])]


def ids_of(netbox: MemoryNetBox, object_type: str, label: str) -> dict[str, int]:
    return {row[label]: id_ for id_, row in netbox.tables[object_type].items()}


def row_of(netbox: MemoryNetBox, object_type: str, **values: Any) -> Row:
    (found,) = [row for row in netbox.tables[object_type].values() if values.items() <= row.items()]
    return found


def problems(netbox: MemoryNetBox, document: Any) -> list[str]:
    with pytest.raises(DocumentError) as refused:
        NetBoxBulkOrchestrator(netbox).plan(document)
    return [str(problem) for problem in refused.value.problems]


def lands_and_goes_back(netbox: MemoryNetBox, document: Any) -> None:
    """Applied, found to be true, and taken back to what was before."""
    before, journal = picture(netbox), MemoryJournal()
    report = apply(netbox, document, journal)
    assert report.ok, report.first_errors
    assert NetBoxBulkOrchestrator(netbox).plan(document).writes == 0
    undone = undo(netbox, journal)
    assert undone.ok, undone.first_errors
    assert picture(netbox) == before


# -- an entry that names the old object -------------------------------------------------


def test_what_a_match_says_of_the_object_still_counts_once_it_has_its_new_name() -> None:
    netbox = MemoryNetBox()
    netbox.create("vrfs", [{"name": "X"}], "by hand")
    others = {"address": "10.0.0.2/24", "description": "of another team"}
    apply(netbox, {"ip_addresses": [{"address": "10.0.0.1/24", "vrf": "X"}, others]})
    match = {"address": "10.0.0.1/24", "vrf": "X"}
    document = {"ip_addresses": [{"match": match, "address": "10.0.0.2/24", "description": "ours"}]}
    lands_and_goes_back(netbox, document)
    assert row_of(netbox, "ip_addresses", address="10.0.0.2/24", vrf=None)["description"] == "of another team"


@pytest.mark.parametrize(
    ("there", "document"),
    [
        (
            {"devices": [device("old"), device("new", site="FRA1")]},
            {"devices": [{"match": {"name": "old", "site": "AMS1"}, "name": "new", "serial": "S1"}]},
        ),
        (
            {"device_types": [{**KIND, "model": "A"}, {"manufacturer": "Arista", "model": "B"}]},
            {"device_types": [{"match": {**KIND, "model": "A"}, "model": "B", "u_height": 2}]},
        ),
        (
            {"devices": [device("a", interfaces=[PORT]), device("b", interfaces=[{**PORT, "name": "new"}])]},
            {"interfaces": [{"match": {"device": "a", "name": "v"}, "name": "new", "mtu": 1400}]},
        ),
    ],
    ids=["devices", "device types", "interfaces"],
)
def test_a_namesake_elsewhere_is_left_alone(there: Any, document: Any) -> None:
    netbox = MemoryNetBox()
    apply(netbox, there)
    lands_and_goes_back(netbox, document)


def test_where_the_old_one_never_was_a_namesake_elsewhere_is_not_taken_for_it() -> None:
    netbox = MemoryNetBox()
    apply(netbox, {"devices": [device("d9", site="FRA1"), device("other")]})
    document = {"devices": [{"match": {"name": "d1", "site": "AMS1"}, "name": "d9", "serial": "S1"}]}
    assert problems(netbox, document) == ["devices[0].match: no device in NetBox matches (name it by id)"]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("taker", [{"match": {"name": "B"}}, {"id": 0}], ids=["by match", "by id"])
def test_a_name_that_finds_an_object_is_not_given_to_another(turned: bool, taker: dict[str, Any]) -> None:
    """The second run would find the other one by it."""
    netbox = MemoryNetBox()
    apply(netbox, {"sites": [{"name": "A"}, {"name": "B"}]})
    taker = {"id": ids_of(netbox, "sites", "name")["B"]} if "id" in taker else taker
    entries = [{"match": {"name": "A"}, "name": "new"}, {**taker, "name": "A"}]
    told = problems(netbox, {"sites": entries[::-1] if turned else entries})
    first, second = (1, 0) if turned else (0, 1)
    way = "use two documents, or name both by id"
    assert told == [f"sites[{second}]: sites[{first}] renames 'A' to 'new' ({way})"]


def test_a_name_given_up_at_another_site_is_another_name() -> None:
    netbox = MemoryNetBox()
    apply(netbox, {"devices": [device("d1"), device("d2", site="FRA1")]})
    document = {
        "devices": [
            {"match": {"name": "d1", "site": "AMS1"}, "name": "d3"},
            {"match": {"name": "d2", "site": "FRA1"}, "name": "d1", "site": "FRA1"},
        ]
    }
    assert apply(netbox, document).ok


def test_a_component_named_by_id_or_match_finds_its_neighbours_by_name() -> None:
    netbox = MemoryNetBox()
    ports = [{"name": "e1", "type": "1000base-t"}, {"name": "Po1", "type": "lag"}]
    apply(netbox, {"devices": [device("a", interfaces=ports)]})
    ids, owner = ids_of(netbox, "interfaces", "name"), ids_of(netbox, "devices", "name")["a"]
    for entry in (
        {"match": {"device": "a", "name": "e1"}, "lag": "Po1"},
        {"id": ids["e1"], "lag": "Po1"},
        {"device_id": owner, "name": "e9", "match": {"name": "e1"}},
    ):
        lands_and_goes_back(netbox, {"interfaces": [entry]})


def test_a_new_object_is_found_by_the_slug_that_it_will_have() -> None:
    document = {"sites": [{"name": "Fra 1"}], "devices": [device("b", site={"slug": "fra-1"})]}
    lands_and_goes_back(MemoryNetBox(), document)


# -- places that are exchanged ------------------------------------------------------------


@pytest.mark.parametrize("hosts", [(1, 2, 0), (1, 0, 2), (2, 0, 1)], ids=["up", "swap", "round"])
def test_addresses_take_each_others_place(hosts: tuple[int, ...]) -> None:
    netbox = MemoryNetBox()
    texts = [f"10.0.0.{at}/24" for at in range(3)]
    apply(netbox, {"ip_addresses": [{"address": text.replace(".0/", ".9/")} for text in texts]})
    ids = sorted(netbox.tables["ip_addresses"])
    now = [netbox.tables["ip_addresses"][id_]["address"] for id_ in ids]
    document = {"ip_addresses": [{"id": id_, "address": now[at]} for id_, at in zip(ids, hosts, strict=True)]}
    lands_and_goes_back(netbox, document)


def test_addresses_move_up_by_one() -> None:
    netbox = MemoryNetBox()
    apply(netbox, {"ip_addresses": [{"address": f"2001:db8::{at}/64"} for at in (1, 2, 3)]})
    ids = ids_of(netbox, "ip_addresses", "address")
    entries = [{"id": ids[f"2001:db8::{at}/64"], "address": f"2001:db8::{at + 1}/64"} for at in (1, 2, 3)]
    lands_and_goes_back(netbox, {"ip_addresses": entries})


def test_an_address_becomes_a_shared_one_and_gets_a_second_at_once() -> None:
    netbox = MemoryNetBox()
    mine = {"address": "10.0.0.1/32", "interface": "v"}
    apply(
        netbox,
        {"devices": two_devices(mine)},
    )
    entries = [{**mine, "device": name, "role": "anycast"} for name in "ab"]
    lands_and_goes_back(netbox, {"ip_addresses": entries})


def test_two_copies_of_an_address_become_shared_ones_where_they_are() -> None:
    netbox = MemoryNetBox()
    ports = [{"name": name, "type": "virtual"} for name in "vw"]
    mine = {"address": "10.0.0.1/32", "interface": "v", "device": "a"}
    apply(netbox, {"devices": [device("a", interfaces=ports)], "ip_addresses": [{**mine, "role": "vip"}]})
    apply(netbox, {"ip_addresses": [{**mine, "role": "vip"}, {**mine, "interface": "w", "role": "vip"}]})
    first, second = sorted(netbox.tables["ip_addresses"])
    for id_ in (first, second):  # as a NetBox does that does not enforce unique addresses
        netbox.tables["ip_addresses"][id_]["role"] = None
    entries = [{"id": first, "role": "anycast"}, {"id": second, "role": "anycast"}]
    plan = NetBoxBulkOrchestrator(netbox).plan({"ip_addresses": entries})
    assert [(change.live_id, dict(change.after), change.depends_on) for change in plan.changes] == [
        (first, {"role": "anycast"}, ()),
        (second, {"role": "anycast"}, ()),
    ]


def test_who_shares_an_address_and_stays_waits_for_nobody() -> None:
    netbox = MemoryNetBox()
    mine = {"address": "10.0.0.1/32", "interface": "v", "role": "vip"}
    both = [device(name, interfaces=[PORT], ip_addresses=[mine]) for name in "ab"]
    assert apply(netbox, {"devices": both}).ok
    first, second = sorted(netbox.tables["ip_addresses"])
    entries = [{"id": first, "address": "10.0.0.2/32"}, {"id": second, "description": "stays"}]
    plan = NetBoxBulkOrchestrator(netbox).plan({"ip_addresses": entries})
    assert [change.depends_on for change in plan.changes] == [(), ()]
    lands_and_goes_back(netbox, {"ip_addresses": [{"id": first, "description": "x"}]})


def test_a_second_shared_copy_goes_again_without_a_detour() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    mine = {"address": "10.0.0.1/32", "interface": "v", "role": "anycast"}
    apply(
        netbox,
        {"devices": two_devices(mine)},
    )
    entries = [{**mine, "device": "a", "description": "x"}, {**mine, "device": "b"}]
    assert apply(netbox, {"ip_addresses": entries}, journal).ok
    plan = NetBoxBulkOrchestrator(netbox).plan_rollback("b-test", journal)
    assert sorted(change.action for change in plan.changes) == ["delete", "update"]


def test_an_entry_that_only_seems_to_be_renamed_is_in_nobodys_way() -> None:
    netbox = MemoryNetBox()
    mine = {"address": "10.0.0.1/32", "interface": "v", "role": "anycast"}
    apply(
        netbox,
        {"devices": two_devices(mine)},
    )
    same = {"match": {"address": "10.0.0.1/32"}, **mine, "device": "a", "description": "x"}
    assert apply(netbox, {"ip_addresses": [same, {**mine, "device": "b"}]}).ok


# -- drift that is kept ---------------------------------------------------------------------


def test_an_address_that_stays_where_somebody_moved_it_is_not_made_primary_elsewhere() -> None:
    netbox = MemoryNetBox()
    mine = {"address": "10.0.0.1/24", "interface": "v"}
    apply(
        netbox,
        {"devices": two_devices(mine)},
    )
    address, port = (
        ids_of(netbox, "ip_addresses", "address")["10.0.0.1/24"],
        row_of(netbox, "interfaces", device=ids_of(netbox, "devices", "name")["b"]),
    )
    netbox.update("ip_addresses", [{"id": address, "assigned_object": port["id"]}], "by hand")
    document = {
        "options": {"on_drift": "keep"},
        "devices": [device("a", ip_addresses=[mine], primary_ip4="10.0.0.1/24", serial="S1")],
    }
    plan = NetBoxBulkOrchestrator(netbox).plan(document)
    assert [(c.object_type, list(c.after)) for c in plan.changes if c.writes] == [("devices", ["serial"])]
    (warning,) = [text for text in plan.warnings if "primary_ip4" in text]
    assert "10.0.0.1/24 stays on 'b'" in warning
    assert apply(netbox, document).ok


# -- values that look alike -------------------------------------------------------------------


def test_a_number_that_rounds_to_a_whole_one_is_written_once() -> None:
    netbox = MemoryNetBox()
    lands_and_goes_back(netbox, {"devices": [device("a", latitude=52.0000001)]})


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("json", {"id": 1, "url": "u", "display": "d"}, []),
        ("json", [{"value": 1, "label": "x"}], None),
        ("json", "2024-01-01", "20240101"),
        ("text", "20240101", "2024-01-01"),
        ("text", "2024-01-01", "20240101"),
    ],
)
def test_a_custom_field_goes_back_to_what_it_was_whatever_that_looks_like(
    kind: str, before: Any, after: Any
) -> None:
    netbox = MemoryNetBox()
    netbox.create("custom_fields", [{"name": "f", "type": kind, "object_types": ["dcim.site"]}], "by hand")
    apply(netbox, {"sites": [{"name": "s", "custom_fields": {"f": before}}]})
    lands_and_goes_back(netbox, {"sites": [{"name": "s", "custom_fields": {"f": after}}]})


def test_names_that_look_like_ids_of_changes_stay_apart() -> None:
    mine = {"address": "10.0.0.1/24", "interface": "v"}
    first = device("sw", interfaces=[PORT], ip_addresses=[mine], primary_ip4=mine["address"])
    netbox = MemoryNetBox()
    lands_and_goes_back(netbox, {"devices": [first, device("sw#link")]})
    assert apply(netbox, {"devices": [first, device("sw#link")]}).ok
    assert apply(netbox, {"devices": [device("sw#link"), device("sw#link~")]}).ok
    assert ids_of(netbox, "devices", "name").keys() == {"sw", "sw#link", "sw#link~"}
    assert row_of(netbox, "devices", name="sw#link")["primary_ip4"] is None


def test_an_unknown_id_is_all_that_is_told() -> None:
    netbox = MemoryNetBox()
    assert problems(netbox, {"sites": [{"id": 999}]}) == ["sites[0].id: there is no site with id 999"]
    assert problems(netbox, {"devices": [{"id": 999}]}) == ["devices[0].id: there is no device with id 999"]
