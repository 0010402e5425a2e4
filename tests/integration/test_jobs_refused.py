"""What workers will not do, whatever stands in Redis, and what never gets there: secrets."""

from __future__ import annotations

import json
import pickle
import zlib
from pathlib import Path

import pytest
import requests
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.integration.redis_contents import everything_in
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerProcess,
    WorkerTeam,
    wait_for,
    wait_until_ended,
)
from tests.redis_fixture import REDIS_PASSWORD
from workers.logs import redact
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings
from workers.status import TaskState

DOCUMENT = {"manufacturers": [{"name": "Cisco"}]}


def test_a_job_that_names_another_function_is_refused(
    redis: Redis, worker_settings: WorkerSettings, idle_team: WorkerTeam, tmp_path: Path
) -> None:
    mark = tmp_path / "it-ran"
    queue = Queue(worker_settings.queue, connection=redis, serializer=JSONSerializer)
    jobs = [
        queue.enqueue_call("os.system", args=(f"touch {mark}",)),
        queue.enqueue_call("workers.tasks.running", args=("t-1",)),
        queue.enqueue_call("pathlib.Path.touch", args=(str(mark),)),
    ]
    worker = idle_team.start()
    for job in jobs:
        wait_for(lambda job=job: job.get_status() == "failed", f"{job.func_name} refused")
    assert not mark.exists()
    assert "Workers do not run 'os.system'." in worker.log.read_text()


def test_callbacks_in_a_job_are_not_called(
    redis: Redis,
    worker_settings: WorkerSettings,
    manager: AsyncTaskManager,
    idle_team: WorkerTeam,
    tmp_path: Path,
) -> None:
    mark = tmp_path / "it-ran"
    task_id = manager.start_apply(DOCUMENT, "default", 1).task_id
    for name in ("success", "failure", "stopped"):
        redis.hset(f"rq:job:{task_id}", f"{name}_callback_name", "tests.integration.leave_a_mark.leave")
    idle_team.start(MARK=str(mark), PYTHONPATH=str(Path(__file__).parents[2]))
    assert wait_until_ended(manager, task_id).status == TaskState.FAILED
    wait_for(lambda: redis.hget(f"rq:job:{task_id}", "status") == b"failed", "the job's end")
    assert not mark.exists()


class Exploit:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


def test_a_pickle_is_not_opened(
    redis: Redis, worker_settings: WorkerSettings, idle_team: WorkerTeam, tmp_path: Path
) -> None:
    mark = tmp_path / "it-ran"
    queue = Queue(worker_settings.queue, connection=redis, serializer=JSONSerializer)
    job = queue.enqueue_call("workers.tasks.run_apply", args=("t-1",))
    body = pickle.dumps(("workers.tasks.run_apply", None, (Exploit(mark),), {}))
    redis.hset(job.key, "data", zlib.compress(body))
    idle_team.start()
    wait_for(lambda: redis.hget(job.key, "status") == b"failed", "the job refused")
    assert not mark.exists()


def test_a_job_holds_a_task_id_and_nothing_else(manager: AsyncTaskManager, redis: Redis) -> None:
    task_id = manager.start_apply(DOCUMENT, "default", 1).task_id
    job = redis.hgetall(f"rq:job:{task_id}")
    assert json.loads(zlib.decompress(job[b"data"])) == ["workers.tasks.run_apply", None, [task_id], {}]
    everything_else = b" ".join(value for name, value in job.items() if name != b"data")
    assert b"Cisco" not in everything_else


@pytest.mark.parametrize(
    "token", ["the right one", "nbt_abcdefghijkl.ThisIsNotATokenOfAnyone0000000000", "0" * 40]
)
def test_no_secret_in_redis_or_log(
    manager: AsyncTaskManager, team: WorkerTeam, netbox: NetBoxOverHttp, redis: Redis, prefix: str, token: str
) -> None:
    token = netbox.token if token == "the right one" else token
    team.start(NETBOX_TOKEN=token)
    ended = wait_until_ended(
        manager, manager.start_apply({"sites": [{"name": prefix}]}, "default", 1).task_id
    )
    wait_for(lambda: redis.hget(f"rq:job:{ended.task_id}", "ended_at"), "the job's end")
    right = token == netbox.token
    assert ended.status == (TaskState.COMPLETED if right else TaskState.FAILED)
    assert ended.code == (None if right else "netbox_access_denied")
    seen = b"\n".join(everything_in(redis)).decode(errors="replace") + team.logs() + repr(ended)
    assert prefix in seen
    assert ended.batch_id in team.logs()
    for secret in (token, token.partition(".")[2] or token, REDIS_PASSWORD):
        assert secret not in seen


def test_a_worker_without_netbox_says_so(manager: AsyncTaskManager, idle_team: WorkerTeam) -> None:
    idle_team.start()
    ended = wait_until_ended(manager, manager.start_apply(DOCUMENT, "default", 1).task_id)
    assert (ended.status, ended.code) == (TaskState.FAILED, "invalid_configuration")
    assert "NETBOX_URL is not set" in ended.message


def test_a_worker_without_redis_says_so_and_ends(idle_team: WorkerTeam) -> None:
    worker: WorkerProcess = idle_team.start(REDIS_URL="redis://:sesame@127.0.0.1:1/0")
    wait_for(lambda: "RedisUnavailableError" in worker.log.read_text(), "the sentence")
    assert "sesame" not in worker.log.read_text()


V1, V2 = (
    "0123456789abcdef0123456789abcdef01234567",
    "nbt_abcdefghijkl.0123456789ABCDEFabcdef0123456789ABCDEFab",
)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Token {V1}",
        f"{{'Authorization': 'Bearer {V2}'}}",
        f"token={V2}&x=1",
        "redis://:p4ss-word@127.0.0.1:6379/0",
        "rediss://someone:p4ss-word@redis.example.com:6379/0",
        str(requests.Request("GET", "http://nb/", headers={"Authorization": f"Token {V1}"}).headers),
    ],
)
def test_the_net_beneath_catches_secrets(text: str) -> None:
    clean = redact(text)
    assert "[redacted]" in clean
    assert not any(secret in clean for secret in (V1, V2, V2.partition(".")[2], "p4ss-word"))


@pytest.mark.parametrize(
    "text", ["Token Ring 16 Mbit/s", "http://netbox.example.com:8000/api/", "b-20261123-0a1b2c3d"]
)
def test_the_net_beneath_leaves_the_rest(text: str) -> None:
    assert redact(text) == text
