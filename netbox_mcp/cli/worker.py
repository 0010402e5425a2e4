"""`netbox-mcp worker`: one process that carries out background tasks."""

from __future__ import annotations

from netbox_mcp.cli.output import DryRunFlag
from netbox_mcp.dependencies import get_settings


def worker(dry_run: DryRunFlag = False) -> None:
    """Carry out background tasks until stopped; start several to work on several targets at once.

    Needs REDIS_URL, and the NetBox targets that its tasks name. Ctrl-C hands a running task back.
    """
    # Imported here: no other command needs the worker, and rq is slow to load.
    from workers.worker import run_worker

    run_worker(get_settings())
