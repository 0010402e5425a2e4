"""When a request may leave, and when it is sent again: the rate limit of a target, and Retry-After.

A NetBox, or the proxy in front of it, that asks for a short pause gets it;
one that asks for a long one ends the request, for the batch can go on later.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry

LONGEST_PAUSE_SECONDS = 60.0

# A 500 may be a deadlock, or a database that restarts; a read does no harm by being sent again.
_PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})


class Pace:
    """Spaces requests evenly, whichever threads they come from; without a rate it lets all through."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Sleep until it is this request's turn."""
        if not self._gap:
            return
        with self._lock:
            turn = max(time.monotonic(), self._next)
            self._next = turn + self._gap
        time.sleep(max(0.0, turn - time.monotonic()))


class ReadRetry(Retry):
    """urllib3's retries for reads: each in its turn, none after a Retry-After of more than a minute."""

    pace: Pace

    @classmethod
    def at(cls, pace: Pace) -> ReadRetry:
        """The retries of a new session."""
        # Time-outs of a retried read add up: one more try, not three.
        retry = cls(
            total=4,
            connect=3,
            read=1,
            status=3,
            other=0,
            redirect=0,
            backoff_factor=0.3,
            allowed_methods=frozenset({"GET", "OPTIONS"}),
            status_forcelist=_PASSING_STATUSES,
            raise_on_status=False,
        )
        retry.pace = pace
        return retry

    def new(self, **changes: Any) -> ReadRetry:
        """A copy with changes, as urllib3 makes one for each try."""
        copy = super().new(**changes)
        copy.pace = self.pace
        return copy

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> ReadRetry:
        """Count a try; give up at once where the answer asks for a longer pause than we take."""
        if response is not None and (told_pause(response.headers.get("Retry-After")) or 0) > (
            LONGEST_PAUSE_SECONDS
        ):
            raise MaxRetryError(_pool, url or "", None)
        return super().increment(method, url, response, error, _pool, _stacktrace)

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Pause as the answer says, or longer each time; then wait for the turn."""
        told = told_pause(response.headers.get("Retry-After")) if response is not None else None
        if told is None:
            self._sleep_backoff()
        else:
            time.sleep(told)
        self.pace.wait()


def told_pause(retry_after: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, in seconds or as a date; None where it says nothing."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        moment = _http_date(retry_after)
        if moment is None:
            return None
        seconds = moment.timestamp() - time.time()
    return max(seconds, 0.0)


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


_paces: dict[tuple[str, float | None], Pace] = {}
_paces_lock = threading.Lock()


def pace_of(url: str, per_second: float | None) -> Pace:
    """The pace of a target: one for all connections of this process to it."""
    with _paces_lock:
        return _paces.setdefault((url, per_second), Pace(per_second))
