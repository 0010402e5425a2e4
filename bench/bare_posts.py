"""What we are measured against: bare list POSTs, with nothing around them.

`post_lists(url, token, path, [rows])` sends lists one after another; with
several `shards` and `threads`, each shard's lists one after another, shards
side by side.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import requests

Rows = Sequence[dict[str, Any]]


def post_lists(
    url: str, token: str, path: str, shards: Sequence[Rows], threads: int = 1, size: int = 100
) -> None:
    """Create all rows, `size` of them per request."""

    def post(rows: Rows) -> None:
        with requests.Session() as session:
            session.headers.update({"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
            for start in range(0, len(rows), size):
                body = orjson.dumps(rows[start : start + size])
                session.post(f"{url}/api/{path}/", data=body, timeout=600).raise_for_status()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(post, shards))
