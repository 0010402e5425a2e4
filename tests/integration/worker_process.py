"""Real worker processes for the tests, and a plain way to look into NetBox beside the product's own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import requests

from orchestrator.live import Live
from orchestrator.metadata import read_metadata
from workers.manager import AsyncTaskManager
from workers.status import TaskStatus

Found = TypeVar("Found")

STOP_SECONDS = 15
"""What a worker that is told to stop takes at most."""

RUN_WORKER = """
from workers.settings import WorkerSettings
from workers.worker import run_worker
run_worker(WorkerSettings())
"""


class WorkerProcess:
    """One worker in a process of its own, with its log in a file."""

    def __init__(self, folder: Path, number: int, environment: Mapping[str, str]) -> None:
        self.log = folder / f"worker-{number}.log"
        variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        state = str(folder / "worker-state")
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUN_WORKER],
            env={**variables, "NETBOX_MCP_STATE_DIR": state, **environment, "NETBOX_MCP_LOG_FORMAT": "json"},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=self.log.open("wb"),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def children(self) -> list[int]:
        """The processes that run a task for this worker."""
        return children_of(self.pid)

    def kill(self) -> None:
        """kill -9."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self) -> None:
        if self._process.poll() is None:
            for child in self.children():
                os.kill(child, signal.SIGKILL)
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class WorkerTeam:
    """Starts workers, and ends all that it started."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self.workers: list[WorkerProcess] = []

    def start(self, **environment: str) -> WorkerProcess:
        worker = WorkerProcess(self._folder, len(self.workers), {**self._environment, **environment})
        self.workers.append(worker)
        return worker

    def logs(self) -> str:
        return "\n".join(worker.log.read_text() for worker in self.workers)

    def __enter__(self) -> WorkerTeam:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.stop()


class NetBoxOverHttp:
    """NetBox as anyone sees it."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url.rstrip("/"), token
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def rows(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        answer = self._session.get(f"{self.url}/api/{path}/", params={"limit": 1000, **filters}, timeout=30)
        answer.raise_for_status()
        return answer.json()["results"]

    def count(self, path: str, **filters: Any) -> int:
        answer = self._session.get(f"{self.url}/api/{path}/", params={"limit": 1, **filters}, timeout=30)
        answer.raise_for_status()
        return answer.json()["count"]

    def create(self, path: str, **fields: Any) -> dict[str, Any]:
        answer = self._session.post(f"{self.url}/api/{path}/", json=fields, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def create_many(self, path: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """All of them in one request, in their order."""
        answer = self._session.post(f"{self.url}/api/{path}/", json=list(rows), timeout=60)
        answer.raise_for_status()
        return answer.json()

    def update(self, path: str, object_id: int, **fields: Any) -> None:
        url = f"{self.url}/api/{path}/{object_id}/"
        self._session.patch(url, json=fields, timeout=30).raise_for_status()

    def define_metadata(self) -> None:
        """Make our custom fields, as the first apply on a NetBox does, so that plans need not count them."""
        for change in read_metadata(Live(), active=True, on_drift="overwrite").definitions:
            if not self.count("extras/custom-fields", name=change.label):
                self.create("extras/custom-fields", **change.after)

    def token_that_may(self, *permissions: tuple[Sequence[str], Sequence[str]]) -> str:
        """A token of a new user who may do these actions on these models, and nothing else."""
        name = f"limited-{secrets.token_hex(6)}"
        person = {"username": name, "password": "Limited-pass-2026"}
        user = self.create("users/users", **person)["id"]
        for number, (models, actions) in enumerate(permissions):
            self.create(
                "users/permissions",
                name=f"{name}-{number}",
                object_types=list(models),
                actions=list(actions),
                users=[user],
            )
        token = self.create("users/tokens/provision", **person)
        return token["token"] if token["version"] == 1 else f"nbt_{token['key']}.{token['token']}"

    def delete(self, path: str, object_id: int) -> None:
        self._session.delete(f"{self.url}/api/{path}/{object_id}/", timeout=30).raise_for_status()


def children_of(pid: int) -> list[int]:
    """The processes that a process has started; none where it has ended."""
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def runs(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_for(look: Callable[[], Found], what: str, seconds: float = 30.0) -> Found:
    """Look again and again until there is something to see; fail if it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not seen within {seconds:g} s"
        time.sleep(0.05)
    return found


def wait_until_taken(manager: AsyncTaskManager, task_id: str) -> str:
    """Wait until a worker has the task; returns the worker's name."""

    def takers() -> list[str]:
        return [worker.name for worker in manager.queue_info().workers if worker.task_id == task_id]

    return wait_for(takers, f"a worker on {task_id}")[0]


SLOWLY = {"NETBOX_MCP_LANES": "1", "NETBOX_MCP_LIST_SECONDS": "1"}
"""For workers of whose batches most is still to be done when their first list is."""


def many_sites(prefix: str, number: int) -> dict[str, object]:
    """A document that keeps NetBox busy for a while: some 30 sites a second."""
    return {"sites": [{"name": f"{prefix}-[001-{number:03}]"}]}


def wait_until_midway(manager: AsyncTaskManager, task_id: str) -> TaskStatus:
    """Wait until a task has written something; fail if it is over by then."""

    def midway() -> TaskStatus | None:
        status = manager.status(task_id)
        assert not status.ended, f"over before anybody could come in between: {status.message}"
        return status if status.done else None

    return wait_for(midway, "the task midway")


def wait_until_ended(manager: AsyncTaskManager, task_id: str, seconds: float = 60.0) -> TaskStatus:
    def ended() -> TaskStatus | None:
        status = manager.status(task_id)
        return status if status.ended else None

    return wait_for(ended, f"the end of {task_id}", seconds)
