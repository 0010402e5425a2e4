"""Find a Python that NetBox can live in: 3.12 or newer, able to build what it needs.

Candidates are judged by running them, since a version manager leaves commands
on the path that exist and fail.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netbox_mcp.sandbox.errors import SandboxError

PYTHON_VARIABLE = "NETBOX_MCP_SANDBOX_PYTHON"
_MINIMUM = (3, 12)
_NAMES = ("python3.14", "python3.13", "python3.12", "python3")

# psycopg is compiled from source, hence Python.h.
_PROBE = """
import os, sys, sysconfig
print(*sys.version_info[:2])
import venv, ensurepip
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")), "Python.h is missing"
print(sys.executable)
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that was seen working."""

    path: Path
    version: tuple[int, int]

    @property
    def tag(self) -> str:
        """Short name for folders, such as ``cp312``."""
        return "cp{}{}".format(*self.version)


def find_interpreter() -> Interpreter:
    """The first usable Python; raises SandboxError with one sentence when there is none."""
    return _first_usable() or _refuse()


def system_python_lacks_parts() -> bool:
    """Whether the distribution's own Python is new enough and only lacks its venv or header package."""
    seen = _run("/usr/bin/python3", _PROBE)
    version = _version(seen.stdout) if seen else None
    return seen is not None and seen.returncode != 0 and version is not None and version >= _MINIMUM


def _first_usable() -> Interpreter | None:
    for command in _candidates():
        seen = _run(command, _PROBE)
        version = _version(seen.stdout) if seen else None
        if seen and seen.returncode == 0 and version and version >= _MINIMUM:
            return Interpreter(Path(seen.stdout.splitlines()[-1]), version)
    return None


def _refuse() -> Interpreter:
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        raise SandboxError(
            f"{PYTHON_VARIABLE} names '{named}', which is no working Python 3.12 or newer.",
            "Point it at one that has venv and its header files, or unset it.",
        )
    raise SandboxError(
        "NetBox needs Python 3.12 or newer with venv and headers, and there is none on this machine.",
        f"Install one ('uv python install 3.13' or 'pyenv install 3.13' will do) or set {PYTHON_VARIABLE}.",
    )


def _candidates() -> Iterator[str]:
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        yield named
        return  # a named interpreter that does not work is an error, not a reason to take another
    if sys.version_info >= _MINIMUM:
        yield sys.executable
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            yield found
    yield from _pyenv_versions()
    if shutil.which("uv"):
        found_by_uv = subprocess.run(
            ["uv", "python", "find", ">=3.12"], capture_output=True, text=True, check=False
        )
        if found_by_uv.returncode == 0:
            yield found_by_uv.stdout.strip()


def _pyenv_versions() -> list[str]:
    roots = {Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser(), Path("~/.pyenv").expanduser()}
    pythons = {python for root in roots for python in root.glob("versions/3.*/bin/python")}
    return [str(python) for python in sorted(pythons, key=_minor_version, reverse=True)]


def _minor_version(python: Path) -> tuple[int, ...]:
    parts = python.parent.parent.name.split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in parts)


def _version(output: str) -> tuple[int, int] | None:
    words = output.split()[:2]
    return (int(words[0]), int(words[1])) if len(words) == 2 and all(map(str.isdigit, words)) else None


def _run(command: str, code: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(
            [command, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
