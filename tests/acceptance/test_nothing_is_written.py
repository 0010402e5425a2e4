"""Without confirmation, in dry-run, or with a document that is wrong, no request that writes leaves us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack
from tests.acceptance.conftest import Users, call, follow
from tests.netbox.faulty_proxy import FaultyProxy

DEVICE = {
    "name": "sw-1",
    "site": "AMS1",
    "role": "Access",
    "device_type": {"manufacturer": "Cisco", "model": "X"},
}
WRONG = {
    "manufacturers": [{"slug": "nameless"}],
    "sits": [{"name": "AMS1"}],
    "sites": [{"name": "AMS1", "colour": "red"}],
    "platforms": [],
    "device_types": [{"manufacturer": "Cisco", "model": "X", "u_height": "tall"}],
    "devices": [{**DEVICE, "primary_ip4": "192.0.2.7/24"}],
}
PLACES = [
    "devices[0].primary_ip4",
    "device_types[0].u_height",
    "manufacturers[0].name",
    "platforms",
    "sites[0].colour",
    "sits",
]


@pytest.fixture
def proxy(empty_netbox: SandboxInfo) -> Iterator[FaultyProxy]:
    with FaultyProxy(empty_netbox.url) as proxy:
        yield proxy


@pytest.fixture
def watched(proxy: FaultyProxy, empty_netbox: SandboxInfo, tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, proxy.url, empty_netbox.token_v2) as stack:
        yield stack


def test_without_confirm_the_plan_is_shown_and_the_reply_says_what_to_do(
    watched: Stack, proxy: FaultyProxy
) -> None:
    watched.start_worker()
    watched.start_server()

    async def ask(client: Client) -> list[dict[str, Any]]:
        return [
            await call(client, "netbox_start_bulk_async", batch={"devices": [DEVICE]}),
            await call(client, "netbox_bulk_ensure_devices", devices_data=[DEVICE]),
            await call(client, "netbox_list_active_tasks", include_finished=True),
        ]

    started, ensured, tasks = Users(watched).over_http(ask)
    for reply in (started, ensured):
        assert reply["status"] == "confirmation_required"
        assert reply["totals"]["create"] == 5 + 2  # our two custom fields come first
        assert "confirm=true" in reply["next"]
    assert tasks["tasks"] == []
    assert proxy.writes() == []
    assert proxy.seen


def test_in_dry_run_nothing_is_written_whatever_is_called(watched: Stack, proxy: FaultyProxy) -> None:
    async def plan(client: Client) -> str:
        return str((await call(client, "netbox_plan_bulk", batch={"devices": [DEVICE]}))["plan_id"])

    async def ask(client: Client) -> list[dict[str, Any]]:
        return [
            await call(client, "netbox_start_bulk_async", batch={"devices": [DEVICE]}, confirm=True),
            await call(client, "netbox_start_bulk_async", plan_id=plan_id, confirm=True),
            await call(client, "netbox_bulk_ensure_devices", devices_data=[DEVICE], confirm=True),
        ]

    users = Users(watched)
    plan_id = users.over_stdio(plan)
    replies = users.over_stdio(ask, NETBOX_DRY_RUN="true")
    assert [reply["status"] for reply in replies] == ["dry_run"] * 3, replies
    assert proxy.writes() == []


def test_a_worker_in_dry_run_refuses_what_a_server_without_it_has_queued(
    watched: Stack, proxy: FaultyProxy
) -> None:
    watched.start_worker({"NETBOX_DRY_RUN": "true"})

    async def ask(client: Client) -> dict[str, Any]:
        started = await call(client, "netbox_start_bulk_async", batch={"devices": [DEVICE]}, confirm=True)
        return await follow(client, started["task_id"])

    status = Users(watched).over_stdio(ask)
    assert status["status"] == "failed"
    assert "ry-run" in status["message"]
    assert proxy.writes() == []


def test_all_that_is_wrong_with_a_document_is_told_at_once(watched: Stack, proxy: FaultyProxy) -> None:
    async def ask(client: Client) -> list[dict[str, Any]]:
        return [
            await call(client, "netbox_plan_bulk", batch=WRONG),
            await call(client, "netbox_start_bulk_async", batch=WRONG, confirm=True),
            await call(client, "netbox_bulk_ensure_devices", batch=WRONG, confirm=True),
        ]

    for reply in Users(watched).over_stdio(ask):
        assert reply["code"] == "invalid_document"
        assert sorted(problem["path"] for problem in reply["details"]) == sorted(PLACES)
        hints = {problem["path"]: problem["hint"] for problem in reply["details"]}
        assert hints["sits"] == "did you mean 'sites'?"
    assert proxy.writes() == []
