"""The NetBox token is in the environment of our processes only: not in Redis, not in logs, not in replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from mcp.client import Client
from redis import Redis

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack
from tests.acceptance.conftest import Users, call, follow
from tests.integration.redis_contents import everything_in

DEVICES = [
    {
        "name": "sw-[1-3]",
        "site": "AMS1",
        "role": "Access",
        "device_type": {"manufacturer": "Cisco", "model": "X"},
    }
]


@pytest.mark.parametrize("version", ["token_v1", "token_v2"])
def test_the_token_is_nowhere(empty_netbox: SandboxInfo, tmp_path: Path, version: str) -> None:
    token = str(getattr(empty_netbox, version))
    secret = token.rpartition(".")[2][:-4]  # what the refused token below shares with it
    debug = {"NETBOX_MCP_LOG_FORMAT": "json"}
    with Stack(tmp_path, empty_netbox.url, token) as stack:
        stack.start_worker(debug)
        stack.start_server(debug)
        replies = Users(stack).over_http(use_every_tool)
        replies += Users(stack).over_stdio(use_every_tool)
        wrong = {"NETBOX_TOKEN": token[:-4] + "beef"}
        replies += Users(stack).over_stdio(lambda client: fail_with(client), **wrong)
        with Redis.from_url(stack.environment["REDIS_URL"]) as redis:
            stored = list(everything_in(redis))
    assert any(b"sw-1" in text for text in stored), "the search does not see what is stored"
    logs = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(path.name == "worker.log" and text for path, text in logs.items())
    said = [orjson.dumps(reply) for reply in replies]
    assert any(b"completed" in text for text in said)
    for place, texts in {"redis": stored, "files": list(logs.values()), "replies": said}.items():
        for text in texts:
            assert secret.encode() not in text, f"the token is in {place}: {text[:200]!r}"


async def use_every_tool(client: Client) -> list[dict[str, Any]]:
    started = await call(client, "netbox_start_bulk_async", batch={"devices": DEVICES}, confirm=True)
    task_id = started["task_id"]
    return [
        started,
        await follow(client, task_id),
        await call(client, "netbox_plan_bulk", batch={"devices": DEVICES}),
        await call(client, "netbox_bulk_ensure_devices", batch={"devices": DEVICES}, confirm=True),
        await call(client, "netbox_get_task_report", task_id=task_id),
        await call(client, "netbox_list_active_tasks", include_finished=True),
        await call(client, "netbox_get_queue_info"),
        await call(client, "netbox_health_check"),
    ]


async def fail_with(client: Client) -> list[dict[str, Any]]:
    """A token that NetBox refuses is a sentence, without the token."""
    reply = await call(client, "netbox_plan_bulk", batch={"devices": DEVICES})
    assert reply["code"] == "netbox_access_denied", reply
    return [reply, await call(client, "netbox_health_check")]
