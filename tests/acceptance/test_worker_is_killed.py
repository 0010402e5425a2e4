"""kill -9 of the only worker in mid-batch: the status says so, and the next worker goes on with the task."""

from __future__ import annotations

import time
from typing import Any

from mcp.client import Client

from netbox_mcp.stack import Stack
from tests.acceptance.conftest import PlainNetBox, Users, call, follow, start_and_kill

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
    assert status["status"] == "queued"
    assert "The worker stopped without finishing" in status["message"]
    assert 0 < status["done"] < status["total"]

    stack.start_worker()
    ended = users.over_http(lambda client: follow(client, status["task_id"]))
    assert ended["status"] == "completed", str(ended)
    assert ended["batch_id"] == status["batch_id"]
    assert set(ended["counts"]) == {"created"}
    assert ended["total"] == ended["done"]
    names = [row["name"] for row in netbox.all("dcim/devices")]
    assert len(names) == len(set(names)) == 120
    assert len(netbox.all("dcim/interfaces")) == 120
