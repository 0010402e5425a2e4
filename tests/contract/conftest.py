"""What the contract tests share: an environment without any service, and the sandbox's NetBox."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from netbox_mcp.dependencies import forget
from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.sandbox.ports import choose_port
from tests.contract.clients import CommandLine, bare_command_line
from tests.integration.worker_process import SLOWLY, NetBoxOverHttp, WorkerTeam

OURS = ("NETBOX_", "REDIS_URL", "SANDBOX_")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Nothing configured, nothing remembered; the working and the state directory are the test's own."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NETBOX_MCP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    forget()
    yield monkeypatch
    forget()


@pytest.fixture
def dead_netbox(bare: pytest.MonkeyPatch) -> str:
    """A NetBox is configured and does not answer: no request can do anything."""
    url = f"http://127.0.0.1:{choose_port(())}"
    bare.setenv("NETBOX_URL", url)
    bare.setenv("NETBOX_TOKEN", "nbt_abcdefghijkl.0123456789abcdef0123456789abcdef01234567")
    return url


@pytest.fixture(scope="session")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is kept what the sandbox's NetBox offers: to be asked each time would take minutes."""
    return tmp_path_factory.mktemp("surfaces")


@pytest.fixture
def behind(netbox_sandbox: SandboxInfo) -> SandboxInfo:
    """The sandbox whose NetBox `netbox` is."""
    return netbox_sandbox


@pytest.fixture
def netbox(behind: SandboxInfo, bare: pytest.MonkeyPatch, tmp_path: Path, surfaces: Path) -> NetBoxOverHttp:
    """The sandbox's NetBox: configured for the product, and read beside it with plain HTTP."""
    (tmp_path / "state").mkdir(exist_ok=True)
    (tmp_path / "state" / "surfaces").symlink_to(surfaces)
    bare.setenv("NETBOX_URL", behind.url)
    bare.setenv("NETBOX_TOKEN", behind.token_v2)
    found = NetBoxOverHttp(behind.url, behind.token_v2)
    found.define_metadata()
    return found


@pytest.fixture
def with_redis(redis_url: str, bare: pytest.MonkeyPatch) -> str:
    """An empty Redis, configured."""
    bare.setenv("REDIS_URL", redis_url)
    return redis_url


@pytest.fixture
def worker_environment(netbox: NetBoxOverHttp, with_redis: str) -> dict[str, str]:
    """What a worker for the sandbox's NetBox needs."""
    return {"REDIS_URL": with_redis, "NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token}


@pytest.fixture
def team(worker_environment: dict[str, str], tmp_path: Path) -> Iterator[WorkerTeam]:
    """Starts worker processes that write to the sandbox's NetBox."""
    with WorkerTeam(tmp_path, worker_environment) as team:
        yield team


@pytest.fixture
def worker(team: WorkerTeam) -> WorkerTeam:
    """One worker process, and the team to start more in."""
    team.start()
    return team


@pytest.fixture
def slow_team(worker_environment: dict[str, str], tmp_path: Path) -> Iterator[WorkerTeam]:
    """Starts workers of whose batches most is still to be done when their first list is."""
    with WorkerTeam(tmp_path, {**worker_environment, **SLOWLY}) as team:
        yield team


@pytest.fixture
def cli(bare: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    """The command line, with what is configured when the test begins."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
    return bare_command_line(tmp_path, **ours)


@pytest.fixture
def prefix() -> str:
    """Names of this test's own: other tests use the same NetBox."""
    return f"ct-{secrets.token_hex(4)}"
