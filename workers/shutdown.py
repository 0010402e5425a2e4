"""Handing a task back: its worker is told to stop, and another run goes on where this one leaves off.

The worker's SIGTERM reaches the process of the task, which looks at this flag wherever
a cancelled task would stop too, so that nothing is left half-done.
"""

from __future__ import annotations

from workers.errors import WorkerStopsError


class Shutdown:
    """Whether the worker of this process has been told to stop."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, *_: object) -> None:
        """Hand the task back at the next opportunity. A signal handler."""
        self.asked = True

    def check(self) -> None:
        """Raise WorkerStopsError once the worker has been told to stop."""
        if self.asked:
            raise WorkerStopsError


SHUTDOWN = Shutdown()
"""That of this process: signals are, too."""
