"""In which order things happen: from the catalog's references and the plan's edges, never by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from orchestrator.catalog import ENSURED, OBJECT_TYPES, ObjectType
from orchestrator.graph import build_stages, type_order, types_in_order
from orchestrator.lanes import FIRST_SECONDS, LIST_SECONDS, Pace, cut_chunks, cut_lanes
from orchestrator.models import Action, Change, Pass, Planned


def change(name: str, object_type: str = "devices", **fields: object) -> Change:
    return Change(id=name, object_type=object_type, action=Action.CREATE, label=name, path="", **fields)  # type: ignore[arg-type]


def test_types_come_after_what_they_refer_to() -> None:
    order = type_order()
    assert sorted(order) == sorted(OBJECT_TYPES)
    for row in OBJECT_TYPES.values():
        for name in row.pointers().keys() - row.links.keys():
            for referred in set(row.pointers()[name]) - {row.name}:
                assert order.index(referred) < order.index(row.name)
    ensured = [name for name in order if name in ENSURED]
    assert ensured.index("manufacturers") < ensured.index("device_types") < ensured.index("devices")
    assert ensured.index("devices") < ensured.index("interfaces") < ensured.index("ip_addresses")


def test_a_cycle_in_the_catalog_is_named() -> None:
    rows = {
        "a": ObjectType("a", "x/a", references={"b": "b"}),
        "b": ObjectType("b", "x/b", references={"a": "a"}),
    }
    with pytest.raises(ValueError, match=r"references form a cycle: (a -> b -> a|b -> a -> b)"):
        types_in_order(rows)


def test_a_type_that_depends_on_itself_is_cut_into_levels() -> None:
    changes = [
        change("child", "device_roles", depends_on=("parent",)),
        change("grandchild", "device_roles", depends_on=("child",)),
        change("parent", "device_roles"),
        change("other", "device_roles"),
    ]
    stages = [[member.id for member in stage.changes] for stage in build_stages(changes)]
    assert stages == [["parent", "other"], ["child"], ["grandchild"]]


def test_links_come_after_what_they_wait_for() -> None:
    link = change("sw#link", passes=Pass.LINK, depends_on=("sw", "ip"))
    stages = build_stages(
        [
            link,
            change("ip", "ip_addresses", depends_on=("if",)),
            change("if", "interfaces", depends_on=("sw",)),
            change("sw"),
        ]
    )
    assert [stage.changes[0].id for stage in stages] == ["sw", "if", "ip", "sw#link"]


def test_changes_of_one_parent_share_a_lane_and_lanes_share_the_work() -> None:
    changes = [
        change(f"d{number}", after={"device_type": Planned(f"t{number % 4}")}, seconds=0.1)
        for number in range(80)
    ]
    lanes = cut_lanes(changes, 2)
    parents = [{member.after["device_type"].change_id for member in lane} for lane in lanes]
    assert len(lanes) == 2
    assert not parents[0] & parents[1]
    assert [len(lane) for lane in lanes] == [40, 40]


def test_a_little_work_stays_in_one_lane() -> None:
    assert len(cut_lanes([change(f"d{number}", seconds=0.02) for number in range(20)], 4)) == 1


def test_chunks_are_cut_by_netbox_work_and_hold_one_action() -> None:
    heavy = [change(f"h{number}", seconds=0.9) for number in range(5)]
    update = Change(id="u", object_type="devices", action=Action.UPDATE, label="u", path="", seconds=0.1)
    chunks = list(cut_chunks([*heavy, update], Pace(2).list_seconds))
    assert [[member.id for member in chunk] for chunk in chunks] == [
        ["h0", "h1"],
        ["h2", "h3"],
        ["h4"],
        ["u"],
    ]
    assert all(sum(member.seconds for member in chunk) <= FIRST_SECONDS for chunk in chunks)


def lists_of(pace: Pace) -> list[int]:
    """How many devices there are in each list of a lane, by what is known of NetBox so far."""
    return [
        len(chunk)
        for chunk in cut_chunks([change(f"d{n}", seconds=0.125) for n in range(99)], pace.list_seconds)
    ]


def test_lists_are_short_at_first_and_longer_once_the_pace_is_known() -> None:
    pace = Pace(2)
    assert lists_of(pace)[0] == FIRST_SECONDS / 0.125 == 16
    pace.note(2.0, 2.0)
    assert lists_of(pace)[0] == LIST_SECONDS / 0.125 == 40


@pytest.mark.parametrize(
    ("lanes", "wanted", "seconds"),
    [(1, 5.0, 5.0), (2, 5.0, 5.0), (4, 5.0, 2.5), (8, 5.0, 2.0), (2, 20.0, 20.0), (8, 1.0, 1.0)],
)
def test_lists_in_flight_together_take_twice_as_long(lanes: int, wanted: float, seconds: float) -> None:
    """With many lanes somewhat longer: no list is shorter than the first."""
    pace = Pace(lanes, wanted)
    assert pace.list_seconds() == min(2.0, wanted)
    pace.note(2.0, 2.0)
    assert pace.list_seconds() == seconds


def test_lists_stay_short_after_a_lost_answer() -> None:
    pace = Pace(2)
    pace.note(2.0, 2.0)
    pace.note_lost()
    assert lists_of(pace)[0] == 16
    pace.note(2.0, 1.0)
    assert lists_of(pace)[0] == 21  # twice as quick, halved: three quarters of the time for each


def test_lists_grow_where_netbox_is_quick_and_shrink_where_it_is_slow() -> None:
    pace = Pace(2)
    pace.note(2.0, 1.0)
    assert lists_of(pace)[0] == 80
    pace.note(4.0, 6.0)  # half as quick as before: the mean of both
    assert lists_of(pace)[0] == 40


def test_a_hiccup_is_forgotten_after_a_few_lists() -> None:
    pace = Pace(2)
    pace.note(2.0, 120.0)
    assert lists_of(pace)[0] == 13
    for _ in range(5):
        expected = 0.125 * lists_of(pace)[0]
        pace.note(expected, expected)
    assert 30 <= lists_of(pace)[0] <= 40


def test_a_short_list_and_a_single_miracle_change_little() -> None:
    pace = Pace(2)
    pace.note(0.5, 5.0)  # hardly any rows: it was the request itself that took so long
    assert lists_of(pace)[0] == 16
    pace.note(2.0, 0.001)
    assert lists_of(pace)[0] == 99  # all: three times forty would be the most


def test_what_is_learnt_from_a_list_counts_for_the_next() -> None:
    pace = Pace(2)
    lists = cut_chunks([change(f"d{n}", seconds=0.125) for n in range(99)], pace.list_seconds)
    assert len(next(lists)) == 16
    pace.note(2.0, 2.0)
    assert len(next(lists)) == 40


def test_lists_in_flight_together_share_netbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long beside another one is not slow; an error tells nothing."""
    passed = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: passed[0])
    pace, alone = Pace(2), Pace(2)
    with pace.measured(0.1), pace.measured(2.0), alone.measured(2.0):
        passed[0] += 0.9
    assert alone.list_seconds() == pytest.approx(5 * 2 / 0.9)
    assert pace.list_seconds() == 15.0  # half of that, and three times the usual length is the most
    with pytest.raises(ValueError, match="refused"), alone.measured(2.0):
        raise ValueError("refused")
    with alone.measured(4.0):
        passed[0] += 0.9 * 2
    assert alone.list_seconds() == pytest.approx(5 * 2 / 0.9)


def test_the_order_of_types_is_the_same_in_every_process() -> None:
    told = "from orchestrator.graph import type_order; print(type_order())"
    orders = {
        subprocess.run(
            [sys.executable, "-c", told],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(orders) == 1
