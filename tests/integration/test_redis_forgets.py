"""Nothing stays in Redis for ever but a few small keys, however many tasks there were."""

from __future__ import annotations

import re
import time

from redis import Redis

from tests.integration.worker_process import WorkerTeam, many_sites, wait_for, wait_until_ended
from workers.manager import AsyncTaskManager
from workers.settings import DAY_SECONDS

NUMBER = 30
FOR_EVER = re.compile(
    r"nmo:metrics|nmo:epoch:default"
    r"|rq:(queues|workers|workers:netbox-mcp)"
    r"|rq:(rl-keys|rl:nmo-default)"  # one for each target
)
LAPSING_ENTRIES = re.compile(r"rq:(finished|failed):netbox-mcp")


def test_every_key_of_a_task_lapses(
    manager: AsyncTaskManager, team: WorkerTeam, redis: Redis, prefix: str
) -> None:
    """Applied, planned, cancelled, resumed, failed and taken back."""
    document = many_sites(prefix, NUMBER)
    manager.start_plan(document, "default", NUMBER)
    task_id = manager.start_apply(document, "default", NUMBER, "the key").task_id
    manager.cancel(task_id)
    team.start()
    batch_id = wait_until_ended(manager, task_id).batch_id
    assert batch_id is not None
    manager.resume(task_id)
    assert wait_until_ended(manager, task_id, 120).counts == {"created": NUMBER}
    failing = manager.start_apply({"sites": [{"name": prefix, "tags": ["nowhere"]}]}, "default", 1)
    assert wait_until_ended(manager, failing.task_id).status == "failed"
    back = manager.start_rollback(batch_id, "default", False, NUMBER)
    assert wait_until_ended(manager, back.task_id, 180).status == "completed"

    wait_for(
        lambda: [worker.state for worker in manager.queue_info().workers] == ["idle"], "the worker at rest"
    )
    names = [name.decode() for name in redis.scan_iter(count=1000)]
    assert len(names) > 20
    kept = {name for name in names if redis.ttl(name) == -1 and not FOR_EVER.fullmatch(name)}
    assert all(LAPSING_ENTRIES.fullmatch(name) for name in kept), kept
    a_week = time.time() + 7 * DAY_SECONDS + 60
    for name in kept:  # RQ's workers drop from them what is over, every so often
        assert redis.zcount(name, "-inf", "+inf") == redis.zcount(name, time.time(), a_week) > 0
    assert redis.hlen("rq:rl:nmo-default") < 10
