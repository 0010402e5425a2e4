"""The tools that read any object type, on the real NetBox through a real MCP client."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from mcp.client import Client

from netbox_mcp.reads import SEARCHED_TYPES
from tests.contract.clients import Reply, ask, call, in_memory
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp

LONG = "a long description, as people write them " * 4


@pytest.fixture
def devices(netbox: NetBoxOverHttp, prefix: str) -> str:
    """Twelve devices with long descriptions; their site's slug."""
    document = campus(prefix, devices=12)
    document["devices"][0]["description"] = LONG
    reply = call("netbox_bulk_ensure_devices", batch=document, confirm=True)
    assert reply.data["status"] == "completed", reply.text
    return str(netbox.rows("dcim/sites", name=f"{prefix} site")[0]["slug"])


def objects(object_type: str, filters: dict[str, Any], **more: Any) -> Reply:
    return call("netbox_get_objects", object_type=object_type, filters=filters, **more)


def test_what_a_client_of_netbox_labs_server_calls_and_reads(
    netbox: NetBoxOverHttp, devices: str, prefix: str
) -> None:
    """Their documented calls, and what is read from the answers: as text and as structured content."""

    async def work(client: Client) -> None:
        async def told(tool: str, **arguments: Any) -> Any:
            reply = await ask(client, tool, **arguments)
            assert not reply.is_error, reply.text
            assert json.loads(reply.text) == reply.data
            return reply.data

        sites = await told("netbox_get_objects", object_type="dcim.site", filters={"name": f"{prefix} site"})
        assert (sites["count"], sites["next"], sites["previous"]) == (1, None, None)
        at_site = {"site_id": sites["results"][0]["id"]}
        few = await told(
            "netbox_get_objects",
            object_type="dcim.device",
            filters={**at_site, "name__ic": "sw", "status": "active"},
            fields=["id", "name", "status", "site"],
            ordering=["-name"],
            limit=3,
            offset=1,
        )
        assert few["count"] == 12
        assert few["next"].startswith(f"{netbox.url}/api/dcim/devices/?")
        assert few["previous"] is not None
        assert [row["name"] for row in few["results"]] == [f"{prefix}-sw-{n}" for n in (11, 10, 9)]
        assert set(few["results"][0]) == {"id", "name", "status", "site"}
        by_slug = await told("netbox_get_objects", object_type="devices", filters={"site": devices})
        assert by_slug["count"] == 12
        brief = await told(
            "netbox_get_objects", object_type="dcim.device", filters=at_site, brief=True, ordering="name"
        )
        assert brief["results"][0]["display"] == f"{prefix}-sw-1"
        assert "status" not in brief["results"][0]
        none = await told("netbox_get_objects", object_type="dcim.rack", filters=at_site, fields=[])
        assert none == {**none, "count": 0, "next": None, "previous": None, "results": []}

        device = few["results"][0]
        one = await told(
            "netbox_get_object_by_id", object_type="dcim.device", object_id=device["id"], fields=["name"]
        )
        assert one == {"name": device["name"]}
        whole = await told("netbox_get_object_by_id", object_type="dcim.device", object_id=device["id"])
        assert (whole["name"], whole["asset_tag"], whole["site"]["slug"]) == (device["name"], None, devices)

        found = await told("netbox_search_objects", query=f"{prefix}-sw-11")
        assert set(found) == set(SEARCHED_TYPES)
        assert [row["name"] for row in found["dcim.device"]] == [f"{prefix}-sw-11"]
        assert found["dcim.rack"] == []
        some = await told(
            "netbox_search_objects",
            query=prefix,
            object_types=["dcim.site", "dcim.location"],
            fields=["id", "name", "status"],
            limit=2,
        )
        assert {name: len(rows) for name, rows in some.items()} == {"dcim.site": 1, "dcim.location": 0}
        assert set(some["dcim.site"][0]) == {"id", "name", "status"}

        log = await told("netbox_get_changelogs", filters={"changed_object_id": device["id"], "limit": 50})
        entry = next(row for row in log["results"] if row["changed_object_type"] == "dcim.device")
        assert entry["object_repr"] == device["name"]
        assert (entry["action"]["value"], entry["prechange_data"]) == ("create", {})
        assert entry["postchange_data"]["name"] == device["name"]
        gone = await told(
            "netbox_get_changelogs", filters={"action": "delete", "time_after": "2126-01-01T00:00:00Z"}
        )
        assert (gone["count"], gone["results"]) == (0, [])

    in_memory(work)
    in_memory(work, mode="legacy")


def test_pages_stay_affordable_and_lose_nothing(devices: str, prefix: str) -> None:
    seen: list[str] = []
    offset: int | None = 0
    pages = 0
    while offset is not None:
        reply = objects("dcim.device", {"site": devices}, limit=100, offset=offset, ordering="name")
        assert reply.tokens < 2_000
        assert reply.data["count"] == 12
        seen += [row["name"] for row in reply.data["results"]]
        offset = reply.data["next_offset"]
        if offset is not None:
            assert "fit into this answer" in reply.data["note"]
            query = parse_qs(urlsplit(reply.data["next"]).query)
            asked = {"site": [devices], "ordering": ["name"], "limit": ["100"], "offset": [str(offset)]}
            assert query == asked
        pages += 1
    assert pages > 1
    assert sorted(seen) == sorted(f"{prefix}-sw-{number}" for number in range(1, 13))
    named = objects("dcim.device", {"site": devices}, limit=100, fields=["name"])
    assert (len(named.data["results"]), named.data["next_offset"]) == (12, None)
    assert named.tokens < 200


def test_an_object_too_long_to_show_is_shown_without_its_longest_part(
    netbox: NetBoxOverHttp, prefix: str
) -> None:
    long = {"name": f"{prefix} long", "slug": f"{prefix}-long", "comments": "so it is. " * 2_000}
    site = netbox.create("dcim/sites", **long)
    reply = objects("dcim.site", {"id": site["id"]})
    assert reply.tokens < 2_000
    assert reply.data["results"][0]["name"] == f"{prefix} long"
    assert reply.data["results"][0]["comments"] == "(20,002 characters: name it in fields to read it)"
    asked = call(
        "netbox_get_object_by_id", object_type="dcim.site", object_id=site["id"], fields=["comments"]
    )
    assert asked.data["comments"].strip() == long["comments"].strip()


def test_a_search_that_finds_much_shows_some_of_each_type(devices: str, prefix: str) -> None:
    reply = call(
        "netbox_search_objects",
        query=prefix,
        object_types=["dcim.device", "dcim.site", "dcim.manufacturer"],
        fields=["name", "description", "custom_fields", "device_type"],
        limit=100,
    )
    assert reply.tokens < 2_000
    assert 1 < len(reply.data["dcim.device"]) <= 12
    assert (len(reply.data["dcim.site"]), len(reply.data["dcim.manufacturer"])) == (1, 1)


def test_an_update_in_the_changelog_shows_what_differs(netbox: NetBoxOverHttp, prefix: str) -> None:
    site = netbox.create("dcim/sites", name=f"{prefix} s", slug=f"{prefix}-s")
    netbox.update("dcim/sites", site["id"], facility="B2")
    asked = {"changed_object_type": "dcim.site", "changed_object_id": site["id"], "action": "update"}
    entry = call("netbox_get_changelogs", filters=asked).data["results"][0]
    assert entry["prechange_data"]["facility"] == ""
    assert entry["postchange_data"]["facility"] == "B2"
    assert set(entry["postchange_data"]) <= {"facility", "last_updated"}


def test_what_custom_data_calls_url_is_shown(netbox: NetBoxOverHttp, prefix: str) -> None:
    context = {"ntp": {"url": "ntp://ntp.example", "display": "x"}}
    netbox.create("extras/config-contexts", name=prefix, weight=1, data=context)
    asked = {"filters": {"name": prefix}, "fields": ["data"]}
    assert call("netbox_get_objects", object_type="extras.configcontext", **asked).data["results"] == [
        {"data": context}
    ]


def test_a_batch_is_found_in_the_changelog(netbox: NetBoxOverHttp, prefix: str) -> None:
    done = call("netbox_bulk_ensure_devices", batch=campus(prefix, devices=1), confirm=True)
    log = call("netbox_get_changelogs", filters={"q": done.data["batch_id"]}, fields=["object_repr"])
    assert log.data["count"] >= 5
    assert {"object_repr": f"{prefix}-sw-1"} in log.data["results"] or log.data["next_offset"]


@pytest.mark.parametrize(
    ("arguments", "path", "hint"),
    [
        ({"filters": {"nam": "x"}}, "filters.nam", "Did you mean 'name'?"),
        ({"filters": {"id__in": [1]}}, "filters.id__in", "Give 'id' a list of values"),
        ({"filters": {"device__site_id": 1}}, "filters.device__site_id", "read the other objects first"),
        ({"filters": {"cf_no_such_field": 1}}, "filters.cf_no_such_field", ""),
        ({"filters": {}, "fields": ["nme"]}, "fields.nme", "Did you mean 'name'?"),
        ({"filters": {}, "ordering": "-nmae"}, "ordering.-nmae", "Did you mean 'name'?"),
        ({"filters": {}, "ordering": "display"}, "ordering.display", ""),
        ({"filters": {}, "ordering": "primary_ip"}, "ordering.primary_ip", ""),
        ({"filters": {}, "ordering": "config_context"}, "ordering.config_context", ""),
    ],
)
def test_what_netbox_would_ignore_is_an_error(
    netbox: NetBoxOverHttp, arguments: dict[str, Any], path: str, hint: str
) -> None:
    reply = call("netbox_get_objects", object_type="dcim.device", **arguments)
    assert reply.is_error
    assert reply.data["code"] == "unknown_name"
    assert reply.data["details"][0]["path"] == path
    assert hint in reply.data["hint"]


@pytest.mark.parametrize("value", [None, "", " ", [], ["a", ""], {"a": 1}, [["a"]]])
def test_a_filter_that_says_nothing_is_an_error(netbox: NetBoxOverHttp, value: Any) -> None:
    reply = objects("dcim.device", {"name": value})
    assert reply.is_error
    assert "filters.name" in reply.data["message"]
    assert "nothing was sent" in reply.data["message"]


def test_a_filter_of_one_value_does_not_take_two(netbox: NetBoxOverHttp) -> None:
    assert "takes one value" in objects("dcim.device", {"q": ["a", "b"]}).data["message"]


@pytest.mark.parametrize(
    ("object_type", "words"),
    [
        ("dcim.devise", "Did you mean 'dcim.device'?"),
        ("dcim.device_type", "Did you mean 'dcim.device_types'?"),
        ("", "NetBox's own names"),
        ("../../etc/passwd", "NetBox's own names"),
    ],
)
def test_an_unknown_type_is_an_error(netbox: NetBoxOverHttp, object_type: str, words: str) -> None:
    for reply in (
        objects(object_type, {}),
        call("netbox_get_object_by_id", object_type=object_type, object_id=1),
        call("netbox_search_objects", query="x", object_types=["dcim.site", object_type]),
    ):
        assert reply.is_error
        assert reply.data["code"] == "unknown_name"
        assert words in reply.data["hint"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": 0},
        {"limit": 101},
        {"offset": -1},
        {"filters": {"limit": "many"}},
        {"filters": {"fields": 5}},
    ],
)
def test_limits_are_kept(netbox: NetBoxOverHttp, arguments: dict[str, Any]) -> None:
    reply = call("netbox_get_objects", object_type="dcim.site", **{"filters": {}, **arguments})
    assert reply.is_error
    assert reply.data["code"] == "invalid_arguments"


def test_an_object_that_is_not_there(netbox: NetBoxOverHttp) -> None:
    reply = call("netbox_get_object_by_id", object_type="dcim.site", object_id=99_999_999)
    assert reply.is_error
    assert reply.data["message"] == "There is no dcim.site with the id 99999999."


def test_too_many_values_for_one_request(netbox: NetBoxOverHttp) -> None:
    reply = objects("dcim.device", {"id": list(range(1, 2_000))})
    assert reply.is_error
    assert "Ask for fewer" in reply.data["hint"]


def test_secrets_are_neither_shown_nor_found_out(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    netbox.create(
        "wireless/wireless-lans", ssid=f"{prefix}-lan", auth_type="wpa-personal", auth_psk="hunter2"
    )
    hook = {"name": f"{prefix}-hook", "payload_url": "http://127.0.0.1:9/", "secret": "hunter2"}
    netbox.create("extras/webhooks", **hook, additional_headers="Authorization: hunter2")
    for object_type, filters in (
        ("wireless.wirelesslan", {"ssid": f"{prefix}-lan"}),
        ("extras.webhook", {"name": f"{prefix}-hook"}),
    ):
        for fields in (None, ["auth_psk"] if "ssid" in filters else ["secret", "additional_headers"]):
            reply = objects(object_type, filters, fields=fields)
            assert reply.data["count"] == 1
            assert "hunter2" not in reply.text
            assert "(hidden)" in reply.text
    found = call("netbox_search_objects", query=f"{prefix}-lan", object_types=["wireless.wirelesslan"],
                 fields=["ssid", "auth_psk"])  # fmt: skip
    assert found.data["wireless.wirelesslan"] == [{"ssid": f"{prefix}-lan", "auth_psk": "(hidden)"}]
    assert "hunter2" not in call("netbox_get_changelogs", filters={"q": prefix}, limit=100).text
    guess = objects("wireless.wirelesslan", {"auth_psk__isw": "h"})
    assert guess.is_error
    assert "secret" in guess.data["message"]
    assert objects("wireless.wirelesslan", {}, ordering="-auth_psk").is_error
    bare.setenv("NETBOX_MCP_REDACTED_FIELDS", "ssid, description")
    assert objects("wireless.wirelesslan", {"id": 1, "ssid": f"{prefix}-lan"}).is_error
    hidden = objects("wireless.wirelesslan", {"q": f"{prefix}-lan"}, fields=["ssid"])
    assert hidden.data["results"] == [{"ssid": "(hidden)"}]


def test_what_the_token_may_not_see_is_said(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str, devices: str
) -> None:
    token = netbox.token_that_may((["dcim.site"], ["view"]))
    bare.setenv("NETBOX_TOKEN", token)
    found = call("netbox_search_objects", query=prefix, object_types=["dcim.site", "dcim.device"])
    assert len(found.data["dcim.site"]) == 1
    assert found.data["dcim.device"] == []
    assert found.data["note"] == "The token may not see dcim.device."
    denied = objects("dcim.device", {"site": devices})
    assert denied.is_error
    assert denied.data["code"] == "netbox_access_denied"


LOOKUPS = ("", "n", "ic", "isw", "ie", "gt", "lte", "empty", "regex", "nope")
VALUES = {
    "text": "noc",
    "longtext": "noc",
    "url": "http://noc.example",
    "integer": 7,
    "decimal": 7.5,
    "boolean": True,
    "date": "2026-11-26",
    "json": {"a": 1},
}
NOBODYS = {**VALUES, "text": "x", "longtext": "x", "url": "http://x.example", "integer": 9, "decimal": 9.5,
           "boolean": False, "date": "2027-01-01", "json": "9"}  # fmt: skip


def test_filters_by_custom_fields_are_those_that_netbox_honours(netbox: NetBoxOverHttp, prefix: str) -> None:
    """What we send is not ignored: of two regions, opposite values never find both."""
    stem = prefix.replace("-", "_")
    logics = ("loose", "exact", "disabled")
    for logic in logics:
        for kind in VALUES:
            field = {"name": f"{stem}_{kind}_{logic}", "type": kind, "filter_logic": logic}
            netbox.create("extras/custom-fields", **field, object_types=["dcim.region"])
    given = {f"{stem}_{kind}_{logic}": value for kind, value in VALUES.items() for logic in logics}
    netbox.create("dcim/regions", name=f"{prefix} a", slug=f"{prefix}-a", custom_fields=given)
    other = {f"{stem}_{kind}_{logic}": value for kind, value in NOBODYS.items() for logic in logics}
    netbox.create("dcim/regions", name=f"{prefix} b", slug=f"{prefix}-b", custom_fields=other)
    every = netbox.count("dcim/regions")

    async def ask_all(client: Client) -> dict[str, list[int | None]]:
        found: dict[str, list[int | None]] = {}
        for logic in logics:
            for kind in VALUES:
                for lookup in LOOKUPS:
                    name = f"cf_{stem}_{kind}_{logic}" + (f"__{lookup}" if lookup else "")
                    opposites = (True, False) if lookup == "empty" else (VALUES[kind], NOBODYS[kind])
                    if kind == "boolean" and lookup == "":
                        both = {"object_type": "dcim.region", "filters": {name: [True, False]}}
                        assert (await ask(client, "netbox_get_objects", **both)).is_error
                    found[name] = []
                    for value in opposites:
                        sent = {"object_type": "dcim.region", "filters": {name: value}, "fields": ["id"]}
                        reply = await ask(client, "netbox_get_objects", **sent)
                        refused = reply.is_error and reply.data["code"] in ("unknown_name", "invalid_filter")
                        assert refused or not reply.is_error, (name, reply.text)
                        found[name].append(None if reply.is_error else reply.data["count"])
        return found

    found = in_memory(ask_all)
    asked = {name: counts for name, counts in found.items() if None not in counts}
    assert not [name for name, counts in asked.items() if counts == [every, every]]
    assert len(asked) > 30
    assert all(name not in asked for name in found if "disabled" in name or "_json_" in name)
    assert asked[f"cf_{stem}_text_loose"] == [1, 1]
    assert asked[f"cf_{stem}_text_exact__ic"] == [1, 1]
    elsewhere = objects("dcim.site", {f"cf_{stem}_text_exact": "noc"})
    assert "dcim.site does not have this custom field" in elsewhere.data["message"]


def test_no_netbox_is_one_sentence(dead_netbox: str) -> None:
    for reply in (
        objects("dcim.site", {}),
        call("netbox_search_objects", query="x"),
        call("netbox_get_changelogs", filters={}),
        call("netbox_get_object_by_id", object_type="dcim.site", object_id=1),
    ):
        assert reply.is_error
        assert reply.data["code"] == "netbox_unreachable"
        assert dead_netbox in reply.data["message"]
