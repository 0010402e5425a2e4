"""What is kept of answers: for how long, under which key, and never past a write of ours."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import RejectedError, UnknownOutcomeError
from orchestrator.netbox.cache import CacheManager, clock, key_of
from orchestrator.netbox.lifetimes import DEFAULT_LIFETIMES, read_lifetimes
from orchestrator.netbox.marks import AllMarks, FileMarks, MemoryMarks, WriteMarks, marked
from orchestrator.netbox.surface import Endpoint
from orchestrator.netbox.transport import Parameters

NOTHING = frozenset[str]()
DEVICES, SITES, BOOKMARKS = (
    Endpoint(path, model, NOTHING, NOTHING, {}, NOTHING)
    for path, model in (
        ("dcim/devices", "dcim.device"),
        ("dcim/sites", "dcim.site"),
        ("extras/bookmarks", "extras.bookmark"),
    )
)
ROWS = [{"id": 1, "site": {"name": "AMS1"}}]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Rows:
    """What NetBox has, and how often it was asked."""

    def __init__(self, rows: list[dict[str, Any]] = ROWS) -> None:
        self.rows = rows
        self.asked = 0

    def __call__(self) -> list[dict[str, Any]]:
        self.asked += 1
        return [dict(row) for row in self.rows]


@pytest.fixture
def timer() -> Clock:
    return Clock()


@pytest.fixture
def marks(timer: Clock) -> MemoryMarks:
    return MemoryMarks(120, timer)


@pytest.fixture
def cache(marks: MemoryMarks, timer: Clock) -> CacheManager:
    return CacheManager(DEFAULT_LIFETIMES, marks, timer=timer)


def ages(cache: CacheManager, rows: Rows, endpoint: Endpoint = DEVICES, times: int = 2) -> list[float | None]:
    return [cache.read(endpoint, [("name", "a")], rows)[1] for _ in range(times)]


def test_a_question_has_one_key_in_whichever_order_it_is_put() -> None:
    asked: Parameters = [("site_id", 2), ("name", "a:b=c"), ("site_id", "1"), ("fields", "name,id")]
    assert key_of("dcim/devices", asked) == "dcim/devices:fields=id,name:name=a%3Ab%3Dc:site_id=1:site_id=2"
    assert key_of("dcim/devices", asked) == key_of("dcim/devices", asked[::-1])
    assert key_of("dcim/devices", [*asked, ("site_id", 1)]) == key_of("dcim/devices", asked)
    again = [*asked[:3], ("fields", "id,name")]
    assert key_of("dcim/devices", again) == key_of("dcim/devices", asked)


def test_questions_that_differ_have_keys_that_differ() -> None:
    questions: list[Parameters] = [
        [],
        [("a", "1")],
        [("a", "1:b=2")],
        [("a", "1"), ("b", "2")],
        [("a", "1,2")],
        [("a", "1"), ("a", "2")],
        [("a=1", "")],
        [("A", "1")],
        [("ordering", "a,b")],
        [("ordering", "b,a")],
    ]
    keys = {key_of(path, one) for path in ("dcim/devices", "dcim/sites") for one in questions}
    assert len(keys) == 2 * len(questions)


def test_an_answer_is_kept_until_its_time_is_over(cache: CacheManager, timer: Clock) -> None:
    rows = Rows()
    assert ages(cache, rows) == [None, 0.0]
    timer.now += 299.5
    assert ages(cache, rows, times=1) == [299.5]
    timer.now += 0.5
    assert ages(cache, rows) == [None, 0.0]
    assert rows.asked == 2
    assert ages(cache, Rows(), SITES) == [None, 0.0]
    timer.now += 3599
    assert ages(cache, Rows(), SITES, 1) == [3599]
    assert (cache.statistics().hits, cache.statistics().misses, cache.statistics().entries) == (5, 3, 1)


def test_its_age_counts_from_the_question_not_from_the_answer(cache: CacheManager, timer: Clock) -> None:
    def slowly() -> list[dict[str, Any]]:
        timer.now += 100
        return ROWS

    cache.read(DEVICES, [], slowly)
    assert cache.read(DEVICES, [], slowly) == (ROWS, 100)
    timer.now += 200
    assert cache.read(DEVICES, [], slowly)[1] is None
    cache.read(DEVICES, [("name", "slower")], lambda: [slowly(), slowly(), slowly()])
    assert cache.statistics().entries == 0  # it was over before it came


def test_types_without_a_time_are_not_kept(cache: CacheManager) -> None:
    assert ages(cache, Rows(), BOOKMARKS) == [None, None]
    assert (cache.statistics().hits, cache.statistics().misses) == (0, 0)


def test_a_type_of_which_nothing_is_known_here_is_found_by_both_its_names(marks: MemoryMarks) -> None:
    for name in ("extras.bookmark", "extras/bookmarks"):
        cache = CacheManager(read_lifetimes({name: 60}), marks, timer=Clock())
        assert ages(cache, Rows(), BOOKMARKS) == [None, 0.0]
    off = CacheManager(read_lifetimes("dcim.device=0"), marks, timer=Clock())
    assert ages(off, Rows()) == [None, None]


@pytest.mark.parametrize("empty", [[], {"count": 0, "next": None, "previous": None, "results": []}])
def test_an_answer_without_rows_is_not_kept_and_takes_away_what_was(cache: CacheManager, empty: Any) -> None:
    for _ in range(2):
        assert cache.read(DEVICES, [], lambda: empty) == (empty, None)
    cache.read(DEVICES, [], lambda: ROWS)
    cache.read(DEVICES, [], lambda: empty, fresh=True)
    assert cache.read(DEVICES, [], lambda: ROWS)[1] is None


def test_a_fresh_answer_takes_the_place_of_what_was_kept(cache: CacheManager, timer: Clock) -> None:
    cache.read(DEVICES, [], lambda: ROWS)
    timer.now += 10
    newer = [{"id": 1, "site": {"name": "AMS2"}}]
    assert cache.read(DEVICES, [], lambda: newer, fresh=True) == (newer, None)
    timer.now += 5
    assert cache.read(DEVICES, [], lambda: ROWS) == (newer, 5)
    assert (cache.statistics().hits, cache.statistics().misses) == (1, 1)


def test_an_answer_that_was_slow_does_not_take_the_place_of_a_later_one(
    cache: CacheManager, timer: Clock
) -> None:
    def overtaken() -> list[dict[str, Any]]:
        timer.now += 1
        cache.read(DEVICES, [], lambda: [{"id": 2}], fresh=True)
        return [{"id": 1}]

    cache.read(DEVICES, [], overtaken)
    assert cache.read(DEVICES, [], overtaken)[0] == [{"id": 2}]


def test_who_changes_a_row_changes_their_own_only(cache: CacheManager) -> None:
    for _ in range(3):
        answer, _ = cache.read(DEVICES, [], lambda: [{"id": 1, "site": {"name": "AMS1"}}])
        assert answer == ROWS
        answer[0]["site"]["name"] = "changed"
        answer.clear()


def test_it_holds_so_many_bytes_and_no_more(marks: MemoryMarks) -> None:
    cache = CacheManager(DEFAULT_LIFETIMES, marks, max_bytes=10_000)
    for number in range(100):
        cache.read(DEVICES, [("id", number)], lambda: [{"text": "x" * 500}])
        assert cache.statistics().size_bytes <= 10_000
    assert 5 < cache.statistics().entries < 20
    assert cache.read(DEVICES, [("id", 99)], Rows())[1] is not None
    assert cache.read(DEVICES, [("id", 0)], Rows())[1] is None
    cache.read(DEVICES, [("id", 99)], lambda: [{"text": "x" * 20_000}], fresh=True)
    assert cache.read(DEVICES, [("id", 99)], Rows())[1] is None


def test_what_netbox_refuses_is_raised_and_not_kept(cache: CacheManager) -> None:
    def refused() -> list[dict[str, Any]]:
        raise RejectedError("no")

    for _ in range(2):
        with pytest.raises(RejectedError):
            cache.read(DEVICES, [], refused)


# Writes


def test_a_write_ends_what_is_kept_of_every_type(cache: CacheManager, marks: MemoryMarks) -> None:
    assert (ages(cache, Rows()), ages(cache, Rows(), SITES)) == ([None, 0.0], [None, 0.0])
    with marked(marks):
        pass
    assert (ages(cache, Rows()), ages(cache, Rows(), SITES)) == ([None, 0.0], [None, 0.0])


def test_nothing_is_kept_that_was_asked_for_before_a_write_had_ended(
    cache: CacheManager, marks: MemoryMarks
) -> None:
    def write_meanwhile() -> list[dict[str, Any]]:
        with marked(marks):
            return [{"name": "as it was"}]

    cache.read(DEVICES, [], write_meanwhile)
    assert cache.read(DEVICES, [], lambda: ROWS) == (ROWS, None)
    with marked(marks):
        assert ages(cache, Rows(), SITES) == [None, None]
    assert ages(cache, Rows(), SITES, 1) == [None]


def test_a_write_that_was_refused_ends_what_was_kept(cache: CacheManager, marks: MemoryMarks) -> None:
    ages(cache, Rows())
    with pytest.raises(RejectedError), marked(marks):
        raise RejectedError("no")
    assert ages(cache, Rows()) == [None, 0.0]


@pytest.mark.parametrize("error", [UnknownOutcomeError("no answer"), KeyboardInterrupt(), MemoryError()])
def test_after_a_write_of_unknown_outcome_nothing_is_kept_for_a_while(
    cache: CacheManager, marks: MemoryMarks, timer: Clock, error: BaseException
) -> None:
    """NetBox may still be at work on it."""
    with pytest.raises(type(error)), marked(marks):
        raise error
    timer.now += 119
    assert ages(cache, Rows()) == [None, None]
    timer.now += 1
    assert ages(cache, Rows()) == [None, 0.0]


def test_processes_that_share_a_folder_know_of_each_others_writes(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "writes" / "default"
    ours, theirs = FileMarks(folder, 120), FileMarks(folder, 120)
    seen = [ours.state()]
    for number in range(200):  # in less time than a clock that ticks may see
        theirs.begin(f"{number}")
        assert ours.state() is None
        theirs.end(f"{number}", settled=True)
        os.utime(folder, (0, 0))  # file systems tell moments more coarsely than writes follow each other
        os.utime(folder / "latest", (0, 0))
        seen.append(ours.state())
    assert None not in seen
    assert len(set(seen)) == 201
    theirs.begin("d")
    theirs.begin("e")
    theirs.end("e", settled=True)
    assert ours.state() is None
    theirs.end("d", settled=False)
    assert ours.state() is None
    assert FileMarks(folder, settle_seconds=0).state() not in {None, *seen}


def test_a_process_that_was_killed_keeps_the_others_waiting_for_a_while_only(tmp_path: Path) -> None:
    killed, ours = FileMarks(tmp_path, 120), FileMarks(tmp_path, 120)
    before = ours.state()
    killed.begin("a")
    assert ours.state() is None
    age(tmp_path / "a", 121)
    assert ours.state() not in (None, before)
    ours.begin("b")
    ours.end("b", settled=True)
    assert [one.name for one in tmp_path.iterdir()] == ["latest"]


def test_a_write_without_an_answer_counts_from_its_end(tmp_path: Path) -> None:
    marks = FileMarks(tmp_path, 120)
    marks.begin("a")
    age(tmp_path / "a", 100)  # it took so long
    marks.end("a", settled=False)
    age(tmp_path / "a", 100)
    assert marks.state() is None


def test_a_clock_that_was_set_back_does_not_keep_others_waiting(tmp_path: Path) -> None:
    marks = FileMarks(tmp_path, 120)
    marks.begin("a")
    age(tmp_path / "a", -3600)
    assert marks.state() is not None


def test_what_lies_in_the_way_keeps_no_write_from_being_marked(tmp_path: Path) -> None:
    (tmp_path / "stray").mkdir()
    age(tmp_path / "stray", 1000)
    marks = FileMarks(tmp_path, 120)
    marks.begin("a")
    assert marks.state() is None


def age(path: Path, seconds: float) -> None:
    """Let a file be so old."""
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def test_a_folder_that_cannot_be_written_to_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    marks = AllMarks([MemoryMarks(120), FileMarks(tmp_path / "file" / "writes", 120)])
    cache = CacheManager(DEFAULT_LIFETIMES, marks)
    with marked(marks):
        pass
    assert ages(cache, Rows())[0] is None  # that no other process writes cannot be known
    assert cache.statistics().entries == 0


# Threads


class World:
    """A counter that takes its time to be written and read, as NetBox does."""

    def __init__(self) -> None:
        self.value = 0
        self.ended = 0

    def read(self) -> list[dict[str, int]]:
        time.sleep(random.random() / 2000)
        value = self.value
        time.sleep(random.random() / 2000)
        return [{"value": value}]

    def write(self, marks: WriteMarks) -> None:
        with marked(marks):
            time.sleep(random.random() / 2000)
            self.value += 1
            time.sleep(random.random() / 2000)
        self.ended = self.value


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_no_thread_is_told_what_is_older_than_the_last_write(where: str, tmp_path: Path) -> None:
    make: dict[str, Callable[[], WriteMarks]] = {
        "memory": lambda: MemoryMarks(120),
        "folder": lambda: FileMarks(tmp_path, 120),
    }
    writing = make[where]()
    cache = CacheManager(DEFAULT_LIFETIMES, writing if where == "memory" else make[where]())
    world, over = World(), threading.Event()

    def read(_number: int) -> int:
        reads = 0
        while not over.is_set():
            ended = world.ended
            rows, _ = cache.read(DEVICES, [], world.read)
            assert rows[0]["value"] >= ended
            reads += 1
            time.sleep(0.0005)  # or the writer never has its turn
        return reads

    with ThreadPoolExecutor(6) as threads:
        readers = [threads.submit(read, number) for number in range(6)]
        try:
            for _ in range(300):
                world.write(writing)
                time.sleep(random.random() / 200)
        finally:
            over.set()
        assert sum(reader.result() for reader in readers) > 300
    assert cache.statistics().hits > 100


def test_the_clock_goes_on() -> None:
    before = clock()
    time.sleep(0.01)
    assert 0.009 < clock() - before < 5
