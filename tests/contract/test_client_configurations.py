"""docs/clients.md: each block is taken out, completed as its reader would, and started; a client connects."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from netbox_mcp.config import DEFAULT_TOOLSETS
from netbox_mcp.registry import select_tools
from netbox_mcp.sandbox.ports import choose_port
from tests.contract.clients import PROGRAM, CommandLine, Reply, ask, over_http, wait_until_healthy
from tests.integration.worker_process import NetBoxOverHttp

PAGE = Path(__file__).parents[2] / "docs/clients.md"
BEARER = "a-bearer-token-for-tests"
URL = "http://127.0.0.1:8765/mcp"

# How each client writes what it fills in itself.
_VARIABLES = {
    "Claude Desktop": None,
    "Claude Code": r"\$\{(?P<name>[A-Z_]+)(?::-(?P<default>[^}]*))?\}",
    "VS Code": r"\$\{input:(?P<name>[a-z-]+)\}",
    "Cursor": r"\$\{env:(?P<name>[A-Z_]+)\}",
}


class Block(NamedTuple):
    """A block of the page: below which heading, in which language, what is in it."""

    heading: str
    language: str
    text: str

    @property
    def server(self) -> Mapping[str, Any]:
        """What a client is told of our server, in the shape that they all share."""
        if self.language == "sh":
            return claude_mcp_add(self.text)
        found = json.loads(self.text)
        (server,) = (found.get("mcpServers") or found["servers"]).values()
        return dict(server)


def blocks() -> list[Block]:
    found, heading = [], ""
    for part in re.finditer(
        r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    ):
        heading = part[1] or heading
        if part[2]:
            found.append(Block(heading, part[2], part[3]))
    return found


CLIENTS = [block for block in blocks() if block.heading in _VARIABLES]
(SERVE,) = [block for block in blocks() if block.heading == "Any other"]


def claude_mcp_add(line: str) -> dict[str, Any]:
    """What `claude mcp add` would write down; its options take all words that follow, so names come first."""
    words, dashes, command = _partition(shlex.split(line))
    assert words[:3] == ["claude", "mcp", "add"]
    options: dict[str, list[str]] = {}
    positional: list[str] = []
    rest = iter(words[3:])
    for word in rest:
        if word in ("--env", "--header"):
            options.setdefault(word, []).append(next(rest))
            following = words[words.index(options[word][-1]) + 1 :]
            assert not following or following[0].startswith("--"), f"{word} would swallow {following[0]}"
        elif word.startswith("--"):
            options[word] = [next(rest)]
        else:
            positional.append(word)
    if options.get("--transport") == ["http"]:
        _, url = positional
        return {
            "type": "http",
            "url": url,
            "headers": dict(one.split(": ", 1) for one in options["--header"]),
        }
    assert dashes
    assert len(positional) == 1
    env = dict(one.split("=", 1) for one in options["--env"])
    return {"command": command[0], "args": command[1:], "env": env}


def _partition(words: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in words:
        return words, False, []
    at = words.index("--")
    return words[:at], True, words[at + 1 :]


class Reader:
    """Puts in what is the reader's own, and what the client fills in from its environment or by asking."""

    def __init__(self, netbox: NetBoxOverHttp, redis_url: str, url: str) -> None:
        self.own = {
            "/opt/netbox-mcp/.venv/bin/netbox-mcp": str(PROGRAM),
            "https://netbox.example.net": netbox.url,
            "nbt_...": netbox.token,
            "redis://localhost": redis_url,
            URL: url,
            "$NETBOX_MCP_TOKEN": BEARER,
        }
        self.variables = {
            "NETBOX_TOKEN": netbox.token,
            "NETBOX_MCP_TOKEN": BEARER,
            "REDIS_URL": redis_url,
            "netbox-token": netbox.token,
            "netbox-mcp-token": BEARER,
        }

    def complete(self, block: Block, text: str) -> str:
        """A value of the configuration, as the server gets it."""
        if pattern := _VARIABLES[block.heading]:
            text = re.sub(pattern, lambda found: self._filled_in(block, found), text)
        for placeholder, own in self.own.items():
            text = text.replace(placeholder, own)
        assert "${" not in text, f"{block.heading} does not fill in {text}"
        assert "..." not in text
        return text

    def _filled_in(self, block: Block, found: re.Match[str]) -> str:
        if block.heading == "VS Code":
            asked = [one["id"] for one in json.loads(block.text)["inputs"]]
            assert found["name"] in asked, f"nothing asks for {found['name']}"
        return self.variables[found["name"]]


async def tools_and_health(client: Client) -> tuple[int, Reply]:
    listed = await client.list_tools()
    return len(listed.tools), await ask(client, "netbox_health_check")


def over_stdio(server: Mapping[str, Any], folder: Path) -> tuple[int, Reply]:
    parameters = StdioServerParameters(
        command=server["command"], args=server["args"], env=server["env"], cwd=folder
    )

    async def run() -> tuple[int, Reply]:
        with Path(os.devnull).open("w") as log:
            async with Client(stdio_client(parameters, errlog=log)) as client:
                return await tools_and_health(client)

    return anyio.run(run)


def check(count: int, health: Reply) -> None:
    assert count == len(select_tools(DEFAULT_TOOLSETS))
    found = {one["name"]: one["ok"] for one in health.data["checks"]}
    assert found["netbox"]
    assert found["redis"]


@pytest.fixture
def running(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, tmp_path: Path
) -> Iterator[tuple[Reader, str]]:
    """The server that the page's own command starts, and a reader who knows where it is."""
    port = choose_port(())
    url = f"http://127.0.0.1:{port}/mcp"
    reader = Reader(netbox, with_redis, url)
    text = SERVE.text
    for placeholder, own in reader.own.items():
        text = text.replace(placeholder, own)
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    variables = {**cli.environment, "PATH": path, "NETBOX_MCP_TOKEN": BEARER, "NETBOX_MCP_PORT": str(port)}
    with (tmp_path / "serve.log").open("w") as log:
        shell = subprocess.Popen(
            ["bash", "-ec", text], cwd=tmp_path, env=variables, stderr=log, start_new_session=True
        )
    try:
        wait_until_healthy(url.removesuffix("/mcp"), shell)
        yield reader, url
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(30)


@pytest.mark.parametrize("block", CLIENTS, ids=lambda block: f"{block.heading}-{block.language}")
def test_what_the_page_says_connects(block: Block, running: tuple[Reader, str], tmp_path: Path) -> None:
    reader, url = running
    server = block.server
    if "command" in server:
        env = {name: reader.complete(block, value) for name, value in server["env"].items()}
        command = reader.complete(block, server["command"])
        check(*over_stdio({"command": command, "args": server["args"], "env": env}, tmp_path))
    else:
        assert server.get("type", "http") == "http"
        assert reader.complete(block, server["url"]) == url
        scheme, _, token = reader.complete(block, server["headers"]["Authorization"]).partition(" ")
        assert scheme == "Bearer"
        check(*over_http(url, token, tools_and_health))


def test_every_client_has_a_block_of_each_kind() -> None:
    kinds = {(block.heading, "command" in block.server) for block in CLIENTS}
    both = {(name, is_stdio) for name in ("Claude Code", "VS Code", "Cursor") for is_stdio in (True, False)}
    assert kinds == {("Claude Desktop", True), *both}
