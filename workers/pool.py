"""Several worker processes under one command: started, replaced when they die, stopped together.

RQ's worker pool, with our worker in it.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.process import BaseProcess
from typing import Any

import structlog
from rq.worker_pool import ForkProcess, WorkerPool

from orchestrator.errors import OrchestratorError
from workers.connection import connect
from workers.logs import configure_logging
from workers.settings import WorkerSettings
from workers.worker import die_with_parent, run_worker

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TaskWorkerPool(WorkerPool):
    """A supervisor of workers. Its process does no tasks itself; its workers do not outlive it."""

    def __init__(self, settings: WorkerSettings, number: int) -> None:
        self._settings = settings
        # Redis is asked nothing by the pool: each worker makes a connection of its own.
        with connect(settings) as redis:
            super().__init__([settings.queue], connection=redis, num_workers=number)

    def start_worker(self, *args: Any, **kwargs: Any) -> None:
        """Start a worker, unless the pool has been told to stop; that waits until the worker is known."""
        held = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            if self.status is not self.Status.STOPPED:
                super().start_worker(*args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def get_worker_process(
        self, name: str, burst: bool, _sleep: float = 0, logging_level: str = "INFO"
    ) -> BaseProcess:
        """A worker that is still to be started."""
        return ForkProcess(target=_work, args=(self._settings, os.getpid()), name=f"worker {name}")


def run_pool(settings: WorkerSettings, number: int) -> None:
    """Keep `number` workers running until told to stop; a worker that dies is replaced within seconds.

    SIGTERM or Ctrl-C: each hands its task back and ends. Raises RedisUnavailableError when Redis cannot be
    used at the start.
    """
    configure_logging(settings.log_format)
    pool = TaskWorkerPool(settings, number)
    log.info("supervisor starts", workers=number, queue=settings.queue)
    pool.start(logging_level="WARNING")
    log.info("supervisor stops")


def _work(settings: WorkerSettings, supervisor: int) -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)  # until the worker has its own, not those of the supervisor
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    die_with_parent(supervisor)
    try:
        run_worker(settings)
    except OrchestratorError as error:
        log.error("worker ends", error=error.message, hint=error.hint)
        sys.exit(1)
