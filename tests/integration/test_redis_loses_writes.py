"""What a machine that goes down takes with it under `appendfsync everysec`: the last writes to Redis."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from redis import Redis

from netbox_mcp.sandbox.redis_server import RedisServer
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    runs,
    wait_for,
    wait_until_ended,
    wait_until_midway,
)
from tests.redis_fixture import redis_stopped
from workers.manager import AsyncTaskManager
from workers.status import TaskState

NUMBER = 120


def append_only_file(server: RedisServer) -> Path:
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    return file


def go_down_and_lose(server: RedisServer, size: int) -> None:
    """Kill Redis, cut its append-only file to a size that it had, and start it again."""
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not runs(pid), "Redis down")
    os.truncate(append_only_file(server), size)
    server.start()


def test_a_batch_whose_journal_lost_its_end_is_finished_once_and_taken_back_whole(
    manager: AsyncTaskManager,
    slow_worker: WorkerProcess,
    netbox: NetBoxOverHttp,
    redis: Redis,
    redis_server: RedisServer,
    prefix: str,
) -> None:
    """Addresses as well, which NetBox's database would let in twice."""
    document = {
        "sites": [{"name": f"{prefix}-[001-{NUMBER}]"}],
        "ip_addresses": [
            {"address": f"198.18.{at % 250}.{at // 250}/32", "description": prefix} for at in range(NUMBER)
        ],
    }
    task_id = manager.start_apply(document, "default", 2 * NUMBER).task_id
    midway = wait_until_midway(manager, task_id)
    size = append_only_file(redis_server).stat().st_size
    ended = wait_until_ended(manager, task_id)
    assert ended.counts == {"created": 2 * NUMBER}
    batch_id = ended.batch_id
    assert batch_id is not None
    # RQ is told of the end a moment later: told after the fall, it would outlive the journal's end.
    wait_for(lambda: [one.state for one in manager.queue_info().workers] == ["idle"], "RQ knows of the end")

    go_down_and_lose(redis_server, size)
    assert not manager.status(task_id).ended  # as far as Redis knows now
    again = wait_until_ended(manager, task_id, 120)
    assert again.status is TaskState.COMPLETED
    assert sum(again.counts.values()) == 2 * NUMBER
    assert midway.done <= again.counts["created"] < 2 * NUMBER
    assert netbox.count("dcim/sites", name__isw=prefix) == NUMBER
    assert netbox.count("ipam/ip-addresses", description=prefix) == NUMBER

    back = wait_until_ended(manager, manager.start_rollback(batch_id, "default", False, 2 * NUMBER).task_id)
    assert back.status is TaskState.COMPLETED
    assert back.counts["deleted"] == 2 * NUMBER
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    assert netbox.count("ipam/ip-addresses", description=prefix) == 0


def test_a_restart_that_loses_nothing_is_no_reason_to_doubt_an_ended_batch(
    manager: AsyncTaskManager, worker: WorkerProcess, redis_server: RedisServer, prefix: str
) -> None:
    ended = wait_until_ended(
        manager, manager.start_apply({"sites": [{"name": prefix}]}, "default", 1).task_id
    )
    assert ended.batch_id is not None
    history = manager.batch_history(ended.batch_id)
    assert history is not None
    assert history.is_whole()
    with redis_stopped(redis_server):
        pass
    assert history.is_whole()
