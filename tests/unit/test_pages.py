"""How a long list is cut into ranges of ids: no row is left out, none comes twice, no range is wasted."""

from __future__ import annotations

import random

import pytest

from orchestrator.netbox.pages import PageReader, Walk
from orchestrator.netbox.settings import NetBoxSettings
from orchestrator.netbox.transport import Transport
from orchestrator.ports import Extent

WHOLE = Walk("dcim/sites", ())


def cut(page_size: int, count: int, first: int, last: int) -> list[Walk]:
    settings = NetBoxSettings(url="http://127.0.0.1:9", token="0" * 40)
    reader = PageReader(Transport(settings), page_size, 2)
    return reader.cut_by_ids(WHOLE, Extent(count, first, last))


def holds(walk: Walk, object_id: int) -> bool:
    return walk.after < object_id and (walk.up_to is None or object_id <= walk.up_to)


@pytest.mark.parametrize(
    ("page_size", "count", "parts"),
    [(100, 0, 1), (100, 1, 1), (100, 100, 1), (100, 101, 2), (100, 1000, 10), (1, 7, 7)],
)
def test_there_are_as_many_ranges_as_pages(page_size: int, count: int, parts: int) -> None:
    assert len(cut(page_size, count, 1 if count else 0, count)) == parts


@pytest.mark.parametrize("first", [1, 2, 490_001])
def test_ids_that_follow_each_other_are_cut_evenly_wherever_they_begin(first: int) -> None:
    ids = range(first, first + 1000)
    walks = cut(100, len(ids), ids[0], ids[-1])
    assert [sum(holds(walk, id_) for id_ in ids) for walk in walks] == [100] * 10


def test_every_id_is_in_one_range_whatever_the_gaps_and_what_was_added_since() -> None:
    chance = random.Random(7)
    for _ in range(300):
        ids = sorted(chance.sample(range(1, chance.choice([60, 5000])), chance.randint(1, 50)))
        walks = cut(chance.randint(1, 20), len(ids), ids[0], ids[-1])
        for id_ in (*ids, ids[-1] + 1, ids[-1] + 9999):
            assert sum(holds(walk, id_) for walk in walks) == 1


def test_a_list_of_unknown_length_is_not_cut() -> None:
    settings = NetBoxSettings(url="http://127.0.0.1:9", token="0" * 40)
    assert PageReader(Transport(settings), 10, 2).cut_by_ids(WHOLE, None) == [WHOLE]
