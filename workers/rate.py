"""How many objects a second are written, by what was seen of late: for what tells how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 30.0


class Rate:
    """The rate over the last half minute. Whoever uses it keeps threads apart."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window: deque[tuple[float, int]] = deque()

    def note(self, written: int) -> None:
        """So many objects have been written by now; to be called with 0 when writing begins."""
        self._window.append((self._clock(), written))

    def per_second(self, written: int) -> float | None:
        """The rate, given how many have been written by now; None where nothing is known of it."""
        now = self._clock()
        while len(self._window) > 1 and now - self._window[1][0] > WINDOW_SECONDS:
            self._window.popleft()
        if not self._window:
            return None
        since, before = self._window[0]
        done = written - before
        return done / (now - since) if done and now > since else None
