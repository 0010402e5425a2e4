"""List deletes that go wrong: what is gone counts as deleted, what others depend on stays."""

from __future__ import annotations

from functools import partial

import pytest

from orchestrator.models import Action, Change, Plan, Report
from tests.netbox.faulty_batches import DEADLOCK, Case
from tests.netbox.faulty_proxy import (
    CUT,
    DROP,
    HANG,
    RESET,
    SILENCE,
    Answer,
    Fault,
    First,
    Instead,
)

pytestmark = pytest.mark.usefixtures("parents")

SITES = 3
PATH = "dcim/sites"
NOT_DONE: dict[str, tuple[Fault, Fault]] = {
    "closed, reset": (DROP, RESET),
    "502, deadlock": (Answer(502), DEADLOCK),
    "429, time-out": (Answer(429, headers=(("Retry-After", "0"),)), SILENCE),
}
DONE: dict[str, Fault] = {
    "connection lost": CUT,
    "time-out": HANG,
    "504": Instead(Answer(504)),
    "an HTML page": Instead(Answer(200, b"<html>")),
}


@pytest.fixture
def sites(case: Case) -> list[int]:
    """Three sites that somebody has made; the first has the name that the case's devices expect."""
    names = [case.site, *(f"{case.site}-{number}" for number in range(1, SITES))]
    return [row["id"] for row in case.plain.post(PATH, *({"name": n, "slug": n.lower()} for n in names))]


def delete(case: Case, ids: list[int]) -> Report:
    """Apply a plan that deletes these sites in one list."""
    changes = tuple(
        Change(f"delete-{object_id}", "sites", Action.DELETE, f"site {object_id}", "", live_id=object_id)
        for object_id in ids
    )
    with case.engine() as engine:
        return engine.apply(Plan("default", changes), case.batch_id, case.journal)


def left(case: Case, ids: list[int]) -> set[int]:
    return {row["id"] for row in case.plain.all(PATH)} & set(ids)


def logged_deletes(case: Case) -> list[tuple[int, str]]:
    entries = case.changes("dcim.site")
    return sorted((e["changed_object_id"], e["message"]) for e in entries if e["action"]["value"] == "delete")


def assert_all_deleted_once(case: Case, report: Report, ids: list[int]) -> None:
    assert report.ok, report.first_errors
    assert report.counts == {"sites": {"deleted": len(ids)}}
    assert left(case, ids) == set()
    assert logged_deletes(case) == [(object_id, case.message) for object_id in sorted(ids)]
    assert case.proxy.missed == 0


@pytest.mark.parametrize("name", NOT_DONE)
def test_what_netbox_has_not_deleted_is_sent_again(case: Case, sites: list[int], name: str) -> None:
    case.proxy.aim("DELETE", PATH, *NOT_DONE[name])
    assert_all_deleted_once(case, delete(case, sites), sites)
    assert case.sent("DELETE", PATH) == 3


@pytest.mark.parametrize("name", DONE)
def test_what_netbox_has_deleted_is_not_sent_again(case: Case, sites: list[int], name: str) -> None:
    case.proxy.aim("DELETE", PATH, DONE[name])
    assert_all_deleted_once(case, delete(case, sites), sites)
    assert case.sent("DELETE", PATH) == 1


def test_what_someone_else_has_deleted_meanwhile_is_as_it_should_be(case: Case, sites: list[int]) -> None:
    """NetBox refuses the list (400) because of the one that is gone; the rest is sent again."""
    rival = partial(case.plain.call, "DELETE", f"{PATH}/{sites[1]}")
    case.proxy.aim("DELETE", PATH, First(rival))
    report = delete(case, sites)
    assert report.ok, report.first_errors
    assert report.counts == {"sites": {"unchanged": 1, "deleted": 2}}
    assert left(case, sites) == set()
    assert sum(message == case.message for _, message in logged_deletes(case)) == 2


def test_what_others_depend_on_is_refused_and_the_rest_goes(case: Case, sites: list[int]) -> None:
    """NetBox answers 409, names the row and says how many objects stand in the way."""
    case.plain.post("dcim/devices", case.device(1), case.device(2))
    report = delete(case, sites)
    assert report.counts == {"sites": {"failed": 1, "deleted": 2}}
    (failure,) = report.first_errors
    assert (failure.object_id, left(case, sites)) == (sites[0], {sites[0]})
    assert "2 dependent object(s) prevent deletion" in failure.message
    assert case.sent("DELETE", PATH) == 2
