"""Locks between processes: one command at a time changes an instance or what all share.

The system lets go of a lock when its holder dies, however it dies.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.progress import Report


@contextmanager
def file_lock(path: Path, report: Report) -> Iterator[None]:
    """Hold a lock that other processes wait for. Raises SandboxError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("w")
    except OSError as error:
        raise SandboxError(
            f"The sandbox cannot write to {path.parent}: {(error.strerror or 'error').lower()}.",
            "Set NETBOX_MCP_SANDBOX_HOME to a folder that can be written.",
        ) from None
    with opened as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Waiting for another sandbox command to finish", None, None)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
