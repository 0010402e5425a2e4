"""The image, built from the Dockerfile and run as the compose file says: start order, health, a bulk job."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.processes import end_with_parent
from netbox_mcp.sandbox.redis_server import find_redis_binary
from tests.deployment.compose_file import REPOSITORY, load, new_environment, start_order
from tests.deployment.containers import BUILD_SECONDS, Container, Image, require_tools, wait_until_healthy
from tests.integration.worker_process import NetBoxOverHttp, wait_for

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 120)
TAG = "netbox-mcp-orchestrator:test"
DEVICES = 20


def batch(prefix: str) -> dict[str, Any]:
    """Devices with an interface each, and the parents that they need."""
    return {
        "devices": [
            {
                "name": f"{prefix}-[01-{DEVICES}]",
                "site": "IMG1",
                "role": "Access Switch",
                "device_type": {"manufacturer": "Cisco", "model": "C9300-48P"},
                "interfaces": [{"name": "Vlan1", "type": "virtual"}],
            }
        ]
    }


@pytest.fixture(scope="module")
def image() -> Image:
    require_tools()
    return Image(TAG)


@dataclass
class Platform:
    """What the compose file brings up, on loopback: its containers, and Redis beside them."""

    url: str
    environment: dict[str, str]
    services: dict[str, Any]
    containers: dict[str, Container]
    start_one_more: Callable[[str], Container]
    redis: RedisOfTheMachine

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.environment['NETBOX_MCP_TOKEN']}"}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=90, **options)


@pytest.fixture(scope="module")
def platform(
    image: Image, netbox_sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    environment = new_environment(folder)
    environment |= {"NETBOX_URL": netbox_sandbox.url, "NETBOX_TOKEN": netbox_sandbox.token_v2}
    redis_port = choose_port(())
    port = choose_port((redis_port,))
    services = on_loopback(load(environment)["services"], redis_port, port)
    state = folder / "state"
    state.mkdir()
    user, group = map(int, image.config["User"].split(":"))
    os.chown(state, user, group)  # a new volume belongs to whom the folder in the image belongs to
    containers: list[Container] = []

    def start_one_more(name: str) -> Container:
        log = folder / f"{name}-{len(containers)}.log"
        container = Container(image, services[name], {"state": state}, log)
        containers.append(container)
        container.start()
        wait_until_healthy(services[name], container.is_healthy, name)
        return container

    redis = start_redis(services["redis"], folder)
    try:
        platform = Platform(f"http://127.0.0.1:{port}", environment, services, {}, start_one_more, redis)
        yield platform
    finally:
        for container in containers:
            container.remove()
        redis.stop()


def on_loopback(services: dict[str, Any], redis_port: int, port: int) -> dict[str, Any]:
    """The same services without a network of their own: names become addresses, ports are free ones."""
    text = json.dumps(services)
    for declared, here in (
        ("@redis:6379", f"@127.0.0.1:{redis_port}"),
        ("127.0.0.1:8765/", f"127.0.0.1:{port}/"),
        ('"NETBOX_MCP_PORT": "8765"', f'"NETBOX_MCP_PORT": "{port}"'),
        ("exec valkey-server -", f"exec valkey-server - --bind 127.0.0.1 --port {redis_port}"),
        ("valkey-cli", f"valkey-cli -p {redis_port}"),
    ):
        assert declared in text, declared
        text = text.replace(declared, here)
    return dict(json.loads(text))


class RedisOfTheMachine:
    """The machine's own Redis or Valkey, with the command line and the health check of the compose file."""

    def __init__(self, service: dict[str, Any], folder: Path) -> None:
        programs, data = folder / "programs", folder / "data"
        programs.mkdir()
        data.mkdir()
        (programs / "valkey-server").symlink_to(find_redis_binary())
        (programs / "valkey-cli").symlink_to(str(shutil.which("redis-cli")))
        self._service = service
        self._environment = {"PATH": f"{programs}:{os.environ['PATH']}", **service["environment"]}
        shell, option, script = service["command"]
        with (folder / "redis.log").open("wb") as log:
            self._process = subprocess.Popen(
                [shell, option, script.replace("--dir /data", f"--dir {data}")],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )

    def is_healthy(self) -> bool:
        """Run its declared health check once."""
        kind, script = self._service["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        return (
            subprocess.run(["sh", "-c", script], env=self._environment, capture_output=True).returncode == 0
        )

    def command_line(self) -> str:
        return Path(f"/proc/{self._process.pid}/cmdline").read_text().replace("\0", " ")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(15)


def start_redis(service: dict[str, Any], folder: Path) -> RedisOfTheMachine:
    redis = RedisOfTheMachine(service, folder)
    wait_until_healthy(service, redis.is_healthy, "redis")
    return redis


def test_it_says_what_it_is(image: Image) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert image.config["Labels"]["org.opencontainers.image.version"] == version
    assert image.config["User"] == "10001:10001"
    assert image.config["Entrypoint"][0] == "tini"
    container = Container(image, bare_service(), {}, Path(os.devnull))
    try:
        assert container.execute("netbox-mcp", "--version").stdout == f"{version}\n"
    finally:
        container.remove()


def test_nothing_of_where_it_was_built_is_in_it(image: Image) -> None:
    container = Container(image, bare_service(), {}, Path(os.devnull))
    try:
        found = container.execute(
            "sh", "-c", "ls /etc/pip.conf /run/ca.pem /build /opt/build /etc/netbox-mcp/*; command -v pip"
        )
        assert found.stdout == ""
        listed = container.execute(
            "sh", "-c", "find / -xdev -name .env -o -xdev -name .git -o -xdev -path '*/tests/deployment'"
        )
        assert listed.stdout == ""
        index = container.execute(
            "sh", "-c", "grep -rlE 'index-url|trusted-host' /etc /opt/netbox-mcp/pyvenv.cfg"
        )
        assert index.stdout == ""
    finally:
        container.remove()
    assert "index-url" not in image.described
    assert "PIP_" not in image.described


def bare_service() -> dict[str, Any]:
    """As our containers run, with nothing configured."""
    return {
        "environment": {},
        "read_only": True,
        "tmpfs": ["/tmp"],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }


def test_it_comes_up_in_the_declared_order_and_a_bulk_job_passes(
    platform: Platform, netbox_sandbox: SandboxInfo
) -> None:
    services = platform.services
    ours = {name: services[name] for name in ("redis", "server", "worker")}
    order = [name for name in start_order(services) if name in ours]
    assert order[0] == "redis"
    healthy: dict[str, Callable[[], bool]] = {"redis": platform.redis.is_healthy}
    for name in order[1:]:
        for needed in ours[name]["depends_on"]:
            # NetBox runs outside of the stack here, as it does without the profile that brings one.
            assert healthy[needed]() if needed in ours else services[needed]["profiles"] == ["netbox"]
        platform.containers[name] = platform.start_one_more(name)
        healthy[name] = platform.containers[name].is_healthy
    assert all(check() for check in healthy.values())

    prefix = f"image-{secrets.token_hex(4)}"
    started = platform.ask("POST", "/api/v1/batches", json={"batch": batch(prefix), "confirm": True})
    assert started.status_code == 202, started.text
    task = started.json()["task_id"]

    def ended() -> dict[str, Any] | None:
        status = platform.ask("GET", f"/api/v1/tasks/{task}", params={"wait_seconds": 20}).json()
        return status if status["status"] not in ("queued", "planning", "running") else None

    status = wait_for(ended, "the end of the task", 120)
    assert status["status"] == "completed", status
    assert status["counts"]["created"] >= 2 * DEVICES
    netbox = NetBoxOverHttp(netbox_sandbox.url, netbox_sandbox.token_v2)
    assert netbox.count("dcim/devices", name__isw=prefix) == DEVICES


@pytest.fixture
def running(platform: Platform) -> Platform:
    """The platform with every container up, whichever test comes first."""
    for name in ("server", "worker"):
        if name not in platform.containers:
            platform.containers[name] = platform.start_one_more(name)
    return platform


def test_nobody_in_it_is_root_or_can_become_it(running: Platform) -> None:
    for container in running.containers.values():
        status = container.status_of_init()
        assert status["Uid"].split() == ["10001"] * 4
        assert status["Gid"].split() == ["10001"] * 4
        assert status["NoNewPrivs"] == "1"
        assert {status[kind] for kind in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}


def test_the_root_is_read_only_and_they_run_all_the_same(running: Platform) -> None:
    places = "/ /etc/netbox-mcp /opt/netbox-mcp /run /var/tmp"
    script = f"for place in {places}; do touch $place/x 2>/dev/null && echo $place; done; :"
    for container in running.containers.values():
        assert container.execute("sh", "-c", script).stdout == ""
        assert (
            container.execute("sh", "-c", "touch /tmp/x /var/lib/netbox-mcp/x && echo both").stdout
            == "both\n"
        )


def test_health_checks_tell_one_role_from_the_other(running: Platform) -> None:
    server, worker = running.containers["server"], running.containers["worker"]
    found = server.execute("netbox-mcp", "worker", "--check")
    assert (found.returncode, found.stdout) == (1, "")
    assert f"No worker of {server.host} listens" in found.stderr
    found = worker.execute("netbox-mcp", "worker", "--check")
    assert found.stdout.startswith(f"{worker.host}-")


def test_redis_is_as_declared(running: Platform) -> None:
    assert running.environment["REDIS_PASSWORD"] not in running.redis.command_line()
    doctor = running.containers["worker"].execute("netbox-mcp", "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert checks["redis"]["ok"], checks["redis"]  # its append-only file is on, or doctor would say so


def test_the_dashboard_is_mounted_and_prometheus_may_read(running: Platform) -> None:
    password = running.environment["NETBOX_MCP_TOKEN"]
    assert requests.get(f"{running.url}/rq/", auth=("anybody", password), timeout=30).status_code == 200
    assert requests.get(f"{running.url}/rq/", timeout=30).status_code == 401
    reader = {"Authorization": f"Bearer {running.environment['METRICS_TOKEN']}"}
    metrics = requests.get(f"{running.url}/metrics", headers=reader, timeout=30)
    assert 'netbox_mcp_workers{state="idle"} 1.0' in metrics.text
    refused = requests.post(
        f"{running.url}/api/v1/batches",
        headers=reader,
        json={"batch": batch("x"), "confirm": True},
        timeout=30,
    )
    assert refused.status_code == 403


def test_one_more_worker_is_one_more_and_stops_when_told_to(running: Platform) -> None:
    another = running.start_one_more("worker")
    listening = running.containers["worker"].execute("netbox-mcp", "call", "netbox_get_queue_info", "--json")
    hosts = {worker["name"].rsplit("-", 2)[0] for worker in json.loads(listening.stdout)["workers"]}
    assert hosts == {running.containers["worker"].host, another.host}
    assert another.stop() == 0
    assert another.execute("netbox-mcp", "worker", "--check").returncode == 1
    assert running.containers["worker"].is_healthy()
