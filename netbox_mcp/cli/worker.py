"""`netbox-mcp worker`: the processes that carry out background tasks."""

from __future__ import annotations

from typing import Annotated

import typer

from netbox_mcp.cli.output import DryRunFlag
from netbox_mcp.dependencies import get_settings

MAX_PROCESSES = 64


def worker(
    processes: Annotated[
        int,
        typer.Option(
            "--processes",
            "-n",
            min=1,
            max=MAX_PROCESSES,
            help="How many; of several, one that dies is replaced.",
        ),
    ] = 1,
    dry_run: DryRunFlag = False,
) -> None:
    """Carry out background tasks until stopped; several processes work on several targets at once.

    Needs REDIS_URL, and the NetBox targets that its tasks name. Ctrl-C or SIGTERM hands running tasks back.
    """
    # Imported here: no other command needs the worker, and rq is slow to load.
    from workers.pool import run_pool
    from workers.worker import run_worker

    if processes == 1:
        run_worker(get_settings())
    else:
        run_pool(get_settings(), processes)
