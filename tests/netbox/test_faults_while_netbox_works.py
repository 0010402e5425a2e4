"""Rule 6 of the design: NetBox may still be at work on a request whose client has gone.

The addresses are VIPs, of which NetBox lets any number exist: a second copy of
the list would simply be written beside the first.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.netbox.faulty_batches import Case
from tests.netbox.faulty_proxy import Late

pytestmark = pytest.mark.usefixtures("parents")

ADDRESSES = 80
LONG_ENOUGH = 8.0
PATH = "ipam/ip-addresses"


def document(case: Case, addresses: int) -> dict[str, Any]:
    """Addresses that hang on nothing, in one list."""
    address = f"10.{case.number}.0.[1-{addresses}]/24"
    return {"options": {"metadata": "off"}, "ip_addresses": [{"address": address, "role": "vip"}]}


def test_a_list_that_netbox_is_still_working_on_is_waited_for(case: Case) -> None:
    """The client is cut off at once and looks while NetBox is still at it; nothing is sent twice."""
    case.proxy.aim("POST", PATH, Late(0.0))
    report = case.run(document(case, ADDRESSES), settle_seconds=LONG_ENOUGH)
    case.proxy.wait_until_idle()
    sent = next(seen for seen in case.proxy.seen if seen.method == "POST")
    looked = next(s for s in case.proxy.seen if s.at > sent.at and s.line.startswith(f"GET /api/{PATH}/"))
    assert looked.at < case.proxy.finished[0], "NetBox was too quick for this test to mean anything"
    assert (report.ok, case.sent("POST", PATH)) == (True, 1)
    assert report.counts["ip_addresses"] == {"created": ADDRESSES}
    assert len(case.addresses()) == len(set(case.addresses())) == ADDRESSES
    case.assert_journal_tells_whose("ip_addresses", "ipam.ipaddress")
    case.assert_nothing_left_to_do(document(case, ADDRESSES))


def test_a_list_that_reaches_netbox_late_is_waited_for(case: Case) -> None:
    """What stood in a queue before NetBox when the client went: the same wait serves."""
    case.proxy.aim("POST", PATH, Late(2.0))
    assert case.run(document(case, 4), settle_seconds=5.0).ok
    case.proxy.wait_until_idle()
    assert (len(case.addresses()), case.sent("POST", PATH)) == (4, 1)


def test_without_the_wait_there_would_be_doubles(case: Case) -> None:
    """The danger is real: this is what `settle_seconds` is for, and what happens without it."""
    case.proxy.aim("POST", PATH, Late(3.0))
    assert case.run(document(case, 4), settle_seconds=0.0).ok
    case.proxy.wait_until_idle()
    assert (len(case.addresses()), len(set(case.addresses()))) == (8, 4)
    assert case.sent("POST", PATH) == 2
