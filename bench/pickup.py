"""How long from a client's request for work until a worker sends its first request to NetBox.

A real server, a real worker, a real MCP client. What stands for NetBox only notes when it was
asked and refuses the token, so that the task ends there.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import anyio.to_thread
from mcp.client import Client

from bench.arena import tell
from bench.queue_load import DOCUMENT, Server, call, open_client
from netbox_mcp.stack import Stack

TASKS = 30
_PATIENCE = 30.0


class _Gate(ThreadingHTTPServer):
    """Takes NetBox's place on a port of this machine. `asked` gets the time of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[float] = queue.SimpleQueue()
        super().__init__(("127.0.0.1", 0), _Refuse)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Refuse(BaseHTTPRequestHandler):
    server: _Gate

    def do_GET(self) -> None:
        self.server.asked.put(time.perf_counter())
        self.send_error(403)

    def log_message(self, format: str, *args: object) -> None:
        pass


def measure() -> list[float]:
    """Milliseconds from the call to the worker's first request, task after task."""
    with (
        _gate() as gate,
        tempfile.TemporaryDirectory(prefix="netbox-mcp-bench-") as folder,
        Stack(Path(folder), gate.url, "nbt_none.none") as stack,
    ):
        stack.start_worker()
        stack.start_server()
        taken = anyio.run(_ask, Server(stack.mcp_url, stack.bearer_token), gate)
    tell(f"  from the call to the first request: {min(taken):.0f} to {max(taken):.0f} ms")
    return taken


@contextmanager
def _gate() -> Iterator[_Gate]:
    with _Gate() as gate:
        thread = threading.Thread(target=gate.serve_forever)
        thread.start()
        try:
            yield gate
        finally:
            gate.shutdown()
            thread.join()


async def _ask(server: Server, gate: _Gate) -> list[float]:
    taken = []
    async with open_client(server) as client:
        for _ in range(TASKS + 1):
            while not gate.asked.empty():  # the last task's other requests
                gate.asked.get()
            begin = time.perf_counter()
            started = await call(client, "netbox_start_bulk_async", batch=DOCUMENT, confirm=True)
            asked_at = await anyio.to_thread.run_sync(gate.asked.get, True, _PATIENCE)
            taken.append((asked_at - begin) * 1000)
            await _until_ended(client, started["task_id"])
    return taken[1:]  # before the first the worker may still be on its way up


async def _until_ended(client: Client, task_id: str) -> None:
    ended_at = None
    while ended_at is None:
        status = await call(client, "netbox_get_task_status", task_id=task_id, wait_seconds=25)
        ended_at = status["ended_at"]
