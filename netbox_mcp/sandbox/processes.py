"""Child processes that outlive us, and the file that remembers them.

A process is remembered by its pid together with its start time, so that a pid
which the system has since given to a stranger is never taken for ours. Each
child leads a session of its own: what it forks is found again through that
session, even if it moved to another process group. Linux only (/proc).
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netbox_mcp.sandbox.errors import SandboxError

MARKER = "NETBOX_MCP_SANDBOX_PROCESS"
_POLL_SECONDS = 0.05

# Kept so that a child that ends while we live can be reaped: a zombie would look alive.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ProcessRef:
    """One process, told apart from any later process with the same pid."""

    pid: int
    started_ticks: int

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        child = _children.get(self.pid)
        if child is not None:
            child.poll()
        found = _read_stat(self.pid)
        return found is not None and found.ref == self and found.state not in "ZX"


@dataclass(frozen=True)
class _Stat:
    ref: ProcessRef
    state: str
    session: int


class ProcessTable:
    """Starts, remembers and stops the processes of one folder, each under a role name."""

    def __init__(self, state: Path) -> None:
        self._state = state

    def running(self, role: str) -> ProcessRef | None:
        """The live process in this role, or None."""
        ref = self._recorded().get(role)
        return ref if ref is not None and ref.alive else None

    def pids(self) -> dict[str, int]:
        """The pid of every role that is alive."""
        return {role: ref.pid for role, ref in self._recorded().items() if ref.alive}

    def log(self, role: str) -> Path:
        """The file that a role's output goes to; it starts anew with the process."""
        return self._state.parent / f"{role}.log"

    def start(
        self,
        role: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: str | None = None,
    ) -> ProcessRef:
        """Start a process in its own session with its output in the role's log."""
        self._state.parent.mkdir(parents=True, exist_ok=True)
        variables = {**(os.environ if environment is None else environment), MARKER: str(self._state)}
        with self.log(role).open("wb") as log:
            child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder or self._state.parent,
                env=variables,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        _children[child.pid] = child
        found = _read_stat(child.pid)
        ref = found.ref if found else ProcessRef(child.pid, 0)
        self._record(role, ref)
        return ref

    def adopt(self, role: str, pid: int) -> None:
        """Take charge of a process of ours that no record was left of."""
        found = _read_stat(pid)
        self._record(role, found.ref if found else None)

    def stop(
        self, *roles: str, gently: signal.Signals = signal.SIGTERM, patience_seconds: float = 15
    ) -> None:
        """End these roles at once, with all that they forked: gently, then hard. Strangers are left alone."""
        recorded = self._recorded()
        leaders = [recorded[role] for role in roles if role in recorded]
        families = {leader: _family(leader, str(self._state)) for leader in leaders}
        for leader, family in families.items():
            # A live leader ends its children in good order; orphans have to be told themselves.
            _signal([leader] if leader.alive else family, gently)
        everyone = [ref for family in families.values() for ref in family]
        if not _gone(everyone, patience_seconds):
            _signal(everyone, signal.SIGKILL)
            if not _gone(everyone, 10):
                pids = ", ".join(str(ref.pid) for ref in everyone if ref.alive)
                raise SandboxError(f"Processes of the sandbox do not end: {pids}.", "End them by hand.")
        for role in roles:
            self._record(role, None)

    def wait_until(self, role: str, check: Callable[[], bool], what: str, patience_seconds: float) -> None:
        """Wait for ``check``; raises with the end of the log if the process dies or time runs out."""
        deadline = time.monotonic() + patience_seconds
        while not check():
            if self.running(role) is None:
                raise SandboxError(f"{what} ended while starting.", log_excerpt(self.log(role)))
            if time.monotonic() > deadline:
                raise SandboxError(
                    f"{what} was not ready after {patience_seconds:.0f} s.", log_excerpt(self.log(role))
                )
            time.sleep(_POLL_SECONDS)

    def _recorded(self) -> dict[str, ProcessRef]:
        try:
            entries = json.loads(self._state.read_text())["processes"]
            return {role: ProcessRef(**entry) for role, entry in entries.items()}
        except (OSError, ValueError, KeyError, TypeError):
            return {}  # no file yet, or a torn one after a crash: nothing that we can claim as ours

    def _record(self, role: str, ref: ProcessRef | None) -> None:
        entries = {**self._recorded(), role: ref}
        kept = {name: asdict(entry) for name, entry in entries.items() if entry is not None}
        draft = self._state.with_suffix(".new")
        draft.write_text(json.dumps({"processes": kept}, indent=2) + "\n")
        draft.replace(self._state)


def log_excerpt(log: Path, lines: int = 8) -> str:
    """The last lines of a log and where to find the rest."""
    try:
        tail = log.read_text(errors="replace").strip().splitlines()[-lines:]
    except OSError:
        tail = []
    return "\n".join([f"The end of {log}:", *(f"  {line}" for line in tail)])


def _read_stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in brackets may hold blanks and brackets: count fields after the last one (state is field 3).
    fields = text[text.rindex(")") + 2 :].split()
    return _Stat(ProcessRef(pid, int(fields[19])), fields[0], int(fields[3]))


def _family(leader: ProcessRef, mark: str) -> list[ProcessRef]:
    """The leader, and everything in its session.

    While the leader lives the session is surely ours. Once it is gone its
    number may have served someone else, so orphans must also carry our mark.
    """
    family = [leader]
    for entry in Path("/proc").iterdir():
        found = _read_stat(int(entry.name)) if entry.name.isdigit() else None
        if found is None or found.session != leader.pid or found.ref.pid == leader.pid:
            continue
        if leader.alive or _carries(found.ref.pid, mark):
            family.append(found.ref)
    return family


def _carries(pid: int, mark: str) -> bool:
    try:
        return f"{MARKER}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _signal(family: list[ProcessRef], number: signal.Signals) -> None:
    for ref in family:
        if ref.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(ref.pid, number)


def _gone(family: list[ProcessRef], patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while any(ref.alive for ref in family):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
