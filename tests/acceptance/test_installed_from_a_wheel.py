"""What is built can be installed where nothing of ours is, and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # By way of the source archive, as a release is made: what lies about in the repository has no part in it.
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(REPOSITORY))
    (wheel,) = folder.glob("netbox_mcp_orchestrator-*.whl")
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    lock = REPOSITORY / "requirements.lock"
    run(str(environment / "bin/pip"), "install", "--quiet", "--constraint", str(lock), str(wheel))
    return environment / "bin/netbox-mcp"


def run(*command: str, code: int = 0, cwd: Path | None = None) -> str:
    bare = {
        name: os.environ[name] for name in os.environ if not name.startswith(("NETBOX_", "REDIS_", "PYTHON"))
    }
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=bare, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_the_command_line_helps(program: Path, tmp_path: Path) -> None:
    text = run(str(program), "--help", cwd=tmp_path)
    for command in ("serve", "worker", "plan", "apply", "status", "report", "doctor", "sandbox", "demo"):
        assert command in text


def test_doctor_says_what_is_missing(program: Path, tmp_path: Path) -> None:
    report = json.loads(run(str(program), "doctor", "--json", code=1, cwd=tmp_path))
    checks = {check["name"]: check for check in report["checks"]}
    assert not checks["netbox"]["ok"]
    assert "NETBOX_URL" in checks["netbox"]["found"] + checks["netbox"]["hint"]
    assert not checks["redis"]["ok"]


def test_the_sandbox_and_the_schema_are_in_the_package(program: Path, tmp_path: Path) -> None:
    python = program.with_name("python")
    code = (
        "from orchestrator.schema import load_schema; from netbox_mcp.sandbox import inside, layout;"
        "import pathlib; assert load_schema()['devices'];"
        "assert list(pathlib.Path(layout.__file__).parent.glob('seed-*.sql.gz'))"
    )
    run(str(python), "-c", code, cwd=tmp_path)
