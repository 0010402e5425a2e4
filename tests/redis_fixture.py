"""A real Redis or Valkey for the tests, with a password and an append-only file, emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.redis_server import RedisServer
from workers.connection import connect_briefly
from workers.settings import WorkerSettings

REDIS_PASSWORD = "sesame-Hk3vQz9w"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(
        tmp_path_factory.mktemp("redis"), choose_port(()), appendonly=True, password=REDIS_PASSWORD
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def redis_stopped(server: RedisServer) -> Iterator[None]:
    """Without Redis while the block runs; with it again afterwards, for the tests that follow."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    url = f"{redis_server.url}/0"
    with Redis.from_url(url) as redis:
        redis.flushall()
    return url


@pytest.fixture
def worker_settings(redis_url: str, tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(redis_url=redis_url, state_dir=tmp_path / "state")


@pytest.fixture
def redis(worker_settings: WorkerSettings) -> Iterator[Redis]:
    connection = connect_briefly(worker_settings)
    yield connection
    connection.close()
