"""Real MCP clients and command-line runs, made short enough to use in one line of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import anyio
import httpx2
import requests
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.dependencies import forget, get_settings
from netbox_mcp.server import build_server

Answer = TypeVar("Answer")
PROGRAM = Path(sys.executable).with_name("netbox-mcp")


@dataclass(frozen=True)
class Reply:
    """What a tool answered: the data, the text that a model reads, and whether it is an error."""

    data: dict[str, Any]
    text: str
    is_error: bool

    @property
    def tokens(self) -> float:
        return len(self.text) / 4


def in_memory(work: Callable[[Client], Awaitable[Answer]], mode: str = "auto", **options: Any) -> Answer:
    """Run `work` with a client of a fresh server in this process, configured by the environment.

    `options` are those of the client.
    """
    forget()

    async def run() -> Answer:
        async with Client(build_server(get_settings()), mode=mode, **options) as client:
            return await work(client)

    return anyio.run(run)


def over_http(url: str, token: str, work: Callable[[Client], Awaitable[Answer]], **options: Any) -> Answer:
    """Run `work` with a client that speaks to a server over HTTP; `options` are those of the client."""

    async def run() -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(url, http_client=http), **options) as client,
        ):
            return await work(client)

    return anyio.run(run)


async def ask(client: Client, tool: str, **arguments: Any) -> Reply:
    """Call a tool."""
    return reply_of(await client.call_tool(tool, arguments))


def reply_of(result: CallToolResult) -> Reply:
    """The result of a call, made short."""
    text = "".join(getattr(part, "text", "") for part in result.content)
    return Reply(dict(result.structured_content or {}), text, bool(result.is_error))


def call(tool: str, **arguments: Any) -> Reply:
    """Call one tool of a server in this process."""
    return in_memory(lambda client: ask(client, tool, **arguments))


@dataclass(frozen=True)
class Run:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Runs `netbox-mcp` in a folder and with an environment of its own."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Run:
        done = subprocess.run(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, log: Path, **environment: str) -> subprocess.Popen[str]:
        """Start it and leave it running."""
        return subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
        )


def bare_command_line(folder: Path, **environment: str) -> CommandLine:
    """The command line with these variables and what any process needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return CommandLine(folder, {**kept, "NETBOX_MCP_STATE_DIR": str(folder / "state"), **environment})


def wait_until_healthy(url: str, process: subprocess.Popen[str], seconds: float = 60.0) -> None:
    """Wait until the HTTP server answers; fail if its process ends before."""
    deadline = time.monotonic() + seconds
    while True:
        assert process.poll() is None, "the server has ended"
        try:
            if requests.get(f"{url}/healthz", timeout=2).text == "ok":
                return
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)


def write(cli: CommandLine, document: object, name: str = "document.json") -> str:
    (cli.folder / name).write_text(json.dumps(document))
    return name


def assert_sentence(run: Run, code: ExitCode, *words: str) -> None:
    assert run.code == code, run.err
    assert "Traceback" not in run.out + run.err
    for word in words:
        assert word in run.err
