"""What the tests of deploy/ share: the programs of Prometheus, and the manifests of Kubernetes as data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOY = REPOSITORY / "deploy"

Promtool = Callable[..., "subprocess.CompletedProcess[str]"]


def find_program(name: str) -> str:
    """Where a program of Prometheus is: beside our Python, where `make prometheus` puts it, or on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing: run `make prometheus`")
    return found


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    """Runs promtool."""
    program = find_program("promtool")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [program, *map(str, arguments)]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)

    return run
