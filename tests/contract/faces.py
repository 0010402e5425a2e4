"""Every way to call a tool, held open for a whole file of tests: MCP four ways, REST, the command line.

One installation stands behind all of them: the same NetBox, Redis and state
directory; and a second set of servers that is in dry-run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import requests
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from netbox_mcp.cli.output import EXIT_BY_CODE, ExitCode
from netbox_mcp.statuses import STATUS_BY_CODE
from tests.contract.clients import PROGRAM, CommandLine, ask
from tests.contract.test_transports import TOKEN, serve

MODERN, LEGACY = "2026-07-28", "2025-11-25"
ALL_FACES = ("stdio", "stdio-legacy", "http", "http-legacy", "rest", "cli")
_SAID = ("code", "message", "hint", "details", "retryable")


@dataclass(frozen=True)
class Answer:
    """What a tool answered: its data, or what was wrong."""

    data: Mapping[str, Any]
    error: Mapping[str, Any] | None = None

    @property
    def status(self) -> str:
        """The code of the error, or the status that the answer has."""
        return str(self.error["code"] if self.error is not None else self.data.get("status"))


Call = Callable[[str, Mapping[str, Any]], Answer]


@contextmanager
def open_faces(cli: CommandLine) -> Iterator[dict[str, Call]]:
    """All faces of one installation, by name."""
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())
        server = stack.enter_context(contextmanager(serve)(cli, NETBOX_MCP_TOKEN=TOKEN))
        faces = {"cli": by_command_line(cli), "rest": by_rest(server.url)}
        for era, mode, version in (("", "auto", MODERN), ("-legacy", "legacy", LEGACY)):
            log = stack.enter_context(Path(os.devnull).open("w"))
            parameters = StdioServerParameters(
                command=str(PROGRAM), args=["serve"], env=dict(cli.environment), cwd=cli.folder
            )
            stdio = Client(stdio_client(parameters, errlog=log), mode=mode)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            http = httpx2.AsyncClient(headers=headers, timeout=60)
            stack.enter_context(portal.wrap_async_context_manager(http))
            over_http = Client(streamable_http_client(server.mcp, http_client=http), mode=mode)
            for name, client in (("stdio", stdio), ("http", over_http)):
                stack.enter_context(portal.wrap_async_context_manager(client))
                assert client.protocol_version == version
                faces[name + era] = by_mcp(portal, client)
        yield faces


def by_mcp(portal: BlockingPortal, client: Client) -> Call:
    def call(tool: str, arguments: Mapping[str, Any]) -> Answer:
        reply = portal.call(lambda: ask(client, tool, **arguments))
        if reply.is_error:
            return Answer({}, said(reply.data))
        # A model reads the text, a program the structure; empty parts cost a model tokens.
        assert without_empty(json.loads(reply.text)) == without_empty(reply.data)
        return Answer(reply.data)

    return call


def by_rest(url: str) -> Call:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {TOKEN}"

    def call(tool: str, arguments: Mapping[str, Any]) -> Answer:
        body = {"tool": tool, "arguments": arguments}
        answer = session.post(f"{url}/api/v1/execute", json=body, timeout=60)
        data = answer.json()
        if answer.ok:
            return Answer(data)
        assert answer.status_code == STATUS_BY_CODE[data["code"]]
        return Answer({}, said({**data, "message": data["detail"]}))

    return call


def by_command_line(cli: CommandLine) -> Call:
    def call(tool: str, arguments: Mapping[str, Any]) -> Answer:
        run = cli("call", tool, "--arguments", "-", "--json", stdin=json.dumps(arguments))
        assert "Traceback" not in run.err
        if run.code in (ExitCode.OK, ExitCode.WITH_ERRORS):
            return Answer(run.json)
        error = run.json["error"]
        assert run.code == EXIT_BY_CODE.get(error["code"], ExitCode.ERROR)
        return Answer({}, said(error))

    return call


def said(error: Mapping[str, Any]) -> dict[str, Any]:
    """What every face says of an error; a model is spared the empty parts."""
    return {name: error[name] for name in _SAID if error.get(name)}


def without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {name: without_empty(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in (None, "", [], {})}
    return [without_empty(one) for one in value] if isinstance(value, list) else value
