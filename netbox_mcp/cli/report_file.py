"""`netbox-mcp report TASK --html FILE`: the report of a batch as a file to mail or to keep."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from netbox_mcp.cli.output import say
from netbox_mcp.failures import UsageError
from orchestrator.netbox.whole_files import write_parts

STANDARD_OUTPUT = "-"


def write_report(task_id: str, where: str) -> tuple[str, int]:
    """Write the report to a file, into a folder under a name of its own, or to standard output (`-`).

    A file is there as a whole or not at all. Returns where it went and how many bytes it has. Raises
    UsageError where it cannot be written.
    """
    # Imported here: making pages takes a tenth of a second to load, and no other command needs it.
    from netbox_mcp.web.batch_report import open_report

    report = open_report(task_id)
    if where == STANDARD_OUTPUT:
        sys.stdout.flush()
        return where, _copy(report.parts, where)
    path = Path(where)
    if path.is_dir():
        path /= report.file_name
    try:
        if path.exists() and not path.is_file():  # a device, a pipe: nothing that could be replaced
            return str(path), _copy(report.parts, str(path))
        size = write_parts(path.resolve(), report.parts)
    except BrokenPipeError:  # whoever reads has seen enough
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {(error.strerror or 'error').lower()}.") from None
    say(f"The report is in {path} ({max(1, size // 1000):,} kB).")
    return str(path), size


def _copy(parts: Iterable[bytes], where: str) -> int:
    size = 0
    with open(sys.stdout.fileno() if where == STANDARD_OUTPUT else where, "wb", closefd=where != "-") as file:
        for part in parts:
            size += file.write(part)
    return size
