"""`netbox-mcp worker --check`: what a container's health check learns of real workers on a real Redis."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from rq.utils import now, utcformat

from tests.integration.worker_process import WorkerTeam, wait_for
from workers.roster import list_workers_here, name_worker
from workers.settings import WorkerSettings


@pytest.fixture
def check(redis_url: str, tmp_path: Path):
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def run(**variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "netbox_mcp", "worker", "--check"],
            env={**environment, "REDIS_URL": redis_url, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_it_is_well_while_a_worker_of_this_machine_listens(check, idle_team: WorkerTeam) -> None:
    nobody = check()
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert "No worker of " in nobody.stderr
    assert "listens on queue 'netbox-mcp'" in nobody.stderr
    worker = idle_team.start()
    found = wait_for(lambda: done if (done := check()).returncode == 0 else None, "the worker")
    assert f"-{worker.pid}-" in found.stdout
    assert found.stdout.endswith(" is idle\n")
    assert check(NETBOX_MCP_QUEUE="another").returncode == 1
    worker.stop()
    assert check().returncode == 1


def test_a_killed_worker_is_noticed(check, idle_team: WorkerTeam) -> None:
    worker = idle_team.start()
    wait_for(lambda: check().returncode == 0, "the worker")
    worker.kill()
    wait_for(lambda: check().returncode == 1, "its sign of life to lapse", 30)


def test_without_redis_it_says_so(check) -> None:
    away = check(REDIS_URL="redis://:secret-word@127.0.0.1:1/0")
    assert away.returncode == 6
    assert "Redis cannot be reached" in away.stderr
    assert "secret-word" not in away.stderr
    assert "Traceback" not in away.stderr


@pytest.mark.parametrize(("host", "theirs"), [("web-1", "web"), ("web", "web-1"), ("db", "web")])
def test_a_worker_of_another_machine_does_not_count(
    host: str, theirs: str, redis: Redis, worker_settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    name = name_worker()
    # As RQ notes a worker that waits.
    redis.hset(f"rq:worker:{name}", mapping={"state": "idle", "last_heartbeat": utcformat(now())})
    redis.sadd(f"rq:workers:{worker_settings.queue}", f"rq:worker:{name}")
    assert [worker.name for worker in list_workers_here(redis, worker_settings)] == [name]
    monkeypatch.setattr(socket, "gethostname", lambda: theirs)
    assert list_workers_here(redis, worker_settings) == []
