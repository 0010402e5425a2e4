"""Plans only, and only those that a person has approved: over MCP, over HTTP and on the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.sandbox.ports import choose_port
from tests.contract.clients import (
    CommandLine,
    Reply,
    ask,
    assert_sentence,
    call,
    over_http,
    wait_until_healthy,
    write,
)
from tests.contract.documents import campus
from tests.contract.test_command_line import open_terminal, read_terminal
from tests.contract.test_tools_in_background import wait_for_end
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam

MODEL_TOKEN = "the-token-of-the-model"
APPROVE_TOKEN = "those-who-approve-7c1d"
PLAN_ONLY = {"NETBOX_MCP_REQUIRE_PLAN": "true"}
APPROVED_ONLY = {"NETBOX_MCP_REQUIRE_APPROVAL": "true"}


@pytest.fixture
def strict_worker(worker_environment: dict[str, str], tmp_path: Path) -> Iterator[WorkerTeam]:
    """A worker that applies nothing but plans approved with `APPROVE_TOKEN`."""
    strict = {"NETBOX_MCP_APPROVE_TOKEN": APPROVE_TOKEN, **APPROVED_ONLY}
    with WorkerTeam(tmp_path, {**worker_environment, **strict}) as team:
        team.start()
        yield team


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[Server]:
    """An HTTP server for a model, which has one token, and for those who approve, who have another."""
    port, log = choose_port(()), cli.folder / "server.log"
    variables = {
        "NETBOX_URL": netbox.url,
        "NETBOX_TOKEN": netbox.token,
        "REDIS_URL": with_redis,
        "NETBOX_MCP_TOKEN": MODEL_TOKEN,
        "NETBOX_MCP_APPROVE_TOKEN": APPROVE_TOKEN,
        **APPROVED_ONLY,
    }
    process = cli.start("serve", "--transport", "http", "--port", str(port), log=log, **variables)
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}", process)
        yield Server(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(15)


@dataclass(frozen=True)
class Server:
    url: str
    log: Path

    def ask(self, tool: str, **arguments: Any) -> Reply:
        return over_http(f"{self.url}/mcp", MODEL_TOKEN, lambda client: ask(client, tool, **arguments))

    def get(self, path: str, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{self.url}{path}", headers=headers, timeout=20)

    def post(self, path: str, token: str, body: object = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(f"{self.url}{path}", headers=headers, json=body, timeout=20)


def configure(bare: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        bare.setenv(name, value)


# Plans that were kept, and a NetBox that moves


def test_a_plan_says_whether_and_until_when_it_may_be_applied(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, prefix: str
) -> None:
    reply = call("netbox_plan_bulk", batch=campus(prefix)).data
    assert (reply["applyable"], reply["complete"]) == (True, True)
    assert reply["stale_at"].endswith("+00:00")
    started = call("netbox_start_bulk_async", plan_id=reply["plan_id"]).data
    for name in ("applyable", "complete", "stale_at", "digest"):
        assert started[name] == reply[name]
    planned = cli("plan", write(cli, campus(prefix)), "--json").json
    assert {"applyable", "complete", "digest", "made_at", "stale_at", "plan_id"} <= planned.keys()
    assert planned["digest"] == reply["digest"]


def test_what_has_moved_is_named_to_the_model_and_on_the_command_line(
    netbox: NetBoxOverHttp, team: WorkerTeam, cli: CommandLine, prefix: str
) -> None:
    planned = call("netbox_plan_bulk", batch=campus(prefix)).data
    netbox.create("dcim/sites", name=f"{prefix} site", slug=f"{prefix}-site")
    before = netbox.count("core/object-changes", q=prefix)
    team.start()
    started = call("netbox_start_bulk_async", plan_id=planned["plan_id"], confirm=True)
    ended = wait_for_end(started.data["task_id"])
    assert (ended.data["status"], ended.data["code"]) == ("failed", "stale_plan")
    assert f"site '{prefix} site' exists by now" in ended.data["message"]
    run = cli("apply", "--plan", planned["plan_id"], "--yes")
    assert run.code == ExitCode.ERROR
    assert f"site '{prefix} site' exists by now" in run.out
    assert netbox.count("core/object-changes", q=prefix) == before


def test_what_moves_while_a_person_reads_the_plan_is_named(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    process, terminal = open_terminal(cli, "apply", write(cli, campus(prefix)), "--sync")
    read_terminal(terminal, until="[y/N]")
    netbox.create("dcim/sites", name=f"{prefix} site", slug=f"{prefix}-site")
    os.write(terminal, b"y\n")
    told = " ".join(read_terminal(terminal).split())
    assert process.wait(30) == ExitCode.ERROR
    os.close(terminal)
    assert "NetBox has changed since the plan was made; nothing was written." in told
    assert f"site '{prefix} site' exists by now" in told
    assert netbox.count("dcim/devices", name__isw=prefix) == 0


# Plans only


def test_with_plans_required_the_tools_show_and_do_not_write(
    netbox: NetBoxOverHttp, with_redis: str, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    configure(bare, PLAN_ONLY)
    for tool in ("netbox_bulk_ensure_devices", "netbox_start_bulk_async"):
        shown = call(tool, batch=campus(prefix))
        assert shown.data["status"] == "confirmation_required"
        assert shown.data["totals"]["create"] >= 7
        assert "plan_id" in shown.data["next"]
        refused = call(tool, batch=campus(prefix), confirm=True)
        assert refused.data["code"] == "plan_required"
        assert "netbox_plan_bulk" in refused.data["hint"]
        assert len(re.findall(r"\.(\s|$)", refused.data["message"])) == 1
    assert call("netbox_list_active_tasks", include_finished=True).data["tasks"] == []
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    plan_id = call("netbox_plan_bulk", batch=campus(prefix)).data["plan_id"]
    started = call("netbox_start_bulk_async", plan_id=plan_id, confirm=True)
    assert (started.data["status"], started.data["plan_id"]) == ("queued", plan_id)


def test_with_plans_required_and_without_redis_it_is_said_what_is_missing(
    dead_netbox: str, bare: pytest.MonkeyPatch
) -> None:
    configure(bare, PLAN_ONLY)
    reply = call("netbox_start_bulk_async", batch={"sites": [{"name": "a"}]}, confirm=True)
    assert reply.data["code"] == "redis_unavailable"
    assert "only plans may be applied here, and they are kept in Redis" in reply.data["message"]


@pytest.mark.parametrize("how", [[], ["--sync"]])
def test_with_plans_required_the_command_line_refuses_a_document(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, prefix: str, how: list[str]
) -> None:
    name = write(cli, campus(prefix))
    refused = cli("apply", name, "--yes", *how, **PLAN_ONLY)
    assert_sentence(refused, ExitCode.USAGE, "Only a plan that was made before", "netbox-mcp plan")
    shown = cli("apply", name, *how, **PLAN_ONLY)
    assert_sentence(shown, ExitCode.USAGE, "This one was kept: netbox-mcp apply --plan p-")
    assert "to create" in shown.out
    assert cli("apply", name, "--yes", "--json", *how, **PLAN_ONLY).json["error"]["code"] == "plan_required"
    assert cli("tasks", "--all", "--json").json == []
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


# Approvals


def test_a_person_approves_over_http_what_the_model_may_then_apply(
    server: Server, strict_worker: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    planned = server.ask("netbox_plan_bulk", batch=campus(prefix)).data
    plan_id = planned["plan_id"]
    assert f"A person has to approve it: netbox-mcp approve {plan_id}" in planned["next"]
    shown = server.ask("netbox_start_bulk_async", plan_id=plan_id)
    assert f"netbox-mcp approve {plan_id}" in shown.data["next"]
    refused = server.ask("netbox_start_bulk_async", plan_id=plan_id, confirm=True)
    assert refused.data["code"] == "not_approved"
    assert refused.data["hint"] == f"A person has to approve it: netbox-mcp approve {plan_id}"

    path = f"/api/v1/plans/{plan_id}"
    looked = server.get(path, APPROVE_TOKEN).json()
    assert looked["digest"] == planned["digest"]
    assert (looked["target"], looked["approved_by"]) == ("default", None)
    assert looked["by_type"]["devices"] == {"create": 3}

    model = server.post(f"{path}/approve", MODEL_TOKEN)
    assert (model.status_code, model.json()["code"]) == (403, "forbidden")
    assert server.ask("netbox_start_bulk_async", plan_id=plan_id, confirm=True).is_error

    answer = server.post(
        f"{path}/approve", APPROVE_TOKEN, {"approved_by": "jane", "digest": looked["digest"]}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() | {"expires_at": ""} == {
        "plan_id": plan_id,
        "digest": planned["digest"],
        "target": "default",
        "approved_by": "jane",
        "expires_at": "",
    }
    again = server.get(path, MODEL_TOKEN).json()  # to look is the model's right
    assert (again["approved_by"], again["approved_until"]) == ("jane", answer.json()["expires_at"])
    assert "approve" not in server.ask("netbox_start_bulk_async", plan_id=plan_id).data["next"]

    started = server.ask("netbox_start_bulk_async", plan_id=plan_id, confirm=True)
    assert not started.is_error, started.text
    assert wait_for_end(started.data["task_id"]).data["status"] == "completed"
    assert netbox.count("dcim/devices", name__isw=prefix) == 3
    assert APPROVE_TOKEN not in server.log.read_text() + strict_worker.logs()


def test_the_approve_token_opens_the_plans_and_nothing_else(server: Server) -> None:
    for path in ("/mcp", "/api/", "/nowhere"):
        for answer in (server.get(path, APPROVE_TOKEN), server.post(path, APPROVE_TOKEN, {})):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    for token in ("", "wrong-wrong-wrong-wrong"):
        answer = server.post("/api/v1/plans/p-000000000000/approve", token)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_errors_over_http_have_the_one_shape(server: Server, prefix: str) -> None:
    unknown = server.get("/api/v1/plans/p-000000000000", APPROVE_TOKEN)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_input")
    absent = server.post("/api/v1/plans/p-000000000000/approve", APPROVE_TOKEN)
    assert (absent.status_code, absent.json()["code"]) == (404, "unknown_input")
    plan_id = server.ask("netbox_plan_bulk", batch=campus(prefix)).data["plan_id"]
    path = f"/api/v1/plans/{plan_id}/approve"
    strange = server.post(path, APPROVE_TOKEN, {"approver": "jane"})
    assert (strange.status_code, strange.json()["code"]) == (422, "invalid_arguments")
    assert strange.json()["details"][0]["path"] == "approver"
    assert server.post(path, APPROVE_TOKEN, {"approved_by": "x" * 5_000}).status_code == 422
    other = server.post(path, APPROVE_TOKEN, {"digest": "0" * 32})
    assert (other.status_code, other.json()["code"]) == (409, "stored_plan_changed")


def test_a_person_approves_on_the_command_line(
    strict_worker: WorkerTeam, netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    name = write(cli, campus(prefix))
    planned = cli("plan", name, **APPROVED_ONLY)
    found = re.search(r"netbox-mcp approve (p-\w+)", planned.err)
    assert found, planned.err
    plan_id = found[1]
    refused = cli("apply", "--plan", plan_id, "--yes", **APPROVED_ONLY)
    assert_sentence(refused, ExitCode.NOT_CONFIRMED, "has not been approved", f"netbox-mcp approve {plan_id}")
    # This one is configured as if nobody had to approve; the worker knows better.
    bold = cli("apply", "--plan", plan_id, "--yes")
    assert bold.code == ExitCode.NOT_CONFIRMED
    assert "has not been approved" in bold.out

    assert_sentence(cli("approve", plan_id), ExitCode.NOT_CONFIRMED, "Not confirmed")
    assert_sentence(cli("approve", plan_id, "--yes"), ExitCode.USAGE, "There is no approve token.")
    wrong = cli("approve", plan_id, "--yes", NETBOX_MCP_APPROVE_TOKEN="somebody-elses-token")
    assert wrong.code == 0
    late = cli("apply", "--plan", plan_id, "--yes", **APPROVED_ONLY)
    assert late.code == ExitCode.NOT_CONFIRMED
    assert "was signed with another token" in late.out

    right = {"NETBOX_MCP_APPROVE_TOKEN": APPROVE_TOKEN}
    told = cli("approve", plan_id, "--yes", "--by", "jane", "--json", **right)
    assert told.json.keys() == {"plan_id", "digest", "target", "approved_by", "expires_at"}
    assert told.json["approved_by"] == "jane"
    applied = cli("apply", "--plan", plan_id, "--yes", **APPROVED_ONLY)
    assert applied.code == 0, applied.err
    assert netbox.count("dcim/devices", name__isw=prefix) == 3
    assert APPROVE_TOKEN not in told.out + told.err + applied.out + applied.err


def test_on_a_terminal_the_plan_is_shown_and_the_token_is_typed_unseen(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, prefix: str
) -> None:
    plan_id = cli("plan", write(cli, campus(prefix)), "--json").json["plan_id"]
    process, terminal = open_terminal(cli, "approve", plan_id, "--by", "jane")
    shown = read_terminal(terminal, until="[y/N]")
    os.write(terminal, b"y\n")
    shown += read_terminal(terminal, until="Approve token:")
    os.write(terminal, f"{APPROVE_TOKEN}\n".encode())
    shown += read_terminal(terminal)
    assert process.wait(30) == 0, shown
    os.close(terminal)
    assert f"{prefix}-sw-1" in shown
    assert "approved by jane until" in shown
    assert APPROVE_TOKEN not in shown
    assert call("netbox_start_bulk_async", plan_id=plan_id).data["plan_id"] == plan_id


def test_a_plan_made_as_a_task_says_who_has_to_approve_it(
    strict_worker: WorkerTeam, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    configure(bare, {**APPROVED_ONLY, "NETBOX_MCP_PLAN_MAX_OBJECTS": "5"})
    queued = call("netbox_plan_bulk", batch=campus(prefix))
    ended = wait_for_end(queued.data["task_id"]).data
    assert f"netbox-mcp approve {ended['plan_id']}" in ended["next"]


@pytest.mark.parametrize(
    "variables",
    [
        {"NETBOX_MCP_APPROVE_TOKEN": "too-short"},
        {"NETBOX_MCP_APPROVE_TOKEN": MODEL_TOKEN, "NETBOX_MCP_TOKEN": f"{MODEL_TOKEN},another-token-of-ours"},
    ],
)
def test_an_approve_token_that_protects_nothing_is_refused(
    cli: CommandLine, variables: dict[str, str]
) -> None:
    run = cli("serve", "--transport", "http", "--port", str(choose_port(())), **variables)
    assert run.code == ExitCode.ERROR
    assert "is not usable" in run.err
    assert variables["NETBOX_MCP_APPROVE_TOKEN"] not in run.err
