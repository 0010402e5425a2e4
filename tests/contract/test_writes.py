"""The tools that write single objects, on the real NetBox: shown, confirmed, audited, no more than asked."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client

from netbox_mcp.single import get_netbox_client
from orchestrator.errors import BadFilterError
from tests.contract.clients import Reply, ask, call, in_memory
from tests.contract.documents import campus
from tests.integration.worker_process import NetBoxOverHttp


@pytest.fixture(autouse=True)
def writing(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("NETBOX_MCP_TOOLSETS", "all")


def audit(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "state" / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ensure_vlan(prefix: str, vid: int = 10, **more: Any) -> Reply:
    """A type that is not written as a batch of one: it is called by a number."""
    fields = {"vid": vid, "name": f"{prefix}-vlan", **more.pop("fields", {})}
    return call("netbox_ensure_object", object_type="ipam.vlan", fields=fields, **more)


def test_an_object_is_shown_created_kept_and_updated(netbox: NetBoxOverHttp, prefix: str) -> None:
    shown = ensure_vlan(prefix)
    assert (shown.data["status"], shown.data["action"]) == ("confirmation_required", "create")
    assert "confirm=true" in shown.data["next"]
    assert netbox.count("ipam/vlans", name=f"{prefix}-vlan") == 0
    made = ensure_vlan(prefix, confirm=True)
    assert (made.data["status"], made.data["action"]) == ("ok", "created")
    assert made.data["object"]["vid"] == 10
    writes = netbox.count("core/object-changes")
    again = ensure_vlan(prefix, confirm=True)
    assert (again.data["status"], again.data["action"]) == ("ok", "unchanged")
    assert netbox.count("core/object-changes") == writes
    other = {"status": "reserved", "description": "for guests"}
    would = ensure_vlan(prefix, fields=other)
    assert (would.data["action"], would.data["after"]) == ("update", other)
    assert would.data["before"] == {"status": "active", "description": ""}
    done = ensure_vlan(prefix, fields=other, confirm=True)
    assert (done.data["status"], done.data["action"]) == ("ok", "updated")
    row = netbox.rows("ipam/vlans", name=f"{prefix}-vlan")[0]
    assert (row["status"]["value"], row["description"], row["vid"]) == ("reserved", "for guests", 10)
    logged = netbox.rows("core/object-changes", changed_object_id=row["id"], changed_object_type="ipam.vlan")
    assert all(entry["message"].startswith("netbox-mcp ") for entry in logged)


def test_tags_and_custom_fields_are_added_to_those_there_are(netbox: NetBoxOverHttp, prefix: str) -> None:
    for tag in ("one", "two"):
        netbox.create("extras/tags", name=f"{prefix}-{tag}", slug=f"{prefix}-{tag}")
    field = f"{prefix.replace('-', '_')}_owner"
    for name in (field, f"{field}_2"):
        netbox.create("extras/custom-fields", name=name, type="text", object_types=["ipam.vlan"])
    ensure_vlan(prefix, fields={"tags": [f"{prefix}-one"], "custom_fields": {field: "noc"}}, confirm=True)
    more = {"tags": [f"{prefix}-two"], "custom_fields": {f"{field}_2": "sec"}}
    assert ensure_vlan(prefix, fields=more, confirm=True).data["action"] == "updated"
    row = netbox.rows("ipam/vlans", name=f"{prefix}-vlan")[0]
    assert {tag["name"] for tag in row["tags"]} == {f"{prefix}-one", f"{prefix}-two"}
    assert (row["custom_fields"][field], row["custom_fields"][f"{field}_2"]) == ("noc", "sec")
    assert ensure_vlan(prefix, fields=more, confirm=True).data["action"] == "unchanged"


def test_references_are_ids_or_what_identifies_them(netbox: NetBoxOverHttp, prefix: str) -> None:
    site = netbox.create("dcim/sites", name=f"{prefix} s", slug=f"{prefix}-s")
    by_name = ensure_vlan(prefix, fields={"site": {"name": f"{prefix} s"}}, confirm=True)
    assert by_name.data["object"]["site"]["id"] == site["id"]
    assert ensure_vlan(prefix, fields={"site": site["id"]}, confirm=True).data["action"] == "unchanged"
    assert ensure_vlan(prefix, fields={"site": {"name": f"{prefix} s"}}).data["action"] == "unchanged"


def test_what_documents_can_declare_is_a_batch_that_can_be_taken_back(
    netbox: NetBoxOverHttp, prefix: str
) -> None:
    made = call("netbox_create_site", name=f"{prefix} one", status="planned", confirm=True)
    assert (made.data["status"], made.data["action"]) == ("ok", "created")
    site_id = made.data["object"]["id"]
    asked = {"object_type": "dcim.site", "object_id": site_id, "fields": {"facility": "B2"}}
    assert call("netbox_update_object", **asked).data["status"] == "confirmation_required"
    changed = call("netbox_update_object", **asked, confirm=True)
    assert (changed.data["before"], changed.data["after"]) == ({"facility": None}, {"facility": "B2"})
    assert call("netbox_update_object", **asked, confirm=True).data["action"] == "unchanged"
    assert netbox.rows("dcim/sites", id=site_id)[0]["facility"] == "B2"
    undone = call("netbox_rollback_batch", batch_id=changed.data["batch_id"])
    assert undone.data["totals"] == {"update": 1}


def test_the_tools_for_one_type(netbox: NetBoxOverHttp, prefix: str) -> None:
    maker = call("netbox_create_manufacturer", name=f"{prefix} Acme", confirm=True)
    role = call("netbox_create_device_role", name=f"{prefix} access", color="4caf50", confirm=True)
    assert (maker.data["action"], role.data["action"]) == ("created", "created")
    assert role.data["object"]["color"] == "4caf50"
    assert call("netbox_create_manufacturer", name=f"{prefix} Acme").data["action"] == "unchanged"
    call("netbox_bulk_ensure_devices", batch=campus(prefix, devices=1), confirm=True)
    device = {"name": f"{prefix.upper()}-sw-1", "status": "offline"}  # device names match without case
    assert call("netbox_update_device_status", **device).data["status"] == "confirmation_required"
    assert call("netbox_update_device_status", **device, confirm=True).data["action"] == "updated"
    elsewhere = call("netbox_update_device_status", **device, site="nowhere")
    assert elsewhere.is_error
    assert elsewhere.data["code"] == "not_found"
    assert netbox.rows("dcim/devices", name=f"{prefix}-sw-1")[0]["status"]["value"] == "offline"
    kept = call("netbox_delete_manufacturer", name=f"{prefix} Acme", confirm=True)
    assert kept.data["status"] == "dependents"
    assert kept.data["dependents"] == {"dcim.devicetype": 1, "dcim.device": 1}
    lonely = call("netbox_create_manufacturer", name=f"{prefix} Lonely", confirm=True)
    assert lonely.data["status"] == "ok"
    asked = call("netbox_delete_manufacturer", name=f"{prefix} Lonely")
    assert (asked.data["status"], asked.data["action"]) == ("confirmation_required", "delete")
    gone = call("netbox_delete_manufacturer", name=f"{prefix} Lonely", confirm=True)
    assert (gone.data["status"], gone.data["action"]) == ("ok", "deleted")
    assert netbox.count("dcim/manufacturers", name=f"{prefix} Lonely") == 0


def test_a_delete_shows_what_depends_on_the_object(netbox: NetBoxOverHttp, prefix: str) -> None:
    document = campus(prefix, devices=2)
    document["devices"][0]["interfaces"] = [{"name": "Vlan[1-3]", "type": "virtual"}]
    call("netbox_bulk_ensure_devices", batch=document, confirm=True)
    site = netbox.rows("dcim/sites", name=f"{prefix} site")[0]["id"]
    netbox.create("ipam/vlans", name=f"{prefix}-v", vid=7, site=site)
    shown = call("netbox_delete_object", object_type="dcim.site", object_id=site, confirm=True)
    assert shown.data["status"] == "dependents"
    assert shown.data["dependents"]["dcim.device"] == 2
    assert shown.data["dependents"]["ipam.vlan"] == 1
    refused = call(
        "netbox_delete_object", object_type="dcim.site", object_id=site, confirm=True, with_dependents=True
    )
    assert refused.is_error  # devices protect their site
    assert refused.data["code"] == "rejected"
    assert netbox.count("dcim/sites", id=site) == 1
    device = netbox.rows("dcim/devices", name=f"{prefix}-sw-1")[0]["id"]
    asked = {"object_type": "dcim.device", "object_id": device}
    assert call("netbox_delete_object", **asked).data["dependents"] == {"dcim.interface": 3}
    done = call("netbox_delete_object", **asked, confirm=True, with_dependents=True)
    assert (done.data["status"], done.data["dependents"]) == ("ok", {"dcim.interface": 3})
    assert netbox.count("dcim/devices", id=device) == 0
    assert call("netbox_delete_object", **asked, confirm=True).data["code"] == "not_found"


def test_every_write_is_in_the_audit(netbox: NetBoxOverHttp, prefix: str, tmp_path: Path) -> None:
    ensure_vlan(prefix)  # shown only: no write
    assert audit(tmp_path) == []
    made = ensure_vlan(prefix, confirm=True).data["object"]["id"]
    ensure_vlan(prefix, fields={"status": "reserved"}, confirm=True)
    call("netbox_delete_object", object_type="ipam.vlan", object_id=made, confirm=True)
    sent, done, update, _, delete, deleted = audit(tmp_path)
    assert (sent["status"], sent["action"], sent["object_type"]) == ("sending", "create", "ipam.vlan")
    assert sent["objects"] == [{"before": {}, "after": {"vid": 10, "name": f"{prefix}-vlan"}}]
    assert (done["id"], done["status"], done["ids"]) == (sent["id"], "done", [made])
    logged = netbox.rows("core/object-changes", changed_object_id=made, changed_object_type="ipam.vlan")
    assert done["request_id"] in {entry["request_id"] for entry in logged}
    assert update["objects"][0]["id"] == made
    assert update["objects"][0]["before"]["status"]["value"] == "active"
    assert update["objects"][0]["after"] == {"status": "reserved"}
    assert delete["objects"][0]["before"]["name"] == f"{prefix}-vlan"
    assert deleted["status"] == "done"
    assert all(entry["who"].startswith(("user:", "uid:")) for entry in audit(tmp_path))
    assert (tmp_path / "state" / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_batch_is_in_the_audit_with_its_id(netbox: NetBoxOverHttp, prefix: str, tmp_path: Path) -> None:
    done = call("netbox_bulk_ensure_devices", batch=campus(prefix, devices=1), confirm=True)
    begun, ended = audit(tmp_path)
    assert (begun["action"], begun["status"]) == ("apply", "starting")
    assert (ended["batch_id"], ended["status"]) == (done.data["batch_id"], "completed")
    assert ended["totals"] == done.data["totals"]


def test_secrets_do_not_get_into_the_audit(netbox: NetBoxOverHttp, prefix: str, tmp_path: Path) -> None:
    lan = {"ssid": f"{prefix}-lan", "auth_psk": "hunter2"}
    asked: dict[str, Any] = {"object_type": "wireless.wirelesslan", "match": {"ssid": f"{prefix}-lan"}}
    replies = [
        call("netbox_ensure_object", **asked, fields=lan),
        call("netbox_ensure_object", **asked, fields=lan, confirm=True),
        call("netbox_ensure_object", **asked, fields={**lan, "auth_psk": "hunter2-2"}, confirm=True),
    ]
    assert [reply.data["action"] for reply in replies] == ["create", "created", "updated"]
    assert not any("hunter2" in reply.text for reply in replies)
    assert "hunter2" not in (tmp_path / "state" / "audit.jsonl").read_text()
    assert netbox.rows("wireless/wireless-lans", ssid=f"{prefix}-lan")[0]["auth_psk"] == "hunter2-2"


def test_without_an_audit_nothing_is_sent(netbox: NetBoxOverHttp, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "state" / "audit.jsonl").mkdir(parents=True)
    for reply in (
        ensure_vlan(prefix, confirm=True),
        call("netbox_create_site", name=f"{prefix} one", confirm=True),
    ):
        assert reply.is_error
        assert reply.data["code"] == "journal_unavailable"
        assert "audit.jsonl" in reply.data["message"]
    assert netbox.count("ipam/vlans", name=f"{prefix}-vlan") == 0
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_dry_run_answers_and_audits_and_sends_nothing(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str, tmp_path: Path
) -> None:
    site = netbox.create("dcim/sites", name=f"{prefix} s", slug=f"{prefix}-s")["id"]
    before = netbox.count("core/object-changes")
    bare.setenv("NETBOX_DRY_RUN", "true")
    replies = [
        ensure_vlan(prefix, confirm=True),
        call("netbox_create_site", name=f"{prefix} two", confirm=True),
        call("netbox_update_object", object_type="dcim.site", object_id=site, fields={"facility": "x"},
             confirm=True),
        call("netbox_delete_object", object_type="dcim.site", object_id=site, confirm=True),
    ]  # fmt: skip
    assert [reply.data["status"] for reply in replies] == ["dry_run"] * 4
    assert [reply.data["action"] for reply in replies] == ["create", "create", "update", "delete"]
    assert netbox.count("core/object-changes") == before
    assert [entry["status"] for entry in audit(tmp_path)] == ["dry_run"] * 4


def test_where_only_plans_may_be_applied_single_writes_are_refused(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    bare.setenv("NETBOX_MCP_REQUIRE_PLAN", "true")
    site = netbox.create("dcim/sites", name=f"{prefix} s", slug=f"{prefix}-s")["id"]
    for reply in (
        ensure_vlan(prefix, confirm=True),
        call("netbox_create_site", name=f"{prefix} two", confirm=True),
        call("netbox_delete_object", object_type="dcim.site", object_id=site, confirm=True),
    ):
        assert reply.data["code"] == "plan_required"
    assert netbox.count("dcim/sites", name__isw=prefix) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"fields": {"vidd": 10}}, "unknown_name", "Did you mean 'vid'?"),
        ({"fields": {}}, "invalid_arguments", "Name them"),
        ({"fields": {"vid": 10}}, "invalid_arguments", "match="),
        ({"fields": {"vid": 10}, "match": {"vidd": 10}}, "unknown_name", "Did you mean 'vid'?"),
        ({"fields": {"vid": 10}, "match": {"vid": []}}, "invalid_filter", "Leave it out"),
        ({"object_type": "ipam.vlam", "fields": {"vid": 10}}, "unknown_name", "Did you mean 'ipam.vlan'?"),
        ({"object_type": "core.objectchange", "fields": {"user_name": "x"}, "match": {"id": 0}},
         "unknown_name", ""),
    ],
)  # fmt: skip
def test_a_wrong_write_is_refused_before_it_is_sent(
    netbox: NetBoxOverHttp, arguments: dict[str, Any], code: str, words: str
) -> None:
    before = netbox.count("core/object-changes")
    reply = call("netbox_ensure_object", **{"object_type": "ipam.vlan", "confirm": True, **arguments})
    assert reply.is_error
    assert reply.data["code"] == code, reply.text
    assert words in reply.data["hint"]
    assert netbox.count("core/object-changes") == before


def test_what_netbox_refuses_is_told_in_its_words(
    netbox: NetBoxOverHttp, prefix: str, tmp_path: Path
) -> None:
    reply = ensure_vlan(prefix, vid=5_000, confirm=True)
    assert reply.is_error
    assert reply.data["code"] == "rejected"
    assert "vid" in reply.data["message"]
    assert [entry["status"] for entry in audit(tmp_path)] == ["sending", "refused"]


def test_a_match_that_finds_several_is_refused(netbox: NetBoxOverHttp, prefix: str) -> None:
    for vid in (21, 22):
        netbox.create("ipam/vlans", name=f"{prefix}-vlan", vid=vid)
    reply = ensure_vlan(prefix, confirm=True)
    assert reply.is_error
    assert "2 of this name with another vid" in reply.data["message"]
    one = ensure_vlan(prefix, vid=21, match={"name": f"{prefix}-vlan", "vid": 21}, confirm=True)
    assert one.data["action"] == "unchanged"


def test_a_namesake_at_another_place_is_another_object(netbox: NetBoxOverHttp, prefix: str) -> None:
    first, second = (
        netbox.create("dcim/sites", name=f"{prefix} {n}", slug=f"{prefix}-{n}")["id"] for n in "ab"
    )
    vlan = {"name": f"{prefix}-vlan", "vid": 31}
    netbox.create("ipam/vlans", **vlan, site=first)
    asked = {"object_type": "ipam.vlan", "fields": {**vlan, "site": second}, "confirm": True}
    unclear = call("netbox_ensure_object", **asked)
    assert unclear.data["code"] == "invalid_arguments"
    assert "another site" in unclear.data["message"]
    assert netbox.count("ipam/vlans", site_id=first) == 1
    match = {"name": f"{prefix}-vlan", "site_id": second}
    assert call("netbox_ensure_object", **asked, match=match).data["action"] == "created"
    again = {**asked, "fields": {**vlan, "site": {"name": f"{prefix} b"}}}
    assert call("netbox_ensure_object", **again).data["action"] == "unchanged"


def test_data_is_the_same_only_if_all_of_it_is(netbox: NetBoxOverHttp, prefix: str) -> None:
    netbox.create("extras/config-contexts", name=prefix, weight=1, data={"ntp": ["a"], "dns": ["b"]})
    asked = {"object_type": "extras.configcontext", "confirm": True}
    fewer = call("netbox_ensure_object", **asked, fields={"name": prefix, "data": {"ntp": ["a"]}})
    assert fewer.data["action"] == "updated"
    assert netbox.rows("extras/config-contexts", name=prefix)[0]["data"] == {"ntp": ["a"]}


def test_references_have_no_order_and_numbers_no_spelling(netbox: NetBoxOverHttp, prefix: str) -> None:
    sites = [netbox.create("dcim/sites", name=f"{prefix} {n}", slug=f"{prefix}-{n}")["id"] for n in "ab"]
    fields = {"name": prefix, "weight": 7, "sites": sites[::-1], "data": {"a": 1}}
    asked = {"object_type": "extras.configcontext", "fields": fields, "confirm": True}
    actions = [call("netbox_ensure_object", **asked).data["action"] for _ in range(2)]
    assert actions == ["created", "unchanged"]
    assert ensure_vlan(prefix, vid=12, confirm=True).data["action"] == "created"
    assert ensure_vlan(prefix, fields={"vid": "12"}, confirm=True).data["action"] == "unchanged"


def test_an_empty_list_of_tags_takes_none_away(netbox: NetBoxOverHttp, prefix: str) -> None:
    netbox.create("extras/tags", name=f"{prefix}-t", slug=f"{prefix}-t")
    ensure_vlan(prefix, fields={"tags": [f"{prefix}-t"]}, confirm=True)
    assert ensure_vlan(prefix, fields={"tags": []}, confirm=True).data["action"] == "unchanged"
    assert ensure_vlan(prefix, fields={"tags": "core"}, confirm=True).data["code"] == "invalid_arguments"
    assert len(netbox.rows("ipam/vlans", name=f"{prefix}-vlan")[0]["tags"]) == 1


def test_a_secret_is_not_found_out_by_writing(netbox: NetBoxOverHttp, prefix: str) -> None:
    netbox.create("wireless/wireless-lans", ssid=f"{prefix}-lan", auth_psk="hunter2")
    lan = {"object_type": "wireless.wirelesslan", "fields": {"ssid": f"{prefix}-lan"}}
    guess = call("netbox_ensure_object", **lan, match={"auth_psk__isw": "h"})
    assert guess.data["code"] == "invalid_arguments"
    right, wrong = (
        call(
            "netbox_ensure_object",
            object_type="wireless.wirelesslan",
            match={"ssid": f"{prefix}-lan"},
            fields={"auth_psk": psk},
        ).data
        for psk in ("hunter2", "hunter3")
    )
    assert right == wrong


def test_what_documents_can_declare_takes_ids_and_filters(netbox: NetBoxOverHttp, prefix: str) -> None:
    call("netbox_bulk_ensure_devices", batch=campus(prefix, devices=1), confirm=True)
    other = netbox.create("dcim/sites", name=f"{prefix} other", slug=f"{prefix}-other")["id"]
    device = netbox.rows("dcim/devices", name=f"{prefix}-sw-1")[0]["id"]
    moved = call(
        "netbox_update_object",
        object_type="dcim.device",
        object_id=device,
        fields={"site": other},
        confirm=True,
    )
    assert moved.data["object"]["site"]["id"] == other
    found = call(
        "netbox_ensure_object",
        object_type="dcim.site",
        match={"name__ie": f"{prefix.upper()} OTHER"},
        fields={"facility": "B2"},
        confirm=True,
    )
    assert (found.data["action"], found.data["object"]["id"]) == ("updated", other)


def test_dry_run_of_one_target_is_as_that_of_all(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    lab = {"url": netbox.url, "token_env": "LAB_TOKEN", "dry_run": True}
    file.write_text(json.dumps({"targets": {"lab": lab}}))
    bare.setenv("LAB_TOKEN", netbox.token)
    bare.setenv("NETBOX_MCP_CONFIG", str(file))
    for reply in (
        ensure_vlan(prefix, confirm=True, target="lab"),
        call("netbox_create_site", name=f"{prefix} s", confirm=True, target="lab"),
    ):
        assert reply.data.get("status") == "dry_run", reply.text
    assert netbox.count("ipam/vlans", name=f"{prefix}-vlan") == 0


def test_many_who_want_the_same_get_one(netbox: NetBoxOverHttp, prefix: str) -> None:
    """VRFs of one name are several to NetBox."""

    async def work(client: Client) -> list[Reply]:
        replies: list[Reply] = []

        async def one() -> None:
            replies.append(await ask(client, "netbox_ensure_object", object_type="ipam.vrf",
                                     fields={"name": prefix}, confirm=True))  # fmt: skip

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)
        return replies

    actions = sorted(reply.data["action"] for reply in in_memory(work))
    assert actions == ["created", *["unchanged"] * 7]
    assert netbox.count("ipam/vrfs", name=prefix) == 1


def test_a_torn_line_does_not_spoil_the_next(netbox: NetBoxOverHttp, prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "state" / "audit.jsonl"
    path.write_text('{"id": "torn')
    ensure_vlan(prefix, confirm=True)
    lines = path.read_text().splitlines()
    assert lines[0] == '{"id": "torn'
    assert [json.loads(line)["status"] for line in lines[1:]] == ["sending", "done"]


def test_a_full_disk_keeps_the_write_back_and_not_what_was_done(tmp_path: Path) -> None:
    """A file may grow to 400 bytes: the first line fits, the second is cut."""
    script = (
        "import resource, pathlib, signal\n"
        "from netbox_mcp.audit import AuditLog\n"
        "from orchestrator.errors import JournalError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400))\n"
        "log = AuditLog(pathlib.Path.cwd(), 'default', [])\n"
        "with log.batch('start', objects=1) as tell:\n"
        "    tell(task_id='t-1', note='x' * 400)\n"
        "print('went on')\n"
        "try:\n"
        "    log.note(status='sending', note='x' * 400)\n"
        "except JournalError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "went on" in done.stdout
    assert "cannot be written" in done.stdout


def test_what_match_says_is_so_of_a_new_object(netbox: NetBoxOverHttp, prefix: str) -> None:
    group = netbox.create("ipam/vlan-groups", name=prefix, slug=prefix)["id"]
    asked = {"object_type": "ipam.vlan", "match": {"vid": 10, "group_id": group}, "confirm": True}
    actions = [
        call("netbox_ensure_object", **asked, fields={"vid": 10, "name": "guests"}).data["action"]
        for _ in range(2)
    ]
    assert actions == ["created", "unchanged"]
    assert netbox.rows("ipam/vlans", name="guests", group_id=group)[0]["vid"] == 10
    for match in ({"name": f"{prefix}-x", "vid": 11}, {"name__ic": prefix}):
        other = {"object_type": "ipam.vlan", "match": match, "fields": {"vid": 11, "name": "y"}}
        assert call("netbox_ensure_object", **other, confirm=True).data["code"] == "invalid_arguments"


def test_a_secret_custom_field_is_not_found_out(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    field = f"{prefix.replace('-', '_')}_pin"
    types = ["ipam.vlan", "dcim.site"]
    netbox.create("extras/custom-fields", name=field, type="text", object_types=types)
    site = {"name": prefix, "slug": prefix, "custom_fields": {field: "4711"}}
    site_id = netbox.create("dcim/sites", **site)["id"]
    ensure_vlan(prefix, fields={"custom_fields": {field: "4711"}}, confirm=True)
    bare.setenv("NETBOX_MCP_REDACTED_FIELDS", field)
    told = [
        [
            ensure_vlan(prefix, fields={"custom_fields": {field: guess}}).data,
            call("netbox_update_object", object_type="dcim.site", object_id=site_id,
                 fields={"custom_fields": {field: guess}}).data,
        ]
        for guess in ("4711", "0000")
    ]  # fmt: skip
    assert told[0] == told[1]


def test_what_json_cannot_hold_is_not_written_as_nothing(netbox: NetBoxOverHttp, prefix: str) -> None:
    vlan = ensure_vlan(prefix, confirm=True).data["object"]["id"]
    wrong = ensure_vlan(prefix, fields={"custom_fields": {"a": 10**30}}, confirm=True)
    assert wrong.data["code"] == "invalid_arguments"
    assert "custom_fields.a" in wrong.data["message"]
    for number in (float("inf"), float("nan")):  # JSON has null for them, which would clear the field
        with pytest.raises(BadFilterError, match=r"fields\.tenant"):
            get_netbox_client().ipam.vlans.update({"id": vlan, "tenant": number}, confirm=True)


def test_tags_added_at_the_same_moment_are_all_there(netbox: NetBoxOverHttp, prefix: str) -> None:
    tags = [
        netbox.create("extras/tags", name=f"{prefix}-{n}", slug=f"{prefix}-{n}")["name"] for n in range(6)
    ]
    vlan = ensure_vlan(prefix, confirm=True).data["object"]["id"]

    async def work(client: Client) -> None:
        async with anyio.create_task_group() as group:
            for tag in tags:
                asked = {"object_type": "ipam.vlan", "object_id": vlan, "fields": {"tags": [tag]}}
                group.start_soon(partial(ask, client, "netbox_update_object", **asked, confirm=True))

    in_memory(work)
    assert {tag["name"] for tag in netbox.rows("ipam/vlans", id=vlan)[0]["tags"]} == set(tags)


def test_a_module_does_not_take_its_interfaces_along_unsaid(netbox: NetBoxOverHttp, prefix: str) -> None:
    call("netbox_bulk_ensure_devices", batch=campus(prefix, devices=1), confirm=True)
    device = netbox.rows("dcim/devices", name=f"{prefix}-sw-1")[0]["id"]
    maker = netbox.rows("dcim/manufacturers", name=f"{prefix} Acme")[0]["id"]
    kind = netbox.create("dcim/module-types", manufacturer=maker, model=f"{prefix}-m")["id"]
    bay = netbox.create("dcim/module-bays", device=device, name="1")["id"]
    module = netbox.create("dcim/modules", device=device, module_bay=bay, module_type=kind)["id"]
    netbox.create("dcim/interfaces", device=device, module=module, name="Gi1", type="1000base-t")
    shown = call("netbox_delete_object", object_type="dcim.module", object_id=module, confirm=True)
    assert shown.data.get("dependents") == {"dcim.interface": 1}, shown.text
    assert shown.data["status"] == "dependents"
    role = netbox.create("ipam/roles", name=prefix, slug=prefix)["id"]
    assert call("netbox_delete_object", object_type="ipam.role", object_id=role).data["dependents"] == {}
