"""The sandbox, seen from outside: real commands, real processes, and NetBox asked with plain HTTP."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from netbox_mcp.sandbox import NETBOX_VERSION, RedisServer, Sandbox, SandboxError, SandboxInfo
from netbox_mcp.sandbox.layout import cache_home
from netbox_mcp.sandbox.ports import choose_port, is_free

NAME = "selftest"
COMMAND = [str(Path(sys.executable).with_name("netbox-mcp")), "sandbox"]
START_SECONDS = 40  # what a later start may take
PRISTINE = {
    "/api/dcim/module-type-profiles/": 8
}  # NetBox's own migrations bring these: CPU, fan, disk and so on
RESET_SECONDS = 2  # about a second, on a machine that is not busy


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A second sandbox next to the session's, made from nothing and deleted in the end."""
    own = Sandbox(NAME)
    own.down(delete=True)
    own.up()
    yield own
    own.down(delete=True)


@pytest.fixture
def info(sandbox: Sandbox) -> SandboxInfo:
    """The running sandbox, mended if the test before left it broken."""
    return sandbox.up()


def get(info: SandboxInfo, path: str, token: str | None = None) -> Any:
    token = token or info.token_v2
    scheme = "Bearer" if token.startswith("nbt_") else "Token"
    reply = requests.get(info.url + path, headers={"Authorization": f"{scheme} {token}"}, timeout=60)
    assert reply.status_code == 200, (reply.status_code, reply.text[:300])
    return reply.json()


def create(info: SandboxInfo, path: str, **fields: Any) -> int:
    reply = requests.post(
        info.url + path, json=fields, headers={"Authorization": f"Bearer {info.token_v2}"}, timeout=60
    )
    assert reply.status_code == 201, reply.text[:300]
    return int(reply.json()["id"])


def counts(info: SandboxInfo) -> dict[str, int]:
    """How many objects every list of dcim and ipam holds, and how many tags there are; only what is not 0."""
    lists = [url for app in ("dcim", "ipam") for url in get(info, f"/api/{app}/").values()]
    paths = [url.removeprefix(info.url) for url in lists if not url.endswith("/connected-device/")]
    assert len(paths) > 50
    totals = {path: get(info, f"{path}?limit=1")["count"] for path in [*paths, "/api/extras/tags/"]}
    return {path: total for path, total in totals.items() if total}


def ports_of(info: SandboxInfo) -> list[int]:
    ports = re.findall(r"127\.0\.0\.1:(\d+)", f"{info.url} {info.redis_url} {info.database_url}")
    assert len(ports) == 3
    return [int(port) for port in ports]


def seconds_to_reset(sandbox: Sandbox) -> float:
    began = time.monotonic()
    sandbox.reset()
    return time.monotonic() - began


def sign_in(info: SandboxInfo) -> requests.Response:
    """Sign in as a browser does; the page that follows."""
    with requests.Session() as browser:
        page = browser.get(f"{info.url}/login/", timeout=60).text
        csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert csrf
        form = {"username": info.username, "password": info.password, "csrfmiddlewaretoken": csrf[1]}
        return browser.post(f"{info.url}/login/", data=form, timeout=60)


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **variables},
    )


def processes_of(folder: Path) -> dict[int, str]:
    """Every process of the machine that works in the folder, names it, or carries it in its environment."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            said = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            works_in = os.readlink(entry / "cwd")
        except OSError:
            continue
        if str(folder).encode() in said or works_in.startswith(str(folder)):
            found[int(entry.name)] = said.split(b"\0")[0].decode()
    return found


def test_both_tokens_the_password_and_the_pages_work(info: SandboxInfo) -> None:
    for token in (info.token_v1, info.token_v2):
        assert get(info, "/api/status/", token)["netbox-version"] == NETBOX_VERSION
    assert get(info, "/api/status/")["rq-workers-running"] == 1
    assert requests.get(f"{info.url}/api/dcim/sites/", timeout=60).status_code == 403  # and only with a token

    home = sign_in(info)
    assert home.status_code == 200
    assert f">{info.username}<" in re.sub(r"\s+", "", home.text)
    assets = set(re.findall(r'(?:src|href)="(/static/[^"]+\.(?:css|js)[^"]*)"', home.text))
    assert len(assets) >= 2
    for asset in assets:
        assert len(requests.get(info.url + asset, timeout=60).content) > 500, asset


def test_netbox_runs_its_background_jobs(info: SandboxInfo) -> None:
    """A list write in the background is done by NetBox's own worker."""
    reply = requests.post(
        f"{info.url}/api/dcim/manufacturers/?background=true",
        json=[{"name": "In the background", "slug": "in-the-background"}],
        headers={"Authorization": f"Bearer {info.token_v2}"},
        timeout=60,
    )
    assert reply.status_code == 202, reply.text
    deadline = time.monotonic() + 30
    while get(info, "/api/dcim/manufacturers/?slug=in-the-background")["count"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_reset_empties_it_under_the_running_server(sandbox: Sandbox, info: SandboxInfo) -> None:
    sandbox.reset()
    site = create(info, "/api/dcim/sites/", name="Amsterdam", slug="ams")
    create(info, "/api/dcim/locations/", name="Hall 1", slug="hall-1", site=site)
    create(info, "/api/ipam/prefixes/", prefix="192.0.2.0/24")
    create(info, "/api/ipam/ip-addresses/", address="192.0.2.1/24")
    create(info, "/api/extras/tags/", name="red", slug="red")
    with redis.Redis.from_url(info.queue_url) as queue:
        queue.set("nmo:kept", "no")
    assert len(counts(info)) == len(PRISTINE) + 5
    assert get(info, "/api/core/object-changes/")["count"] == 5

    durations = [seconds_to_reset(sandbox) for _ in range(3)]
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # others may be using this machine
    assert min(durations) < RESET_SECONDS * busy, (durations, busy)

    assert counts(info) == PRISTINE
    assert get(info, "/api/core/object-changes/")["count"] == 0
    assert get(info, "/api/status/", info.token_v1)["rq-workers-running"] == 1
    assert sandbox.status() == info
    assert f">{info.username}<" in re.sub(r"\s+", "", sign_in(info).text)
    with redis.Redis.from_url(info.redis_url) as connection:
        assert not [key for key in connection.scan_iter("rq:job:*") if b"Search" in connection.hgetall(key)]
    with redis.Redis.from_url(info.queue_url) as queue:
        assert queue.keys() == []
    assert create(info, "/api/dcim/sites/", name="Amsterdam", slug="ams") == site  # numbered from the start


def test_two_run_side_by_side_and_share_nothing(
    netbox_sandbox: SandboxInfo, sandbox: Sandbox, info: SandboxInfo
) -> None:
    other = netbox_sandbox
    assert not set(other.processes.values()) & set(info.processes.values())
    for secret in ("url", "token_v1", "token_v2", "password", "redis_url", "queue_url", "database_url"):
        assert getattr(other, secret) != getattr(info, secret), secret
    strange = requests.get(
        f"{info.url}/api/dcim/sites/", headers={"Authorization": f"Token {other.token_v1}"}, timeout=60
    )
    assert strange.status_code == 403

    Sandbox(other.name).reset()
    create(other, "/api/dcim/regions/", name="Only there", slug="only-there")
    assert get(info, "/api/dcim/regions/?slug=only-there")["count"] == 0
    sandbox.reset()
    assert get(other, "/api/dcim/regions/?slug=only-there")["count"] == 1


def test_what_was_killed_is_named_by_status_and_mended_by_up(sandbox: Sandbox, info: SandboxInfo) -> None:
    create(info, "/api/dcim/regions/", name="Survivor", slug="survivor")
    for role in ("web", "redis", "postgres"):
        os.kill(info.processes[role], signal.SIGKILL)
    while set(sandbox.ended()) != {"web", "redis", "postgres"}:
        time.sleep(0.05)

    assert sandbox.status() is None
    shown = run("status", "--name", NAME)
    assert shown.returncode == 1
    assert "broken" in shown.stdout
    assert all(role in shown.stdout for role in ("web", "redis", "postgres"))
    with pytest.raises(SandboxError, match="not all of it"):
        sandbox.reset()

    mended = sandbox.up()
    assert (mended.url, mended.token_v2, mended.password) == (info.url, info.token_v2, info.password)
    assert sandbox.ended() == ()
    assert get(mended, "/api/dcim/regions/?slug=survivor")["count"] == 1
    assert get(mended, "/api/status/")["rq-workers-running"] == 1


def test_down_leaves_nothing_running_and_a_later_start_is_quick(sandbox: Sandbox, info: SandboxInfo) -> None:
    folder = cache_home() / "instances" / NAME
    create(info, "/api/dcim/regions/", name="Keeper", slug="keeper")
    with redis.Redis.from_url(info.queue_url) as queue:
        queue.set("nmo:kept", "yes")
    before = processes_of(folder)
    assert set(info.processes.values()) <= set(before)
    assert len(before) > 4  # also what they forked

    stopped = run("down", "--name", NAME)
    assert stopped.returncode == 0, stopped.stderr
    assert processes_of(folder) == {}
    assert not [pid for pid in before if Path(f"/proc/{pid}").exists() and _is_no_zombie(pid)]
    assert all(is_free(port) for port in ports_of(info))
    assert (sandbox.status(), sandbox.ended()) == (None, ())
    assert run("down", "--name", NAME).returncode == 0  # harmless

    began = time.monotonic()
    again = sandbox.up()
    assert time.monotonic() - began < START_SECONDS
    assert (again.url, again.token_v1, again.token_v2) == (info.url, info.token_v1, info.token_v2)
    assert get(again, "/api/dcim/regions/?slug=keeper")["count"] == 1
    with redis.Redis.from_url(again.queue_url) as queue:
        assert queue.get("nmo:kept") == b"yes"


def _is_no_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_first_start_that_is_killed_midway_is_taken_up_by_the_next() -> None:
    """Killed in the middle of the database, then started by two commands at once."""
    name = f"{NAME}-killed"
    sandbox = Sandbox(name)
    sandbox.down(delete=True)
    up = [*COMMAND, "up", "--json", "--name", name]
    try:
        with subprocess.Popen(up, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
            assert first.stderr is not None
            assert any(line.startswith("Restoring") for line in first.stderr)
            time.sleep(0.5)
            first.kill()
        assert sandbox.status() is None

        both = [subprocess.Popen(up, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        answers = [json.loads(process.communicate(timeout=200)[0]) for process in both]
        assert [process.returncode for process in both] == [0, 0]
        assert answers[0] == answers[1]
        info = sandbox.status()
        assert info is not None
        assert answers[0]["processes"] == info.processes
        assert get(info, "/api/dcim/sites/", info.token_v1)["count"] == 0
    finally:
        sandbox.down(delete=True)
    assert processes_of(cache_home() / "instances" / name) == {}
    assert not (cache_home() / "instances" / name).exists()


def test_the_database_is_migrated_wholly_for_the_installed_release(info: SandboxInfo) -> None:
    """Whatever dump it started from, NetBox itself finds nothing left to migrate."""
    environment = next((cache_home() / "environments").glob(f"netbox-{NETBOX_VERSION}-cp*/bin/netbox"))
    checked = subprocess.run(
        [environment, "migrate", "--check"],
        env={"NETBOX_ROOT": str(cache_home() / "instances" / NAME / "netbox"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_shipped_dump_holds_a_schema_and_nothing_of_anyone() -> None:
    """Only what NetBox's migrations themselves write: no account, token, session or path."""
    dump = Path(str(files("netbox_mcp.sandbox"))) / f"seed-{NETBOX_VERSION}.sql.gz"
    text = gzip.decompress(dump.read_bytes()).decode()
    filled = {
        table: rows
        for table, rows in re.findall(
            r"^COPY public\.(\w+) .*?;\n(.*?)^\\\.$", text, re.MULTILINE | re.DOTALL
        )
        if rows
    }
    django = {"auth_permission", "core_objecttype", "django_content_type", "django_migrations"}
    assert set(filled) == {*django, "dcim_moduletypeprofile"}
    assert not re.search(r"/home/|/root/|/var/|/tmp/|/opt/|\bnbt_|pbkdf2", text)


def test_the_dump_of_a_redis_with_appendonly_outlives_a_kill(tmp_path: Path) -> None:
    """The same class serves our own queue, where nothing may be lost."""
    server = RedisServer(tmp_path / "redis", choose_port(()), appendonly=True)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as connection:
            connection.set("kept", "yes")
            connection.config_set("appendfsync", "always")
            connection.set("also", "yes")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        while server.pid is not None:
            time.sleep(0.05)
        server.start()
        with redis.Redis.from_url(server.url) as connection:
            assert connection.mget("kept", "also") == [b"yes", b"yes"]
    finally:
        server.stop()
    assert server.pid is None
    assert is_free(server.port)


def test_it_listens_on_loopback_only(info: SandboxInfo) -> None:
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    for port in ports_of(info):
        found = re.findall(rf": ([0-9A-F]+):{port:04X} \S+ 0A ", listening)
        assert found == ["0100007F"], (port, found)


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["up", "--name", "No Name"], {}, "'No Name' cannot be the name of a sandbox."),
        (["reset", "--name", "never-made"], {}, "'never-made' is not running"),
        (["status", "--name", "../up"], {}, "cannot be the name"),
        (["up"], {"NETBOX_MCP_SANDBOX_PYTHON": "/no/such/python"}, "no working Python 3.12 or newer"),
        (["up"], {"NETBOX_MCP_SANDBOX_PYTHON": sys.executable}, "no working Python 3.12 or newer"),
    ],
)
def test_errors_are_one_sentence_and_a_hint(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], sentence: str
) -> None:
    if variables.get("NETBOX_MCP_SANDBOX_PYTHON") == sys.executable and sys.version_info >= (3, 12):
        variables = {"NETBOX_MCP_SANDBOX_PYTHON": "/bin/false"}
    variables = {"NETBOX_MCP_SANDBOX_HOME": str(tmp_path / "empty"), **variables}
    failed = run(*arguments, **variables)
    assert failed.returncode == 1
    lines = failed.stderr.splitlines()
    assert lines[-2].startswith("Error: ")
    assert sentence in lines[-2]
    assert "Traceback" not in failed.stderr
    error = json.loads(run(*arguments, "--json", **variables).stdout)["error"]
    assert (error["code"], "Error: " + error["message"], error["hint"]) == ("sandbox", *lines[-2:])
    assert not (tmp_path / "empty" / "environments" / f"netbox-{NETBOX_VERSION}").exists()
