"""Everything that lies in Redis, as bytes to search in: keys, members, values, compressed ones opened."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from redis import Redis

READ: dict[str, Callable[[Redis, bytes], list[bytes]]] = {
    "string": lambda redis, key: [redis.get(key) or b""],
    "hash": lambda redis, key: [part for pair in redis.hgetall(key).items() for part in pair],
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: list(redis.smembers(key)),
    "zset": lambda redis, key: redis.zrange(key, 0, -1),
    "stream": lambda redis, key: [repr(redis.xrange(key)).encode()],
    "none": lambda redis, key: [],  # a sign of life that has lapsed since the scan named it
}


def everything_in(redis: Redis) -> Iterator[bytes]:
    """Each key and each value of the database; a compressed value is followed by what it holds."""
    for key in redis.scan_iter():
        yield key
        for value in READ[redis.type(key).decode()](redis, key):
            yield value
            try:
                yield zlib.decompress(value)
            except zlib.error:
                continue
