"""The journal in Redis and the one in SQLite mean the same. Who lost the lease cannot announce a write."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.errors import JournalError, LeaseLostError
from orchestrator.models import Action, Change, Outcome, Pass, Plan, Planned, Result, Stamp
from orchestrator.plugin_types import declare
from orchestrator.ports import Journal
from tests.redis_fixture import redis_stopped
from tests.unit.netbox_bgp import BGP_LISTS
from workers import keys
from workers.journal import SLICE_ROWS, RedisJournal
from workers.journal_entries import BadCursorError
from workers.lease import Lease
from workers.settings import DAY_SECONDS
from workers.sqlite_journal import SqliteJournal

AnyJournal = RedisJournal | SqliteJournal


@pytest.fixture
def in_redis(redis: Redis) -> RedisJournal:
    lease = Lease(redis, "lab", "t-1", 30)
    lease.acquire()
    return RedisJournal(redis, "b-1", lease)


@pytest.fixture
def in_a_file(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path, "b-1")
    yield journal
    journal.close()


@pytest.fixture(params=["in_redis", "in_a_file"])
def journal(request: pytest.FixtureRequest) -> AnyJournal:
    return request.getfixturevalue(request.param)


def change(number: int, object_type: str = "sites") -> Change:
    name = f"site {number}"
    return Change(
        id=f"{object_type}:{number}",
        object_type=object_type,
        action=Action.CREATE,
        label=name,
        path=f"{object_type}[{number}]",
        after={"name": name},
        key={"name": name},
    )


def outcome(number: int, result: Result = Result.CREATED, object_type: str = "sites") -> Outcome:
    of = change(number, object_type)
    return Outcome(of.id, object_type, of.label, of.path, result, object_id=number, run=1)


def announce(journal: Journal, *numbers: int) -> None:
    changes = [change(number) for number in numbers]
    journal.intend(changes, [dict(one.after) for one in changes])


def test_it_keeps_the_types_of_plugins(journal: AnyJournal) -> None:
    """They must be known again to whoever takes the batch back, or goes on with it."""
    assert journal.types() == ()
    types = declare({"netbox_bgp.community": "value", "netbox_bgp.prefixlist": "name"}, BGP_LISTS)
    journal.open(Plan("lab", (change(1),), types=types))
    assert journal.types() == types


def test_what_was_planned_is_noted_in_redis(in_redis: RedisJournal, redis: Redis) -> None:
    in_redis.open(Plan("lab", (change(1),), digest="abc"))
    facts = redis.hgetall(keys.journal("b-1"))
    assert (facts[b"target"], facts[b"digest"]) == (b"lab", b"abc")


def test_what_was_planned_and_what_became_of_it_is_noted_in_the_file(
    in_a_file: SqliteJournal, tmp_path: Path
) -> None:
    in_a_file.open(Plan("lab", (change(1),), digest="abc"))
    in_a_file.settle([outcome(1), outcome(2, Result.FAILED)])
    # As anyone can read it, while it is being written.
    with closing(sqlite3.connect(tmp_path / "journals" / "b-1.sqlite3")) as db:
        facts = dict(db.execute("SELECT name, value FROM facts"))
        results = db.execute("SELECT change_id, object_type, result FROM outcomes ORDER BY place").fetchall()
    assert (facts["target"], facts["digest"]) == ("lab", "abc")
    assert results == [("sites:1", "sites", "created"), ("sites:2", "sites", "failed")]


@pytest.mark.parametrize("undoes", ["", "b-0"])
def test_a_journal_tells_whether_it_is_that_of_a_rollback(journal: AnyJournal, undoes: str) -> None:
    assert journal.undoes() == ""
    journal.open(Plan("lab", (change(1),), digest="abc", undoes=undoes))
    assert journal.undoes() == undoes


def test_an_intent_is_open_until_it_is_settled(journal: AnyJournal) -> None:
    announce(journal, 1, 2, 3)
    journal.settle([outcome(2)])
    assert [intent.change_id for intent in journal.unsettled()] == ["sites:1", "sites:3"]
    assert journal.unsettled()[0].sent == {"name": "site 1"}
    assert len(list(journal.intents())) == 3


def test_all_that_was_done_can_be_read_back_in_order(journal: AnyJournal) -> None:
    number = 2 * SLICE_ROWS + 7
    announce(journal, *range(number))
    journal.settle([outcome(at) for at in range(number)])
    journal.settle([outcome(number, Result.FAILED)])
    assert [intent.label for intent in journal.intents()] == [f"site {at}" for at in range(number)]
    assert list(journal.settled()) == [outcome(at) for at in range(number)] + [outcome(number, Result.FAILED)]


def test_an_outcome_comes_back_with_all_it_had(journal: AnyJournal) -> None:
    told = replace(outcome(1), passes=Pass.LINK, message="why", request_id="r-1", last_updated="2026-11-23")
    journal.settle([told])
    assert list(journal.settled()) == [told]


def test_an_intent_comes_back_as_a_rollback_needs_it(journal: AnyJournal) -> None:
    stamped = Change(
        id="devices/sw-1",
        object_type="devices",
        action=Action.UPDATE,
        label="sw-1",
        path="devices[0]",
        live_id=7,
        before={"tags": (1, 2), "custom_fields": {"owner": "me"}},
        after={"tags": (1, 2, 3), "site": Planned("sites/AMS1")},
        key={"name": "sw-1", "site": Planned("sites/AMS1")},
        stamp=Stamp(before={"netbox_mcp_batch": "b-0"}),
    )
    journal.intend([stamped], [{"id": 7, "tags": [1, 2, 3], "site": 4}])
    (intent,) = journal.intents()
    assert intent.before == {"tags": [1, 2], "custom_fields": {"owner": "me", "netbox_mcp_batch": "b-0"}}
    assert intent.key == {"name": "sw-1", "site": Planned("sites/AMS1")}
    assert intent.after["site"] == Planned("sites/AMS1")
    assert intent.sent == {"id": 7, "tags": [1, 2, 3], "site": 4}


def test_what_is_kept_of_a_reference_to_something_planned_can_be_read_by_people(
    in_a_file: SqliteJournal, tmp_path: Path
) -> None:
    in_a_file.intend([replace(change(1), key={"site": Planned("sites/AMS1")})], [{}])
    with closing(sqlite3.connect(tmp_path / "journals" / "b-1.sqlite3")) as db:
        (body,) = db.execute("SELECT body FROM intents").fetchone()
    assert json.loads(body)["key"] == {"site": {"$planned": "sites/AMS1"}}


def test_a_journal_knows_whether_it_remembers(in_redis: RedisJournal, redis: Redis) -> None:
    assert not RedisJournal(redis, "b-2").remembers()
    in_redis.open(Plan("lab", ()))
    in_redis.settle([outcome(9, Result.UNCHANGED)])
    assert in_redis.remembers()  # it knows that nothing was written
    announce(in_redis, 1)
    in_redis.settle([outcome(1)])
    assert in_redis.remembers()
    redis.delete(keys.journal("b-1", "intents"))
    assert not in_redis.remembers()


def test_the_journal_of_this_machine_is_found_by_its_batch(tmp_path: Path) -> None:
    assert SqliteJournal.find(tmp_path, "b-1") is None
    assert not (tmp_path / "journals").exists()
    writing = SqliteJournal(tmp_path, "b-1")
    assert writing.target == ""
    writing.open(Plan("lab", ()))
    writing.close()
    found = SqliteJournal.find(tmp_path, "b-1")
    assert found is not None
    assert found.target == "lab"
    found.close()


def test_what_is_on_its_way_is_counted(in_redis: RedisJournal) -> None:
    announce(in_redis, 1, 2, 3)
    assert in_redis.in_flight() == 3
    in_redis.settle([outcome(2)])
    assert in_redis.in_flight() == 2


def test_a_change_that_is_sent_again_is_open_once(journal: AnyJournal) -> None:
    announce(journal, 1, 2)
    announce(journal, 2)
    assert [intent.change_id for intent in journal.unsettled()] == ["sites:1", "sites:2"]
    journal.settle([outcome(1), outcome(2)])
    assert journal.unsettled() == []


def test_counts_go_by_type_and_result(in_redis: RedisJournal) -> None:
    in_redis.settle([outcome(1), outcome(2), outcome(3, Result.FAILED)])
    in_redis.settle([outcome(1, Result.UNCHANGED, "devices")])
    assert in_redis.counts() == {"sites": {"created": 2, "failed": 1}, "devices": {"unchanged": 1}}


def test_every_outcome_is_on_exactly_one_page(in_redis: RedisJournal) -> None:
    number = SLICE_ROWS + 30
    in_redis.settle([outcome(at) for at in range(number)])
    in_redis.settle([outcome(number)])
    seen: list[Outcome] = []
    cursor = None
    while True:
        page = in_redis.outcomes(cursor=cursor, limit=100)
        seen += page.outcomes
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.outcomes) == 100
    assert seen == [outcome(at) for at in range(number + 1)]


def test_pages_can_be_filtered(in_redis: RedisJournal) -> None:
    in_redis.settle([outcome(at, Result.FAILED if at % 3 == 0 else Result.CREATED) for at in range(30)])
    in_redis.settle([outcome(99, Result.FAILED, "devices")])
    first = in_redis.outcomes(outcome="failed", object_type="sites", limit=6)
    rest = in_redis.outcomes(outcome="failed", object_type="sites", limit=6, cursor=first.next_cursor)
    assert [row.label for row in first.outcomes + rest.outcomes] == [f"site {at}" for at in range(0, 30, 3)]
    assert rest.next_cursor is None


@pytest.mark.parametrize("cursor", ["-1", "abc", "٣", "9" * 40])
def test_a_cursor_that_nobody_gave_is_an_error(in_redis: RedisJournal, cursor: str) -> None:
    with pytest.raises(BadCursorError):
        in_redis.outcomes(cursor=cursor)


def test_dates_in_a_document_can_be_journalled(journal: AnyJournal) -> None:
    import datetime

    journal.intend([change(1)], [{"install_date": datetime.date(2026, 11, 23)}])
    assert journal.unsettled()[0].sent == {"install_date": "2026-11-23"}


def test_a_stale_epoch_cannot_announce_a_write(redis: Redis) -> None:
    paused, next_one = Lease(redis, "lab", "t-1", 30), Lease(redis, "lab", "t-2", 30)
    paused.acquire()
    journal = RedisJournal(redis, "b-1", paused)
    announce(journal, 1)
    redis.delete(keys.lease("lab"))  # as when it lapses
    next_one.acquire()
    with pytest.raises(LeaseLostError, match="nothing more was sent"):
        announce(journal, 2)
    with pytest.raises(LeaseLostError):
        journal.open(Plan("lab", ()))
    assert [intent.change_id for intent in journal.unsettled()] == ["sites:1"]
    # What was done before is told all the same.
    journal.settle([outcome(1)])
    assert journal.counts() == {"sites": {"created": 1}}


def test_a_lapsed_lease_cannot_announce_a_write_even_if_nobody_else_came(redis: Redis) -> None:
    lease = Lease(redis, "lab", "t-1", 30)
    lease.acquire()
    redis.delete(keys.lease("lab"))
    with pytest.raises(LeaseLostError):
        announce(RedisJournal(redis, "b-1", lease), 1)


def test_the_same_task_with_a_new_lease_has_a_new_epoch(redis: Redis) -> None:
    """A worker that was paused and one that took the task over bear the same task id."""
    paused, successor = Lease(redis, "lab", "t-1", 30), Lease(redis, "lab", "t-1", 30)
    paused.acquire()
    redis.delete(keys.lease("lab"))
    successor.acquire()
    announce(RedisJournal(redis, "b-1", successor), 1)
    with pytest.raises(LeaseLostError):
        announce(RedisJournal(redis, "b-1", paused), 2)


def test_a_journal_without_lease_is_for_reading(redis: Redis) -> None:
    with pytest.raises(JournalError, match="for reading only"):
        announce(RedisJournal(redis, "b-1"), 1)


def test_the_journal_outlives_a_restart_of_redis(redis_server: RedisServer, redis: Redis) -> None:
    lease = Lease(redis, "lab", "t-1", 30)
    lease.acquire()
    announce(RedisJournal(redis, "b-1", lease), 1, 2)
    with redis_stopped(redis_server):
        pass
    assert len(RedisJournal(redis, "b-1").unsettled()) == 2


def test_a_sqlite_journal_can_be_read_by_another_process_later(tmp_path: Path) -> None:
    writing = SqliteJournal(tmp_path, "b-1")
    writing.open(Plan("lab", (change(1),)))
    announce(writing, 1)
    # Not closed: a killed process closes nothing either.
    reading = SqliteJournal(tmp_path, "b-1")
    assert [intent.label for intent in reading.unsettled()] == ["site 1"]
    writing.settle([outcome(1)])
    assert reading.unsettled() == []


def test_old_files_go_when_a_new_one_is_made(tmp_path: Path) -> None:
    for name in ("b-old", "b-young", "b-still-written"):
        journal = SqliteJournal(tmp_path, name)
        announce(journal, 1)
        if name != "b-still-written":
            journal.close()
    folder = tmp_path / "journals"
    (folder / "notes.txt").write_text("not ours")
    long_ago = time.time() - 3 * DAY_SECONDS
    for name in ("b-old.sqlite3", "b-still-written.sqlite3", "notes.txt"):
        os.utime(folder / name, (long_ago, long_ago))
    # A journal that is open keeps its newest rows beside the file.
    assert (folder / "b-still-written.sqlite3-wal").exists()

    SqliteJournal(tmp_path, "b-new", retention_seconds=2 * DAY_SECONDS).close()
    left = {file.name.partition(".")[0] for file in folder.iterdir()}
    assert left == {"b-young", "b-still-written", "b-new", "notes"}


def test_a_state_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file where a folder should be")
    with pytest.raises(JournalError, match="cannot be written") as caught:
        SqliteJournal(tmp_path, "b-1")
    assert "NETBOX_MCP_STATE_DIR" in caught.value.hint


def test_a_later_run_tries_again_what_failed_and_keeps_the_rest(in_redis: RedisJournal, redis: Redis) -> None:
    number = SLICE_ROWS + 3
    announce(in_redis, *range(number))
    results = [Result.FAILED if at % 100 == 7 else Result.CREATED for at in range(number)]
    in_redis.settle([outcome(at, result) for at, result in enumerate(results)])
    in_redis.settle([outcome(number, Result.SKIPPED), outcome(number + 1, Result.UNCHANGED)])
    before = in_redis.outcomes(limit=10).next_cursor
    second = RedisJournal(redis, "b-1", in_redis._lease, run=2)
    second.begin_run()
    second.reopen()
    made = results.count(Result.CREATED)
    assert second.counts() == {"sites": {"created": made}}
    assert {one.result for one in second.outcomes(limit=number + 2).outcomes} == {"created"}
    assert second.outcomes(cursor=before, limit=1).outcomes[0].label == "site 10"
    assert len(list(second.settled())) == number + 2  # for a rollback: what failed was not written
    second.reopen()
    assert second.counts() == {"sites": {"created": made}}

    # Whoever comes too late with an outcome is not listened to: the second run has read it back.
    in_redis.settle([outcome(7), outcome(107, Result.FAILED)])
    assert second.counts() == {"sites": {"created": made}}

    # The same change once more: its intent and its outcome belong to the second run.
    announce(second, 7)
    assert [(one.label, one.run) for one in second.unsettled()] == [("site 7", 2)]
    second.settle([replace(outcome(7), run=0)])
    assert second.counts() == {"sites": {"created": made + 1}}
    assert list(second.settled())[-1] == replace(outcome(7), run=2)
    assert [one.run for one in second.intents() if one.label == "site 7"] == [1, 2]


def test_what_came_to_nothing_is_given_up(in_redis: RedisJournal) -> None:
    announce(in_redis, 1, 2, 3)
    in_redis.settle([outcome(2)])
    in_redis.give_up(in_redis.unsettled())
    assert in_redis.in_flight() == 0
    assert [one.label for one in in_redis.intents()] == ["site 1", "site 2", "site 3"]


def test_who_lost_the_lease_rewrites_nothing(in_redis: RedisJournal, redis: Redis) -> None:
    announce(in_redis, 1, 2)
    in_redis.settle([outcome(1, Result.FAILED)])
    redis.set(keys.lease("lab"), "2:t-2:x")
    with pytest.raises(LeaseLostError):
        in_redis.reopen()
    with pytest.raises(LeaseLostError):
        in_redis.give_up(in_redis.unsettled())
    assert in_redis.counts() == {"sites": {"failed": 1}}
    assert in_redis.in_flight() == 1
