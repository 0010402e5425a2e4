"""The cache as users meet it: what they are told, and that no write of ours goes unseen by anybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mcp.client import Client

from netbox_mcp.dependencies import forget, get_cache, get_task_manager
from netbox_mcp.finding import find_one
from netbox_mcp.health import check_health
from netbox_mcp.ipam import find_free_vlan_ids
from netbox_mcp.reads import get_object, get_objects, search
from netbox_mcp.sandbox.redis_server import RedisServer
from netbox_mcp.single import get_netbox_client
from netbox_mcp.writes import delete_object, update_object
from tests.contract.clients import CommandLine, ask, in_memory, write
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam, many_sites, wait_until_ended
from tests.netbox.faulty_proxy import FaultyProxy
from tests.redis_fixture import redis_stopped


@pytest.fixture
def proxy(netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """Between us and NetBox; what our server is made of is read already."""
    with FaultyProxy(netbox.url) as proxy:
        bare.setenv("NETBOX_URL", proxy.url)
        forget()
        find_one("sites", {"name": "nobody"}, "default")
        proxy.seen.clear()
        yield proxy


@pytest.fixture
def site(netbox: NetBoxOverHttp, prefix: str) -> int:
    return int(netbox.create("dcim/sites", name=prefix, slug=prefix)["id"])


def told(site: int, **more: Any) -> dict[str, Any]:
    """One page with one site."""
    return get_objects(
        "dcim.site", {"id": site}, ["name", "description"], False, 5, 0, None, "default", **more
    )


def said(site: int) -> str:
    row: dict[str, Any] = told(site)["results"][0]
    return str(row["description"])


def requests_for(proxy: FaultyProxy, path: str) -> int:
    """How many reads of a list there were since this was last asked."""
    count = sum(f"/api/{path}/" in seen.line and seen.method == "GET" for seen in proxy.seen)
    proxy.seen.clear()
    return count


# What readers are told


def test_a_reply_says_how_old_it_is(netbox: NetBoxOverHttp, site: int, prefix: str) -> None:
    async def work(client: Client) -> None:
        for tool, arguments in (
            ("netbox_get_objects", {"object_type": "dcim.site", "filters": {"id": site}}),
            ("netbox_get_object_by_id", {"object_type": "dcim.site", "object_id": site}),
            ("netbox_search_objects", {"query": prefix, "object_types": ["dcim.site", "dcim.rack"]}),
        ):
            first, second = [await ask(client, tool, **arguments) for _ in range(2)]
            assert first.data.get("age_seconds") is None
            assert second.data == {**first.data, "age_seconds": second.data["age_seconds"]}
            assert 1 <= second.data["age_seconds"] < 30
            assert json.loads(second.text) == second.data
        netbox.update("dcim/sites", site, description="by hand")
        asked = {"object_type": "dcim.site", "filters": {"id": site}}
        kept, fresh, after = [
            await ask(client, "netbox_get_objects", **asked, **more) for more in ({}, {"fresh": True}, {})
        ]
        seen = [reply.data["results"][0]["description"] for reply in (kept, fresh, after)]
        assert seen == ["", "by hand", "by hand"]
        assert fresh.data["age_seconds"] is None
        status = (await ask(client, "netbox_health_check")).data["cache"]
        assert (status["hits"], status["misses"], status["ratio"]) == (5, 3, 0.625)
        assert status["entries"] == 3
        assert status["bytes"] > 1000

    in_memory(work)


def test_secrets_are_hidden_in_what_is_kept_too(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, site: int
) -> None:
    bare.setenv("NETBOX_MCP_REDACTED_FIELDS", "description")
    netbox.update("dcim/sites", site, description="hunter2")
    forget()
    for _ in range(2):
        assert said(site) == "(hidden)"
    assert "age_seconds" in told(site)


def test_the_status_over_rest(netbox: NetBoxOverHttp, cli: CommandLine, site: int) -> None:
    def look(server: HttpServer) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for _ in range(4):
            body = {
                "tool": "netbox_get_objects",
                "arguments": {"object_type": "sites", "filters": {"id": site}},
            }
            requests.post(f"{server.url}/api/v1/execute", json=body, headers=headers, timeout=60)
        found: dict[str, Any] = requests.get(
            f"{server.url}/api/v1/status", headers=headers, timeout=60
        ).json()
        return dict(found["cache"])

    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        found = look(server)
        assert found.pop("bytes") > 0
        assert found == {"hits": 3, "misses": 1, "ratio": 0.75, "entries": 1}
        assert isinstance(found["hits"], int)
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_CACHE="false"):
        assert look(server) == {}


@pytest.mark.parametrize(
    ("variable", "value"), [("NETBOX_MCP_CACHE", "off"), ("NETBOX_MCP_CACHE_TTLS", "dcim.site=0")]
)
def test_it_can_be_turned_off(
    proxy: FaultyProxy, bare: pytest.MonkeyPatch, site: int, variable: str, value: str
) -> None:
    assert [said(site) for _ in range(3)] == ["", "", ""]
    assert requests_for(proxy, "dcim/sites") == 1
    bare.setenv(variable, value)
    forget()
    assert [said(site) for _ in range(3)] == ["", "", ""]
    assert requests_for(proxy, "dcim/sites") == 3
    assert get_cache() is None or "TTLS" in variable


def test_a_type_can_be_added(netbox: NetBoxOverHttp, proxy: FaultyProxy, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("NETBOX_MCP_CACHE_TTLS", "extras.customfield=60")
    forget()
    for _ in range(3):
        assert get_objects("custom_fields", {}, ["name"], False, 5, 0, None, "default")["count"]
    assert requests_for(proxy, "extras/custom-fields") == 1


# What is looked up in order to write


def test_who_means_to_write_is_never_told_what_was_kept(
    netbox: NetBoxOverHttp, proxy: FaultyProxy, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    bare.setenv("NETBOX_MCP_CACHE_TTLS", "dcim.rackrole=600, dcim.rack=600, ipam.vlan=600, ipam.vrf=600")
    forget()
    role = netbox.create("dcim/rack-roles", name=prefix, slug=prefix, color="aa1409", description="A")["id"]
    site = netbox.create("dcim/sites", name=prefix, slug=prefix)["id"]
    netbox.create("ipam/vlans", name=prefix, vid=1, site=site)

    def kept() -> str:
        row = get_object("dcim.rackrole", role, ["description"], False, "default")
        return str(row["description"])

    assert [kept(), kept()] == ["A", "A"]
    assert search(prefix, ["dcim.rackrole", "ipam.vlan", "dcim.site"], None, 5, "default")
    netbox.update("dcim/rack-roles", role, description="B")
    assert kept() == "A"
    found = find_one("dcim.rackrole", {"name": prefix}, "default")
    assert found is not None
    assert found["description"] == "B"
    done = update_object("dcim.rackrole", role, {"description": "A"}, False, "default")
    assert (done.action, done.before) == ("update", {"description": "B"})
    assert kept() == "A"
    # Twice, so that anything kept would be used.
    for vid in (2, 3):
        assert find_free_vlan_ids(None, prefix, 1, "default").free == [vid]
        netbox.create("ipam/vlans", name=f"{prefix}-{vid}", vid=vid, site=site)
    assert find_one("dcim.site", {"name": f"{prefix}"}, "default") is not None
    requests_for(proxy, "dcim/sites")
    find_one("dcim.site", {"name": f"{prefix}"}, "default")
    assert requests_for(proxy, "dcim/sites") == 1
    assert delete_object("dcim.rackrole", role, False, False, "default").dependents == {}
    netbox.create("dcim/racks", name=prefix, site=site, role=role)
    assert delete_object("dcim.rackrole", role, False, False, "default").dependents == {"dcim.rack": 1}


# Who of us writes


def test_a_write_by_a_tool(netbox: NetBoxOverHttp, site: int, prefix: str) -> None:
    async def work(client: Client) -> None:
        async def read() -> str:
            asked = {"object_type": "dcim.site", "filters": {"id": site}, "fields": ["description"]}
            reply = await ask(client, "netbox_get_objects", **asked)
            return str(reply.data["results"][0]["description"])

        assert [await read(), await read()] == ["", ""]
        document = {"sites": [{"name": prefix, "description": "by a batch"}]}
        await ask(client, "netbox_bulk_ensure_devices", batch=document, confirm=True)
        assert [await read(), await read()] == ["by a batch", "by a batch"]
        get_netbox_client().dcim.sites.update({"id": site, "description": "by a call"}, confirm=True)
        assert await read() == "by a call"
        get_netbox_client().ensure_site(name=prefix, description="by ensure", confirm=True)
        assert await read() == "by ensure"

    in_memory(work)


def test_a_write_by_another_process_with_the_same_state_directory(
    netbox: NetBoxOverHttp, proxy: FaultyProxy, cli: CommandLine, site: int, prefix: str
) -> None:
    """It knows NetBox by another address; the target is the same."""
    assert [said(site), said(site)] == ["", ""]
    document = write(cli, {"sites": [{"name": prefix, "description": "by another"}]})
    assert cli("apply", document, "--sync", "--yes").code == 0
    assert [said(site), said(site)] == ["by another", "by another"]
    assert "age_seconds" in told(site)
    assert [one.name for one in (Path("state") / "writes" / "default").iterdir()] == ["latest"]


def test_a_write_through_another_target_that_is_the_same_netbox(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, tmp_path: Path, site: int
) -> None:
    bare.setenv("OTHER_TOKEN", netbox.token)
    (tmp_path / "netbox-mcp.toml").write_text(
        f'[targets.other]\nurl = "{netbox.url}"\ntoken_env = "OTHER_TOKEN"\n'
    )
    forget()
    assert [said(site), said(site)] == ["", ""]
    get_netbox_client("other").dcim.sites.update({"id": site, "description": "other"}, confirm=True)
    assert said(site) == "other"


def test_a_write_by_a_worker(
    netbox: NetBoxOverHttp, with_redis: str, site: int, prefix: str, tmp_path: Path
) -> None:
    """On a machine of its own, as far as it knows: nothing is shared but Redis."""
    forget()
    assert [said(site), said(site)] == ["", ""]
    environment = {"REDIS_URL": with_redis, "NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token}
    with WorkerTeam(tmp_path, environment) as team:
        team.start()
        manager = get_task_manager()
        document = {"sites": [{"name": prefix, "description": "by a worker"}]}
        task_id = manager.start_apply(document, "default", 1).task_id
        assert wait_until_ended(manager, task_id).counts == {"updated": 1}
        assert [said(site), said(site)] == ["by a worker", "by a worker"]
        assert "age_seconds" in told(site)


def test_while_a_worker_writes_nobody_is_told_what_is_older(
    netbox: NetBoxOverHttp, with_redis: str, prefix: str, tmp_path: Path
) -> None:
    netbox.create("dcim/sites", name=f"{prefix}-0", slug=f"{prefix}-0")
    forget()
    environment = {"REDIS_URL": with_redis, "NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token}
    # The first question ever takes longer than the task: NetBox describes its own API.
    get_objects("sites", {"name__isw": prefix}, ["id"], False, 1, 0, None, "default")
    with WorkerTeam(tmp_path, environment) as team:
        team.start()
        manager = get_task_manager()
        task_id = manager.start_apply(many_sites(prefix, 120), "default", 120).task_id
        seen: list[int] = []
        while True:
            ended = manager.status(task_id)  # what it has counted as done is in NetBox
            page = get_objects("sites", {"name__isw": prefix}, ["id"], False, 1, 0, None, "default")
            assert page["count"] >= 1 + ended.done
            seen.append(page["count"])
            if ended.ended:
                break
        assert seen[-1] == 121
        assert "age_seconds" in get_objects(
            "sites", {"name__isw": prefix}, ["id"], False, 1, 0, None, "default"
        )


def test_without_the_redis_that_is_configured_netbox_is_asked(
    netbox: NetBoxOverHttp,
    with_redis: str,
    redis_server: RedisServer,
    proxy: FaultyProxy,
    bare: pytest.MonkeyPatch,
    site: int,
) -> None:
    bare.setattr("workers.write_marks.PAUSE_SECONDS", 0.0)
    assert [said(site), said(site)] == ["", ""]
    assert requests_for(proxy, "dcim/sites") == 1
    with redis_stopped(redis_server):
        netbox.update("dcim/sites", site, description="by hand")
        assert [said(site), said(site)] == ["by hand", "by hand"]
        assert requests_for(proxy, "dcim/sites") == 2
        get_netbox_client().dcim.sites.update({"id": site, "description": "ours"}, confirm=True)
        assert said(site) == "ours"
        proxy.seen.clear()
    assert [said(site), said(site)] == ["ours", "ours"]
    assert requests_for(proxy, "dcim/sites") == 1
    assert check_health().cache["entries"] == 1
    bare.setenv("REDIS_URL", "redis://127.0.0.1:nowhere")
    forget()
    assert [said(site), said(site)] == ["ours", "ours"]
    assert requests_for(proxy, "dcim/sites") == 2
