"""Cables on the real NetBox: traced from end to end, found from either, moved and taken back."""

from __future__ import annotations

from typing import Any

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import open_netbox
from tests.netbox.tidy_fixture import call, settings_of
from tests.unit.batches import MemoryJournal

Document = dict[str, Any]
KIND = {"manufacturer": "Corvane", "model": "S4"}
WHERE = {"site": "AMS1", "role": "Access", "device_type": KIND}


def network() -> Document:
    """Two switches with a patch panel between them, and a circuit that ends at the first."""
    return {
        "devices": [
            {**WHERE, "name": "sw-[1-2]", "interfaces": [{"name": "e[1-4]", "type": "100gbase-x-qsfp28"}]},
            {
                **WHERE,
                "name": "pp-1",
                "rear_ports": [{"name": "R[1-2]", "type": "lc"}],
                "front_ports": [{"name": "F[1-2]", "type": "lc", "rear_port": "R{1}"}],
            },
        ],
        "providers": ["Example Carrier"],
        "circuit_types": ["Transit"],
        "circuits": [{"cid": "C-1", "provider": "Example Carrier", "type": "Transit"}],
        "circuit_terminations": [{"circuit": "C-1", "term_side": "A", "termination": {"site": "AMS1"}}],
        "cables": [
            {
                "a_terminations": {"device": "sw-1", "name": "e[1-2]"},
                "b_terminations": {"front_port": {"device": "pp-1", "name": "F{1}"}},
                "label": "P-{1}",
            },
            {
                "a_terminations": {"rear_port": {"device": "pp-1", "name": "R[1-2]"}},
                "b_terminations": {"device": "sw-2", "name": "e{1}"},
            },
            {
                "a_terminations": {"circuit_termination": {"circuit": "C-1", "term_side": "A"}},
                "b_terminations": {"device": "sw-1", "name": "e3"},
            },
        ],
    }


def turned(document: Document) -> Document:
    """The same cables, one by one and from their other ends."""
    sides = [
        ({"device": "sw-1", "name": f"e{n}"}, {"front_port": {"device": "pp-1", "name": f"F{n}"}})
        for n in (1, 2)
    ]
    sides += [
        ({"rear_port": {"device": "pp-1", "name": f"R{n}"}}, {"device": "sw-2", "name": f"e{n}"})
        for n in (1, 2)
    ]
    return {**document, "cables": [{"a_terminations": [b], "b_terminations": [a]} for a, b in sides]}


def test_cables_are_laid_moved_and_taken_back(tidy_netbox: SandboxInfo) -> None:
    with open_netbox(settings_of(tidy_netbox)) as netbox:
        engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
        journals = {name: MemoryJournal() for name in ("b-laid", "b-moved")}
        document = network()
        report = engine.apply(engine.plan(document), "b-laid", journals["b-laid"])
        assert (report.ok, report.warnings) == (True, [])
        assert far_ends(tidy_netbox, "sw-1") == {"e1": ["sw-2 e1"], "e2": ["sw-2 e2"], "e3": ["C-1"]}
        assert engine.plan(document).writes == 0
        assert engine.plan(turned(document)).writes == 0

        lanes = [{"device": "sw-2", "name": name} for name in ("e4", "e3")]
        news = {
            "cables": [
                {
                    "a_terminations": {"device": "sw-2", "name": "e3"},
                    "b_terminations": {"rear_port": {"device": "pp-1", "name": "R1"}},
                },
                {
                    "a_terminations": {"device": "sw-1", "name": "e4"},
                    "b_terminations": [{"device": "sw-2", "name": "e4"}, {"device": "sw-2", "name": "e1"}],
                    "profile": "breakout-1c2p-2c1p",
                },
            ]
        }
        moved = {"cables": news["cables"][:1]}
        assert engine.apply(engine.plan(moved), "b-moved", journals["b-moved"]).ok
        assert far_ends(tidy_netbox, "sw-1")["e1"] == ["sw-2 e3"]
        assert engine.plan(moved).writes == 0
        breakout = {"cables": news["cables"][1:]}
        assert engine.apply(engine.plan(breakout), "b-moved", journals["b-moved"]).ok
        assert engine.plan(breakout).writes == 0
        assert engine.plan({"cables": [{**breakout["cables"][0], "b_terminations": lanes[:1]}]}).writes == 1

        for batch, journal in reversed(journals.items()):
            plan = engine.plan_rollback(batch, journal)
            assert plan.conflicts == [], [(change.label, change.reason) for change in plan.conflicts]
            assert engine.apply(plan, f"{batch}-undone", MemoryJournal()).ok
        left = engine.plan(document)
        assert [change.id for change in left.changes if change.live_id is not None] == []


def far_ends(netbox: SandboxInfo, device: str) -> dict[str, list[str]]:
    """What NetBox traces each cabled interface of a device to; a circuit, where that has no other side."""
    rows = call(netbox, "GET", "dcim/interfaces", params={"device": device, "cabled": True})["results"]
    ends = {row["name"]: row["connected_endpoints"] or row["link_peers"] for row in rows}
    return {name: [_called(one) for one in found] for name, found in ends.items()}


def _called(end: dict[str, Any]) -> str:
    if "circuit" in end:
        return str(end["circuit"]["cid"])
    return f"{end['device']['name']} {end['name']}"
