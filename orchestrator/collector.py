"""Keeps Python's cycle collector out of the way while a plan is made.

A plan of 100,000 objects is millions of small values, and nearly all of them
live until it is done: looking through them for garbage again and again finds
none and makes every object dearer, the more there are.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pausing = 0
_was_enabled = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """No collection while the block runs, in this thread or any other; as before once the last has left."""
    global _pausing, _was_enabled
    with _lock:
        if _pausing == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pausing += 1
    try:
        yield
    finally:
        with _lock:
            _pausing -= 1
            if _pausing == 0 and _was_enabled:
                _let_grow_old()
                gc.enable()


def _let_grow_old() -> None:
    """What was made meanwhile is to stay: the next full collection is early enough to look at it."""
    if gc.get_freeze_count() == 0:  # else somebody wants what is frozen to stay so
        gc.freeze()
        gc.unfreeze()  # into the oldest generation
