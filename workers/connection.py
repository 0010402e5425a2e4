"""Connections to Redis, and one sentence for each way in which they fail.

Workers wait out a restart of Redis; servers answer at once that it is gone.
Neither `decode_responses` nor `protocol` may be set: RQ needs raw bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ConnectionError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)
from redis.retry import Retry

from workers.errors import RedisUnavailableError
from workers.settings import WorkerSettings

OLDEST_VERSION = (6, 2)
WORKER_SOCKET_SECONDS = 25.0
"""Above the longest blocking call of a worker (5 s): a shorter one would make redis-py retry an idle wait."""
SERVER_SOCKET_SECONDS = 1.5
MARKS_SOCKET_SECONDS = 0.5
AT_ONCE = Retry(NoBackoff(), 1)
"""One more try, for a connection that had gone stale, and no patience."""

NEWER_HINT = "Valkey of any version will do as well."
ACL_RULES = "~nmo:* ~rq:* &rq:* +@all -@dangerous +info +client|list"
"""What a Redis user of servers and workers needs, as ACL SETUSER takes it."""
ACL_HINT = f"It needs: {ACL_RULES}"
CERTIFICATE_HINT = "Name the certificate of its CA: rediss://...?ssl_ca_certs=/path/to/ca.pem."
START_HINT = "Start Redis, or point REDIS_URL at one: redis://host:6379/0."


def connect(settings: WorkerSettings) -> Redis:
    """Connection for workers, checked, and patient enough to outlast a restart of Redis.

    Raises RedisUnavailableError when Redis cannot be used right now: a worker that
    starts with a wrong address should say so, not wait.
    """
    with connect_briefly(settings) as probe:
        check(probe)
    patience = Retry(ExponentialWithJitterBackoff(cap=3, base=0.1), 100)
    return _open(settings, patience, WORKER_SOCKET_SECONDS, health_check_interval=20)


def connect_briefly(settings: WorkerSettings) -> Redis:
    """Connection for servers: fails within about 2 s when Redis is gone. Nothing is sent yet.

    Raises RedisUnavailableError if REDIS_URL is missing or malformed.
    """
    return _open(settings, AT_ONCE, SERVER_SOCKET_SECONDS, health_check_interval=0)


def connect_for_marks(settings: WorkerSettings) -> Redis:
    """Connection for what is asked beside other work, and can be done without: fails within half a second.

    A connection that had gone stale is made anew; after a time-out nothing is tried again. Raises as
    `connect_briefly`.
    """
    return _open(settings, Retry(NoBackoff(), 1, (ConnectionError,)), MARKS_SOCKET_SECONDS, 0)


def _open(settings: WorkerSettings, retry: Retry, socket_seconds: float, health_check_interval: int) -> Redis:
    if settings.redis_url is None:
        raise RedisUnavailableError(
            "Background tasks need Redis, and REDIS_URL is not set.",
            hint=START_HINT + " The synchronous tools work without.",
        )
    options: dict[str, Any] = {
        "retry": retry,
        "socket_timeout": socket_seconds,
        "socket_connect_timeout": min(socket_seconds, 3.0),
        "health_check_interval": health_check_interval,
    }
    try:
        redis = Redis.from_url(settings.redis_url.get_secret_value(), **options)
        # Options and host names that nothing can come of would be noticed with the first question only.
        pool = redis.connection_pool
        probe = pool.connection_class(**pool.connection_kwargs)
        str(getattr(probe, "host", "")).encode("idna")
        return redis
    except (ValueError, TypeError):
        # The parser's own words may quote a part of the password.
        raise RedisUnavailableError(
            "REDIS_URL is not a valid Redis address.",
            hint="Write redis://[[user]:password@]host:port/db; special characters in the password as %XX.",
        ) from None


def check(redis: Redis) -> str:
    """Make sure that Redis answers and is new enough; returns its version."""
    with redis_errors():
        version = str(redis.info("server")["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_VERSION:
        raise RedisUnavailableError(f"Redis {version} is too old: 6.2 or newer is needed.", NEWER_HINT)
    return version


def read_run_id(redis: Redis) -> str:
    """What tells one start of Redis from the next, and a primary from the replica that takes its place."""
    return run_of(redis.info("server"), redis.info("replication"))


def run_of(server: Mapping[str, Any], replication: Mapping[str, Any]) -> str:
    """The same from what `INFO server` and `INFO replication` answered."""
    return f"{server.get('run_id', '')}/{replication.get('master_replid', '')}"


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn what redis-py raises into one sentence of ours."""
    try:
        yield
    except RedisError as error:
        raise RedisUnavailableError(*explain(error)) from None


def explain(error: RedisError) -> tuple[str, str]:
    """Message and hint for an error of redis-py; never holds the address's password."""
    text = str(error)
    codes = set(
        re.split(r"[^A-Z]+", text.rpartition("caused error: ")[2])
    )  # in a pipeline: not its arguments
    if (
        isinstance(error, (AuthenticationError, AuthorizationError))
        or "NOAUTH" in text
        or "WRONGPASS" in text
    ):
        return "Redis refused the user name or password in REDIS_URL.", "Correct REDIS_URL."
    if isinstance(error, BusyLoadingError):
        return "Redis is still loading its data.", "Try again in a few seconds."
    if isinstance(error, TimeoutError):
        return "Redis did not answer in time.", START_HINT
    if isinstance(error, ConnectionError):
        return _unreachable(text)
    if "unknown command" in text and "HELLO" in text:
        return "This Redis is too old: 6.2 or newer is needed.", NEWER_HINT
    if isinstance(error, ReadOnlyError) or "READONLY" in codes:
        return "This Redis is a replica and takes no writes.", "Point REDIS_URL at the primary."
    if isinstance(error, NoPermissionError) or "NOPERM" in codes:
        return "The user in REDIS_URL lacks a permission in Redis.", ACL_HINT
    if "MISCONF" in codes:
        return (
            "Redis cannot write to its disk and refuses writes.",
            "See the log of Redis; its disk may be full.",
        )
    if isinstance(error, OutOfMemoryError) or "OOM" in codes:  # from within a script it has no class
        return "Redis is out of memory and refuses writes.", "Raise maxmemory; the policy must be noeviction."
    return f"Redis answered with an error ({type(error).__name__}).", "See the log of Redis."


def _unreachable(text: str) -> tuple[str, str]:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "Redis cannot be reached: its TLS certificate is not trusted.", CERTIFICATE_HINT
    reason = "the connection was refused" if "refused" in text.lower() else "no connection"
    return f"Redis cannot be reached: {reason}.", START_HINT


def text_of(value: object) -> str:
    """What Redis answered, as text; an empty string for nothing."""
    if value is None:
        return ""
    return value.decode() if isinstance(value, bytes) else str(value)
