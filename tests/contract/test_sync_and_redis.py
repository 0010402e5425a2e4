"""Synchronous work beside a Redis that is away, goes away or refuses: never in silence, never for nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbox_mcp.dependencies import forget
from netbox_mcp.sandbox import RedisServer
from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.service import get_service
from netbox_mcp.sync_apply import SyncProgress
from orchestrator.models import Plan
from tests.contract.clients import call
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp

TTL = 2


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, which it may end; the short lease is the test's patience."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder, choose_port(()), password="sesame")
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def short_lease(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("NETBOX_MCP_LEASE_TTL_SECONDS", str(TTL))
    bare.setenv("NETBOX_MCP_HEARTBEAT_SECONDS", "0.5")


class EndsRedis(SyncProgress):
    """Takes Redis away once the plan is made and the lease is held."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self._server = server

    def planned(self, plan: Plan, done: int = 0) -> None:
        super().planned(plan, done)
        self._server.stop()


def test_a_finished_batch_keeps_its_report_when_redis_has_gone(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, redis: RedisServer, prefix: str
) -> None:
    bare.setenv("REDIS_URL", f"{redis.url}/0")
    bare.setenv("NETBOX_MCP_LEASE_TTL_SECONDS", "60")  # a slow machine must not lose the lease in between
    forget()
    report = get_service().apply_now(campus(prefix), "default", EndsRedis(redis)).report
    assert redis.pid is None
    assert report.ok
    assert report.totals()["created"] == 7
    assert netbox.count("dcim/devices", name__isw=prefix) == 3


def test_where_redis_is_away_a_lease_has_time_to_lapse_and_the_reply_warns(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    bare.setenv("REDIS_URL", f"redis://127.0.0.1:{choose_port(())}/0")
    begun = time.monotonic()
    reply = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True)
    assert time.monotonic() - begun > TTL
    assert reply.data["totals"] == {"created": 7}
    assert "Redis did not answer" in reply.data["warnings"][0]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://:wrong@127.0.0.1:{port}/0", "Redis refused the user name or password"),
        ("redis://127.0.0.1:{port}/0", "Redis refused the user name or password"),
        ("redis://127.0.0.1:{port}wrong/0", "REDIS_URL is not a valid Redis address"),
    ],
)
def test_a_redis_that_refuses_is_not_passed_over(
    netbox: NetBoxOverHttp,
    bare: pytest.MonkeyPatch,
    redis: RedisServer,
    prefix: str,
    url: str,
    sentence: str,
) -> None:
    bare.setenv("REDIS_URL", url.format(port=redis.port))
    reply = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True)
    assert reply.data["code"] == "redis_unavailable"
    assert sentence in reply.data["message"]
    assert "wrong" not in reply.text
    assert netbox.count("dcim/devices", name__isw=prefix) == 0
