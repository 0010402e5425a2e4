"""`netbox-mcp worker --processes N`: real processes that are replaced when they die and stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.worker_process import (
    SLOWLY,
    STOP_SECONDS,
    NetBoxOverHttp,
    children_of,
    many_sites,
    runs,
    wait_for,
    wait_until_midway,
)
from workers.manager import AsyncTaskManager
from workers.status import TaskState

MANY = 400


@pytest.fixture
def pool(netbox: NetBoxOverHttp, redis_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment |= {"REDIS_URL": redis_url, "NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token}
    with (tmp_path / "pool.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "netbox_mcp", "worker", "--processes", "2"],
            env={**environment, **SLOWLY},
            cwd=tmp_path,
            stderr=log,
        )
    yield process
    if process.poll() is None:
        process.kill()  # its workers go with it
    process.wait(10)


def wait_for_workers(manager: AsyncTaskManager, number: int) -> set[str]:
    def listening() -> set[str]:
        found = {worker.name for worker in manager.queue_info().workers}
        return found if len(found) == number else set()

    return wait_for(listening, f"{number} workers", 60)


def test_a_worker_that_dies_is_replaced(manager: AsyncTaskManager, pool: subprocess.Popen[bytes]) -> None:
    wait_for_workers(manager, 2)
    first, second = children_of(pool.pid)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: len({*children_of(pool.pid)} - {first, second}) == 1, "another one in its place", 10)
    assert runs(second)
    wait_for_workers(manager, 2)


def test_all_hand_back_and_stop_when_told_to(
    manager: AsyncTaskManager,
    pool: subprocess.Popen[bytes],
    netbox: NetBoxOverHttp,
    prefix: str,
    tmp_path: Path,
) -> None:
    wait_for_workers(manager, 2)
    task = manager.start_apply(many_sites(prefix, MANY), "default", MANY)
    wait_until_midway(manager, task.task_id)
    workers = children_of(pool.pid)
    pool.terminate()
    assert pool.wait(STOP_SECONDS) == 0
    assert not any(runs(pid) for pid in workers)
    assert manager.queue_info().workers == []
    waiting = manager.status(task.task_id)
    assert waiting.status is TaskState.QUEUED
    assert 0 < waiting.done == netbox.count("dcim/sites", name__isw=prefix) < MANY
    assert "Traceback" not in (tmp_path / "pool.log").read_text()


def test_no_worker_outlives_its_supervisor(
    manager: AsyncTaskManager, pool: subprocess.Popen[bytes], netbox: NetBoxOverHttp, prefix: str
) -> None:
    wait_for_workers(manager, 2)
    task = manager.start_apply(many_sites(prefix, MANY), "default", MANY)
    wait_until_midway(manager, task.task_id)
    workers = children_of(pool.pid)
    horses = [horse for worker in workers for horse in children_of(worker)]
    assert horses
    pool.kill()
    wait_for(lambda: not any(runs(pid) for pid in [*workers, *horses]), "the end of all of them", 5)


def test_without_redis_it_says_so(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "REDIS_URL": "redis://127.0.0.1:1/0"}
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-m", "netbox_mcp", "worker", "-n", "2"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "Redis" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert time.monotonic() - begun < 30
