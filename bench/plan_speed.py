"""How fast a plan is made, NetBox's own time left out: normalise, read, fingerprint, diff, plan.

Two cases: everything is to be created, and nothing is to be done. The rows of
the second are prepared beforehand in the shapes of NetBox's REST API; handing
them over costs nothing. Time is that of the processor, which others on the
machine do not disturb; the time that passed stands beside it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.metadata import BATCH_FIELD, DIGESTS_FIELD, digests_of
from orchestrator.models import Plan
from orchestrator.ports import Extent, LoggedChange, Query, Row, Written

ROUNDS = 5
SMALL, LARGE = 2_000, 200_000
INTERFACES = 4
OBJECTS_PER_DEVICE = 1 + INTERFACES + 1
_TYPES, _SITES = 8, 20


class PreparedNetBox:
    """A NetBox port that hands out rows which were there before, and takes no writes.

    What it is asked for is all that it has: the rows are made for the document.
    """

    def __init__(self, tables: Mapping[str, list[Row]]) -> None:
        self._tables = tables

    def read(self, query: Query) -> list[Row]:
        """All rows of the type."""
        return self._tables.get(query.object_type, [])

    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]:
        """All rows of the types."""
        return [self.read(query) for query in queries]

    def extents(self, object_types: Sequence[str]) -> list[Extent]:
        """How many rows there are."""
        return [Extent(size, 0, size) for size in (len(self._tables.get(name, ())) for name in object_types)]

    def create(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Refused: planning writes nothing."""
        raise AssertionError("planning writes nothing")

    def update(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Refused: planning writes nothing."""
        raise AssertionError("planning writes nothing")

    def delete(self, object_type: str, ids: Sequence[int], message: str) -> str:
        """Refused: planning writes nothing."""
        raise AssertionError("planning writes nothing")

    def logged(self, message: str) -> list[LoggedChange]:
        """Nothing has been written."""
        return []

    def logged_since(self, object_type: str, ids: Sequence[int], since: str) -> list[LoggedChange]:
        """Nothing has been written."""
        return []

    def may_create(self, object_type: str) -> bool:
        """Nobody has asked NetBox."""
        return True

    def may_change(self, object_type: str) -> bool:
        """Nobody has asked NetBox."""
        return True

    def may_delete(self, object_type: str) -> bool:
        """Nobody has asked NetBox."""
        return True

    def choices(self, object_type: str) -> Mapping[str, Mapping[str, str]]:
        """Those of a stock NetBox are known without asking."""
        return {}


# -- the document ------------------------------------------------------------------


def document(objects: int) -> dict[str, Any]:
    """Devices with four interfaces, an address and a primary address each; about `objects` in all."""
    return {"devices": [_device(number) for number in range(objects // OBJECTS_PER_DEVICE)]}


def _device(number: int) -> dict[str, Any]:
    address = _address(number)
    return {
        "name": f"sw-{number:06}",
        "site": f"AMS{number % _SITES:02}",
        "role": "Access",
        "device_type": {"manufacturer": "Cisco", "model": f"C9300-{number % _TYPES}"},
        "status": "active",
        "serial": f"FOC{number:08}",
        "description": f"access switch {number}",
        "primary_ip4": address,
        "interfaces": [
            {"name": name, "type": "1000base-t", "enabled": True, "mtu": 9000, "description": f"port {name}"}
            for name in _ports()
        ],
        "ip_addresses": [
            {"address": address, "interface": _ports()[0], "status": "active", "dns_name": f"sw-{number:06}"}
        ],
    }


def _ports() -> list[str]:
    return [f"GigabitEthernet1/0/{port}" for port in range(1, INTERFACES + 1)]


def _address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/16"


# -- what NetBox would answer once the document is true ----------------------------------


def parents() -> dict[str, list[Row]]:
    """The few rows that everything else refers to, as NetBox shows them."""
    return {
        "manufacturers": [{"id": 1, "name": "Cisco", "slug": "cisco"}],
        "sites": [{"id": one + 1, "name": f"AMS{one:02}", "slug": f"ams{one:02}"} for one in range(_SITES)],
        "device_roles": [{"id": 1, "name": "Access", "slug": "access"}],
        "device_types": [
            {
                "id": one + 1,
                "model": f"C9300-{one}",
                "slug": f"c9300-{one}",
                "manufacturer": _brief(1, "Cisco"),
                "interface_template_count": 0,
            }
            for one in range(_TYPES)
        ],
        "custom_fields": [
            _definition(1, BATCH_FIELD, "text", "Text"),
            _definition(2, DIGESTS_FIELD, "json", "JSON"),
        ],
    }


def _definition(object_id: int, name: str, kind: str, label: str) -> Row:
    """One of the two custom fields in which an apply leaves what it wrote."""
    models = sorted(OBJECT_TYPES[object_type].model for object_type in ENSURED)
    return {
        "id": object_id,
        "name": name,
        "type": {"value": kind, "label": label},
        "object_types": models,
    }


def _stamp(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The custom fields of an object that an apply has written."""
    return {BATCH_FIELD: "b-20261123-120000-abcdef", DIGESTS_FIELD: digests_of(wanted)}


def everything(objects: int) -> dict[str, list[Row]]:
    """The rows of a NetBox in which the document is true already."""
    tables = {**parents(), "devices": [], "interfaces": [], "ip_addresses": []}
    for number, wanted in enumerate(document(objects)["devices"]):
        device = _brief(number + 1, wanted["name"])
        tables["devices"].append(_device_row(number, wanted))
        for port, item in enumerate(wanted["interfaces"]):
            tables["interfaces"].append(
                {
                    **item,
                    "id": number * INTERFACES + port + 1,
                    "device": device,
                    "type": {"value": item["type"], "label": "1000BASE-T (1GE)"},
                    "custom_fields": _stamp({**item, "device": number + 1}),
                }
            )
        first = _brief(number * INTERFACES + 1, wanted["interfaces"][0]["name"])
        for item in wanted["ip_addresses"]:
            tables["ip_addresses"].append(_address_row(number, item, {**first, "device": device}))
    return tables


def _device_row(number: int, wanted: Mapping[str, Any]) -> Row:
    return {
        "id": number + 1,
        "name": wanted["name"],
        "site": _brief(number % _SITES + 1, wanted["site"]),
        "role": _brief(1, "Access"),
        "device_type": {**_brief(number % _TYPES + 1, "a type"), "manufacturer": _brief(1, "Cisco")},
        "tenant": None,
        "status": {"value": "active", "label": "Active"},
        "serial": wanted["serial"],
        "asset_tag": None,
        "description": wanted["description"],
        "custom_fields": _stamp({name: wanted[name] for name in ("name", "status", "serial", "description")}),
        "primary_ip4": {**_brief(number + 1, wanted["primary_ip4"]), "address": wanted["primary_ip4"]},
    }


def _address_row(number: int, wanted: Mapping[str, Any], interface: Row) -> Row:
    return {
        "id": number + 1,
        "address": wanted["address"],
        "vrf": None,
        "status": {"value": "active", "label": "Active"},
        "dns_name": wanted["dns_name"],
        "assigned_object_type": "dcim.interface",
        "assigned_object_id": interface["id"],
        "assigned_object": interface,
        "custom_fields": _stamp(wanted),
    }


def _brief(object_id: int, name: str) -> Row:
    """How NetBox shows an object inside another."""
    return {
        "id": object_id,
        "url": f"https://netbox.example.org/api/{object_id}/",
        "display": name,
        "name": name,
    }


# -- measuring ---------------------------------------------------------------------


CASES: Mapping[str, Callable[[int], dict[str, list[Row]]]] = {
    "create everything": lambda objects: parents(),
    "nothing to do": everything,
}


def measure(small: int = SMALL, large: int = LARGE, rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """Case -> medians: objects/s at both sizes (`small`, `large`; processor and `_wall`), and `ratio`.

    The ratio is time per object in the large document to that in the small one.
    """
    return {name: _case(rows, small, large, rounds) for name, rows in CASES.items()}


def _case(
    rows: Callable[[int], dict[str, list[Row]]], small: int, large: int, rounds: int
) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, objects in (("small", small), ("large", large)):
        taken = list(_seconds(document(objects), PreparedNetBox(rows(objects)), rounds))
        objects -= objects % OBJECTS_PER_DEVICE
        found[name] = objects / median(cpu for cpu, _ in taken)
        found[f"{name}_wall"] = objects / median(wall for _, wall in taken)
    return {**found, "ratio": found["small"] / found["large"]}


def _seconds(wanted: Any, netbox: PreparedNetBox, rounds: int) -> Iterator[tuple[float, float]]:
    engine = NetBoxBulkOrchestrator(netbox)
    for _ in range(rounds + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        plan = engine.plan(wanted)
        taken = time.process_time() - cpu, time.perf_counter() - wall
        _look_at(plan)
        del plan  # to free it is no part of making the next one
        yield taken


def _look_at(plan: Plan) -> None:
    """A plan that is wrong may well be fast."""
    totals = plan.totals()
    assert not totals["create"] or not totals["unchanged"], totals


def main() -> None:
    """Measure, and print a small table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=SMALL)
    parser.add_argument("--large", type=int, default=LARGE)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    print(f"{'objects/s per core':20} {chosen.small:>9,} {chosen.large:>9,}  time per object   (wall)")
    for name, found in measure(chosen.small, chosen.large, chosen.rounds).items():
        wall = f"({found['small_wall']:,.0f} {found['large_wall']:,.0f})"
        print(f"{name:20} {found['small']:9,.0f} {found['large']:9,.0f}  x {found['ratio']:<13.2f}   {wall}")


if __name__ == "__main__":
    main()
