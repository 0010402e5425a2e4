"""A NetBox with a plugin, netbox-bgp: what documents say of its types, from the MCP call to the rollback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.sandbox import Sandbox, SandboxError, SandboxInfo
from orchestrator.document import read_document
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.layered import is_plugin_type
from orchestrator.netbox import RestNetBox, open_netbox
from orchestrator.netbox.openapi import read_plugin_lists
from tests.contract.clients import CommandLine, assert_sentence, call, write
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam
from tests.netbox.tidy_fixture import call as ask
from tests.netbox.tidy_fixture import settings_of
from tests.sandbox_fixture import PLUGINS
from tests.unit.batches import MemoryJournal
from tests.unit.netbox_bgp import BGP_LISTS

EXAMPLE = Path(__file__).parents[2] / "examples/bgp.yaml"
# One field of an object of each type, as the document has it and as it is to be.
CHANGES = {
    "description: Where a route": "description: From where a route",
    "[Customers, Peers]": "[{name: Customers, description: They pay}, Peers]",
    "{community_list: Peers, ": "{community_list: Peers, description: Settlement free, ",
    "{name: Ours, family": "{name: Ours, description: All of it, family",
    "le: 28": "le: 26",
    "aspathlist: [Only 64510]": "aspathlist: [{name: Only 64510, description: Nobody behind}]",
    "^64510(_64510)*$": "^64510$",
    "weight: 200": "weight: 250",
    "local-preference: 200": "local-preference: 300",
    "export_policies: [To peers]": "export_policies: [To peers, From customers]",
    "max_prefixes: 20": "max_prefixes: 40",
}


@pytest.fixture(scope="module")
def connected(netbox_with_plugins: SandboxInfo) -> Iterator[RestNetBox]:
    with open_netbox(settings_of(netbox_with_plugins)) as opened:
        yield opened


@pytest.fixture
def behind(netbox_with_plugins: SandboxInfo) -> SandboxInfo:
    return netbox_with_plugins


def example(changed: bool = False) -> Any:
    text = EXAMPLE.read_text()
    for before, after in CHANGES.items() if changed else ():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return read_document(text, EXAMPLE.name)


def counted(netbox: NetBoxOverHttp) -> dict[str, int]:
    paths = {name: one.path for name, one in BGP_LISTS.items()}
    return {name: netbox.count(path) for name, path in {**paths, "devices": "dcim/devices"}.items()}


def test_a_reset_empties_its_lists_and_they_go_on(netbox_with_plugins: SandboxInfo) -> None:
    communities = "plugins/bgp/community"
    Sandbox(netbox_with_plugins.name).reset()
    assert ask(netbox_with_plugins, "GET", communities)["count"] == 0
    ask(netbox_with_plugins, "POST", communities, json={"value": "65000:100", "status": "active"})
    assert ask(netbox_with_plugins, "GET", communities)["count"] == 1

    Sandbox(netbox_with_plugins.name).reset()
    assert ask(netbox_with_plugins, "GET", communities)["count"] == 0
    assert ask(netbox_with_plugins, "GET", "status")["rq-workers-running"] == 1


def test_the_sandbox_keeps_the_plugins_that_it_was_made_with(netbox_with_plugins: SandboxInfo) -> None:
    name = netbox_with_plugins.name
    assert netbox_with_plugins.plugins == PLUGINS
    assert Sandbox(name).up() == netbox_with_plugins
    with pytest.raises(SandboxError, match=f"'{name}' was made with other plugins: netbox-bgp") as refused:
        Sandbox(name, plugins=("netbox-bgp==0.20.1",)).up()
    assert f"sandbox down --name {name} --delete" in refused.value.hint


def test_what_it_says_of_its_lists_is_what_tests_without_it_rely_on(connected: RestNetBox) -> None:
    found = read_plugin_lists(connected.raw.openapi(), connected.raw.models_by_path())
    assert found == BGP_LISTS


def test_every_type_of_it_is_made_once_changed_and_taken_back(
    netbox: NetBoxOverHttp, worker: WorkerTeam, cli: CommandLine
) -> None:
    document, before = example(), counted(netbox)
    assert {name for name in document if is_plugin_type(name)} == {*BGP_LISTS}
    planned = call("netbox_plan_bulk", batch=document).data
    assert planned["status"] == "planned", planned
    made = cli("apply", "--plan", planned["plan_id"], "--yes", "--json").json
    assert (made["status"], made["counts"]["created"]) == ("completed", planned["totals"]["create"])
    assert counted(netbox) == {name: before[name] + len(entries(document, name)) for name in before}
    community = netbox.rows("plugins/bgp/community", value="64500:101")[0]
    assert community["custom_fields"]["netbox_mcp_batch"] == made["batch_id"]

    again = call("netbox_plan_bulk", batch=document).data
    assert (again["writes"], again["totals"].keys()) == (0, {"unchanged"})
    assert cli("apply", write(cli, document), "--yes", "--json").json["counts"].keys() == {"unchanged"}

    changed = cli("apply", write(cli, example(changed=True)), "--yes", "--json").json
    assert changed["status"] == "completed"
    report = cli("report", changed["task_id"], "--outcome", "updated", "--json").json
    updated = [row["object_type"] for row in report["rows"]]
    assert sorted(set(updated)) == sorted(BGP_LISTS)

    assert cli("rollback", changed["batch_id"], "--yes", "--json").json["status"] == "completed"
    back = call("netbox_plan_bulk", batch=document).data
    assert (back["writes"], back["totals"].keys()) == (0, {"unchanged"})
    assert cli("rollback", made["batch_id"], "--yes", "--json").json["status"] == "completed"
    assert counted(netbox) == before


def entries(document: Any, name: str) -> list[Any]:
    """The entries of a list; the communities have a range of three."""
    found = document[name]
    return [*found, None, None] if name == "netbox_bgp.community" else found


def test_what_was_made_goes_again_where_the_document_wants_all_or_nothing(
    netbox: NetBoxOverHttp, worker: WorkerTeam, cli: CommandLine
) -> None:
    before = counted(netbox)
    document = {
        "options": {"on_error": "rollback"},
        "keys": {"netbox_bgp.prefixlist": "name", "netbox_bgp.community": "value"},
        "netbox_bgp.prefixlist": [{"name": "For a moment", "family": "ipv4"}],
        "netbox_bgp.community": ["no community"],
    }
    ended = cli("apply", write(cli, document), "--yes", "--json").json
    assert ended["status"] == "rolled_back", ended
    assert counted(netbox) == before


def test_without_its_journal_a_batch_is_taken_back_from_the_changelog(
    connected: RestNetBox, netbox: NetBoxOverHttp
) -> None:
    before, told = counted(netbox), NetBoxBulkOrchestrator(connected, plugin_lists=lambda: BGP_LISTS)
    plan = told.plan(example())
    assert told.apply(plan, "b-bgp-changelog", MemoryJournal()).ok
    undo = told.plan_rollback("b-bgp-changelog", None)
    assert (undo.conflicts, len(undo.changes)) == ([], len([one for one in plan.changes if one.writes]))
    assert told.apply(undo, "b-bgp-changelog-undone", MemoryJournal()).ok
    assert counted(netbox) == before


def test_what_a_plugin_keeps_of_an_object_keeps_that_from_a_rollback(
    netbox: NetBoxOverHttp, cli: CommandLine
) -> None:
    """Deleting the prefix list would take its rules along, which somebody else has made."""
    document = {
        "keys": {"netbox_bgp.prefixlist": "name"},
        "netbox_bgp.prefixlist": [{"name": "theirs", "family": "ipv4"}],
        "tenants": ["Theirs"],
    }
    made = cli("apply", write(cli, document), "--yes", "--sync", "--json").json
    assert made["status"] == "completed"
    [prefix_list] = netbox.rows("plugins/bgp/prefix-list", name="theirs")
    [tenant] = netbox.rows("tenancy/tenants", name="Theirs")
    filled = {
        "prefix_list": prefix_list["id"],
        "index": 7,
        "action": "permit",
        "prefix_custom": "192.0.2.0/24",
    }
    rule = netbox.create("plugins/bgp/prefix-list-rule", **filled)
    community = netbox.create("plugins/bgp/community", value="64500:7", status="active", tenant=tenant["id"])
    try:
        refused = cli("rollback", made["batch_id"], "--sync", "--dry-run")
        assert "theirs" in refused.out
        assert "others depend on it: prefix list rule" in refused.out
        assert "others depend on it: community '64500:7'" in refused.out
    finally:
        netbox.delete("plugins/bgp/community", community["id"])
        netbox.delete("plugins/bgp/prefix-list-rule", rule["id"])
    assert cli("rollback", made["batch_id"], "--sync", "--yes").code == ExitCode.OK


def test_what_it_does_not_have_is_said_before_anything_is_written(
    netbox: NetBoxOverHttp, cli: CommandLine
) -> None:
    document = {"keys": {"netbox_bgp.comunity": "value"}, "netbox_bgp.comunity": ["64500:1"]}
    run = cli("apply", write(cli, document), "--yes", "--sync")
    assert_sentence(
        run, ExitCode.INVALID_DOCUMENT, "keys.netbox_bgp.comunity", "did you mean 'netbox_bgp.community'"
    )


def test_a_document_can_be_looked_at_without_it(cli: CommandLine) -> None:
    run = cli("validate", str(EXAMPLE))
    assert run.code == ExitCode.OK
    assert "netbox_bgp.community: not looked at" in run.err
    only = cli("validate", write(cli, {"keys": {"a.b": "c"}, "a.b": [1]}), "--json")
    assert only.json == {"valid": True, "objects": 0, "by_type": {}, "doubts": only.json["doubts"]}
