"""The journal in Redis and the one in SQLite mean the same. Who lost the lease cannot announce a write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox.redis_server import RedisServer
from orchestrator.errors import JournalError, LeaseLostError
from orchestrator.models import Action, Change, Outcome, Plan, Result
from orchestrator.ports import Journal
from workers.errors import UnknownBatchError
from workers.journal import SLICE_ROWS, RedisJournal
from workers.journal_entries import BadCursorError
from workers.lease import Lease
from workers.sqlite_journal import SqliteJournal

AnyJournal = RedisJournal | SqliteJournal


@pytest.fixture(params=["redis", "sqlite"])
def journal(request: pytest.FixtureRequest, redis: Redis, tmp_path: Path) -> Iterator[AnyJournal]:
    if request.param == "redis":
        lease = Lease(redis, "lab", "t-1", 30)
        lease.acquire()
        yield RedisJournal(redis, "b-1", lease)
    else:
        with_file = SqliteJournal(tmp_path, "b-1")
        yield with_file
        with_file.close()


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
    return Outcome(of.id, object_type, of.label, of.path, result, object_id=number)


def announce(journal: Journal, *numbers: int) -> None:
    changes = [change(number) for number in numbers]
    journal.intend(changes, [dict(one.after) for one in changes])


def test_both_are_journals_of_the_engine(journal: AnyJournal) -> None:
    as_the_engine_sees_it: Journal = journal
    as_the_engine_sees_it.open(Plan("lab", (change(1),), digest="abc"))
    assert journal.facts()["target"] == "lab"
    assert journal.facts()["digest"] == "abc"


def test_an_intent_is_open_until_it_is_settled(journal: AnyJournal) -> None:
    announce(journal, 1, 2, 3)
    journal.settle([outcome(2)])
    assert [intent.change_id for intent in journal.unsettled()] == ["sites:1", "sites:3"]
    assert journal.unsettled()[0].sent == {"name": "site 1"}
    assert len(list(journal.intents())) == 3


def test_a_change_that_is_sent_again_is_open_once(journal: AnyJournal) -> None:
    announce(journal, 1, 2)
    announce(journal, 2)
    assert [intent.change_id for intent in journal.unsettled()] == ["sites:1", "sites:2"]
    journal.settle([outcome(1), outcome(2)])
    assert journal.unsettled() == []


def test_counts_go_by_type_and_result(journal: AnyJournal) -> None:
    journal.settle([outcome(1), outcome(2), outcome(3, Result.FAILED)])
    journal.settle([outcome(1, Result.UNCHANGED, "devices")])
    assert journal.counts() == {"sites": {"created": 2, "failed": 1}, "devices": {"unchanged": 1}}


def test_every_outcome_is_on_exactly_one_page(journal: AnyJournal) -> None:
    number = SLICE_ROWS + 30
    journal.settle([outcome(at) for at in range(number)])
    journal.settle([outcome(number)])
    seen: list[Outcome] = []
    cursor = None
    while True:
        page = journal.outcomes(cursor=cursor, limit=100)
        seen += page.outcomes
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.outcomes) == 100
    assert seen == [outcome(at) for at in range(number + 1)]


def test_pages_can_be_filtered(journal: AnyJournal) -> None:
    journal.settle([outcome(at, Result.FAILED if at % 3 == 0 else Result.CREATED) for at in range(30)])
    journal.settle([outcome(99, Result.FAILED, "devices")])
    first = journal.outcomes(outcome="failed", object_type="sites", limit=6)
    rest = journal.outcomes(outcome="failed", object_type="sites", limit=6, cursor=first.next_cursor)
    assert [row.label for row in first.outcomes + rest.outcomes] == [f"site {at}" for at in range(0, 30, 3)]
    assert rest.next_cursor is None


@pytest.mark.parametrize("cursor", ["-1", "abc", "٣", "9" * 40])
def test_a_cursor_that_nobody_gave_is_an_error(journal: AnyJournal, cursor: str) -> None:
    with pytest.raises(BadCursorError):
        journal.outcomes(cursor=cursor)


def test_dates_in_a_document_can_be_journalled(journal: AnyJournal) -> None:
    import datetime

    journal.intend([change(1)], [{"install_date": datetime.date(2026, 11, 23)}])
    assert journal.unsettled()[0].sent == {"install_date": "2026-11-23"}


def test_a_stale_epoch_cannot_announce_a_write(redis: Redis) -> None:
    paused, next_one = Lease(redis, "lab", "t-1", 0.2), Lease(redis, "lab", "t-2", 30)
    paused.acquire()
    journal = RedisJournal(redis, "b-1", paused)
    announce(journal, 1)
    time.sleep(0.3)
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
    lease = Lease(redis, "lab", "t-1", 0.2)
    lease.acquire()
    time.sleep(0.3)
    with pytest.raises(LeaseLostError):
        announce(RedisJournal(redis, "b-1", lease), 1)


def test_the_same_task_with_a_new_lease_has_a_new_epoch(redis: Redis) -> None:
    """A worker that was paused and one that took the task over bear the same task id."""
    paused, successor = Lease(redis, "lab", "t-1", 0.2), Lease(redis, "lab", "t-1", 30)
    paused.acquire()
    time.sleep(0.3)
    successor.acquire()
    announce(RedisJournal(redis, "b-1", successor), 1)
    with pytest.raises(LeaseLostError):
        announce(RedisJournal(redis, "b-1", paused), 2)


def test_a_journal_without_lease_is_for_reading(redis: Redis) -> None:
    with pytest.raises(JournalError, match="for reading only"):
        announce(RedisJournal(redis, "b-1"), 1)
    with pytest.raises(UnknownBatchError):
        RedisJournal(redis, "b-1").facts()


def test_the_journal_outlives_a_restart_of_redis(redis_server: RedisServer, redis: Redis) -> None:
    lease = Lease(redis, "lab", "t-1", 30)
    lease.acquire()
    announce(RedisJournal(redis, "b-1", lease), 1, 2)
    redis_server.stop()
    redis_server.start()
    assert len(RedisJournal(redis, "b-1").unsettled()) == 2


def test_a_sqlite_journal_can_be_read_by_another_process_later(tmp_path: Path) -> None:
    writing = SqliteJournal(tmp_path, "b-1")
    writing.open(Plan("lab", (change(1),)))
    announce(writing, 1)
    # Not closed: a killed process closes nothing either.
    reading = SqliteJournal(tmp_path, "b-1", create=False)
    assert [intent.label for intent in reading.unsettled()] == ["site 1"]
    writing.settle([outcome(1)])
    assert reading.outcomes().outcomes == (outcome(1),)


def test_an_unknown_sqlite_journal_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(UnknownBatchError):
        SqliteJournal(tmp_path, "b-9", create=False)
    assert not list(tmp_path.rglob("*.sqlite3"))


def test_a_state_directory_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "journals").write_text("a file where a folder should be")
    with pytest.raises(JournalError, match="cannot be written") as caught:
        SqliteJournal(tmp_path, "b-1")
    assert "NETBOX_MCP_STATE_DIR" in caught.value.hint
