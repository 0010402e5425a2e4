"""kill -9 of the only worker in mid-batch: the status says so, and the way on is the same document."""

from __future__ import annotations

import time
from typing import Any

from mcp.client import Client

from netbox_mcp.stack import Stack
from tests.acceptance.conftest import PlainNetBox, Users, apply, call, start_and_kill

DOCUMENT = {
    "devices": [
        {
            "name": "sw-[001-120]",
            "site": "AMS1",
            "role": "Access",
            "device_type": {"manufacturer": "Cisco", "model": "C9300-48P"},
            "interfaces": [{"name": "Vlan1", "type": "virtual"}],
        }
    ]
}
NOTICED_SECONDS = 30


def test_a_killed_worker_is_noticed_and_nothing_is_doubled(
    stack: Stack, users: Users, netbox: PlainNetBox
) -> None:
    worker = stack.start_worker()
    stack.start_server()

    async def kill_in_the_middle(client: Client) -> dict[str, Any]:
        status = await start_and_kill(client, DOCUMENT, worker.pid)
        killed_at = time.monotonic()
        while status["status"] == "running":
            assert time.monotonic() - killed_at < NOTICED_SECONDS, status
            status = await call(client, "netbox_get_task_status", task_id=status["task_id"], wait_seconds=1)
        return status

    status = users.over_http(kill_in_the_middle)
    assert status["status"] == "failed"
    assert status["message"]
    assert 0 < status["done"] < status["total"]
    reached = len(netbox.all("dcim/devices"))
    assert status["counts"]["created"] <= reached + 4 + 2 + len(netbox.all("dcim/interfaces"))
    time.sleep(3)
    assert len(netbox.all("dcim/devices")) - reached <= 40  # at most the request that was under way

    stack.start_worker()
    again = users.over_http(lambda client: apply(client, DOCUMENT))
    assert again["status"] == "completed", again
    names = [row["name"] for row in netbox.all("dcim/devices")]
    assert len(names) == len(set(names)) == 120
    assert len(netbox.all("dcim/interfaces")) == 120
