"""A Redis restored from a backup as docs/operations.md says: what was in line is so again, harmlessly."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.processes import end_with_parent
from netbox_mcp.sandbox.redis_server import find_redis_binary
from netbox_mcp.stack import Stack
from tests.deployment.test_kubernetes import answers
from tests.integration.worker_process import NetBoxOverHttp, wait_for, wait_until_ended
from workers.connection import connect
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings


@pytest.fixture
def netbox(netbox_sandbox: SandboxInfo) -> NetBoxOverHttp:
    found = NetBoxOverHttp(netbox_sandbox.url, netbox_sandbox.token_v2)
    found.define_metadata()
    return found


@pytest.fixture
def stack(netbox_sandbox: SandboxInfo, tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, netbox_sandbox.url, netbox_sandbox.token_v2) as stack:
        yield stack


def restore(backup: Path, folder: Path) -> None:
    """Read the backup without an append-only file, which it would be ignored for; then have one written."""
    for path in folder.glob("appendonlydir*"):
        shutil.rmtree(path)
    shutil.copy(backup, folder / "dump.rdb")
    port = choose_port(())
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "no"]
    process = subprocess.Popen(
        [find_redis_binary(), *options], stdout=subprocess.DEVNULL, preexec_fn=end_with_parent
    )
    with Redis(port=port) as redis:
        wait_for(lambda: answers(redis), "Redis with the backup")
        redis.config_set("appendonly", "yes")
        wait_for(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], "the append-only file")
    process.terminate()
    process.wait(20)


def test_what_was_in_line_is_so_again_and_writes_nothing_twice(stack: Stack, netbox: NetBoxOverHttp) -> None:
    prefix = f"rs-{secrets.token_hex(4)}"
    documents = [{"sites": [{"name": f"{prefix}-{number}"}]} for number in range(2)]
    settings = WorkerSettings(redis_url=stack.environment["REDIS_URL"])
    with connect(settings) as redis:
        manager = AsyncTaskManager(redis, settings)
        first, second = (manager.start_apply(document, "default", 1).task_id for document in documents)
        redis.save()
        backup = shutil.copy(stack.redis.folder / "dump.rdb", stack.folder / "backup.rdb")
        worker = stack.start_worker()
        for task in (first, second):
            assert wait_until_ended(manager, task).counts == {"created": 1}
        worker.terminate()
        worker.wait(20)
    stack.redis.stop()
    restore(backup, stack.redis.folder)
    stack.redis.start()
    written = netbox.count("core/object-changes")
    with connect(settings) as redis:
        manager = AsyncTaskManager(redis, settings)
        assert {manager.status(task).status for task in (first, second)} == {"queued"}
        manager.cancel(second)
        stack.start_worker()
        again = wait_until_ended(manager, first)
        assert (again.status, again.counts) == ("completed", {"unchanged": 1})
        assert manager.status(second).status == "cancelled"
    assert netbox.count("core/object-changes") == written
    said = rollback(stack, again.batch_id)
    assert "NetBox's own changelog was asked" in said
    assert [row["name"] for row in netbox.rows("dcim/sites", name__isw=prefix)] == [f"{prefix}-1"]


def rollback(stack: Stack, batch_id: str | None) -> str:
    """Take a batch back, which the restored journal knows nothing of; returns what was said."""
    done = subprocess.run(
        [sys.executable, "-m", "netbox_mcp", "rollback", str(batch_id), "--yes"],
        env=stack.variables(),
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
