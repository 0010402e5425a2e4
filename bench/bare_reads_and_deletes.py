"""The other things we are measured against: bare paged reads and bare list DELETEs, one after another."""

from collections.abc import Sequence
from typing import Any

import orjson
import requests


def read_pages(
    url: str, token: str, path: str, fields: Sequence[str], size: int = 1000
) -> list[dict[str, Any]]:
    """Read all objects of a list, only these fields, over one connection."""
    rows: list[dict[str, Any]] = []
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        page = f"{url}/api/{path}/?limit={size}&ordering=id&fields={','.join(fields)}"
        while page:
            answer = session.get(page, timeout=600)
            answer.raise_for_status()
            body = orjson.loads(answer.content)
            rows += body["results"]
            page = body["next"]
    return rows


def delete_lists(url: str, token: str, path: str, ids: Sequence[int], size: int = 100) -> None:
    """Delete these objects, `size` of them per request."""
    with requests.Session() as session:
        session.headers.update({"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        for start in range(0, len(ids), size):
            body = orjson.dumps([{"id": number} for number in ids[start : start + size]])
            session.delete(f"{url}/api/{path}/", data=body, timeout=600).raise_for_status()
