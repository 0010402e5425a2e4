"""Services of the compose file as containers without an engine: the real image, run by Buildah in a chroot.

An engine would give it a network and a process table of its own; this does not. User, capabilities, the
read-only root and the file systems beside it are as the compose file says, by the kernel's own means.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from netbox_mcp.sandbox.processes import end_with_parent
from tests.deployment.compose_file import REPOSITORY

BUILD = REPOSITORY / "deploy/build-image.sh"
BUILD_SECONDS = 840
"""Most of it, the first time, is waiting for packages; later builds take half a minute."""
NEEDED = ("buildah", "mmdebstrap", "redis-cli")
# What an engine does before the container's own process: mounts, then giving up rights for good.
CONFINE = """
set -e
for place in $TMPFS; do mount -t tmpfs -o mode=1777 tmpfs "$place"; done
if [ "$READ_ONLY" = yes ]; then mount -o remount,bind,ro /; fi
user=$RUN_AS; group=${RUN_AS#*:}
unset TMPFS READ_ONLY RUN_AS
exec setpriv --reuid="${user%:*}" --regid="$group" --clear-groups --no-new-privs \\
  --bounding-set=-all --inh-caps=-all -- "$@"
"""


def require_tools() -> None:
    """Fail, and never skip, where the image cannot be built and run."""
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.fail(
            f"The image is tested by Buildah, as root; missing: {', '.join(missing) or 'root'}. "
            "Run `make tools` and the tests as root.",
            pytrace=False,
        )


class Image:
    """The image, built from the Dockerfile; and the store that it lies in."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        store, driver = self._script("--store").split()
        self._store = Path(store)
        self._options = ["--root", str(self._store / "storage"), "--runroot", str(self._store / "run")]
        self._options += ["--storage-driver", driver]
        self._script(tag)

    @staticmethod
    def _script(argument: str) -> str:
        done = subprocess.run(
            [BUILD, argument],
            env={**os.environ, "ENGINE": "buildah"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def command(self, *arguments: str) -> list[str]:
        """A command line of Buildah on this store."""
        return ["buildah", *self._options, *arguments]

    def ask(self, *arguments: str) -> str:
        """What Buildah answers."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @cached_property
    def described(self) -> str:
        """All that Buildah knows of it, its history too."""
        return self.ask("inspect", "--type", "image", self.tag)

    @cached_property
    def config(self) -> dict[str, Any]:
        """User, entrypoint, environment, labels, health check."""
        return dict(json.loads(self.described)["Docker"]["config"])


class Container:
    """One service, as the compose file describes it."""

    def __init__(
        self, image: Image, service: Mapping[str, Any], volumes: Mapping[str, Path], log: Path
    ) -> None:
        self._image = image
        self._service = service
        self._log = log
        self.host = secrets.token_hex(6)  # engines name hosts so
        self._mounts = [
            option
            for volume in service.get("volumes", [])
            for option in ("-v", f"{volumes[volume.split(':')[0]]}:{volume.split(':')[1]}")
        ]
        self._id = image.ask("from", "--pull=never", image.tag)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run its command."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._run([*self._image.config["Entrypoint"], *self._service["command"]]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )

    def execute(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run something else in it."""
        return subprocess.run(
            self._run(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def is_healthy(self) -> bool:
        """Run its declared health check once."""
        kind, *command = self._service["healthcheck"]["test"]
        assert kind == "CMD"
        if self._process is not None:
            assert self._process.poll() is None, f"it has ended: {self.log()}"
        with suppress(subprocess.TimeoutExpired):
            limit = seconds(self._service["healthcheck"]["timeout"])
            return self.execute(*command, timeout=limit).returncode == 0
        return False

    def stop(self) -> int:
        """End it by SIGTERM to its first process, within the grace period; its exit code."""
        assert self._process is not None
        os.kill(self.init, signal.SIGTERM)
        return self._process.wait(seconds(self._service["stop_grace_period"]))

    @property
    def init(self) -> int:
        """The process that would be number 1."""
        assert self._process is not None
        for pid in descendants(self._process.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "tini":
                    return pid
        raise AssertionError(f"there is no init process: {self.log()}")

    def status_of_init(self) -> dict[str, str]:
        """What the kernel says of that process: user, capabilities."""
        lines = Path(f"/proc/{self.init}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def log(self) -> str:
        """The end of what it said."""
        return self._log.read_text()[-2000:]

    def remove(self) -> None:
        """End what runs of it, and forget it."""
        if self._process is not None and self._process.poll() is None:
            for pid in [*descendants(self._process.pid), self._process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(10)
        self._image.ask("rm", self._id)

    def _run(self, command: Sequence[str]) -> list[str]:
        service, config = self._service, self._image.config
        variables = {
            **service["environment"],
            "TMPFS": " ".join(service.get("tmpfs", [])),
            "READ_ONLY": "yes" if service.get("read_only") else "no",
            "RUN_AS": service.get("user", config["User"]),
        }
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        given = [option for name, value in variables.items() for option in ("-e", f"{name}={value}")]
        options = [
            "--isolation",
            "chroot",
            "--user",
            "0:0",
            "--cap-add",
            "CAP_SYS_ADMIN",
            "--hostname",
            self.host,
        ]
        inside = ["sh", "-c", CONFINE, "confine", *command]
        return self._image.command("run", *options, *given, *self._mounts, self._id, "--", *inside)


def wait_until_healthy(service: Mapping[str, Any], is_healthy: Any, what: str) -> None:
    """Ask its health check until it is well, no longer than the compose file gives it."""
    check = service["healthcheck"]
    deadline = (
        time.monotonic()
        + seconds(check["start_period"])
        + check.get("retries", 3) * seconds(check["interval"])
    )
    while not is_healthy():
        assert time.monotonic() < deadline, f"{what} did not become healthy"
        time.sleep(0.5)


def seconds(text: str) -> float:
    """A duration of the compose file; ours are all in seconds."""
    assert text.endswith("s")
    return float(text.removesuffix("s"))


def descendants(pid: int) -> Iterator[int]:
    """Every process that a process has started, whichever thread of it, and theirs."""
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from descendants(child)
