"""NetBox's own virtual environment, made once and shared by all instances.

NetBox pins other versions of rq and redis than we do, so it can never live
beside us. The environment counts as made only once its last step is done.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.interpreter import Interpreter, find_interpreter, system_python_lacks_parts
from netbox_mcp.sandbox.layout import cache_home, virtual_environment
from netbox_mcp.sandbox.locks import file_lock
from netbox_mcp.sandbox.processes import end_with_parent, log_excerpt
from netbox_mcp.sandbox.progress import Report
from netbox_mcp.sandbox.system_packages import install_python_parts

_PIP_VERBS = {
    "Collecting": "fetching",
    "Building wheel for": "compiling",
    "Installing collected packages:": "unpacking",
}
_PIP_STEP = re.compile(rf"\s*({'|'.join(_PIP_VERBS)}) ([\w.-]+(?:, [\w.-]+)*)")


@dataclass(frozen=True)
class NetBoxEnvironment:
    """A virtual environment with one released NetBox in it."""

    folder: Path
    version: str

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def program(self, name: str) -> Path:
        """One of its commands, such as ``netbox`` or ``gunicorn``."""
        return self.folder / "bin" / name

    def packages(self) -> set[str]:
        """Everything in it with its release, as pip writes it: ``Django==6.1.2``."""
        places = [str(place) for place in self.folder.glob("lib/python*/site-packages")]
        return {f"{found.metadata['Name']}=={found.version}" for found in distributions(path=places)}


def ready_environment(version: str) -> NetBoxEnvironment | None:
    """The environment for this NetBox if one has been made, whichever Python it was made with."""
    for mark in sorted(cache_home().glob(f"environments/netbox-{version}-cp*/installed")):
        if (mark.parent / "bin" / "python").exists():
            return NetBoxEnvironment(mark.parent, version)
    return None


def ensure_environment(version: str, report: Report) -> NetBoxEnvironment:
    """Return the environment, making it first if need be (some minutes, mostly downloads)."""
    with file_lock(cache_home() / "environments" / "lock", report):
        ready = ready_environment(version)
        if ready is not None:
            return ready
        interpreter = require_interpreter(report)
        environment = NetBoxEnvironment(virtual_environment(version, interpreter.tag), version)
        _make(environment, interpreter, report)
        return environment


def require_interpreter(report: Report) -> Interpreter:
    """A Python for NetBox, completed with the distribution's packages where that is all it lacks."""
    try:
        return find_interpreter()
    except SandboxError:
        if not system_python_lacks_parts():
            raise
    install_python_parts(report)
    return find_interpreter()


def _make(environment: NetBoxEnvironment, interpreter: Interpreter, report: Report) -> None:
    folder = environment.folder
    report(f"Making a virtual environment with Python {'.'.join(map(str, interpreter.version))}", None, None)
    shutil.rmtree(folder, ignore_errors=True)
    log = folder.with_name(f"{folder.name}.log")
    _run([str(interpreter.path), "-m", "venv", str(folder)], log)
    subject = f"NetBox {environment.version}"
    pip_install(environment, [f"netbox=={environment.version}"], subject, log, report)
    (folder / "installed").touch()


def _run(command: list[str], log: Path) -> None:
    with log.open("w") as output:
        code = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_variables(),
            preexec_fn=end_with_parent,
            check=False,
        ).returncode
    if code != 0:
        raise SandboxError("The virtual environment for NetBox could not be made.", log_excerpt(log))


def _variables() -> dict[str, str]:
    """Our variables, save those that would send another Python to our modules."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def pip_install(
    environment: NetBoxEnvironment, arguments: Sequence[str], subject: str, log: Path, report: Report
) -> None:
    """Run the environment's pip, telling its steps as it names them. Raises SandboxError if it fails."""
    command = [str(environment.python), "-m", "pip", "--disable-pip-version-check", "install", "--no-input"]
    command += ["--progress-bar", "off", *arguments]
    what = f"Installing {subject}"
    report(what, None, None)
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_variables(),
            preexec_fn=end_with_parent,
        ) as pip,
    ):
        assert pip.stdout is not None
        collected = 0
        for line in pip.stdout:
            output.write(line)
            output.flush()
            step = _PIP_STEP.match(line)
            if step is None:
                continue
            collected += line.startswith("Collecting")
            packages = step[2].split()
            subject = packages[0] if len(packages) == 1 else f"{len(packages)} packages"
            report(f"{what}: {_PIP_VERBS[step[1]]} {subject}", collected, None)
    if pip.returncode != 0:
        raise SandboxError(f"pip could not install {subject}.", log_excerpt(log))
