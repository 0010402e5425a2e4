"""Reads side by side on the real NetBox: all rows, each once, over no more connections than allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.errors import NetBoxError, UnreachableError
from orchestrator.netbox import RestNetBox
from orchestrator.ports import Extent, Query
from tests.netbox.contract_rig import MESSAGE, create, named
from tests.netbox.faulty_proxy import Answer, FaultyProxy
from tests.netbox.tidy_fixture import settings_of

PAGE = 2
SITES = Query("sites", ("name",))


class Crowd:
    """How many requests are on their way at the same moment; each is held up a little so that they meet."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def pass_through(self, path: str) -> str:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.2)
        with self._lock:
            self._now -= 1
        return path


@pytest.fixture
def proxy(tidy_netbox: SandboxInfo) -> Iterator[FaultyProxy]:
    with FaultyProxy(tidy_netbox.url) as proxy:
        yield proxy


@contextmanager
def reading(info: SandboxInfo, proxy: FaultyProxy, connections: int) -> Iterator[RestNetBox]:
    settings = settings_of(info, url=proxy.url, read_connections=connections)
    with RestNetBox(settings, page_size=PAGE) as netbox:
        yield netbox


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_no_more_requests_at_a_time_than_allowed(
    tidy_netbox: SandboxInfo, proxy: FaultyProxy, connections: int
) -> None:
    with reading(tidy_netbox, proxy, connections) as netbox:
        ids = create(netbox, "sites", *(named(f"site-{number}") for number in range(12)))
        (extent,) = netbox.extents(["sites"])
        assert extent == Extent(12, ids[0], ids[-1])
        crowd = Crowd()
        proxy.rewrite = crowd.pass_through
        whole = Query("sites", ("name",), extent=extent)
        sites, makers = netbox.read_all([whole, Query("manufacturers", ("name",))])
        assert sorted(row["id"] for row in sites) == ids
        assert makers == []
        assert crowd.most == connections


def test_gaps_in_the_ids_leave_nothing_out(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with reading(tidy_netbox, proxy, 2) as netbox:
        ids = create(netbox, "sites", *(named(f"site-{number}") for number in range(20)))
        gone, left = ids[1:15], [ids[0], *ids[15:]]
        netbox.delete("sites", gone, MESSAGE)
        (extent,) = netbox.extents(["sites"])
        rows = netbox.read(Query("sites", ("name",), extent=extent))
        assert sorted(row["id"] for row in rows) == left


def test_what_is_new_since_the_extent_is_found(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with reading(tidy_netbox, proxy, 2) as netbox:
        create(netbox, "sites", *(named(f"site-{number}") for number in range(6)))
        (extent,) = netbox.extents(["sites"])
        create(netbox, "sites", *(named(f"late-{number}") for number in range(5)))
        assert len(netbox.read(Query("sites", ("name",), extent=extent))) == 11


def test_an_empty_list_has_an_extent(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with reading(tidy_netbox, proxy, 2) as netbox:
        assert netbox.extents(["vrfs"]) == [Extent(0, 0, 0)]
        assert netbox.read(Query("vrfs", ("name",), extent=Extent(0, 0, 0))) == []


def test_the_first_failure_ends_a_long_read_beside_it(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    """The other list would take fifteen pages, one after another; it is not followed to its end."""
    with reading(tidy_netbox, proxy, 2) as netbox:
        create(netbox, "sites", *(named(f"site-{number:02}") for number in range(30)))
        proxy.seen.clear()
        proxy.rewrite = lambda path: path.replace("manufacturers", "no-such-list")
        with pytest.raises(NetBoxError):
            netbox.read_all([SITES, Query("manufacturers", ("name",))])
        asked = len(proxy.seen)
        time.sleep(1)
        assert len(proxy.seen) == asked < 15


def test_a_lower_page_size_of_the_server_leaves_nothing_out(
    tidy_netbox: SandboxInfo, proxy: FaultyProxy
) -> None:
    with reading(tidy_netbox, proxy, 2) as netbox:
        ids = create(netbox, "sites", *(named(f"site-{number}") for number in range(7)))
        (extent,) = netbox.extents(["sites"])
        proxy.rewrite = lambda path: path.replace("limit=2", "limit=1")
        rows = netbox.read(Query("sites", ("name",), extent=extent))
        assert sorted(row["id"] for row in rows) == ids


def test_a_request_that_is_refused_late_ends_the_read(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with reading(tidy_netbox, proxy, 2) as netbox:
        create(netbox, "sites", *(named(f"site-{number}") for number in range(8)))
        (extent,) = netbox.extents(["sites"])
        proxy.methods = {"GET"}
        proxy.faults += [None, None, *[Answer(502)] * 12]
        with pytest.raises(UnreachableError, match="HTTP 502"):
            netbox.read(Query("sites", ("name",), extent=extent))


def test_a_closed_client_reads_again(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with reading(tidy_netbox, proxy, 2) as netbox:
        create(netbox, "sites", *(named(f"site-{number}") for number in range(5)))
        queries = [SITES, Query("manufacturers", ("name",))]
        assert [len(rows) for rows in netbox.read_all(queries)] == [5, 0]
        netbox.close()
        assert [len(rows) for rows in netbox.read_all(queries)] == [5, 0]
