"""A person is asked in the client about what nobody has confirmed; their yes holds for what was shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from mcp.client import Client
from mcp_types import ElicitResult

from netbox_mcp.service import get_service
from netbox_mcp.sync_apply import SyncProgress
from orchestrator.errors import StalePlanError
from tests.contract.clients import CommandLine, Reply, ask, call, in_memory, over_http
from tests.contract.documents import campus
from tests.contract.task_client import Tasks, over_stdio
from tests.contract.test_tools_in_background import wait_for_end
from tests.contract.test_transports import TOKEN, serve
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam

ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])
YES = ElicitResult(action="accept", content={})


class Person:
    """Sits before the client: reads each question, does something meanwhile, answers."""

    def __init__(self, *answers: str, meanwhile: Callable[[], Any] = lambda: None) -> None:
        self.questions: list[str] = []
        self.expected = len(answers)
        self._answers = list(answers)
        self._meanwhile = [meanwhile]

    async def __call__(self, _context: Any, asked: Any) -> ElicitResult:
        assert asked.requested_schema == {"type": "object", "properties": {}}
        self.questions.append(asked.message)
        if self._meanwhile:
            self._meanwhile.pop()()
        action = self._answers.pop(0) if self._answers else "decline"
        return ElicitResult(action=action, content={} if action == "accept" else None)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def every_tool(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("NETBOX_MCP_TOOLSETS", "all")


def ask_with(person: Person, tool: str, mode: str = "auto", **arguments: Any) -> Reply:
    """Call a tool of a server in this process, with a person at the client."""

    async def work(client: Client) -> Reply:
        return await ask(client, tool, **arguments)

    try:
        return in_memory(work, mode, elicitation_callback=person)
    finally:
        assert len(person.questions) <= person.expected, person.questions


# Single objects


@pytest.mark.parametrize("transport", ["stdio", "http"])
@ERAS
def test_a_yes_writes_one_object(
    request: pytest.FixtureRequest, netbox: NetBoxOverHttp, prefix: str, mode: str, transport: str
) -> None:
    person = Person("accept")

    async def work(client: Client) -> Reply:
        return await ask(client, "netbox_create_site", name=f"{prefix} site", description="by\nhand")

    options: dict[str, Any] = {"mode": mode, "elicitation_callback": person}
    cli: CommandLine = request.getfixturevalue("cli")
    if transport == "stdio":
        reply = over_stdio(cli, work, **options)
    else:
        for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
            reply = over_http(server.mcp, TOKEN, work, **options)
    assert (reply.data["status"], reply.data["action"]) == ("ok", "created")
    (question,) = person.questions
    assert question.splitlines()[0] == "Create a site in NetBox 'default': create?"
    assert f"name: {prefix} site" in question.splitlines()
    assert "description: by hand" in question.splitlines()  # no line of a value's own
    assert netbox.count("dcim/sites", name=f"{prefix} site") == 1


@ERAS
@pytest.mark.parametrize(("answer", "words"), [("decline", "declined"), ("cancel", "has not answered")])
def test_a_no_writes_nothing_and_says_so(
    netbox: NetBoxOverHttp, prefix: str, mode: str, answer: str, words: str
) -> None:
    asked = {"name": f"{prefix} site", "status": "planned"}
    reply = ask_with(Person(answer), "netbox_create_site", mode, **asked)
    assert not reply.is_error
    assert words in reply.data["next"]
    shown = call("netbox_create_site", **asked)
    assert {**reply.data, "next": ""} == {**shown.data, "next": ""}
    assert netbox.count("dcim/sites", name=f"{prefix} site") == 0


@ERAS
def test_what_has_moved_while_the_person_read_is_shown_again(
    netbox: NetBoxOverHttp, prefix: str, mode: str
) -> None:
    site = netbox.create("dcim/sites", name=f"{prefix} site", slug=f"{prefix}-site", status="active")
    change = {"object_type": "dcim.site", "object_id": site["id"], "fields": {"status": "retired"}}

    def move() -> None:
        netbox.update("dcim/sites", site["id"], status="staging")

    person = Person("accept", "decline", meanwhile=move)
    reply = ask_with(person, "netbox_update_object", mode, **change)
    assert "declined" in reply.data["next"]
    first, second = person.questions
    assert "status: active -> retired" in first
    assert f"dcim.site {prefix} site (id {site['id']})" in first
    assert second.startswith("Not yet written")
    assert "status: staging -> retired" in second
    assert netbox.rows("dcim/sites", id=site["id"])[0]["status"]["value"] == "staging"
    person = Person("accept")
    assert ask_with(person, "netbox_update_object", mode, **change).data["action"] == "updated"
    assert netbox.rows("dcim/sites", id=site["id"])[0]["status"]["value"] == "retired"


@ERAS
def test_what_somebody_else_has_done_meanwhile_is_not_done_twice(
    netbox: NetBoxOverHttp, prefix: str, mode: str
) -> None:
    site = netbox.create("dcim/sites", name=f"{prefix} site", slug=f"{prefix}-site")
    person = Person("accept", meanwhile=lambda: netbox.delete("dcim/sites", site["id"]))
    reply = ask_with(person, "netbox_delete_object", mode, object_type="dcim.site", object_id=site["id"])
    assert reply.data["code"] == "not_found"


def test_a_free_address_is_asked_about_by_where_it_comes_from(netbox: NetBoxOverHttp, prefix: str) -> None:
    vrf = netbox.create("ipam/vrfs", name=prefix)
    netbox.create("ipam/prefixes", prefix="198.51.100.0/29", vrf=vrf["id"])
    person = Person("accept")
    reply = ask_with(person, "netbox_create_ip_address", prefix="198.51.100.0/29", vrf=prefix)
    assert reply.data["status"] == "ok", reply.text
    assert "It would be the next free address of 198.51.100.0/29." in person.questions[0].splitlines()
    assert reply.data["object"]["address"] == "198.51.100.1/29"


# Documents


@ERAS
def test_a_yes_starts_the_plan_that_was_shown(
    netbox: NetBoxOverHttp, worker: WorkerTeam, prefix: str, mode: str
) -> None:
    person = Person("accept")
    reply = ask_with(person, "netbox_start_bulk_async", mode, batch=campus(prefix), idempotency_key=prefix)
    assert reply.data["status"] == "queued", reply.text
    (question,) = person.questions
    assert question.splitlines()[0] == "Write 7 changes to NetBox 'default'?"
    assert "devices: 3 create" in question
    ended = wait_for_end(reply.data["task_id"])
    assert ended.data["counts"] == {"created": 7}
    assert ended.data["plan_id"] == reply.data["plan_id"]
    # The key was handed on; and now there is nothing left to ask about.
    nothing = ask_with(Person(), "netbox_start_bulk_async", mode, batch=campus(prefix))
    assert "nothing to do" in nothing.data["next"]


@ERAS
@pytest.mark.parametrize("tool", ["netbox_start_bulk_async", "netbox_bulk_ensure_devices"])
def test_a_document_is_shown_again_where_netbox_has_moved(
    netbox: NetBoxOverHttp, with_redis: str, prefix: str, mode: str, tool: str
) -> None:
    def move() -> None:
        netbox.create("dcim/sites", name=f"{prefix} site", slug=f"{prefix}-site")

    person = Person("accept", "decline", meanwhile=move)
    reply = ask_with(person, tool, mode, batch=campus(prefix))
    assert "declined" in reply.data["next"]
    assert [question.count("7 changes") for question in person.questions] == [1, 0]
    assert "Write 6 changes" in person.questions[1]
    assert netbox.count("dcim/devices", name__isw=prefix) == 0
    assert call("netbox_list_active_tasks", include_finished=True).data["tasks"] == []


@ERAS
def test_netbox_may_move_after_a_yes_and_then_the_worker_refuses(
    netbox: NetBoxOverHttp, team: WorkerTeam, prefix: str, mode: str
) -> None:
    started = ask_with(Person("accept"), "netbox_start_bulk_async", mode, batch=campus(prefix))
    netbox.create("dcim/sites", name=f"{prefix} site", slug=f"{prefix}-site")
    team.start()
    ended = wait_for_end(started.data["task_id"])
    assert (ended.data["status"], ended.data["code"]) == ("failed", "stale_plan")
    assert netbox.count("dcim/devices", name__isw=prefix) == 0


def test_no_other_plan_than_the_one_agreed_to_is_applied_at_once(netbox: NetBoxOverHttp, prefix: str) -> None:
    agreed = call("netbox_bulk_ensure_devices", batch=campus(prefix)).data["digest"]
    apply = partial(get_service().ensure, campus(prefix), "default", True, False, SyncProgress())
    with pytest.raises(StalePlanError, match="nothing was written"):
        apply(agreed="0" * len(agreed))
    assert netbox.count("dcim/sites", name__isw=prefix) == 0
    assert apply(agreed=agreed).status == "completed"


@ERAS
def test_a_yes_applies_a_small_document_without_redis(netbox: NetBoxOverHttp, prefix: str, mode: str) -> None:
    person = Person("accept")
    reply = ask_with(person, "netbox_bulk_ensure_devices", mode, batch=campus(prefix))
    assert (reply.data["status"], reply.data["totals"]) == ("completed", {"created": 7})
    assert len(person.questions) == 1
    assert netbox.count("dcim/devices", name__isw=prefix) == 3


@ERAS
def test_a_yes_takes_a_batch_back(netbox: NetBoxOverHttp, worker: WorkerTeam, prefix: str, mode: str) -> None:
    batch_id = call("netbox_bulk_ensure_devices", batch=campus(prefix), confirm=True).data["batch_id"]
    person = Person("accept")
    reply = ask_with(person, "netbox_rollback_batch", mode, batch_id=batch_id)
    assert (reply.data["status"], reply.data["undoes"]) == ("queued", batch_id)
    assert f"Write 7 changes to NetBox 'default', to take batch {batch_id} back?" in person.questions[0]
    assert wait_for_end(reply.data["task_id"]).data["status"] == "completed"
    assert netbox.count("dcim/devices", name__isw=prefix) == 0


def test_a_yes_is_answered_with_a_task_by_those_who_know_tasks(
    netbox: NetBoxOverHttp, worker: WorkerTeam, cli: CommandLine, prefix: str
) -> None:
    person, tasks = Person("accept"), Tasks()

    async def work(client: Client) -> Any:
        return await client.call_tool("netbox_start_bulk_async", {"batch": campus(prefix)})

    result = over_stdio(cli, work, extensions=[tasks], elicitation_callback=person)
    assert result.structured_content["totals"] == {"created": 7}
    assert tasks.seen[0].status == "working"
    assert len(person.questions) == 1


# Nobody is asked


@ERAS
@pytest.mark.parametrize(
    "variables",
    [
        {"NETBOX_MCP_ELICITATION": "false"},
        {"NETBOX_DRY_RUN": "true"},
        {"NETBOX_MCP_REQUIRE_APPROVAL": "true"},
    ],
)
def test_nobody_is_asked_where_a_yes_is_not_enough_or_not_wanted(
    netbox: NetBoxOverHttp,
    with_redis: str,
    bare: pytest.MonkeyPatch,
    prefix: str,
    mode: str,
    variables: dict[str, str],
) -> None:
    for name, value in variables.items():
        bare.setenv(name, value)
    for tool, arguments in (
        ("netbox_start_bulk_async", {"batch": campus(prefix)}),
        ("netbox_bulk_ensure_devices", {"batch": campus(prefix)}),
        ("netbox_create_site", {"name": f"{prefix} site"}),
    ):
        reply = ask_with(Person(), tool, mode, **arguments)
        assert reply.data["status"] in ("confirmation_required", "dry_run")
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


@ERAS
def test_where_only_plans_may_be_applied_a_yes_applies_the_plan(
    netbox: NetBoxOverHttp, with_redis: str, bare: pytest.MonkeyPatch, prefix: str, mode: str
) -> None:
    bare.setenv("NETBOX_MCP_REQUIRE_PLAN", "true")
    for tool, arguments in (
        ("netbox_bulk_ensure_devices", {"batch": campus(prefix)}),
        ("netbox_create_site", {"name": f"{prefix} site"}),
    ):
        assert ask_with(Person(), tool, mode, **arguments).data["status"] == "confirmation_required"
    person = Person("accept")
    assert ask_with(person, "netbox_start_bulk_async", mode, batch=campus(prefix)).data["status"] == "queued"
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_nobody_agrees_to_what_is_too_large_to_be_shown(
    netbox: NetBoxOverHttp, with_redis: str, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    bare.setenv("NETBOX_MCP_PLAN_MAX_OBJECTS", "5")
    reply = ask_with(Person(), "netbox_start_bulk_async", batch=campus(prefix))
    assert reply.data["status"] == "confirmation_required"


@ERAS
def test_what_is_confirmed_or_only_looked_at_asks_nobody(
    netbox: NetBoxOverHttp, with_redis: str, prefix: str, mode: str
) -> None:
    assert ask_with(Person(), "netbox_plan_bulk", mode, batch=campus(prefix)).data["status"] == "planned"
    report = ask_with(Person(), "netbox_bulk_ensure_devices", mode, batch=campus(prefix), dry_run_report=True)
    assert report.data["status"] == "planned"
    wrong = ask_with(Person(), "netbox_start_bulk_async", mode, batch={"sites": [{"nam": "x"}]})
    assert wrong.data["code"] == "invalid_document"
    made = ask_with(Person(), "netbox_create_site", mode, name=f"{prefix} site", confirm=True)
    assert made.data["action"] == "created"
    again = ask_with(Person(), "netbox_create_site", mode, name=f"{prefix} site")
    assert again.data["action"] == "unchanged"


@ERAS
def test_a_client_that_cannot_ask_sees_what_it_always_saw(
    netbox: NetBoxOverHttp, with_redis: str, bare: pytest.MonkeyPatch, prefix: str, mode: str
) -> None:
    async def work(client: Client) -> list[dict[str, Any]]:
        single = await ask(client, "netbox_create_site", name=f"{prefix} site")
        bulk = await ask(client, "netbox_start_bulk_async", batch=campus(prefix))
        return [single.data, bulk.data]

    def of_moment(replies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in reply.items() if name not in ("plan_id", "stale_at")}
            for reply in replies
        ]

    cannot = in_memory(work, mode)
    bare.setenv("NETBOX_MCP_ELICITATION", "false")
    nobody = Person()
    assert of_moment(cannot) == of_moment(in_memory(work, mode, elicitation_callback=nobody))
    assert nobody.questions == []
    assert {reply["status"] for reply in cannot} == {"confirmation_required"}
