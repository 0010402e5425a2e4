"""A yes in the client cannot be made up, is good for all that was shown, and for one write."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, InputRequiredResult

from tests.contract.clients import CommandLine, over_http
from tests.contract.task_client import over_stdio
from tests.contract.test_elicitation import YES, Person, ask_with
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import NetBoxOverHttp


@pytest.fixture(autouse=True)
def every_tool(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("NETBOX_MCP_TOOLSETS", "all")


def test_a_yes_counts_only_for_the_question_that_it_answers(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    one, other = {"name": f"{prefix} one"}, {"name": f"{prefix} other"}

    async def work(client: Client) -> None:
        async def send(arguments: dict[str, Any], **more: Any) -> Any:
            return await client.session.call_tool(
                "netbox_create_site", arguments, allow_input_required=True, **more
            )

        unasked = await send(one, input_responses={"confirm": YES})
        assert isinstance(unasked, InputRequiredResult)
        state = (await send(one)).request_state
        for arguments, made_up in ((other, state), (one, state[:-4] + "AAAA"), (one, "{}")):
            with pytest.raises(MCPError) as caught:
                await send(arguments, input_responses={"confirm": YES}, request_state=made_up)
            assert caught.value.code == INVALID_PARAMS
        unanswered = await send(one, request_state=state)
        assert isinstance(unanswered, InputRequiredResult)
        assert netbox.count("dcim/sites", name__isw=prefix) == 0
        written = await send(one, input_responses={"confirm": YES}, request_state=state)
        assert written.structured_content["action"] == "created"
        again = await send(one, input_responses={"confirm": YES}, request_state=state)
        assert again.structured_content["action"] == "unchanged"

    over_stdio(cli, work, elicitation_callback=Person())
    assert netbox.count("dcim/sites", name__isw=prefix) == 1


def test_another_server_with_the_same_token_takes_the_answer(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    site = {"name": f"{prefix} site"}

    async def question(client: Client) -> str:
        result = await client.session.call_tool("netbox_create_site", site, allow_input_required=True)
        assert isinstance(result, InputRequiredResult)
        return str(result.request_state)

    async def answer(client: Client) -> Any:
        return await client.session.call_tool(
            "netbox_create_site", site, input_responses={"confirm": YES}, request_state=state
        )

    async def refused(client: Client) -> int:
        with pytest.raises(MCPError) as caught:
            await answer(client)
        return caught.value.code

    def at(server: HttpServer, token: str, work: Any) -> Any:
        return over_http(server.mcp, token, work, elicitation_callback=Person())

    other_token = "another-token-for-tests"
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        state = at(server, TOKEN, question)
    for server in serve(cli, NETBOX_MCP_TOKEN=other_token):
        assert at(server, other_token, refused) == INVALID_PARAMS
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        assert at(server, TOKEN, answer).structured_content["action"] == "created"


def test_a_yes_is_good_for_one_write(netbox: NetBoxOverHttp, cli: CommandLine, prefix: str) -> None:
    """A client that repeats its call, since the answer was lost, takes no second address."""
    vrf = netbox.create("ipam/vrfs", name=prefix)
    netbox.create("ipam/prefixes", prefix="198.51.100.0/29", vrf=vrf["id"])

    async def work(client: Client) -> None:
        async def send(**more: Any) -> Any:
            arguments = {"prefix": "198.51.100.0/29", "vrf": prefix}
            return await client.session.call_tool(
                "netbox_create_ip_address", arguments, allow_input_required=True, **more
            )

        state = (await send()).request_state
        first = await send(input_responses={"confirm": YES}, request_state=state)
        assert first.structured_content["action"] == "created"
        second = await send(input_responses={"confirm": YES}, request_state=state)
        assert isinstance(second, InputRequiredResult)
        assert second.request_state != state

    over_stdio(cli, work, elicitation_callback=Person())
    assert netbox.count("ipam/ip-addresses", vrf_id=vrf["id"]) == 1


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_nobody_is_asked_about_what_cannot_be_shown_whole(
    netbox: NetBoxOverHttp, prefix: str, mode: str
) -> None:
    def site(length: int) -> dict[str, Any]:
        fields = {"name": f"{prefix} site", "slug": prefix, "comments": "x" * length}
        return {"object_type": "dcim.site", "fields": fields}

    nobody = Person()
    reply = ask_with(nobody, "netbox_ensure_object", mode, **site(301))
    assert reply.data["status"] == "confirmation_required"
    assert nobody.questions == []
    asked = Person("decline")
    ask_with(asked, "netbox_ensure_object", mode, **site(300))
    assert len(asked.questions) == 1
