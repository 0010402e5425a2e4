"""The distribution's packages that the sandbox stands on: PostgreSQL with ICU, libpq's headers, a compiler.

Missing ones are installed where we may (root on Debian or Ubuntu); elsewhere
the error carries the exact command for the administrator.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.progress import Report

_MINIMUM_POSTGRES = 15
_DATABASE_PACKAGES = ("postgresql", "libpq-dev", "gcc", "libc6-dev")
_PYTHON_PACKAGES = ("python3-venv", "python3-dev")
_NO_CLUSTER = Path("/etc/postgresql-common/createcluster.d/netbox-mcp-sandbox.conf")


@dataclass(frozen=True)
class PostgresBinaries:
    """A PostgreSQL installation that NetBox can use."""

    folder: Path
    major: int

    def program(self, name: str) -> Path:
        """The full path of one of its programs."""
        return self.folder / name


def require_database_packages(report: Report, to_build_driver: bool) -> PostgresBinaries:
    """PostgreSQL >= 15 with ICU, installed if need be and we may.

    With ``to_build_driver`` also what NetBox's database driver is compiled from.
    """
    found = find_postgres()
    if found is not None and (_can_build_driver() or not to_build_driver):
        return found
    _install(_DATABASE_PACKAGES, report)
    found = find_postgres()
    if found is None:
        raise SandboxError(
            f"This system's PostgreSQL is older than {_MINIMUM_POSTGRES} or lacks ICU, which NetBox needs.",
            "Install a newer one (apt.postgresql.org has them) so that its programs are on the PATH.",
        )
    return found


def install_python_parts(report: Report) -> None:
    """Install the venv and header packages of the distribution's own Python."""
    _install(_PYTHON_PACKAGES, report)


def find_postgres() -> PostgresBinaries | None:
    """The newest usable PostgreSQL on the PATH or in Debian's place for it, or None."""
    usable = [found for folder in _folders() if (found := _inspect(folder)) is not None]
    return max(usable, key=lambda found: found.major, default=None)


def _folders() -> Iterator[Path]:
    for name in ("postgres", "pg_ctl"):
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path).resolve().parent
    yield from Path("/usr/lib/postgresql").glob("*/bin")


def _inspect(folder: Path) -> PostgresBinaries | None:
    server = folder / "postgres"
    if not all((folder / name).is_file() for name in ("postgres", "initdb", "psql", "pg_dump")):
        return None
    shown = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"(\d+)", shown)
    if version is None or int(version[1]) < _MINIMUM_POSTGRES:
        return None
    # Help texts and options mention ICU even where it was left out; the symbol is there only when it was not.
    has_icu = b"ucol_open" in server.read_bytes()
    return PostgresBinaries(folder, int(version[1])) if has_icu else None


def _can_build_driver() -> bool:
    compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    return compiler and shutil.which("pg_config") is not None and _libpq_header().is_file()


def _libpq_header() -> Path:
    shown = subprocess.run(["pg_config", "--includedir"], capture_output=True, text=True, check=False)
    return Path(shown.stdout.strip() or "/nonexistent") / "libpq-fe.h"


def _install(packages: Sequence[str], report: Report) -> None:
    command = f"apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise SandboxError(
            "NetBox needs PostgreSQL 15 or newer with ICU and ltree, libpq's headers and a C compiler.",
            f"Install them with your system's package manager (on Debian: {command}).",
        )
    if os.geteuid() != 0:
        raise SandboxError("NetBox needs system packages that are not installed.", f"Run: sudo {command}")
    # Finishes what an interrupted run left half installed, which apt-get refuses to build on.
    subprocess.run(["dpkg", "--configure", "-a"], env=_quietly(), capture_output=True, check=False)
    report("Installing system packages: updating the package lists", None, None)
    _apt("update")
    report(f"Installing system packages: {' '.join(packages)}", None, None)
    if "postgresql" in packages:
        _install_without_cluster(packages)
    else:
        _apt("install", "--yes", "--no-install-recommends", *packages)


def _install_without_cluster(packages: Sequence[str]) -> None:
    """Debian would create and start a cluster of its own along with the server: that is not ours to do."""
    _apt("install", "--yes", "--no-install-recommends", "postgresql-common")
    _NO_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
    _NO_CLUSTER.write_text("create_main_cluster = false\n")
    try:
        _apt("install", "--yes", "--no-install-recommends", *packages)
    finally:
        _NO_CLUSTER.unlink(missing_ok=True)


def _quietly() -> dict[str, str]:
    return {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *arguments],
        env=_quietly(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        end = "\n  ".join(done.stdout.strip().splitlines()[-6:])
        raise SandboxError(f"'apt-get {' '.join(arguments)}' failed.", f"It said:\n  {end}")
