"""Every way in which a list write can go wrong, at each kind of list, in front of the real NetBox.

One batch meets faults at three lists: at the devices (the database enforces
their names), at the addresses (VIPs: nothing does) and at the updates that set
the primary addresses.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from orchestrator.errors import UnreachableError
from tests.netbox.faulty_batches import API, DEADLOCK, DEVICES, DUPLICATE, Case, server_error
from tests.netbox.faulty_proxy import (
    CUT,
    DROP,
    HANG,
    RESET,
    SILENCE,
    TRUNCATE,
    Answer,
    Fault,
    Instead,
    Late,
)

PAGE = Answer(200, b"<html><body>Please sign in</body></html>")
LISTS = (("POST", "dcim/devices"), ("POST", "ipam/ip-addresses"), ("PATCH", "dcim/devices"))

# Each list meets the two of a line one after the other; the third try goes through.
NOTHING_WRITTEN: dict[str, tuple[Fault, Fault]] = {
    "connection closed, reset": (DROP, RESET),
    "time-out, a page": (SILENCE, PAGE),
    "502, 504": (Answer(502), Answer(504)),
    "503, 408": (Answer(503, headers=(("Retry-After", "1"),)), Answer(408)),
    "duplicate key, deadlock": (DUPLICATE, DEADLOCK),
    "429 twice": (Answer(429, headers=(("Retry-After", "1"),)), Answer(429, headers=(("Retry-After", "0"),))),
}
BROKEN = Instead(server_error("ConnectionError", "Error 111 connecting to redis"))
SHORT = Instead(Answer(201, b"[]", (API,)))
# One for each list.
WRITTEN: dict[str, tuple[Fault, Fault, Fault]] = {
    "lost, time-out, half": (CUT, HANG, TRUNCATE),
    "half, lost, time-out": (TRUNCATE, CUT, HANG),
    "502, 503, 504": (Instead(Answer(502)), Instead(Answer(503)), Instead(Answer(504))),
    "500, page, short": (BROKEN, Instead(PAGE), SHORT),
    "short, 500, page": (SHORT, BROKEN, Instead(PAGE)),
}


def run_with(case: Case, faults: Sequence[Sequence[Fault]]) -> list[int]:
    """Run a batch whose lists meet these faults; returns how often each list was sent."""
    for (method, path), some in zip(LISTS, faults, strict=True):
        case.proxy.aim(method, path, *some)
    report = case.run()
    assert report.ok, report.first_errors
    assert report.counts["devices"] == {"created": DEVICES, "updated": DEVICES}
    assert report.counts["ip_addresses"] == {"created": DEVICES}
    case.assert_each_exactly_once()
    case.assert_written_once()
    return [case.sent(method, path) for method, path in LISTS]


@pytest.mark.parametrize("name", NOTHING_WRITTEN)
def test_what_netbox_has_not_written_is_sent_again(case: Case, name: str) -> None:
    assert run_with(case, [NOTHING_WRITTEN[name]] * 3) == [3, 3, 3]
    case.assert_nothing_left_to_do()


@pytest.mark.parametrize("name", WRITTEN)
def test_what_netbox_has_written_is_not_sent_again(case: Case, name: str) -> None:
    assert run_with(case, [[fault] for fault in WRITTEN[name]]) == [1, 1, 1]
    case.assert_nothing_left_to_do()


def test_what_netbox_writes_after_the_connection_was_lost_is_found(case: Case) -> None:
    """Before the commit, at a list whose keys the database enforces: sent again without waiting."""
    case.proxy.aim("POST", "dcim/devices", Late(0.5))
    report = case.run()
    assert report.ok, report.first_errors
    case.assert_each_exactly_once()
    case.assert_written_once()
    case.assert_nothing_left_to_do()


def test_a_list_that_always_fails_is_halved_until_its_rows_stand_alone(case: Case) -> None:
    """One row that NetBox cannot digest costs that row alone."""
    bad = f"sw-{case.number}-3".encode()
    case.proxy.aim_at_body("POST", "dcim/devices", bad, server_error("ValueError", "cannot digest this"))
    report = case.run()
    assert report.counts["devices"] == {"created": 3, "failed": 1, "updated": 3, "skipped": 1}
    assert "cannot digest this" in report.first_errors[0].message
    assert "tried 3 times" in report.first_errors[0].message
    assert len(case.devices()) == 3


def test_maintenance_mode_ends_the_batch(case: Case) -> None:
    text = "NetBox is currently operating in maintenance mode and is unable to perform write operations."
    case.proxy.aim("POST", "dcim/devices", server_error("InternalError", text))
    with pytest.raises(UnreachableError, match="maintenance mode"):
        case.run()
    assert case.sent("POST", "dcim/devices") == 1
    assert case.devices() == []


def test_a_refusal_without_rows_is_halved(case: Case) -> None:
    """By something in front of NetBox: 4, 2, 1, 1, 2, 1, 1 devices."""
    case.proxy.aim(
        "POST", "dcim/devices", *(Answer(status) for status in (413, 413, 409, 412, 413, 413, 412))
    )
    report = case.run()
    assert report.counts["devices"] == {"failed": DEVICES, "skipped": DEVICES}
    reasons = [outcome.message for outcome in report.first_errors]
    assert ["HTTP 409" in reasons[0], "HTTP 412" in reasons[1], "HTTP 413" in reasons[2]] == [True] * 3
    assert case.devices() == []
    assert case.sent("POST", "dcim/devices") == 7
    assert case.run_again().ok
    case.assert_each_exactly_once()
    case.assert_nothing_left_to_do()
