"""NetBox's own processes and its database: migrate, serve, run jobs, answer.

The web server and the background worker run from NetBox's virtual
environment. Called by ``instance.py`` once PostgreSQL and Redis are up.
"""

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from netbox_mcp.sandbox import inside
from netbox_mcp.sandbox.configuration import DATABASE_VARIABLE, PLUGINS_VARIABLE
from netbox_mcp.sandbox.environment import NetBoxEnvironment
from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.processes import ProcessTable, end_with_parent, log_excerpt
from netbox_mcp.sandbox.progress import Report
from netbox_mcp.sandbox.settings import InstanceSettings

USERNAME = "admin"
WEB, WORKER = "web", "worker"
_START_SECONDS = 180
_INSIDE = Path(inside.__file__).parent
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes by a proxy

# Two workers, as in the measured costs. Threads, so that a browser's idle connection holds up nobody;
# a long timeout, since NetBox may work for minutes on one large delete.
_RQ_WORKER = ("--worker-class", "sandbox_worker.SandboxWorker", "high", "default", "low")
_GUNICORN = ("--workers=2", "--threads=2", "--timeout=600", "--keep-alive=75", "--graceful-timeout=2")


class NetBoxServer:
    """NetBox in one instance folder, on one port of 127.0.0.1."""

    def __init__(
        self, root: Path, settings: InstanceSettings, environment: NetBoxEnvironment, processes: ProcessTable
    ) -> None:
        self._root = root
        self._settings = settings
        self._environment = environment
        self._processes = processes

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._settings.web_port}"

    def prepare_database(self, database: str, bare: bool, report: Report) -> None:
        """Migrate a database, also for its plugins, and create the account and tokens.

        A ``bare`` one, to be dumped for other instances, gets NetBox's own migrations and nothing else.
        """
        account = {
            "username": USERNAME,
            "password": self._settings.password,
            "token_v1": self._settings.token_v1,
            "token_v2": self._settings.token_v2,
        }
        variables = {**self._variables(), DATABASE_VARIABLE: database}
        log = self._root.parent / "migrate.log"
        with (
            log.open("w") as output,
            subprocess.Popen(
                [self._environment.python, _INSIDE / "prepare_database.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**variables, PLUGINS_VARIABLE: "off"} if bare else variables,
                preexec_fn=end_with_parent,
            ) as child,
        ):
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(json.dumps({} if bare else account))
            child.stdin.close()
            _follow(_recorded(child.stdout, output), report)
        if child.returncode != 0:
            plugins = "" if bare or not self._settings.plugins else " with these plugins"
            raise SandboxError(f"NetBox could not prepare its database{plugins}.", log_excerpt(log))

    def start(self) -> None:
        """Start the web server and the background worker, whichever does not run or is of another release."""
        status = self._status()
        if status is not None and status.get("netbox-version") != self._environment.version:
            self._processes.stop(WEB, WORKER)
        if self._processes.running(WEB) is None:
            self._processes.start(WEB, self._web_command(), environment=self._variables(), folder=self._root)
        if self._processes.running(WORKER) is None:
            rqworker = [str(self._environment.program("netbox")), "rqworker", *_RQ_WORKER]
            variables = {**self._variables(), "PYTHONPATH": str(_INSIDE)}
            self._processes.start(WORKER, rqworker, environment=variables, folder=self._root)

    def wait_until_ready(self) -> None:
        """Wait until the web server answers and the worker has reported for duty; then check both tokens."""
        self._processes.wait_until(WEB, lambda: self._status() is not None, "NetBox", _START_SECONDS)
        self._processes.wait_until(WORKER, self.answers, "NetBox's background worker", _START_SECONDS)
        for authorization in (f"Token {self._settings.token_v1}", f"Bearer {self._settings.token_v2}"):
            if self._ask("/api/authentication-check/", authorization) is None:
                raise SandboxError(
                    f"NetBox does not accept the sandbox's own {authorization.split()[0]} token.",
                    "Run 'netbox-mcp sandbox down --delete' and start again.",
                )

    def answers(self) -> bool:
        """Whether this release's web server answers and the worker is known to it, right now."""
        status = self._status() or {}
        of_this_release = status.get("netbox-version") == self._environment.version
        return of_this_release and status.get("rq-workers-running", 0) > 0

    def _web_command(self) -> list[str]:
        return [
            str(self._environment.program("gunicorn")),
            f"--bind=127.0.0.1:{self._settings.web_port}",
            *_GUNICORN,
            "--preload",
            "--no-control-socket",
            f"--pythonpath={_INSIDE}",
            f"--access-logfile={self._root.parent / 'access.log'}",
            "sandbox_wsgi:application",
        ]

    def _variables(self) -> dict[str, str]:
        # What was set for us (another NETBOX_CONFIGURATION, a PYTHONPATH) must not leak into NetBox.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("NETBOX_", "DJANGO_", "PYTHON", "GUNICORN_", "PG", "RQ_"))
        }
        return {**inherited, "NETBOX_ROOT": str(self._root), "PYTHONUNBUFFERED": "1"}

    def _status(self) -> dict[str, Any] | None:
        return self._ask("/api/status/", f"Bearer {self._settings.token_v2}")

    def _ask(self, path: str, authorization: str) -> dict[str, Any] | None:
        request = urllib.request.Request(self.url + path, headers={"Authorization": authorization})  # noqa: S310
        try:
            with _DIRECT.open(request, timeout=30) as reply:
                answer: dict[str, Any] = json.load(reply)
                return answer
        except (OSError, ValueError):
            return None


def _recorded(lines: Iterator[str], output: TextIO) -> Iterator[str]:
    for line in lines:
        output.write(line)
        output.flush()
        yield line


def _follow(lines: Iterator[str], report: Report) -> None:
    """Turn the migration's output into progress."""
    done, total = 0, 0
    for line in lines:
        plan = re.fullmatch(r"plan (\d+)\s*", line)
        step = re.match(r"\s*Applying (\S+)\.\.\.", line)
        if plan:
            total = int(plan[1])
            report("Migrating NetBox's database" if total else "NetBox's database is migrated", 0, total)
        elif step:
            done += 1
            report(f"Migrating NetBox's database: {step[1]}", done, total)
