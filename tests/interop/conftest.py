"""The whole product as processes, and the programs of others that are run against it under their own Node."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack

PROGRAMS = Path(__file__).parent / "node_modules" / ".bin"
Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def stack(netbox_sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Queue, worker and HTTP server on the sandbox's NetBox."""
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder, netbox_sandbox.url, netbox_sandbox.token_v2) as stack:
        stack.start_worker()
        stack.start_server()
        yield stack
        assert "Traceback" not in stack.log("serve").read_text()


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Runs a program of package.json, with the Node that is pinned there, and a home of its own."""
    assert (PROGRAMS / "node").exists(), "run `make interop`: it installs what package.json names"
    home = tmp_path_factory.mktemp("home")
    environment = {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PROGRAMS / name), *arguments],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
