"""429 and the target's own rate limit: how long requests wait, and when they are given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.errors import UnreachableError
from orchestrator.netbox import NetBoxSettings, RestNetBox
from orchestrator.ports import Query
from tests.netbox.faulty_batches import later
from tests.netbox.faulty_proxy import TRUNCATE, Answer, FaultyProxy

SITES = Query("sites", ("name",))


@pytest.fixture
def netbox(swept_netbox: SandboxInfo, proxy: FaultyProxy) -> Iterator[RestNetBox]:
    with RestNetBox(NetBoxSettings(url=proxy.url, token=swept_netbox.token_v2)) as netbox:
        netbox.status()
        proxy.seen.clear()
        yield netbox


def create_site(netbox: RestNetBox, name: str) -> None:
    netbox.create("sites", [{"name": name, "slug": name}], "")


def busy(retry_after: str) -> Answer:
    return Answer(429, headers=(("Retry-After", retry_after),))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_a_short_pause_is_kept(netbox: RestNetBox, proxy: FaultyProxy, method: str, kind: str) -> None:
    """A date has no fractions of a second: two seconds from now are more than one."""
    path = "dcim/sites"
    proxy.aim(method, path, busy("1" if kind == "seconds" else later(2)))
    if method == "GET":
        netbox.read(SITES)
    else:
        create_site(netbox, f"after-{kind}")
    first, second = (seen.at for seen in proxy.seen if seen.method == method)
    assert second - first >= 0.95
    assert proxy.missed == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_a_long_pause_ends_the_request_at_once(
    netbox: RestNetBox, proxy: FaultyProxy, method: str, kind: str
) -> None:
    proxy.aim(method, "dcim/sites", busy("3600" if kind == "seconds" else later(3600)))
    send = {"GET": lambda: netbox.read(SITES), "POST": lambda: create_site(netbox, "never")}[method]
    with pytest.raises(UnreachableError, match="429") as caught:
        send()
    assert caught.value.retryable
    assert len(proxy.seen) == 1
    if method == "POST":
        assert "nothing was written" in caught.value.message
        assert "seconds" in caught.value.hint


@pytest.mark.parametrize("told", ["soon", ""])
def test_a_pause_that_says_nothing_is_ours_to_choose(
    netbox: RestNetBox, proxy: FaultyProxy, told: str
) -> None:
    proxy.aim("POST", "dcim/sites", busy(told))
    proxy.aim("GET", "dcim/sites", busy(told), busy(told))
    create_site(netbox, f"after-{told or 'nothing'}")
    assert netbox.read(SITES)
    assert proxy.missed == 0


def test_half_an_answer_to_a_read_is_read_again(netbox: RestNetBox, proxy: FaultyProxy) -> None:
    proxy.aim("GET", "dcim/sites", TRUNCATE)
    netbox.read(SITES)
    assert len(proxy.seen) == 2


def test_half_an_answer_every_time(netbox: RestNetBox, proxy: FaultyProxy) -> None:
    proxy.aim("GET", "dcim/sites", *[TRUNCATE] * 9)
    with pytest.raises(UnreachableError, match="does not answer"):
        netbox.read(SITES)
    assert len(proxy.seen) == 2


def test_the_rate_limit_spaces_requests_of_all_threads(swept_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    """Reads, retried reads and writes, over two connections of one process to the same target."""
    settings = NetBoxSettings(url=proxy.url, token=swept_netbox.token_v2, max_requests_per_second=4)
    proxy.aim("GET", "dcim/sites", Answer(503), Answer(503))
    with RestNetBox(settings) as one, RestNetBox(settings) as two:

        def work(netbox: RestNetBox, name: str) -> None:
            netbox.read(SITES)
            create_site(netbox, name)
            netbox.extents(["sites"])

        threads = [
            threading.Thread(target=work, args=(netbox, f"paced-{number}"))
            for number, netbox in enumerate((one, one, two))
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    requests = len(proxy.seen)
    assert requests >= 3 * 3 + 2
    assert time.monotonic() - started >= (requests - 1) / 4
    assert proxy.missed == 0
