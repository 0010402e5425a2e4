"""Batches that go through the faulty proxy into the real NetBox, and what must be true of it afterwards."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.models import Report, Result
from orchestrator.netbox import NetBoxSettings, RestNetBox
from tests.netbox.faulty_proxy import Answer, FaultyProxy
from tests.unit.batches import MemoryJournal

DEVICES = 4
READ_TIMEOUT_SECONDS = 3.0
SETTLE_SECONDS = 0.5
API = ("API-Version", "4.7")
_numbers = itertools.count(1)


def server_error(exception: str, text: str) -> Answer:
    """NetBox's own 500, as its `handle_rest_api_exception` words it."""
    body = f'{{"error": "{text}", "exception": "{exception}", "netbox_version": "4.7.3"}}'
    return Answer(500, body.encode(), (API, ("Content-Type", "application/json")))


DUPLICATE = server_error(
    "IntegrityError", 'duplicate key value violates unique constraint \\"dcim_device_unique_name_site\\"'
)
DEADLOCK = server_error("OperationalError", "deadlock detected")


class Plain:
    """NetBox without anything of ours in between, so that nothing under test vouches for itself."""

    def __init__(self, info: SandboxInfo) -> None:
        self.url = info.url
        self._headers = {"Authorization": f"Bearer {info.token_v2}"}

    def make_parents(self) -> None:
        """What every case needs beside its site."""
        maker = self.post("dcim/manufacturers", {"name": "Cisco", "slug": "cisco"})[0]["id"]
        self.post("dcim/device-types", {"manufacturer": maker, "model": "C9300-48P", "slug": "c9300-48p"})
        self.post("dcim/device-roles", {"name": "Access", "slug": "access"})

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return requests.request(
            method, f"{self.url}/api/{path}/", headers=self._headers, timeout=60, **kwargs
        )

    def all(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        answer = self.call("GET", path, params={"limit": 1000, "ordering": "id", **filters})
        answer.raise_for_status()
        rows: list[dict[str, Any]] = answer.json()["results"]
        return rows

    def post(self, path: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.call("POST", path, json=list(rows))
        answer.raise_for_status()
        made: list[dict[str, Any]] = answer.json()
        return made


class Case:
    """One small batch of names of its own: a site, four devices with an interface and a primary address each.

    The addresses are VIPs, which NetBox lets exist any number of times.
    """

    def __init__(self, info: SandboxInfo, proxy: FaultyProxy) -> None:
        self.number = next(_numbers)
        self.batch_id = f"b-fault-{self.number}"
        self.plain = Plain(info)
        self.proxy = proxy
        self.journal = MemoryJournal()
        self._settings = NetBoxSettings(
            url=proxy.url, token=info.token_v2, read_timeout_seconds=READ_TIMEOUT_SECONDS
        )
        self._before = self._last_change()

    @property
    def site(self) -> str:
        return f"F{self.number}"

    @property
    def message(self) -> str:
        return f"netbox-mcp batch {self.batch_id}"

    def document(self, **fields: Any) -> dict[str, Any]:
        address = f"10.{self.number}.0.{{1+0}}/24"
        device = {
            "name": f"sw-{self.number}-[1-{DEVICES}]",
            "site": self.site,
            "role": "Access",
            "device_type": {"manufacturer": "Cisco", "model": "C9300-48P"},
            "interfaces": [{"name": "Vlan1", "type": "virtual"}],
            "ip_addresses": [{"address": address, "interface": "Vlan1", "role": "vip"}],
            "primary_ip4": address,
            **fields,
        }
        return {"devices": [device]}

    @contextmanager
    def engine(self, settle_seconds: float = SETTLE_SECONDS) -> Iterator[NetBoxBulkOrchestrator]:
        with RestNetBox(self._settings) as netbox:
            yield NetBoxBulkOrchestrator(netbox, settle_seconds=settle_seconds)

    def run(self, document: dict[str, Any] | None = None, settle_seconds: float = SETTLE_SECONDS) -> Report:
        """Plan and apply through the proxy."""
        with self.engine(settle_seconds) as engine:
            plan = engine.plan(document or self.document())
            return engine.apply(plan, self.batch_id, self.journal)

    def run_again(self) -> Report:
        """The same document once more, as a batch of its own."""
        self.journal = MemoryJournal()
        return self.run()

    def sent(self, method: str, path: str) -> int:
        """How often a list was sent."""
        return sum(seen.line.startswith(f"{method} /api/{path}/ ") for seen in self.proxy.seen)

    def device(self, number: int, **fields: Any) -> dict[str, Any]:
        """The row of one of our devices, as another client would send it; its site must be there."""
        return {
            "name": f"sw-{self.number}-{number}",
            "site": {"name": self.site},
            "role": {"name": "Access"},
            "device_type": {"model": "C9300-48P"},
            **fields,
        }

    def results(self, object_type: str) -> Counter[str]:
        """How many outcomes of each kind the journal has for a type."""
        return Counter(
            outcome.result.value
            for outcome in self.journal.outcomes.values()
            if outcome.object_type == object_type
        )

    # -- what must be true afterwards ----------------------------------------------

    def changes(self, model: str) -> list[dict[str, Any]]:
        """NetBox's changelog of one type since this case began."""
        rows = self.plain.all("core/object-changes", id__gt=self._before)
        return [row for row in rows if row["changed_object_type"] == model]

    def devices(self) -> list[dict[str, Any]]:
        return self.plain.all("dcim/devices", site=self.site.lower())

    def addresses(self) -> list[str]:
        return [row["address"] for row in self.plain.all("ipam/ip-addresses", parent=self.network)]

    @property
    def network(self) -> str:
        return f"10.{self.number}.0.0/16"

    def assert_each_exactly_once(self) -> None:
        """Also in the changelog: nothing was made twice, nothing was made and taken away again."""
        self.proxy.wait_until_idle()
        devices = self.devices()
        assert sorted(row["name"] for row in devices) == [
            f"sw-{self.number}-{number}" for number in range(1, DEVICES + 1)
        ]
        wanted = sorted(f"10.{self.number}.0.{number}/24" for number in range(1, DEVICES + 1))
        assert sorted(self.addresses()) == wanted
        assert sorted(row["primary_ip4"]["address"] for row in devices) == wanted
        interfaces = self.plain.all("dcim/interfaces", site=self.site.lower())
        assert sorted(row["device"]["name"] for row in interfaces) == sorted(row["name"] for row in devices)

    def assert_written_once(self) -> None:
        """Every create once, every primary address set once, no delete; all under our batch's name."""
        for model, updates in (("dcim.device", DEVICES), ("ipam.ipaddress", 0)):
            entries = self.changes(model)
            actions = [entry["action"]["value"] for entry in entries]
            assert (actions.count("create"), actions.count("update")) == (DEVICES, updates)
            assert len(actions) == DEVICES + updates
            assert {entry["message"] for entry in entries} == {self.message}

    def assert_journal_tells_whose(self, object_type: str, model: str) -> None:
        """What the journal calls created is what NetBox says we created: a rollback relies on it."""
        ours = {
            entry["changed_object_id"]
            for entry in self.changes(model)
            if (entry["action"]["value"], entry["message"]) == ("create", self.message)
        }
        created = {
            outcome.object_id
            for outcome in self.journal.outcomes.values()
            if outcome.object_type == object_type and outcome.result is Result.CREATED
        }
        assert created == ours

    def assert_nothing_left_to_do(self, document: dict[str, Any] | None = None) -> None:
        """A second run sends no write and leaves no trace."""
        assert self.proxy.missed == 0
        before = self._last_change()
        sent = len(self.proxy.writes())
        self.journal = MemoryJournal()
        report = self.run(document)
        assert (report.ok, report.write_requests, len(self.proxy.writes())) == (True, 0, sent)
        assert self._last_change() == before

    def _last_change(self) -> int:
        rows = self.plain.call("GET", "core/object-changes", params={"limit": 1, "ordering": "-id"}).json()[
            "results"
        ]
        return int(rows[0]["id"]) if rows else 0


def later(seconds: float) -> str:
    """A moment as Retry-After may give it."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))
