"""What `netbox-mcp demo` does: everything from nothing, the acts of demo_acts.py, everything down again.

What it shows is real: the released NetBox, a queue, a worker and the HTTP
server as processes of their own, and an MCP client that talks to that server.
"""

from __future__ import annotations

import secrets
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
import typer

from netbox_mcp.cli.demo_acts import Scene, play_acts
from netbox_mcp.cli.demo_people import gather_people
from netbox_mcp.cli.demo_view import console
from netbox_mcp.cli.output import ExitCode, say
from netbox_mcp.cli.progress import show_steps
from netbox_mcp.failures import UsageError
from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.sandbox.layout import cache_home
from netbox_mcp.sandbox.locks import file_lock
from netbox_mcp.stack import Stack
from orchestrator.document import read_document
from orchestrator.errors import DocumentError, OrchestratorError
from orchestrator.normalise import normalise

_SANDBOX = "demo"
_POLITE_REQUESTS = (signal.SIGTERM, signal.SIGHUP)


def run_demo(file: Path, leave: bool) -> None:
    """Bring everything up, play the acts, and take everything down again whatever happens."""
    if not file.is_file():
        raise UsageError(f"There is no document {str(file)!r} here.", "Name one: netbox-mcp demo FILE")
    document = read_document(file.read_text(encoding="utf-8"), str(file))
    problems = normalise(document).problems
    if problems:
        raise DocumentError(problems)
    began = time.monotonic()
    # A supervisor's request and a terminal that closes end everything in order, as Ctrl-C does.
    for request in _POLITE_REQUESTS:
        signal.signal(request, _interrupt)
    with file_lock(cache_home() / "instances" / f"{_SANDBOX}.session.lock", _say_busy):
        try:
            netbox = _empty_netbox()
            with tempfile.TemporaryDirectory(prefix="netbox-mcp-demo-") as folder:
                _run(netbox, Path(folder), document, leave)
        finally:
            _stop_netbox()
    if leave:
        say(f"All of it took {time.monotonic() - began:.0f} s.")


def _say_busy(*_: object) -> None:
    say("Another demo runs on this machine; this one begins when that has ended.")


def _empty_netbox() -> SandboxInfo:
    with show_steps() as report:
        sandbox = Sandbox(_SANDBOX, report)
        netbox = sandbox.up()
        report("Emptying NetBox", None, None)
        sandbox.reset()
    return netbox


def _stop_netbox() -> None:
    for request in _POLITE_REQUESTS:
        signal.signal(request, signal.SIG_IGN)
    sandbox = Sandbox(_SANDBOX)
    try:
        with show_steps() as report:
            report("Stopping NetBox", None, None)
            sandbox.down()
    except OSError:  # the terminal is gone
        sandbox.down()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _run(netbox: SandboxInfo, folder: Path, document: Any, leave: bool) -> None:
    say(f"NetBox {netbox.version} is empty and ready at {netbox.url}")
    with Stack(folder, netbox.url, netbox.token_v2) as stack:
        approve_token = secrets.token_urlsafe(24)
        stack.environment |= {
            "NETBOX_MCP_REQUIRE_APPROVAL": "true",
            "NETBOX_MCP_APPROVE_TOKEN": approve_token,
        }
        with show_steps() as report:
            report("Starting worker and MCP server", None, None)
            stack.start_worker()
            stack.start_server()
        say(f"Queue, worker and MCP server run; the client connects to {stack.mcp_url}")
        went_as_told = anyio.run(show_acts, stack, netbox, approve_token, document)
        if not went_as_told:
            raise typer.Exit(ExitCode.WITH_ERRORS)
        _tell_where_to_look(netbox)
        if not leave:
            say("Ctrl-C stops all of it.")
            _wait_for_interrupt()


def _tell_where_to_look(netbox: SandboxInfo) -> None:
    console.print(f"\nLook around: [bold]{netbox.url}/dcim/devices/[/]")
    console.print(f"What was changed, by which batch: [bold]{netbox.url}/core/changelog/[/]")
    console.print(f"Log in as [bold]{netbox.username}[/] with the password [bold]{netbox.password}[/]")


def _wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


async def show_acts(stack: Stack, netbox: SandboxInfo, approve_token: str, document: Any) -> bool:
    """Play the acts on a stack that runs. True when each went as it says. Raises what a tool refuses."""
    outcome: bool | OrchestratorError
    async with gather_people(stack, netbox, approve_token) as people:
        try:
            outcome = await play_acts(Scene(people, document))
        except OrchestratorError as error:  # handed over by value: the client's task group would wrap it
            outcome = error
    if isinstance(outcome, OrchestratorError):
        raise outcome
    return outcome
