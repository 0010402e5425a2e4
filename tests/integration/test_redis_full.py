"""Redis has no memory left amid a batch: nothing is sent that is not in the journal; the rest comes later."""

from __future__ import annotations

from redis import Redis

from tests.integration.worker_process import (
    SLOWLY,
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    runs,
    wait_for,
    wait_until_ended,
)
from workers.manager import AsyncTaskManager

SITES = 200


def test_the_worker_ends_and_another_goes_on_once_there_is_room(
    manager: AsyncTaskManager, team: WorkerTeam, netbox: NetBoxOverHttp, redis: Redis, prefix: str
) -> None:
    worker = team.start(**SLOWLY)
    task = manager.start_apply(many_sites(prefix, SITES), "default", SITES).task_id
    wait_for(lambda: manager.status(task).done, "the task midway", 120)
    redis.config_set("maxmemory", "1")
    try:
        wait_for(lambda: not runs(worker.pid), "the end of the worker", 90)
        landed = netbox.count("dcim/sites", name__isw=prefix)
        assert 0 < landed < SITES
    finally:
        redis.config_set("maxmemory", "0")
    team.start()
    ended = wait_until_ended(manager, task, 120)
    assert ended.status == "completed"
    assert ended.counts["created"] + ended.counts.get("unchanged", 0) == SITES
    assert netbox.count("dcim/sites", name__isw=prefix) == SITES
    assert netbox.count("core/object-changes", q=ended.batch_id) == SITES
