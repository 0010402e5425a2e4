"""Everything beside NetBox as processes of their own: queue, workers, HTTP server.

The demo shows it and the acceptance tests use it. What a deployment runs under
its own supervisor, this runs under the process that made it: whatever happens
to that one, nothing stays behind.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from netbox_mcp.sandbox import RedisServer, SandboxError
from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.processes import end_with_parent, log_excerpt

_START_SECONDS = 30
_STOP_SECONDS = 15
_OURS = ("NETBOX_", "REDIS_URL")


class Stack:
    """A queue with an append-only file, and as many workers and servers as are started.

    `folder` takes their data and logs; it must exist. Leaving the context ends
    every process. `environment` is what configures them: nothing that configures
    the caller reaches them.
    """

    def __init__(self, folder: Path, netbox_url: str, netbox_token: str) -> None:
        self.folder = folder
        self.redis = RedisServer(
            folder / "redis",
            choose_port(()),
            appendonly=True,
            password=secrets.token_urlsafe(18),
            with_us=True,
        )
        self.port = choose_port((self.redis.port,))
        self.bearer_token = secrets.token_urlsafe(24)
        self.environment = {
            "NETBOX_URL": netbox_url,
            "NETBOX_TOKEN": netbox_token,
            "REDIS_URL": f"{self.redis.url}/0",
            "NETBOX_MCP_TOKEN": self.bearer_token,
            "NETBOX_MCP_PORT": str(self.port),
            "NETBOX_MCP_STATE_DIR": str(folder / "state"),
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def mcp_url(self) -> str:
        """Where MCP clients connect, with `bearer_token`."""
        return f"http://127.0.0.1:{self.port}/mcp"

    def __enter__(self) -> Self:
        self.redis.folder.mkdir(parents=True, exist_ok=True)
        self.redis.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.redis.stop()

    def start_worker(self, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """One more worker process."""
        return self._start("worker", extra=extra)

    def start_server(self, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """The HTTP server; returns once it answers. Raises SandboxError when it does not."""
        process = self._start("serve", "--transport", "http", extra=extra)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SandboxError("The server did not start.", log_excerpt(self.log("serve")))
            time.sleep(0.1)
        return process

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a process of this stack."""
        neutral = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**neutral, **self.environment, **(extra or {})}

    def log(self, role: str) -> Path:
        """Where processes of a role (`worker`, `serve`) write."""
        return self.folder / f"{role}.log"

    def _start(self, *arguments: str, extra: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
        with self.log(arguments[0]).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "netbox_mcp", *arguments],
                env=self.variables(extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                # Ctrl-C at the terminal is for the caller, who ends these in order.
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        self._processes.append(process)
        return process

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
