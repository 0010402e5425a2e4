"""A client of the Tasks extension, written by the extension's specification and not by our server."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import anyio
from mcp.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, Request, RequestParams, Result
from pydantic import AwareDatetime, ConfigDict

from tests.contract.clients import PROGRAM, CommandLine, Reply, reply_of

TASKS = "io.modelcontextprotocol/tasks"
ENDED = ("completed", "failed", "cancelled")
Answer = TypeVar("Answer")


class Created(Result):
    """What a tool call is answered with in place of its result."""

    model_config = ConfigDict(extra="allow")

    result_type: Literal["task"]
    task_id: str
    status: Literal["working", "input_required", "completed", "failed", "cancelled"]
    status_message: str | None = None
    created_at: AwareDatetime
    last_updated_at: AwareDatetime
    ttl_ms: int
    poll_interval_ms: int | None = None


class Detailed(Created):
    """What tasks/get answers."""

    result_type: Literal["complete"]  # type: ignore[assignment]
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class Acknowledged(Result):
    """What tasks/update and tasks/cancel answer: nothing but that they have heard."""

    model_config = ConfigDict(extra="allow")

    result_type: Literal["complete"]


class Params(RequestParams):
    task_id: str


class UpdateParams(Params):
    input_responses: dict[str, Any]


class AboutATask(Request[Params, str]):
    name_param = "taskId"


class UpdateTask(Request[UpdateParams, str]):
    name_param = "taskId"


class Tasks(ClientExtension):
    """Declares the extension; a task that a call is answered with is polled until it has ended."""

    identifier = TASKS

    def __init__(self, seen: list[Detailed] | None = None) -> None:
        self.seen = [] if seen is None else seen

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Created, resolve=self._resolve)]

    async def _resolve(self, created: Created, context: ClaimContext) -> CallToolResult:
        while True:
            task = await get(context.session, created.task_id)
            self.seen.append(task)
            if task.status == "completed":
                return CallToolResult.model_validate(task.result)
            assert task.status == "working", task
            await anyio.sleep((task.poll_interval_ms or 1000) / 1000)


async def get(session: ClientSession, task_id: str) -> Detailed:
    return await session.send_request(
        AboutATask(method="tasks/get", params=Params(task_id=task_id)), Detailed
    )


async def cancel(session: ClientSession, task_id: str) -> Acknowledged:
    request = AboutATask(method="tasks/cancel", params=Params(task_id=task_id))
    return await session.send_request(request, Acknowledged)


async def update(session: ClientSession, task_id: str, answers: dict[str, Any]) -> Acknowledged:
    params = UpdateParams(task_id=task_id, input_responses=answers)
    return await session.send_request(UpdateTask(method="tasks/update", params=params), Acknowledged)


async def begin(client: Client, tool: str, **arguments: Any) -> Created:
    """Call a tool that is to answer with a task, and do not wait for it."""
    result = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(result, Created), result
    return result


async def until_ended(client: Client, task_id: str, seconds: float = 60) -> Detailed:
    with anyio.fail_after(seconds):
        while (task := await get(client.session, task_id)).status not in ENDED:
            await anyio.sleep(0.3)
    return task


def result_of(task: Detailed) -> Reply:
    """The result of the tool in a completed task."""
    return reply_of(CallToolResult.model_validate(task.result))


def over_stdio(
    cli: CommandLine, work: Callable[[Client], Awaitable[Answer]], *arguments: str, **options: Any
) -> Answer:
    """Run `work` with a client of a server process of its own; `options` are those of the client."""
    program = StdioServerParameters(
        command=str(PROGRAM), args=["serve", *arguments], env=dict(cli.environment), cwd=cli.folder
    )

    async def run() -> Answer:
        with Path(os.devnull).open("w") as log:
            async with Client(stdio_client(program, errlog=log), **options) as client:
                return await work(client)

    return anyio.run(run)
