"""Child processes that outlive us, and the file that remembers them.

A process is remembered by its pid together with its start time, so that a pid
which the system has since given to a stranger is never taken for ours. Each
child leads a session of its own and carries a mark in its environment: what it
forks is found again by either, even once its parent is gone. Linux only (/proc).
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netbox_mcp.sandbox.errors import SandboxError

MARKER = "NETBOX_MCP_SANDBOX_PROCESS"
_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

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

    def _mark(self, role: str) -> str:
        return f"{role}@{self._state.absolute()}"

    def running(self, role: str) -> ProcessRef | None:
        """The live process in this role, or None."""
        ref = self._recorded().get(role)
        return ref if ref is not None and ref.alive else None

    def pids(self) -> dict[str, int]:
        """The pid of every role that is alive."""
        return {role: ref.pid for role, ref in self._recorded().items() if ref.alive}

    def ended(self) -> tuple[str, ...]:
        """The roles that were started, never stopped, and run no more: they crashed or were killed."""
        return tuple(role for role, ref in self._recorded().items() if not ref.alive)

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
        with_us: bool = False,
    ) -> ProcessRef:
        """Start a process in its own session with its output in the role's log.

        It outlives us, unless it is to end ``with_us``.
        """
        self._state.parent.mkdir(parents=True, exist_ok=True)
        variables = {**(os.environ if environment is None else environment), MARKER: self._mark(role)}
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
                preexec_fn=end_with_parent if with_us else None,
            )
        _children[child.pid] = child
        found = _read_stat(child.pid)
        ref = found.ref if found else ProcessRef(child.pid, 0)
        self._record(role, ref)
        return ref

    def stop(
        self, *roles: str, gently: signal.Signals = signal.SIGTERM, patience_seconds: float = 15
    ) -> None:
        """End these roles at once, with all that they forked: gently, then hard. Strangers are left alone."""
        recorded = self._recorded()
        everyone: list[ProcessRef] = []
        for role in roles:
            leader = recorded.get(role)
            family = _family(leader, self._mark(role))
            # A live leader ends its children in good order; orphans have to be told themselves.
            _signal([leader] if leader is not None and leader.alive else family, gently)
            everyone += family
        _see_off(everyone, patience_seconds)
        for role in roles:
            if role in recorded:
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


def end_those_in(folder: Path, gently: signal.Signals, patience_seconds: float = 15) -> None:
    """End every process that works in this folder, recorded or not."""
    found = [stat.ref for stat in _everything() if _works_in(stat.ref.pid) == str(folder.resolve())]
    _signal(found, gently)
    _see_off(found, patience_seconds)


def end_with_parent() -> None:
    """For ``preexec_fn``: a child that only works for us must not go on when we are killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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


def _family(leader: ProcessRef | None, mark: str) -> list[ProcessRef]:
    """The leader, everything in its session, and whatever else carries the mark.

    While the leader lives the session is surely ours. Once it is gone its
    number may have served someone else, so orphans are told by the mark alone.
    """
    session = leader.pid if leader is not None and leader.alive else None
    return [stat.ref for stat in _everything() if stat.session == session or _carries(stat.ref.pid, mark)]


def _everything() -> Iterator[_Stat]:
    """Every process of the machine."""
    for entry in Path("/proc").iterdir():
        found = _read_stat(int(entry.name)) if entry.name.isdigit() else None
        if found is not None:
            yield found


def _carries(pid: int, mark: str) -> bool:
    try:
        return f"{MARKER}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _works_in(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None


def _see_off(family: list[ProcessRef], patience_seconds: float) -> None:
    """Wait for processes that were told to end, and kill those that have not in time."""
    if _gone(family, patience_seconds):
        return
    _signal(family, signal.SIGKILL)
    if not _gone(family, 10):
        pids = ", ".join(str(ref.pid) for ref in family if ref.alive)
        raise SandboxError(f"Processes of the sandbox do not end: {pids}.", "End them by hand.")


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
