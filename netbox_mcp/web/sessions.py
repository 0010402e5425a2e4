"""Who is signed in at the pages.

A session lives in the memory of this process and ends with it. Of its id, which only the browser has, the
digest is kept.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

from mcp.server.auth.provider import AccessToken

MOST_SESSIONS = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser: for whom, until when (Unix time), and what its forms must carry."""

    key: str
    who: AccessToken
    form_token: str
    ends_at: float


class Sessions:
    """The sessions of this process. Used in its event loop only."""

    def __init__(self, seconds: int, most: int = MOST_SESSIONS) -> None:
        self._seconds = seconds
        self._most = most
        self._open: dict[str, Session] = {}

    def open(self, who: AccessToken) -> tuple[str, Session]:
        """A new session and its id, which is told once. It ends with the token at the latest."""
        now = time.time()
        self._sweep(now)
        session_id = secrets.token_urlsafe(32)
        ends_at = now + self._seconds
        if who.expires_at is not None:
            ends_at = min(ends_at, who.expires_at)
        session = Session(_digest(session_id), who, secrets.token_urlsafe(32), ends_at)
        self._open[session.key] = session
        return session_id, session

    def find(self, session_id: str) -> Session | None:
        """The session of that id, if there is one and it has not ended."""
        session = self._open.get(_digest(session_id))
        return session if session is not None and self.is_open(session) else None

    def is_open(self, session: Session) -> bool:
        """Whether somebody is still signed in; asked for as long as a page is being kept up to date."""
        return session.key in self._open and time.time() < session.ends_at

    def close(self, session: Session) -> None:
        """Sign out."""
        self._open.pop(session.key, None)

    def _sweep(self, now: float) -> None:
        """Forget those that have ended and, of too many, the oldest."""
        for session in list(self._open.values()):
            if session.ends_at <= now:
                del self._open[session.key]
        while len(self._open) >= self._most:
            del self._open[next(iter(self._open))]


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()
