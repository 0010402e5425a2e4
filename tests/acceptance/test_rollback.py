"""Batches and the way back, on a real NetBox: afterwards every object of every touched type is as it was."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest
from mcp.client import Client
from redis import Redis

from netbox_mcp.stack import Stack
from tests.acceptance.conftest import PlainNetBox, Users, apply, call, follow, start_and_kill

TOUCHED = (
    "dcim/manufacturers",
    "dcim/device-types",
    "dcim/device-roles",
    "dcim/sites",
    "dcim/devices",
    "dcim/interfaces",
    "ipam/ip-addresses",
    "extras/tags",
)
OURS = ("netbox_mcp_batch", "netbox_mcp_digests")
SOON_NOTICED = {"NETBOX_MCP_LEASE_TTL_SECONDS": "6", "NETBOX_MCP_HEARTBEAT_SECONDS": "1"}
Picture = dict[str, list[dict[str, Any]]]
KIND = {"site": "AMS1", "role": "Access", "device_type": {"manufacturer": "Cisco", "model": "C9300-48P"}}


def picture(netbox: PlainNetBox) -> Picture:
    """Every object of the touched types, all fields but the times of writing; ours where they are null."""
    return {path: [_timeless(row) for row in netbox.all(path)] for path in TOUCHED}


def difference(before: Picture, after: Picture) -> list[str]:
    """What is not as it was, object by object and field by field."""
    found = []
    for path in TOUCHED:
        then, now = ({row["id"]: row for row in one[path]} for one in (before, after))
        found += [f"{path} {then.get(at) or now[at]} came or went" for at in then.keys() ^ now.keys()]
        found += [
            f"{path} {row['display']}: {name} was {row.get(name)!r}, is {now[at].get(name)!r}"
            for at, row in then.items()
            if at in now
            for name in {*row, *now[at]}
            if row.get(name) != now[at].get(name)
        ]
    return found


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    custom = {
        name: value
        for name, value in row.get("custom_fields", {}).items()
        if name not in OURS or value is not None
    }
    kept = {name: value for name, value in row.items() if name not in ("created", "last_updated")}
    return {**kept, "custom_fields": custom}


@pytest.fixture
def edges(netbox: PlainNetBox) -> list[int]:
    """What was there before: two devices made by hand, each with a primary address. Their ids."""
    netbox.post("extras/tags", {"name": "campus", "slug": "campus"})
    maker = netbox.post("dcim/manufacturers", {"name": "Cisco", "slug": "cisco"})
    kind = netbox.post(
        "dcim/device-types", {"manufacturer": maker["id"], "model": "C9300-48P", "slug": "c9300-48p"}
    )
    role = netbox.post("dcim/device-roles", {"name": "Edge", "slug": "edge"})
    site = netbox.post("dcim/sites", {"name": "AMS1", "slug": "ams1", "description": "as it was"})
    ids = []
    for number in (1, 2):
        parents = {"device_type": kind["id"], "role": role["id"], "site": site["id"]}
        device = netbox.post("dcim/devices", {"name": f"edge-{number}", "comments": "by hand", **parents})
        vlan = netbox.post("dcim/interfaces", {"device": device["id"], "name": "Vlan1", "type": "virtual"})
        assigned = {"assigned_object_type": "dcim.interface", "assigned_object_id": vlan["id"]}
        address = netbox.post("ipam/ip-addresses", {"address": f"198.51.100.{number}/24", **assigned})
        patch(netbox, "dcim/devices", device["id"], primary_ip4=address["id"])
        ids.append(device["id"])
    return ids


def patch(netbox: PlainNetBox, path: str, object_id: int, **fields: Any) -> None:
    answer = netbox.session.patch(f"{netbox.url}/api/{path}/{object_id}/", json=fields, timeout=60)
    assert answer.ok, answer.text


def switches(names: str, first_host: int, **fields: Any) -> dict[str, Any]:
    address = f"192.0.2.{{1+{first_host}}}/24"
    return {
        "name": names,
        **KIND,
        "interfaces": [{"name": "Vlan1", "type": "virtual"}],
        "ip_addresses": [{"address": address, "interface": "Vlan1"}],
        "primary_ip4": address,
        **fields,
    }


def of_all_kinds(edges: list[int], switch_names: str) -> dict[str, Any]:
    """Creates, updates, a swap of names, a primary address that moves, and a row that NetBox refuses."""
    return {
        "sites": [{"name": "AMS1", "description": "as the document says", "tags": ["campus"]}],
        "device_types": [{"manufacturer": "Cisco", "model": "Bad", "u_height": 1.3}],
        "devices": [
            switches(switch_names, 0),
            {"name": "edge-2", "id": edges[0], "comments": "was edge-1", "role": "Access"},
            {
                "name": "edge-1",
                "id": edges[1],
                "ip_addresses": [{"address": "198.51.100.1/24", "interface": "Vlan1"}],
                "primary_ip4": "198.51.100.1/24",
            },
        ],
    }


async def roll_back(client: Client, batch_id: str, **arguments: Any) -> dict[str, Any]:
    """Confirm a rollback and wait for its end."""
    started = await call(client, "netbox_rollback_batch", batch_id=batch_id, confirm=True, **arguments)
    assert started.get("task_id"), started
    return await follow(client, started["task_id"])


def test_two_batches_one_of_them_killed_and_the_way_back(
    stack: Stack, users: Users, netbox: PlainNetBox, edges: list[int]
) -> None:
    before = picture(netbox)
    worker = stack.start_worker(SOON_NOTICED)
    stack.start_server()
    first = users.over_http(lambda client: apply(client, of_all_kinds(edges, "sw-[01-24]")))
    assert (first["status"], first["counts"]["failed"]) == ("completed_with_errors", 1), first
    names = {row["id"]: row["name"] for row in netbox.all("dcim/devices")}
    assert (names[edges[0]], names[edges[1]]) == ("edge-2", "edge-1")
    between = picture(netbox)
    assert len(between["dcim/devices"]) == 26

    killed = users.over_http(lambda client: apply_and_kill(client, worker.pid))
    assert killed["status"] == "cancelled"
    reached = len(netbox.all("dcim/devices")) - 26
    assert 0 < reached <= 40
    assert killed["done"] < killed["total"]
    time.sleep(3)  # NetBox may still be at work on the last request
    stack.start_worker()

    async def go_back(client: Client) -> list[dict[str, Any]]:
        created = {"outcome": "created", "object_type": "devices", "limit": 1}
        page = await call(client, "netbox_get_task_report", task_id=killed["task_id"], **created)
        (touched,) = page["rows"]
        patch(netbox, "dcim/devices", touched["object_id"], comments="mine now")
        refused = await roll_back(client, killed["batch_id"])
        assert refused["status"] == "completed_with_errors", refused
        told = {error["label"]: error["message"] for error in refused["first_errors"]}
        assert "changed since by" in told[touched["label"]]
        assert netbox.all("dcim/devices", id=touched["object_id"])[0]["comments"] == "mine now"
        forced = await roll_back(client, killed["batch_id"], force=True)
        assert difference(between, picture(netbox)) == []
        return [forced, await roll_back(client, first["batch_id"])]

    forced, last = users.over_http(go_back)
    assert (forced["status"], last["status"]) == ("completed", "completed"), last
    assert last["counts"]["deleted"] >= 24 * 3
    assert difference(before, picture(netbox)) == []
    for batch in (first, killed):
        status = users.over_http(
            lambda client, task_id=batch["task_id"]: call(client, "netbox_get_task_status", task_id=task_id)
        )
        assert status["status"] == "rolled_back"


async def apply_and_kill(client: Client, pid: int) -> dict[str, Any]:
    """Start a second batch, kill its worker while devices are being created, and have it not go on."""
    document = {"devices": [switches("sw-[101-140]", 0), {"name": "sw-[01-24]", "status": "offline"}]}
    task_id = (await start_and_kill(client, document, pid))["task_id"]
    while (await call(client, "netbox_get_task_status", task_id=task_id))["status"] != "queued":
        await anyio.sleep(0.5)
    await call(client, "netbox_cancel_task", task_id=task_id)
    return await follow(client, task_id)


def test_a_batch_of_which_only_netbox_knows_any_more(
    stack: Stack, users: Users, netbox: PlainNetBox, edges: list[int]
) -> None:
    before = picture(netbox)
    stack.start_worker()
    stack.start_server()
    batch = users.over_http(lambda client: apply(client, of_all_kinds(edges, "sw-[01-03]")))
    assert batch["counts"]["created"] >= 3 * 3
    with Redis.from_url(f"{stack.redis.url}/0") as redis:
        redis.delete(*redis.keys(f"nmo:journal:{batch['batch_id']}*"))

    async def go_back(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        shown = await call(client, "netbox_rollback_batch", batch_id=batch["batch_id"])
        return shown, await roll_back(client, batch["batch_id"])

    shown, ended = users.over_http(go_back)
    assert any("changelog" in warning for warning in shown["warnings"])
    assert ended["status"] == "completed", ended
    assert difference(before, picture(netbox)) == []
