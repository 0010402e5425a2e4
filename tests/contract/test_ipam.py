"""The tools for addresses, prefixes, VLANs and VRFs, on the real NetBox; many callers at once, too."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any

import anyio
import pytest
from mcp.client import Client

from tests.contract.clients import Reply, ask, call, in_memory
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp

CALLERS = 20


@pytest.fixture(autouse=True)
def writing(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("NETBOX_MCP_TOOLSETS", "all")


@pytest.fixture
def network() -> str:
    """A /24 of this test's own."""
    return f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.0/24"


@pytest.fixture
def vrf(netbox: NetBoxOverHttp, prefix: str) -> dict[str, Any]:
    return netbox.create("ipam/vrfs", name=f"{prefix}-vrf")


def all_at_once(tool: str, calls: list[dict[str, Any]]) -> list[Reply]:
    """The replies to calls that one server gets at the same moment."""

    async def work(client: Client) -> list[Reply]:
        replies: list[Reply] = []

        async def one(arguments: dict[str, Any]) -> None:
            replies.append(await ask(client, tool, **arguments))

        async with anyio.create_task_group() as group:
            for arguments in calls:
                group.start_soon(one, arguments)
        return replies

    return in_memory(work)


def test_the_next_free_address_is_shown_then_taken(
    netbox: NetBoxOverHttp, network: str, vrf: dict[str, Any]
) -> None:
    netbox.create("ipam/prefixes", prefix=network, vrf=vrf["id"])
    where = {"prefix": network, "vrf": vrf["name"]}
    host = ipaddress.ip_network(network)[1]
    free = call("netbox_find_available_ip", **where, count=3)
    assert free.data["free"] == [f"{host + at}/24" for at in range(3)]
    assert free.data["more"] is True
    shown = call("netbox_create_ip_address", **where, dns_name="a.example")
    assert shown.data["status"] == "confirmation_required"
    assert "the next free address" in shown.data["next"]
    assert netbox.count("ipam/ip-addresses", vrf_id=vrf["id"]) == 0
    taken = call("netbox_create_ip_address", **where, dns_name="a.example", confirm=True)
    assert taken.data["object"]["address"] == f"{host}/24"
    again = call("netbox_create_ip_address", **where, dns_name="a.example", confirm=True)
    assert (again.data["action"], again.data["object"]["address"]) == ("unchanged", f"{host}/24")
    changed = {"dns_name": "a.example", "description": "gateway", "confirm": True}
    assert call("netbox_create_ip_address", **where, **changed).data["action"] == "updated"
    given = {"address": f"{host + 1}/24", "vrf": vrf["name"], "confirm": True}
    assert call("netbox_create_ip_address", **given).data["action"] == "created"
    assert call("netbox_create_ip_address", **given).data["action"] == "unchanged"
    usage = call("netbox_get_ip_usage", **where).data
    assert (usage["size"], usage["addresses"], usage["percent"]) == (256, 2, 0.78)
    assert (usage["vrf"], usage["child_prefixes"], usage["ranges"]) == (vrf["name"], 0, 0)


def test_twenty_callers_get_twenty_addresses(
    netbox: NetBoxOverHttp, network: str, vrf: dict[str, Any]
) -> None:
    netbox.create("ipam/prefixes", prefix=network, vrf=vrf["id"])
    where = {"prefix": network, "vrf": vrf["name"], "confirm": True}
    replies = all_at_once("netbox_create_ip_address", [where] * CALLERS)
    assert not [reply.text for reply in replies if reply.is_error]
    assert len({reply.data["object"]["address"] for reply in replies}) == CALLERS
    assert netbox.count("ipam/ip-addresses", vrf_id=vrf["id"]) == CALLERS


def test_twenty_callers_get_twenty_prefixes_and_vlans(
    netbox: NetBoxOverHttp, network: str, prefix: str, vrf: dict[str, Any]
) -> None:
    netbox.create("ipam/prefixes", prefix=network, vrf=vrf["id"], status="container")
    wanted = {"within": network, "length": 29, "vrf": vrf["name"], "confirm": True}
    prefixes = all_at_once("netbox_create_prefix", [wanted] * CALLERS)
    assert len({reply.data["object"]["prefix"] for reply in prefixes}) == CALLERS
    netbox.create("ipam/vlan-groups", name=f"{prefix}-g", slug=f"{prefix}-g")
    vlans = all_at_once(
        "netbox_create_vlan",
        [{"name": f"v-{at}", "group": f"{prefix}-g", "confirm": True} for at in range(CALLERS)],
    )
    assert {reply.data["object"]["vid"] for reply in vlans} == set(range(1, CALLERS + 1))


def test_an_address_is_assigned_to_an_interface(netbox: NetBoxOverHttp, network: str, prefix: str) -> None:
    document = campus(prefix, devices=1)
    document["devices"][0]["interfaces"] = [{"name": "Vlan1", "type": "virtual"}]
    call("netbox_bulk_ensure_devices", batch=document, confirm=True)
    vrf = netbox.create("ipam/vrfs", name=f"{prefix}-vrf")
    netbox.create("ipam/prefixes", prefix=network, vrf=vrf["id"])
    held = {"device": f"{prefix}-sw-1", "interface": "Vlan1", "vrf": vrf["name"], "confirm": True}
    next_free = call("netbox_create_ip_address", prefix=network, **held)
    assert next_free.data["object"]["assigned_object"]["name"] == "Vlan1"
    named_one = {"prefix": network, "dns_name": "Web1.Example", "vrf": vrf["name"], "confirm": True}
    assert call("netbox_create_ip_address", **named_one).data["action"] == "created"
    again = call("netbox_create_ip_address", **{**named_one, **held})
    assert again.data["action"] == "updated"
    assert again.data["object"]["assigned_object"]["name"] == "Vlan1"
    named = f"{ipaddress.ip_network(network)[9]}/24"
    given = call("netbox_create_ip_address", address=named, **held)
    assert given.data["object"]["assigned_object"]["name"] == "Vlan1"
    nowhere = call("netbox_create_ip_address", prefix=network, **{**held, "interface": "Vlan9"})
    assert nowhere.data["code"] == "not_found"
    assert netbox.count("ipam/ip-addresses", vrf_id=vrf["id"]) == 3


def test_prefixes_vlans_and_vrfs_are_ensured(netbox: NetBoxOverHttp, network: str, prefix: str) -> None:
    steps: list[tuple[str, dict[str, Any]]] = [
        ("netbox_create_vrf", {"name": f"{prefix}-v", "rd": f"65000:{secrets.randbelow(60_000)}"}),
        ("netbox_create_prefix", {"prefix": network, "vrf": f"{prefix}-v", "status": "container"}),
        (
            "netbox_create_prefix",
            {"within": network, "length": 28, "vrf": f"{prefix}-v", "description": "lab"},
        ),
        ("netbox_create_site", {"name": f"{prefix} s"}),
        ("netbox_create_vlan", {"name": "guests", "vid": 30, "site": f"{prefix} s"}),
    ]
    for tool, arguments in steps:
        assert call(tool, **arguments).data["status"] == "confirmation_required", tool
        assert call(tool, **arguments, confirm=True).data["action"] == "created", tool
        assert call(tool, **arguments, confirm=True).data["action"] == "unchanged", tool
    assert netbox.count("ipam/prefixes", vrf_id=netbox.rows("ipam/vrfs", name=f"{prefix}-v")[0]["id"]) == 2
    taken = call("netbox_create_vlan", name="servers", vid=30, site=f"{prefix} s", confirm=True)
    assert taken.data["code"] == "invalid_arguments"
    assert "'guests'" in taken.data["message"]
    renumbered = call("netbox_create_vlan", name="guests", vid=31, site=f"{prefix} s", confirm=True)
    assert renumbered.data["action"] == "created"
    free = call("netbox_find_available_vlan_id", site=f"{prefix} s", count=2)
    assert free.data["free"] == [1, 2]


def test_a_prefix_in_several_vrfs_must_be_told_apart(
    netbox: NetBoxOverHttp, network: str, vrf: dict[str, Any]
) -> None:
    netbox.create("ipam/prefixes", prefix=network, vrf=vrf["id"])
    netbox.create("ipam/prefixes", prefix=network)
    both = call("netbox_find_available_ip", prefix=network)
    assert both.is_error
    assert f"{vrf['name']}" in both.data["message"]
    assert "global" in both.data["message"]
    assert call("netbox_find_available_ip", prefix=network, vrf="global").data["free"]
    assert call("netbox_get_ip_usage", prefix=network, vrf=vrf["name"]).data["vrf"] == vrf["name"]


@pytest.mark.parametrize(
    ("tool", "arguments", "code", "words"),
    [
        ("netbox_find_available_ip", {"prefix": "10.0.0.1/24"}, "invalid_arguments", "host bits"),
        ("netbox_find_available_ip", {"prefix": "10.0.0.0/99"}, "invalid_arguments", "is no prefix"),
        ("netbox_find_available_ip", {"prefix": "203.0.113.0/28"}, "not_found", "has no prefix"),
        ("netbox_get_ip_usage", {"prefix": "203.0.113.0/28", "vrf": "nowhere"}, "not_found", "nowhere"),
        ("netbox_create_ip_address", {}, "invalid_arguments", "either address or prefix"),
        ("netbox_create_ip_address", {"address": "203.0.113.1"}, "invalid_document", "203.0.113.1"),
        (
            "netbox_create_ip_address",
            {"address": "203.0.113.1/24", "device": "x"},
            "invalid_arguments",
            "go together",
        ),
        ("netbox_create_prefix", {"within": "203.0.113.0/24"}, "invalid_arguments", "within and length"),
        ("netbox_create_vlan", {"name": "x"}, "invalid_arguments", "vid"),
        ("netbox_create_vlan", {"name": "x", "group": "nowhere"}, "not_found", "nowhere"),
        ("netbox_find_available_vlan_id", {}, "invalid_arguments", "either group or site"),
    ],
)
def test_a_wrong_question_is_one_sentence(
    netbox: NetBoxOverHttp, tool: str, arguments: dict[str, Any], code: str, words: str
) -> None:
    reply = call(tool, **arguments, **({"confirm": True} if "create" in tool else {}))
    assert reply.is_error
    assert reply.data["code"] == code, reply.text
    assert words in reply.data["message"]


def test_a_full_prefix_says_so(netbox: NetBoxOverHttp, network: str, vrf: dict[str, Any]) -> None:
    small = network.replace("/24", "/31")
    netbox.create("ipam/prefixes", prefix=small, vrf=vrf["id"])
    where = {"prefix": small, "vrf": vrf["name"], "confirm": True}
    assert [call("netbox_create_ip_address", **where).is_error for _ in range(3)] == [False, False, True]
    assert call("netbox_find_available_ip", prefix=small, vrf=vrf["name"]).data["free"] == []
