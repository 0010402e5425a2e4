"""`netbox-mcp worker`: the processes that carry out background tasks."""

from __future__ import annotations

import socket
from typing import Annotated

import typer

from netbox_mcp.cli.output import DryRunFlag
from netbox_mcp.config import Settings
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
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Start none; end with 0 if one of this machine or container listens. For health checks.",
        ),
    ] = False,
    dry_run: DryRunFlag = False,
) -> None:
    """Carry out background tasks until stopped; several processes work on several targets at once.

    Needs REDIS_URL, and the NetBox targets that its tasks name. Ctrl-C or SIGTERM hands running tasks back.
    """
    if check:
        _check_here(get_settings())
        return
    # Imported here: no other command needs the worker, and rq is slow to load.
    from workers.pool import run_pool
    from workers.worker import run_worker

    if processes == 1:
        run_worker(get_settings())
    else:
        run_pool(get_settings(), processes)


def _check_here(settings: Settings) -> None:
    """Say which workers of this machine listen. Raises NoWorkerError where none does."""
    from workers.connection import connect_briefly
    from workers.errors import NoWorkerError
    from workers.roster import list_workers_here

    with connect_briefly(settings) as redis:
        workers = list_workers_here(redis, settings)
    if not workers:
        raise NoWorkerError(
            f"No worker of {socket.gethostname()} listens on queue {settings.queue!r}.",
            "A worker that was started just now, or killed, is seen within 20 s; see its log.",
        )
    print(", ".join(f"{worker.name} is {worker.state}" for worker in workers))
