"""Each way in which Redis can be missing is one sentence with a way out, and never holds the password."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.redis_server import RedisServer
from tests.integration.worker_process import wait_for
from tests.redis_fixture import REDIS_PASSWORD, redis_stopped
from workers.connection import connect, connect_briefly
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


def test_a_redis_without_append_only_file_is_pointed_out(manager: AsyncTaskManager, redis: Redis) -> None:
    assert manager.queue_info().redis_durable is True
    redis.config_set("appendonly", "no")
    try:
        assert manager.queue_info().redis_durable is False
    finally:
        redis.config_set("appendonly", "yes")
        # Until it has written the new file, Redis refuses to be stopped.
        wait_for(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], "the new file")
