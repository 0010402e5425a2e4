"""What the integration tests share: a real Redis, real worker processes, the sandbox's NetBox."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.integration.worker_process import SLOWLY, NetBoxOverHttp, WorkerProcess, WorkerTeam
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings


@pytest.fixture
def manager(redis: Redis, worker_settings: WorkerSettings) -> AsyncTaskManager:
    return AsyncTaskManager(redis, worker_settings)


@pytest.fixture
def netbox(netbox_sandbox) -> NetBoxOverHttp:
    """The sandbox's NetBox, read and written with plain HTTP."""
    found = NetBoxOverHttp(netbox_sandbox.url, netbox_sandbox.token_v2)
    found.define_metadata()
    return found


@pytest.fixture
def idle_team(redis_url: str, tmp_path: Path) -> Iterator[WorkerTeam]:
    """Starts workers that have no NetBox configured."""
    with WorkerTeam(tmp_path, {"REDIS_URL": redis_url}) as team:
        yield team


@pytest.fixture
def team(netbox: NetBoxOverHttp, redis_url: str, tmp_path: Path) -> Iterator[WorkerTeam]:
    """Starts workers that write to the sandbox's NetBox."""
    environment = {"REDIS_URL": redis_url, "NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token}
    with WorkerTeam(tmp_path, environment) as team:
        yield team


@pytest.fixture
def worker(team: WorkerTeam) -> WorkerProcess:
    return team.start()


@pytest.fixture
def slow_worker(team: WorkerTeam) -> WorkerProcess:
    """One of whose batches most is still to be done when their first list is."""
    return team.start(**SLOWLY)


@pytest.fixture
def prefix() -> str:
    """Names of this test's own: other tests use the same NetBox."""
    return f"wt-{secrets.token_hex(4)}"
