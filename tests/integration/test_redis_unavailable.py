"""Each way in which Redis can be missing is one sentence with a way out, and never holds the password."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.redis_server import RedisServer
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam, wait_for, wait_until_ended
from tests.redis_fixture import REDIS_PASSWORD, redis_stopped
from workers.connection import ACL_RULES, connect, connect_briefly
from workers.errors import RedisUnavailableError
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings

DOCUMENT = {"manufacturers": [{"name": "Cisco"}]}


def refusal(settings: WorkerSettings) -> RedisUnavailableError:
    """What someone is told who starts a task, and who starts a worker: the same."""
    with pytest.raises(RedisUnavailableError) as caught:
        AsyncTaskManager(connect_briefly(settings), settings).start_apply(DOCUMENT, "default", 1)
    with pytest.raises(RedisUnavailableError) as told_to_worker:
        connect(settings)
    assert str(told_to_worker.value) == str(caught.value)
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    return caught.value


def test_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    error = refusal(WorkerSettings())
    assert error.message == "Background tasks need Redis, and REDIS_URL is not set."


def test_nobody_listens() -> None:
    error = refusal(WorkerSettings(redis_url=f"redis://:{REDIS_PASSWORD}@127.0.0.1:{choose_port(())}/0"))
    assert error.message == "Redis cannot be reached: the connection was refused."
    assert "REDIS_URL" in error.hint
    assert REDIS_PASSWORD not in f"{error} {error.hint}"


@pytest.mark.parametrize("login", ["", ":wrong-pass-word@", "someone:wrong-pass-word@"])
def test_wrong_password(redis_server: RedisServer, login: str) -> None:
    error = refusal(WorkerSettings(redis_url=f"redis://{login}127.0.0.1:{redis_server.port}/0"))
    assert error.message == "Redis refused the user name or password in REDIS_URL."
    assert "wrong-pass-word" not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    "url", ["http://:sesame@127.0.0.1:1", "redis://:ses/ame@127.0.0.1:x1/0", "127.0.0.1"]
)
def test_an_address_that_is_none(url: str) -> None:
    error = refusal(WorkerSettings(redis_url=url))
    assert error.message == "REDIS_URL is not a valid Redis address."
    assert "ses" not in f"{error} {error.hint}"


class OldRedis(socketserver.StreamRequestHandler):
    """Speaks as an old Redis does; those before 6.0 know nothing of HELLO."""

    version = b"6.0.16"
    hello = b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n"

    def handle(self) -> None:
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                self.rfile.readline()
                words.append(self.rfile.readline().strip().upper())
            self.wfile.write(self.answer(words))

    def answer(self, words: list[bytes]) -> bytes:
        if words[0] == b"INFO":
            body = b"# Server\r\nredis_version:%s\r\n" % self.version
            return b"$%d\r\n%s\r\n" % (len(body), body)
        if words[0] == b"HELLO":
            return self.hello
        return b"+OK\r\n"


class VeryOldRedis(OldRedis):
    version = b"5.0.14"
    hello = b"-ERR unknown command `HELLO`\r\n"


@contextmanager
def listening(kind: type[OldRedis]) -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()


@pytest.mark.parametrize(("kind", "name"), [(OldRedis, "Redis 6.0.16"), (VeryOldRedis, "This Redis")])
def test_too_old(kind: type[OldRedis], name: str) -> None:
    with listening(kind) as url:
        error = refusal(WorkerSettings(redis_url=url))
    assert error.message == f"{name} is too old: 6.2 or newer is needed."


def test_a_redis_that_goes_away_is_told_within_seconds(
    redis_server: RedisServer, manager: AsyncTaskManager
) -> None:
    task_id = manager.start_apply(DOCUMENT, "default", 1).task_id
    with redis_stopped(redis_server):
        since = time.monotonic()
        with pytest.raises(RedisUnavailableError, match="connection was refused"):
            manager.status(task_id)
        info = manager.queue_info()
        assert time.monotonic() - since < 5
        assert (info.redis_ok, info.message) == (
            False,
            "Redis cannot be reached: the connection was refused.",
        )
    # Nothing was lost, and nobody has to be restarted.
    assert manager.status(task_id).status == "queued"


def write_refusal(manager: AsyncTaskManager) -> RedisUnavailableError:
    """What someone is told who starts a task, and doctor: the same."""
    with pytest.raises(RedisUnavailableError) as caught:
        manager.start_apply(DOCUMENT, "default", 1)
    assert manager.write_trouble()[0] == caught.value.message
    return caught.value


def test_a_full_redis(manager: AsyncTaskManager, redis: Redis) -> None:
    manager.start_apply(DOCUMENT, "default", 1)
    redis.config_set("maxmemory", "1")
    try:
        error = write_refusal(manager)
    finally:
        redis.config_set("maxmemory", "0")
    assert error.message == "Redis is out of memory and refuses writes."
    assert len(manager.list_tasks()) == 1


def test_a_redis_that_drops_keys_when_it_is_full(manager: AsyncTaskManager, redis: Redis) -> None:
    assert manager.write_trouble() == ("", "")
    redis.config_set("maxmemory", "1gb")
    redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        message, hint = manager.write_trouble()
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", "0")
    assert "drops keys when its memory is full (maxmemory-policy allkeys-lru)" in message
    assert hint == "Set 'maxmemory-policy noeviction'."


def test_a_replica(manager: AsyncTaskManager, redis: Redis) -> None:
    redis.replicaof("127.0.0.1", str(choose_port(())))
    try:
        error = write_refusal(manager)
    finally:
        redis.replicaof("NO", "ONE")
    assert error.message == "This Redis is a replica and takes no writes."
    assert error.hint == "Point REDIS_URL at the primary."


def limited(redis: Redis, server: RedisServer, rules: str) -> WorkerSettings:
    """Settings with a Redis user of these rules."""
    redis.execute_command("ACL", "SETUSER", "tasks", "reset", "on", ">some-pass-word", *rules.split())
    return WorkerSettings(redis_url=f"redis://tasks:some-pass-word@127.0.0.1:{server.port}/0")


def test_a_user_who_may_too_little(redis: Redis, redis_server: RedisServer) -> None:
    settings = limited(redis, redis_server, "~nmo:* ~rq:* +@read +info")
    with pytest.raises(RedisUnavailableError) as caught:
        AsyncTaskManager(connect_briefly(settings), settings).start_apply(DOCUMENT, "default", 1)
    assert caught.value.message == "The user in REDIS_URL lacks a permission in Redis."
    assert caught.value.hint == f"It needs: {ACL_RULES}"


def test_a_user_who_may_what_is_documented(
    redis: Redis, redis_server: RedisServer, netbox: NetBoxOverHttp, prefix: str, tmp_path: Path
) -> None:
    settings = limited(redis, redis_server, ACL_RULES)
    assert settings.redis_url is not None
    manager = AsyncTaskManager(connect_briefly(settings), settings)
    assert manager.write_trouble() == ("", "")
    environment = {"REDIS_URL": settings.redis_url.get_secret_value()}
    environment |= {"NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token}
    with WorkerTeam(tmp_path, environment) as team:
        worker = team.start()
        task = manager.start_apply({"sites": [{"name": f"{prefix}-1"}]}, "default", 1)
        assert wait_until_ended(manager, task.task_id).counts == {"created": 1}
        assert "NOPERM" not in worker.log.read_text()
        assert "permission" not in worker.log.read_text()
        assert len(manager.queue_info().workers) == 1
    assert ACL_RULES in (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()


def test_a_redis_without_append_only_file_is_pointed_out(manager: AsyncTaskManager, redis: Redis) -> None:
    assert manager.queue_info().redis_durable is True
    redis.config_set("appendonly", "no")
    try:
        assert manager.queue_info().redis_durable is False
    finally:
        redis.config_set("appendonly", "yes")
        # Until it has written the new file, Redis refuses to be stopped.
        wait_for(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], "the new file")
