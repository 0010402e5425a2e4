"""Documents, plans, batches and tasks over REST: a pipeline's whole day, by a real server and worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import yaml

from tests.contract.clients import CommandLine, ask, over_http
from tests.contract.documents import campus
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    limits = {"NETBOX_MCP_MAX_REQUEST_BYTES": "20000", "NETBOX_MCP_MAX_INPUT_BYTES": "60000"}
    yield from serve(cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN, **limits)


def send(server: HttpServer, method: str, path: str, **how: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {TOKEN}", **how.pop("headers", {})}
    return requests.request(method, f"{server.url}/api/v1/{path}", headers=headers, timeout=60, **how)


def hand_over(server: HttpServer, text: str, media_type: str, **parameters: str) -> requests.Response:
    headers = {"Content-Type": media_type}
    return send(server, "POST", "inputs", data=text.encode(), headers=headers, params=parameters)


def follow(server: HttpServer, task_id: str) -> list[dict[str, Any]]:
    """The statuses that the server sends until the task has ended."""
    said = []
    with send(server, "GET", f"tasks/{task_id}/events", stream=True) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("data: "):
                said.append(json.loads(line.removeprefix("data: ")))
    return said


def test_a_document_is_handed_over_planned_applied_followed_and_taken_back(
    server: HttpServer, team: WorkerTeam, netbox: NetBoxOverHttp, prefix: str
) -> None:
    team.start()
    kept = hand_over(server, yaml.safe_dump(campus(prefix)), "application/yaml").json()
    planned = send(server, "POST", "plans", json={"input_id": kept["input_id"]})
    assert (planned.status_code, planned.json()["totals"]["create"]) == (200, 7)
    plan_id = planned.json()["plan_id"]
    shown = send(server, "POST", "batches", json={"plan_id": plan_id})
    assert (shown.status_code, shown.json()["status"]) == (200, "confirmation_required")
    started = send(server, "POST", "batches", json={"plan_id": plan_id, "confirm": True})
    assert started.status_code == 202
    task_id, batch_id = started.json()["task_id"], started.json()["batch_id"]
    statuses = follow(server, task_id)
    assert statuses[-1]["status"] == "completed"
    assert all(one["task_id"] == task_id for one in statuses)
    assert len(statuses) == len({json.dumps(one) for one in statuses}), "each says something new"
    assert task_id in [
        row["task_id"]
        for row in send(server, "GET", "tasks", params={"include_finished": True}).json()["tasks"]
    ]
    rows = send(server, "GET", f"tasks/{task_id}/report", params={"object_type": "devices"}).json()["rows"]
    assert [row["result"] for row in rows] == ["created"] * 3
    cost = send(server, "POST", f"batches/{batch_id}/rollback")
    assert (cost.status_code, cost.json()["totals"]) == (200, {"delete": 7})
    undoing = send(server, "POST", f"batches/{batch_id}/rollback", json={"confirm": True})
    assert undoing.status_code == 202
    assert follow(server, undoing.json()["task_id"])[-1]["status"] == "completed"
    assert netbox.count("dcim/devices", name__isw=prefix) == 0


def test_a_model_names_what_was_handed_over(server: HttpServer, netbox: NetBoxOverHttp, prefix: str) -> None:
    kept = hand_over(server, json.dumps(campus(prefix)), "application/json").json()["input_id"]
    reply = over_http(server.mcp, TOKEN, lambda client: ask(client, "netbox_plan_bulk", input_id=kept))
    assert reply.data["totals"]["create"] == 7
    both = over_http(
        server.mcp, TOKEN, lambda client: ask(client, "netbox_plan_bulk", input_id=kept, batch=campus(prefix))
    )
    assert both.data["code"] == "invalid_arguments"
    gone = over_http(server.mcp, TOKEN, lambda client: ask(client, "netbox_plan_bulk", input_id="d-0"))
    assert gone.data["code"] == "unknown_input"


def test_a_table_is_a_document(server: HttpServer, netbox: NetBoxOverHttp, prefix: str) -> None:
    table = (
        "name,site,role,device_type.manufacturer,device_type.model,position,serial\n"
        f"{prefix}-a,{prefix} S,{prefix} R,{prefix} Acme,{prefix} X1,,007\n"
        f'"{prefix}-b",{prefix} S,{prefix} R,{prefix} Acme,{prefix} X1,,\n'
        "\n"
    )
    kept = hand_over(server, table, "text/csv; charset=utf-8", object_type="devices").json()["input_id"]
    plan = send(server, "POST", "plans", json={"input_id": kept}).json()
    assert plan["totals"]["create"] == 6
    assert plan["by_type"]["devices"] == {"create": 2}
    types = "manufacturer,model,u_height,is_full_depth\n" + f"{prefix} Acme,{prefix} X1,2,FALSE\n"
    kept = hand_over(server, types, "text/csv", object_type="device_types").json()["input_id"]
    assert send(server, "POST", "plans", json={"input_id": kept}).json()["totals"]["create"] == 2


@pytest.mark.parametrize(
    ("text", "media_type", "object_type", "status", "words"),
    [
        ("{", "application/json", None, 422, "cannot be read"),
        ("a: [", "application/yaml", None, 422, "cannot be read"),
        ("7", "application/json", None, 422, "no document"),
        ('{"sites": "AMS1"}\n[]\n', "application/x-ndjson", None, 422, "input.ndjson:2"),
        ("x", "image/png", None, 422, "image/png"),
        ("a,b\n1\n", "text/csv", "devices", 422, "line 2"),
        ("a,a\n1,2\n", "text/csv", "devices", 422, "two columns"),
        ("a,,b\n1,2,3\n", "text/csv", "devices", 422, "column 2"),
        ("a,a.b\n1,2\n", "text/csv", "devices", 422, "a.b"),
        ('name\n"a\n', "text/csv", "devices", 422, "cannot be read"),
        ("", "text/csv", "devices", 422, "empty"),
        ("name\nx\n", "text/csv", None, 422, "object_type"),
        ("name\nx\n", "text/csv", "devicez", 422, "devicez"),
        ("x" * 70_000, "application/yaml", None, 413, "60,000"),
    ],
)
def test_what_cannot_be_handed_over_is_one_sentence(
    server: HttpServer, text: str, media_type: str, object_type: str | None, status: int, words: str
) -> None:
    parameters = {"object_type": object_type} if object_type else {}
    answer = hand_over(server, text, media_type, **parameters)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_larger_documents_than_bodies_can_be_handed_over(server: HttpServer, prefix: str) -> None:
    sites = {"sites": [{"name": f"{prefix} {at}", "description": "x" * 150} for at in range(200)]}
    assert 20_000 < len(json.dumps(sites)) < 60_000
    assert send(server, "POST", "plans", json={"batch": sites}).status_code == 413
    kept = hand_over(server, json.dumps(sites), "application/json").json()["input_id"]
    assert send(server, "POST", "plans", json={"input_id": kept}).json()["totals"]["create"] == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("plans", {}, 422, "invalid_arguments"),
        ("plans", {"batch": {}, "devices_data": []}, 422, "invalid_arguments"),
        ("plans", {"input_id": "d-none"}, 404, "unknown_input"),
        ("plans", {"batch": {"sitez": []}}, 422, "invalid_document"),
        ("plans", {"batch": {"sites": ["x"]}, "target": "moon"}, 422, "invalid_arguments"),
        ("batches", {"plan_id": "p-000000000000", "batch": {}}, 422, "invalid_arguments"),
        ("batches", {"plan_id": "p-000000000000", "confirm": True}, 404, "unknown_input"),
        ("batches", {"confirm": "perhaps"}, 422, "invalid_arguments"),
        ("batches/b-none/rollback", None, 409, "cannot_roll_back"),
        ("batches/b-none/rollback", {"forse": True}, 422, "invalid_arguments"),
    ],
)
def test_wrong_requests_are_problem_details(
    server: HttpServer, path: str, body: Any, status: int, code: str
) -> None:
    answer = send(server, "POST", path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_events_of_an_unknown_task_are_a_problem(server: HttpServer) -> None:
    answer = send(server, "GET", "tasks/t-none/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_task")
