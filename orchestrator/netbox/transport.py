"""The connection to one NetBox: sessions, time-outs, retries, and every failure as a typed error.

Reads are retried; a write is sent again only when it is certain that NetBox
did nothing (no connection, 429). All but probes keep the target's rate limit
(pace.py). Safe to use from several threads: each has sessions of its own.
What rows look like is rest.py's business.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote, urlsplit

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, InsecureRequestWarning
from urllib3.util import Retry

from orchestrator.errors import UnknownOutcomeError, UnreachableError
from orchestrator.netbox.answers import not_netbox, read_failure, redirected, write_failure
from orchestrator.netbox.pace import LONGEST_PAUSE_SECONDS, ReadRetry, pace_of, told_pause
from orchestrator.netbox.settings import NetBoxSettings

Parameters = Sequence[tuple[str, str | int]]
Watch = Callable[[str, int, float | None], None]
"""Told of each request: verb, status (0: no answer), seconds; None where they count with a later try."""

_WRITE_ATTEMPTS = 5
# A read whose answer breaks off in the middle, which urllib3 does not see, is sent once more.
_READ_ATTEMPTS = 2


class _TokenAuth(requests.auth.AuthBase):
    """Puts the token into the header. As an auth object, so that a .netrc cannot replace it."""

    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}" if token.startswith("nbt_") else f"Token {token}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = self._header
        return request


class Transport:
    """Sends requests to one NetBox and hands back decoded JSON.

    `api_version` is the release line ("4.7") that the latest answer named,
    empty before the first.
    """

    def __init__(self, settings: NetBoxSettings, watch: Watch | None = None) -> None:
        self._settings = settings
        self._watch = watch
        # Handed over with each request: set on a session it would lose against REQUESTS_CA_BUNDLE.
        self._verify = verify if isinstance(verify := settings.verify_tls, bool) else str(verify)
        if self._verify is False:
            urllib3.disable_warnings(
                InsecureRequestWarning
            )  # the operator chose so; once per request helps nobody
        self._root = f"{settings.url}/api/"
        self._pace = pace_of(settings.url, settings.max_requests_per_second)
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._local = threading.local()
        self._lock = threading.Lock()
        self.api_version = ""
        self.clock_ahead_seconds: float | None = None

    def line_length(self, path: str, parameters: Parameters) -> int:
        """Bytes that this request's path and query take up in its first line."""
        return len(urlsplit(self._url(path, parameters)).path) + 1 + len(encode(parameters))

    def get(self, path: str, parameters: Parameters = (), patience_seconds: float = 0.0) -> Any:
        """Read, with more patience if need be. Raises UnreachableError, AccessError, NetBoxError."""
        connect, read = self._timeouts()
        return self._read("GET", path, parameters, timeouts=(connect, max(read, patience_seconds)))

    def get_list(self, path: str, parameters: Parameters) -> dict[str, Any]:
        """Read one page of a list, with its `count` and its `results`. Raises as `get`."""
        answer = self._read("GET", path, parameters)
        if not isinstance(answer, dict) or "results" not in answer:
            raise not_netbox(self._settings.url)
        return answer

    def probe(self, path: str, patience_seconds: float) -> Any:
        """Read with one try that is given up after this time. Raises as `get`."""
        return self._read("GET", path, (), "probes", (patience_seconds, patience_seconds))

    def options(self, path: str) -> Any:
        """Ask what an endpoint accepts. Raises as `get`."""
        return self._read("OPTIONS", path, ())

    def write(self, method: str, path: str, body: Sequence[Mapping[str, Any]]) -> tuple[Any, str]:
        """Send a list write (POST, PATCH or DELETE); returns the answer and NetBox's id of the request.

        Raises UnreachableError (certainly nothing done), RejectedError,
        AccessError (both: NetBox did nothing), UnknownOutcomeError (it may have).
        """
        data = orjson.dumps(body)
        for attempt in range(1, _WRITE_ATTEMPTS + 1):
            try:
                response = self._send_write(method, path, data)
            except UnreachableError:
                if attempt == _WRITE_ATTEMPTS:
                    raise
                pause = 0.2 * 2**attempt
            else:
                if response.status_code != 429:
                    return self._written(response, body)
                told = told_pause(response.headers.get("Retry-After"))
                pause = float(2**attempt) if told is None else told
                if pause > LONGEST_PAUSE_SECONDS or attempt == _WRITE_ATTEMPTS:
                    raise self._too_many_requests(attempt, told)
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _too_many_requests(self, attempts: int, told: float | None) -> UnreachableError:
        times = "once" if attempts == 1 else f"{attempts} times"
        later = f"in {told:.0f} seconds" if told else "later"
        return UnreachableError(
            f"NetBox at {self._settings.url} refused a write {times} because "
            "of too many requests (429); nothing was written.",
            f"Try again {later}, set max_requests_per_second for this target, or raise the limit "
            "of the proxy in front of NetBox.",
        )

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        with self._lock:
            for session in list(self._sessions):
                session.close()

    def _read(
        self,
        method: str,
        path: str,
        parameters: Parameters,
        purpose: str = "reads",
        timeouts: tuple[float, float] | None = None,
    ) -> Any:
        response = self._send_read(method, self._url(path, parameters), purpose, timeouts or self._timeouts())
        self._note_version(response)
        if response.is_redirect:
            raise redirected(self._settings.url, response)
        if not response.ok:
            raise read_failure(self._settings, response)
        return self._decoded(response)

    def _send_read(
        self, method: str, url: str, purpose: str, timeouts: tuple[float, float]
    ) -> requests.Response:
        for attempt in range(1, _READ_ATTEMPTS + 1):
            if purpose == "reads":
                self._pace.wait()
            begun = time.monotonic()
            response = None
            try:
                response = self._session(purpose).request(
                    method, url, timeout=timeouts, verify=self._verify, allow_redirects=False
                )
                return response
            except requests.exceptions.ChunkedEncodingError as error:
                if purpose != "reads" or attempt == _READ_ATTEMPTS:
                    raise self._unreachable(error) from None
            except requests.RequestException as error:
                raise self._unreachable(error) from None
            finally:
                self._tell(method, response, begun)
        raise AssertionError("the last attempt returns or raises")

    def _tell(self, method: str, response: requests.Response | None, begun: float) -> None:
        """Tell who watches of a request, and of those that urllib3 made before it in the same time."""
        if self._watch is None:
            return
        earlier = response.raw.retries.history if response is not None and response.raw.retries else ()
        for one in earlier:
            self._watch(method, one.status or 0, None)
        self._watch(method, response.status_code if response is not None else 0, time.monotonic() - begun)

    def _decoded(self, response: requests.Response) -> Any:
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError:
            raise not_netbox(self._settings.url) from None

    def _send_write(self, method: str, path: str, data: bytes) -> requests.Response:
        self._pace.wait()
        session = self._session("writes")
        begun = time.monotonic()
        response = None
        try:
            response = session.request(
                method,
                self._url(path, ()),
                data=data,
                headers={"Content-Type": "application/json", "Connection": "close"},
                timeout=self._timeouts(),
                verify=self._verify,
                allow_redirects=False,
            )
            return response
        except requests.RequestException as error:
            if never_sent(error):
                raise self._unreachable(error) from None
            raise UnknownOutcomeError(
                f"NetBox at {self._settings.url} took a write and gave no answer ({_kind(error)}).",
                "Read back before anything is sent again.",
            ) from None
        finally:
            # Some servers close the connection without announcing it; the next write must not meet that.
            session.close()
            self._tell(method, response, begun)

    def _written(self, response: requests.Response, body: Sequence[Mapping[str, Any]]) -> tuple[Any, str]:
        self._note_version(response)
        if response.is_redirect:
            raise redirected(self._settings.url, response)
        if not response.ok:
            raise write_failure(self._settings, response, body)
        request_id = response.headers.get("X-Request-ID", "")
        if response.status_code == 204:
            return None, request_id
        try:
            return orjson.loads(response.content), request_id
        except orjson.JSONDecodeError:
            raise UnknownOutcomeError(
                f"NetBox at {self._settings.url} answered a write with something that is not JSON.",
                "Look for a proxy that changes answers; read back before anything is sent again.",
            ) from None

    def _unreachable(self, error: requests.RequestException) -> UnreachableError:
        url = self._settings.url
        if isinstance(error, requests.exceptions.SSLError):
            return UnreachableError(
                f"The TLS connection to NetBox at {url} failed: untrusted certificate or no TLS there.",
                "Set NETBOX_MCP_VERIFY_TLS to the certificate of your CA, or correct NETBOX_URL.",
            )
        return UnreachableError(
            f"NetBox at {url} does not answer ({_kind(error)}).",
            "Check NETBOX_URL and whether NetBox is running.",
        )

    def _session(self, purpose: str) -> requests.Session:
        """This thread's session for reads, which are retried, for probes or for writes, which are not.

        Writes use a fresh connection each: one that NetBox had closed while it
        was idle would look like a write of unknown outcome.
        """
        session: requests.Session | None = getattr(self._local, purpose, None)
        if session is None:
            session = requests.Session()
            session.auth = _TokenAuth(self._settings.token.get_secret_value())
            session.headers.update(
                {"Accept": "application/json", "User-Agent": f"netbox-mcp/{_own_version()}"}
            )
            retries = ReadRetry.at(self._pace) if purpose == "reads" else Retry(0, read=False)
            adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=retries)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            setattr(self._local, purpose, session)
            with self._lock:
                self._sessions.add(session)
        return session

    def _url(self, path: str, parameters: Parameters) -> str:
        query = encode(parameters)
        return f"{self._root}{path}/" + (f"?{query}" if query else "")

    def _timeouts(self) -> tuple[float, float]:
        return self._settings.connect_timeout_seconds, self._settings.read_timeout_seconds

    def _note_version(self, response: requests.Response) -> None:
        self.api_version = response.headers.get("API-Version", self.api_version)
        with suppress(KeyError, ValueError):  # RFC 9110, section 6.6.1: to the second
            told = parsedate_to_datetime(response.headers["Date"]).timestamp()
            self.clock_ahead_seconds = told - time.time()


def encode(parameters: Parameters) -> str:
    """A query string; what it yields is what travels, so its length can be relied on."""
    return "&".join(f"{quote(name, safe='')}={quote(str(value), safe=',')}" for name, value in parameters)


def never_sent(error: requests.RequestException) -> bool:
    """Whether a request certainly did not reach NetBox: no connection was made, or TLS found no trust."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.exceptions.ProxyError):
        reason = getattr(reason, "original_error", None)
    return isinstance(reason, ConnectTimeoutError) or any(mark in str(error) for mark in _TLS_MARKS)


def _kind(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection within the time allowed"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer within the time allowed"
    text = str(error)
    for mark, words in _SYMPTOMS.items():
        if mark in text:
            return words
    return "connection lost"


# Handshakes that fail before a request is sent.
_TLS_MARKS = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")
_SYMPTOMS = {
    "NameResolutionError": "its name cannot be resolved",
    "Connection refused": "connection refused",
    "No route to host": "no route to it",
    "Network is unreachable": "no network",
    "timed out": "no answer within the time allowed",
    "Temporary failure in name resolution": "its name cannot be resolved",
}


def _own_version() -> str:
    try:
        return version("netbox-mcp-orchestrator")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
