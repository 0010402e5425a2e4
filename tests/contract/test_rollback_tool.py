"""Taking a batch back over MCP and on the command line: shown first, one sentence for every refusal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.dependencies import forget
from netbox_mcp.failures import MAX_REPLY_CHARS
from netbox_mcp.service import get_service
from netbox_mcp.sync_apply import SyncProgress
from tests.contract.clients import CommandLine, Reply, assert_sentence, call, in_memory, write
from tests.contract.documents import campus
from tests.contract.test_tools_in_background import wait_for_end
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam
from workers import keys

APPROVE_TOKEN = "those-who-approve-7c1d"


def apply(prefix: str, **extra: Any) -> dict[str, Any]:
    """Apply the small document in the background; how it ended."""
    started = call("netbox_start_bulk_async", batch={**campus(prefix), **extra}, confirm=True)
    return wait_for_end(started.data["task_id"]).data


def left(netbox: NetBoxOverHttp, prefix: str) -> int:
    places = ("dcim/devices", "dcim/sites", "dcim/manufacturers", "dcim/device-types", "dcim/device-roles")
    return sum(netbox.count(place, q=prefix) for place in places)


def all_or_nothing(prefix: str) -> dict[str, Any]:
    """The small document and, at its end, a device type that only NetBox knows to be wrong."""
    document = campus(prefix)
    wrong = {"manufacturer": f"{prefix} Acme", "model": f"{prefix} X2", "u_height": 1.3}
    return {
        **document,
        "options": {"on_error": "rollback"},
        "device_types": [*document["device_types"], wrong],
    }


# The tool


def test_the_tool_says_what_it_may_do(dead_netbox: str) -> None:
    async def find(client: Any) -> Any:
        return next(t for t in (await client.list_tools()).tools if t.name == "netbox_rollback_batch")

    tool = in_memory(find)
    assert (tool.annotations.destructive_hint, tool.annotations.read_only_hint) == (True, False)
    assert {"batch_id", "confirm", "force", "target"} == set(tool.input_schema["properties"])


def test_a_rollback_is_shown_then_confirmed(worker: WorkerTeam, netbox: NetBoxOverHttp, prefix: str) -> None:
    batch = apply(prefix)
    assert (batch["status"], left(netbox, prefix)) == ("completed", 7)
    written = netbox.count("core/object-changes")

    shown = call("netbox_rollback_batch", batch_id=batch["batch_id"])
    assert shown.data["status"] == "confirmation_required"
    assert (shown.data["undoes"], shown.data["kind"]) == (batch["batch_id"], "rollback")
    assert shown.data["totals"]["delete"] == 7
    assert shown.data["plan_id"]
    assert "objects a second" in shown.data["cost"]
    assert shown.data["seconds"] > 0
    assert (shown.data["conflicts"], shown.data.get("task_id")) == ([], None)
    assert any(line.startswith("delete devices") for line in shown.data["samples"])
    assert len(shown.text) < MAX_REPLY_CHARS
    assert netbox.count("core/object-changes") == written

    started = call("netbox_rollback_batch", batch_id=batch["batch_id"], confirm=True)
    assert started.data["kind"] == "rollback"
    assert started.data["batch_id"] not in (None, batch["batch_id"])
    assert started.data["poll_after_seconds"] > 0
    ended = wait_for_end(started.data["task_id"]).data
    assert (ended["status"], ended["kind"], ended["counts"]) == ("completed", "rollback", {"deleted": 7})
    assert left(netbox, prefix) == 0
    undone = call("netbox_get_task_status", task_id=batch["task_id"]).data
    assert undone["status"] == "rolled_back"
    assert undone["message"].startswith(f"Rolled back by batch {started.data['batch_id']}.")

    again = call("netbox_rollback_batch", batch_id=batch["batch_id"], confirm=True)
    assert (again.data["status"], again.data.get("task_id")) == ("nothing_to_do", None)


def test_what_others_changed_is_named_and_force_overrides(
    worker: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    batch = apply(prefix)
    (site,) = netbox.rows("dcim/sites", q=prefix)
    netbox.update("dcim/sites", site["id"], description="mine now")
    shown = call("netbox_rollback_batch", batch_id=batch["batch_id"]).data
    assert shown["conflict_count"] == 1
    assert "changed since by" in shown["conflicts"][0]
    assert "description" in shown["conflicts"][0]
    started = call("netbox_start_bulk_async", plan_id=shown["plan_id"], confirm=True)
    assert started.data["kind"] == "rollback"
    ended = wait_for_end(started.data["task_id"]).data
    assert (ended["status"], ended["counts"]) == ("completed_with_errors", {"deleted": 6, "skipped": 1})
    assert ended["first_errors"][0]["label"] == f"{prefix} site"
    assert "outcome=skipped" in ended["next"]
    partly = call("netbox_get_task_status", task_id=batch["task_id"]).data
    assert partly["status"] == "completed"
    assert f"{ended['batch_id']} has undone a part of it" in partly["message"]

    forced = call("netbox_rollback_batch", batch_id=batch["batch_id"], confirm=True, force=True)
    assert wait_for_end(forced.data["task_id"]).data["counts"]["deleted"] == 1
    assert left(netbox, prefix) == 0
    assert call("netbox_get_task_status", task_id=batch["task_id"]).data["status"] == "rolled_back"


def test_in_dry_run_nothing_is_undone(
    worker: WorkerTeam, netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, cli: CommandLine, prefix: str
) -> None:
    batch = apply(prefix)
    bare.setenv("NETBOX_DRY_RUN", "true")
    shown = call("netbox_rollback_batch", batch_id=batch["batch_id"], confirm=True).data
    assert (shown["status"], shown.get("task_id")) == ("dry_run", None)
    run = cli("rollback", batch["batch_id"], "--yes", "--dry-run")
    assert run.code == 0
    assert "7 to delete" in run.out
    assert "nothing is written" in run.err
    assert left(netbox, prefix) == 7


@pytest.mark.parametrize(
    ("batch_id", "code", "words"),
    [
        ("b-20260101-00000000", "cannot_roll_back", "knows the batch 'b-20260101-00000000'"),
        ("../../etc/passwd", "invalid_arguments", "is no batch id"),
    ],
)
def test_a_batch_that_nobody_knows(
    netbox: NetBoxOverHttp, with_redis: str, batch_id: str, code: str, words: str
) -> None:
    reply = call("netbox_rollback_batch", batch_id=batch_id)
    assert reply.data["code"] == code
    assert words in reply.data["message"]


def test_another_target_than_the_batchs_own_is_refused(
    worker: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    batch = apply(prefix)
    reply = call("netbox_rollback_batch", batch_id=batch["batch_id"], target="lab")
    assert reply.data["code"] == "invalid_arguments"
    assert "was written to target 'default', not to 'lab'" in reply.data["message"]


def test_a_batch_that_still_waits_is_refused(netbox: NetBoxOverHttp, with_redis: str, prefix: str) -> None:
    started = call("netbox_start_bulk_async", batch=campus(prefix), confirm=True).data
    reply = call("netbox_rollback_batch", batch_id=started["batch_id"])
    assert reply.data["code"] == "batch_unfinished"
    assert started["task_id"] in reply.data["message"]


def test_a_rollback_cannot_be_rolled_back(worker: WorkerTeam, netbox: NetBoxOverHttp, prefix: str) -> None:
    batch = apply(prefix)
    started = call("netbox_rollback_batch", batch_id=batch["batch_id"], confirm=True).data
    wait_for_end(started["task_id"])
    reply = call("netbox_rollback_batch", batch_id=started["batch_id"])
    assert reply.data["code"] == "cannot_roll_back"
    assert "was itself a rollback" in reply.data["message"]


def test_a_large_batch_is_planned_as_a_task(
    worker: WorkerTeam, netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    batch = apply(prefix)
    bare.setenv("NETBOX_MCP_PLAN_MAX_OBJECTS", "5")
    planning = call("netbox_rollback_batch", batch_id=batch["batch_id"]).data
    assert planning["kind"] == "plan"
    planned = wait_for_end(planning["task_id"]).data
    assert planned["counts"]["delete"] == 7
    started = call("netbox_start_bulk_async", plan_id=planned["plan_id"], confirm=True)
    assert wait_for_end(started.data["task_id"]).data["counts"] == {"deleted": 7}
    assert left(netbox, prefix) == 0


def test_an_unseen_rollback_of_a_large_batch(
    worker: WorkerTeam, netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    batch = apply(prefix)
    bare.setenv("NETBOX_MCP_PLAN_MAX_OBJECTS", "5")
    started = call("netbox_rollback_batch", batch_id=batch["batch_id"], confirm=True).data
    assert wait_for_end(started["task_id"]).data["counts"] == {"deleted": 7}
    assert left(netbox, prefix) == 0


def test_a_rollback_waits_for_its_approval(
    netbox: NetBoxOverHttp,
    with_redis: str,
    bare: pytest.MonkeyPatch,
    cli: CommandLine,
    tmp_path: Path,
    prefix: str,
) -> None:
    batch_id = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True).data["batch_id"]
    bare.setenv("NETBOX_MCP_REQUIRE_APPROVAL", "true")
    environment = {
        "REDIS_URL": with_redis,
        "NETBOX_URL": netbox.url,
        "NETBOX_TOKEN": netbox.token,
        "NETBOX_MCP_REQUIRE_APPROVAL": "true",
        "NETBOX_MCP_APPROVE_TOKEN": APPROVE_TOKEN,
    }
    with WorkerTeam(tmp_path, environment) as team:
        team.start()
        shown = call("netbox_rollback_batch", batch_id=batch_id).data
        assert f"netbox-mcp approve {shown['plan_id']}" in shown["next"]
        refused = call("netbox_rollback_batch", batch_id=batch_id, confirm=True)
        assert refused.data["code"] == "not_approved"
        run = cli("approve", shown["plan_id"], "--yes", NETBOX_MCP_APPROVE_TOKEN=APPROVE_TOKEN)
        assert run.code == 0, run.err
        started = call("netbox_rollback_batch", batch_id=batch_id, confirm=True)
        assert wait_for_end(started.data["task_id"]).data["status"] == "completed"
    assert left(netbox, prefix) == 0


def test_without_redis_the_plan_is_shown_and_the_way_on_is_named(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    batch_id = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True).data["batch_id"]
    shown = call("netbox_rollback_batch", batch_id=batch_id).data
    assert (shown["totals"], shown.get("plan_id")) == ({"delete": 7}, None)
    assert f"netbox-mcp rollback {batch_id} --sync" in shown["next"]
    refused = call("netbox_rollback_batch", batch_id=batch_id, confirm=True)
    assert refused.data["code"] == "redis_unavailable"
    assert f"netbox-mcp rollback {batch_id} --sync works without it" in refused.data["message"]
    assert left(netbox, prefix) == 7


# The command line


def test_a_synchronous_batch_is_undone_by_its_own_journal(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    batch_id = cli("apply", write(cli, campus(prefix)), "--yes", "--sync", "--json").json["batch_id"]
    unsure = cli("rollback", batch_id, "--sync")
    assert_sentence(unsure, ExitCode.NOT_CONFIRMED, "Not confirmed; nothing was written.")
    assert "7 to delete" in unsure.out
    assert "objects a second" in unsure.out
    assert "changelog" not in unsure.out
    assert left(netbox, prefix) == 7
    done = cli("rollback", batch_id, "--sync", "--yes", "--json")
    assert (done.code, done.json["status"], done.json["totals"]["deleted"]) == (0, "completed", 7)
    assert left(netbox, prefix) == 0
    again = cli("rollback", batch_id, "--sync", "--yes")
    assert_sentence(again, ExitCode.OK, "there is nothing to undo")


def test_a_synchronous_batch_is_undone_in_the_background_by_the_changelog(
    worker: WorkerTeam, netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    batch_id = cli("apply", write(cli, campus(prefix)), "--yes", "--sync", "--json").json["batch_id"]
    run = cli("rollback", batch_id, "--yes")
    assert run.code == 0, run.err
    assert "changelog" in run.out
    assert re.search(r"Task t-\w+, batch b-", run.err)
    assert left(netbox, prefix) == 0


def test_a_background_batch_is_undone_in_the_foreground(
    worker: WorkerTeam, netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    batch = apply(prefix)
    run = cli("rollback", batch["batch_id"], "--sync", "--yes")
    assert run.code == 0, run.err
    assert "changelog" not in run.out
    assert left(netbox, prefix) == 0
    assert call("netbox_get_task_status", task_id=batch["task_id"]).data["status"] == "rolled_back"


def test_what_stays_is_an_exit_code(netbox: NetBoxOverHttp, cli: CommandLine, prefix: str) -> None:
    batch_id = cli("apply", write(cli, campus(prefix)), "--yes", "--sync", "--json").json["batch_id"]
    (site,) = netbox.rows("dcim/sites", q=prefix)
    netbox.update("dcim/sites", site["id"], description="mine now")
    some = cli("rollback", batch_id, "--sync", "--yes")
    assert some.code == ExitCode.WITH_ERRORS
    assert "changed since by" in some.out
    none = cli("rollback", batch_id, "--sync", "--yes", "--json")
    assert (none.code, none.json["status"]) == (ExitCode.WITH_ERRORS, "completed_with_errors")
    assert none.json["conflicts"][0]["label"] == f"{prefix} site"
    assert cli("rollback", batch_id, "--sync", "--yes", "--force").code == 0
    assert left(netbox, prefix) == 0


def test_the_command_line_has_a_sentence_for_what_it_refuses(
    netbox: NetBoxOverHttp, cli: CommandLine
) -> None:
    way = "netbox-mcp rollback b-1 --sync works without it"
    assert_sentence(cli("rollback", "b-1", "--yes"), ExitCode.UNREACHABLE, "REDIS_URL is not set", way)
    assert_sentence(cli("rollback", "b-1", "--sync", "--yes"), ExitCode.ERROR, "knows the batch 'b-1'")
    assert_sentence(cli("rollback", "../b", "--sync"), ExitCode.USAGE, "'../b' is no batch id")


# on_error: rollback


def test_a_batch_that_must_land_whole_is_undone_by_its_own_task(
    worker: WorkerTeam, netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, prefix: str
) -> None:
    started = call("netbox_start_bulk_async", batch=all_or_nothing(prefix), confirm=True)
    ended = wait_for_end(started.data["task_id"]).data
    assert ended["status"] == "rolled_back"
    assert f"device_types '{prefix} X2' (device_types[1]) failed:" in ended["message"]
    assert "All of the batch was undone:" in ended["message"]
    assert "deleted by batch b-" in ended["message"]
    assert ended["first_errors"][0]["path"] == "device_types[1]"
    assert left(netbox, prefix) == 0
    with Redis.from_url(with_redis) as redis:
        assert redis.hget(keys.journal(ended["batch_id"]), "undone_by")
    run = cli("apply", write(cli, all_or_nothing(prefix)), "--yes")
    assert run.code == ExitCode.ERROR
    assert "All of the batch was undone" in run.out


def test_a_synchronous_batch_that_must_land_whole_is_undone(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    reply = call("netbox_bulk_ensure_devices", batch=all_or_nothing(prefix), confirm=True)
    assert reply.data["status"] == "rolled_back"
    assert "All of the batch was undone:" in reply.data["next"]
    assert "device_types[1]" in reply.data["first_errors"][0]
    assert left(netbox, prefix) == 0
    run = cli("apply", write(cli, all_or_nothing(prefix)), "--yes", "--sync", "--json")
    assert (run.code, run.json["status"]) == (ExitCode.ERROR, "rolled_back")
    assert left(netbox, prefix) == 0


class Meddler(SyncProgress):
    """Somebody who changes an object between the failure and the undoing."""

    def __init__(self, netbox: NetBoxOverHttp, prefix: str) -> None:
        super().__init__()
        self._netbox, self._prefix = netbox, prefix

    def undoing(self) -> None:
        super().undoing()
        (maker,) = self._netbox.rows("dcim/manufacturers", q=self._prefix)
        self._netbox.update("dcim/manufacturers", maker["id"], description="mine now")


def test_what_cannot_be_undone_is_told(netbox: NetBoxOverHttp, prefix: str) -> None:
    forget()
    applied = get_service().apply_now(all_or_nothing(prefix), "default", Meddler(netbox, prefix))
    assert applied.undone is not None
    assert not applied.undone.whole
    text = applied.undone.as_text()
    assert text.startswith("Not all of the batch could be undone")
    assert f"manufacturers '{prefix} Acme' (changed since by" in text
    assert left(netbox, prefix) == 1


def test_a_long_rollback_plan_fits_into_a_reply(
    worker: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    many = [{"name": f"{prefix} {'x' * 60} {at:02}"} for at in range(60)]
    batch = apply(prefix, sites=[*campus(prefix)["sites"], *many])
    for site in netbox.rows("dcim/sites", q=f"{prefix} xxx")[:20]:
        netbox.update("dcim/sites", site["id"], description="y" * 190)
    shown: Reply = call("netbox_rollback_batch", batch_id=batch["batch_id"])
    assert shown.data["conflict_count"] == 20
    assert len(shown.text) < MAX_REPLY_CHARS
