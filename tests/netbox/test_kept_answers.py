"""Kept answers of the real NetBox: which reads are sent, and which are answered from what was read before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import NotThereError, RejectedError, UnknownOutcomeError
from orchestrator.netbox import RestNetBox, open_netbox
from orchestrator.netbox.cache import CacheManager
from orchestrator.netbox.client import NetBoxClient
from orchestrator.netbox.endpoints import Endpoints, Mutation
from orchestrator.netbox.lifetimes import read_lifetimes
from orchestrator.netbox.marks import MemoryMarks
from orchestrator.ports import Written
from tests.netbox.faulty_proxy import CUT, FaultyProxy, Late
from tests.netbox.test_endpoints import unaudited
from tests.netbox.tidy_fixture import call, settings_of
from tests.unit.batches import apply

SETTLE_SECONDS = 3.0


class Rig:
    """A client with a cache, behind a proxy that counts."""

    def __init__(self, netbox: RestNetBox, proxy: FaultyProxy, folder: Path, marks: MemoryMarks) -> None:
        self.netbox, self.proxy = netbox, proxy
        self.cache = CacheManager(read_lifetimes("devices=300"), marks)
        self.mutations: list[Mutation] = []
        self.endpoints = Endpoints(netbox, folder, self._audit, self.cache)
        self.engine = NetBoxBulkOrchestrator(netbox)
        self.client = NetBoxClient(self.engine, lambda _document: pytest.fail("not asked"), self.endpoints)
        self.endpoints.surface  # noqa: B018  what it is made of is not to be counted
        proxy.seen.clear()

    def _audit(self, mutation: Mutation) -> AbstractContextManager[Callable[[Written], None]]:
        self.mutations.append(mutation)
        return unaudited(mutation)

    @property
    def sent(self) -> int:
        """How many reads NetBox got since this was last looked at."""
        count = sum(seen.method == "GET" for seen in self.proxy.seen)
        self.proxy.seen.clear()
        return count


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("surfaces")


@pytest.fixture
def rig(tidy_netbox: SandboxInfo, proxy: FaultyProxy, surfaces: Path) -> Iterator[Rig]:
    marks = MemoryMarks(SETTLE_SECONDS)
    settings = settings_of(tidy_netbox, url=proxy.url, read_timeout_seconds=5)
    with open_netbox(settings, marks=marks) as netbox:
        yield Rig(netbox, proxy, surfaces, marks)


@pytest.fixture
def site(tidy_netbox: SandboxInfo) -> int:
    return int(call(tidy_netbox, "POST", "dcim/sites", json={"name": "AMS1", "slug": "ams1"})["id"])


def describe(info: SandboxInfo, site: int, text: str) -> None:
    """What somebody does in NetBox's own pages."""
    call(info, "PATCH", f"dcim/sites/{site}", json={"description": text})


def test_what_was_read_is_not_asked_for_again(rig: Rig, site: int) -> None:
    sites = rig.client.dcim.sites
    for _ in range(3):
        assert [row["id"] for row in sites.filter(name="AMS1", slug="ams1")] == [site]
        assert sites.get(site)["name"] == "AMS1"
        assert sites.count(slug="ams1") == 1
        assert [row["name"] for row in sites.all(fields=["name", "slug"])] == ["AMS1"]
    assert rig.sent == 4
    assert len(sites.filter(slug="ams1", name=["AMS1"])) == 1
    assert sites.all(fields=["slug", "name"]) == sites.all(fields=["name", "slug"])
    assert rig.client.dcim.sites.get(id=site)["name"] == "AMS1"
    assert rig.sent == 0
    assert sites.page({"slug": "ams1"}, limit=1)["age_seconds"] >= 1
    assert "age_seconds" not in sites.page({"slug": "ams1"}, limit=7)
    assert rig.sent == 1
    assert rig.cache.statistics().hits == 4 * 2 + 5


def test_what_is_not_there_is_looked_for_each_time(rig: Rig, tidy_netbox: SandboxInfo) -> None:
    sites = rig.client.dcim.sites
    assert (sites.get(slug="ams1"), sites.count(slug="ams1"), sites.filter(slug="ams1")) == (None, 0, [])
    call(tidy_netbox, "POST", "dcim/sites", json={"name": "AMS1", "slug": "ams1"})
    assert (sites.get(slug="ams1")["name"], sites.count(slug="ams1")) == ("AMS1", 1)
    assert len(sites.filter(slug="ams1")) == 1


def test_types_without_a_lifetime_are_asked_for_each_time(rig: Rig, tidy_netbox: SandboxInfo) -> None:
    call(tidy_netbox, "POST", "dcim/regions", json={"name": "Europe", "slug": "europe"})
    regions = rig.client.dcim.regions
    assert [len(regions.all()) for _ in range(2)] == [1, 1]
    assert rig.sent == 2
    call(tidy_netbox, "DELETE", "dcim/regions", json=[{"id": regions.all()[0]["id"]}])


def test_a_call_can_ask_past_it(rig: Rig, tidy_netbox: SandboxInfo, site: int) -> None:
    sites = rig.client.dcim.sites
    assert sites.get(site)["description"] == ""
    describe(tidy_netbox, site, "by hand")
    assert sites.get(site)["description"] == ""
    assert sites.fresh.get(site)["description"] == "by hand"
    assert sites.get(site)["description"] == "by hand"  # nobody sees the old one after the new


def test_our_own_writes_are_seen_at_once(rig: Rig, site: int) -> None:
    sites, devices = rig.client.dcim.sites, rig.client.dcim.devices

    def seen() -> list[str]:
        return [row["name"] for row in sites.all()]

    assert seen() == ["AMS1"]
    made = sites.create({"name": "AMS2", "slug": "ams2"}, confirm=True)[0]
    assert seen() == ["AMS1", "AMS2"]
    sites.update({"id": site, "name": "Amsterdam"}, confirm=True)
    assert sorted(seen()) == ["AMS2", "Amsterdam"]
    sites.delete(made["id"], confirm=True)
    assert seen() == ["Amsterdam"]
    rig.proxy.seen.clear()
    assert seen() == ["Amsterdam"]
    assert rig.sent == 0
    with pytest.raises(RejectedError):
        devices.create({"name": "no type"}, confirm=True)
    assert seen() == ["Amsterdam"]
    assert rig.sent >= 1
    made = sites.create({"name": "AMS3", "slug": "ams3"}, confirm=True)[0]
    assert len(seen()) == 2
    rig.netbox.delete("sites", [made["id"]], "")  # as the engine does
    assert seen() == ["Amsterdam"]


def test_what_a_write_reads_beforehand_is_not_what_was_kept(
    rig: Rig, tidy_netbox: SandboxInfo, site: int
) -> None:
    sites = rig.client.dcim.sites
    assert len(sites.filter(id=[site])) == 1
    describe(tidy_netbox, site, "by hand")
    sites.update({"id": site, "description": "ours"}, confirm=True)
    assert rig.mutations[0].before[0]["description"] == "by hand"
    assert len(sites.filter(id=[site])) == 1
    call(tidy_netbox, "DELETE", "dcim/sites", json=[{"id": site}])
    with pytest.raises(NotThereError):
        sites.update({"id": site, "description": "x"}, confirm=True)


def test_only_who_says_so_is_told_what_was_kept(rig: Rig, tidy_netbox: SandboxInfo, site: int) -> None:
    assert rig.endpoints.find("sites", cached=True).get(site) is not None
    assert rig.endpoints.find("sites").get(site) is not None
    assert rig.sent == 2
    assert rig.endpoints.find("sites", cached=True).get(site) is not None
    assert rig.sent == 0


def test_the_engine_always_asks(rig: Rig, tidy_netbox: SandboxInfo) -> None:
    document = {"sites": [{"name": "AMS1", "description": "wanted"}], "options": {"metadata": "off"}}
    assert apply(rig.netbox, document).ok
    for read in (rig.client.dcim.sites.all, rig.client.dcim.sites.all):
        assert [row["description"] for row in read()] == ["wanted"]
    rig.proxy.seen.clear()
    plans = [rig.engine.plan(document) for _ in range(2)]
    assert [plan.writes for plan in plans] == [0, 0]
    assert rig.sent >= 2
    site = rig.client.dcim.sites.all()[0]["id"]
    describe(tidy_netbox, site, "by hand")
    assert rig.client.dcim.sites.all()[0]["description"] == "wanted"
    assert rig.engine.plan(document).writes == 1


def test_a_write_whose_answer_is_lost_is_seen(rig: Rig, site: int) -> None:
    sites = rig.client.dcim.sites
    assert sites.get(site)["description"] == ""
    rig.proxy.aim("PATCH", "dcim/sites", CUT)
    with pytest.raises(UnknownOutcomeError):
        sites.update({"id": site, "description": "ours"}, confirm=True)
    assert sites.get(site)["description"] == "ours"


def test_a_write_that_comes_late_is_seen(rig: Rig, site: int) -> None:
    """Nobody has its answer, and NetBox does it after others have read."""
    sites = rig.client.dcim.sites
    rig.proxy.aim("PATCH", "dcim/sites", Late(1.0))
    with pytest.raises(UnknownOutcomeError):
        sites.update({"id": site, "description": "ours"}, confirm=True)
    assert sites.get(site)["description"] == ""
    rig.proxy.wait_until_idle()
    assert sites.get(site)["description"] == "ours"
    rig.proxy.seen.clear()
    sites.get(site)
    assert rig.sent == 1
    time.sleep(SETTLE_SECONDS)
    assert [sites.get(site)["description"] for _ in range(2)] == ["ours", "ours"]
    assert rig.sent == 1


def test_threads_are_never_told_what_is_older_than_the_last_write(rig: Rig, site: int) -> None:
    over, ended = threading.Event(), [0]

    def read(_number: int) -> int:
        reads = 0
        while not over.is_set():
            least = ended[0]
            found = rig.client.dcim.sites.get(site, fields=["description"])
            assert int(found["description"] or 0) >= least
            reads += 1
            time.sleep(0.002)  # or NetBox, on the same machine, is starved
        return reads

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read, number) for number in range(4)]
        try:
            for number in range(1, 16):
                row = {"id": site, "description": str(number)}
                rig.client.dcim.sites.update(row, confirm=True)
                ended[0] = number
                time.sleep(0.15)
        finally:
            over.set()
        reads = sum(reader.result() for reader in readers)
    told = rig.cache.statistics()
    assert told.hits > 100
    assert told.hits + told.misses == reads
