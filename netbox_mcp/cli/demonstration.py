"""What `netbox-mcp demo` does: everything from nothing, a document applied before your eyes, twice.

What it shows is real: the released NetBox, a queue, a worker and the HTTP
server as processes of their own, and an MCP client that talks to that server.
"""

from __future__ import annotations

import signal
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import orjson
import typer
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from rich.console import Console
from rich.table import Table

from netbox_mcp.cli.output import ExitCode, errors, say
from netbox_mcp.cli.progress import open_display, show_steps, show_task
from netbox_mcp.failures import UsageError
from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.sandbox.layout import cache_home
from netbox_mcp.sandbox.locks import file_lock
from netbox_mcp.stack import Stack
from orchestrator.document import read_document
from orchestrator.errors import DocumentError, OrchestratorError
from orchestrator.normalise import normalise
from workers.status import TaskStatus

_SANDBOX = "demo"
_RESULTS = ("created", "updated", "unchanged", "skipped", "failed")
_POLITE_REQUESTS = (signal.SIGTERM, signal.SIGHUP)
_console = Console(highlight=False)


class ToolRefusedError(OrchestratorError):
    """A tool answered with an error, of which this has code, message and hint."""

    def __init__(self, reply: Mapping[str, Any]) -> None:
        super().__init__(str(reply.get("message", "A tool failed.")), str(reply.get("hint", "")))
        self.code = str(reply.get("code", self.code))


def run_demo(file: Path, leave: bool) -> None:
    """Bring everything up, show both runs, and take everything down again whatever happens."""
    if not file.is_file():
        raise UsageError(f"There is no document {str(file)!r} here.", "Name one: netbox-mcp demo FILE")
    document = read_document(file.read_text(encoding="utf-8"), str(file))
    problems = normalise(document).problems
    if problems:
        raise DocumentError(problems)
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
        with show_steps() as report:
            report("Starting worker and MCP server", None, None)
            stack.start_worker()
            stack.start_server()
        say(f"Queue, worker and MCP server run; the client connects to {stack.mcp_url}")
        proven = anyio.run(show_both_runs, stack, netbox, document)
        if not proven:
            raise typer.Exit(ExitCode.WITH_ERRORS)
        _console.print(f"\nLook around: [bold]{netbox.url}/dcim/devices/[/]")
        _console.print(f"Log in as [bold]{netbox.username}[/] with the password [bold]{netbox.password}[/]")
        if not leave:
            say("Ctrl-C stops all of it.")
            _wait_for_interrupt()


def _wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


async def show_both_runs(stack: Stack, netbox: SandboxInfo, document: Any) -> bool:
    """Both runs. True when the first left nothing undone and the second wrote nothing."""
    proven: bool | ToolRefusedError
    async with _client(stack) as client:
        try:
            proven = await _both_runs(client, netbox, document)
        except ToolRefusedError as error:  # handed over by value: the client's task group would wrap it
            proven = error
    if isinstance(proven, ToolRefusedError):
        raise proven
    return proven


async def _both_runs(client: Client, netbox: SandboxInfo, document: Any) -> bool:
    first = await _apply(client, document, "First run")
    entries = _changelog_entries(netbox)
    second = await _apply(client, document, "The same document again")
    new_entries = _changelog_entries(netbox) - entries
    writes = sum(second["counts"].get(result, 0) for result in ("created", "updated"))
    _console.print(f"Second run: [bold]{writes} writes[/], {new_entries} new changelog entries in NetBox.")
    completed = first["status"] == second["status"] == "completed"
    return completed and writes == 0 and new_entries == 0


@asynccontextmanager
async def _client(stack: Stack) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {stack.bearer_token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90) as http,
        Client(streamable_http_client(stack.mcp_url, http_client=http)) as client,
    ):
        yield client


async def _apply(client: Client, document: Any, title: str) -> dict[str, Any]:
    """Start the document as a task, follow it, and print what became of its objects."""
    argument = "batch" if isinstance(document, dict) else "devices_data"
    started = await _call(client, "netbox_start_bulk_async", {argument: document, "confirm": True})
    _console.print(f"\n[bold]{title}[/]: task {started['task_id']}, batch {started['batch_id']}")
    began = time.monotonic()
    display = open_display()
    try:
        while True:
            arguments = {"task_id": started["task_id"], "wait_seconds": 1}
            status = await _call(client, "netbox_get_task_status", arguments)
            if status["poll_after_seconds"] == 0:
                break
            show_task(display, TaskStatus.model_validate({**status, "passes": status.get("pass")}))
    finally:
        display.close()
    report = await _call(client, "netbox_get_task_report", {"task_id": started["task_id"], "limit": 1})
    _print_report(report["counts"], status, time.monotonic() - began)
    return status


async def _call(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    content: dict[str, Any] = result.structured_content or {}
    if result.is_error:
        raise ToolRefusedError(content)
    return content


def _print_report(counts: Mapping[str, Mapping[str, int]], status: Mapping[str, Any], seconds: float) -> None:
    title = f"{status['status']} in {seconds:.0f} s"
    caption = "updated: primary IPs, written last" if counts.get("devices", {}).get("created") else None
    table = Table(
        "object type", *_RESULTS, title=title, title_justify="left", caption=caption, caption_justify="left"
    )
    for object_type, results in counts.items():
        table.add_row(object_type, *(str(results.get(result, "")) for result in _RESULTS))
    _console.print(table)
    for error in status.get("first_errors") or ():
        errors.print(f"  {error}", markup=False)


def _changelog_entries(netbox: SandboxInfo) -> int:
    """How many changes NetBox itself has on record."""
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        f"{netbox.url}/api/core/object-changes/?limit=1",
        headers={"Authorization": f"Bearer {netbox.token_v2}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return int(orjson.loads(answer.read())["count"])
