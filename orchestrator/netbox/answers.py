"""NetBox's refusals as typed errors: what went wrong, which rows, and the way out.

The shapes are those of NetBox 4.7 (`errors` with `index` or `id`) and of
earlier releases (a list aligned with what was sent, or one mapping).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from orchestrator.errors import (
    AccessError,
    BadFilterError,
    NetBoxError,
    RejectedError,
    UnknownOutcomeError,
    UnreachableError,
)
from orchestrator.netbox.settings import NetBoxSettings

_MAX_TEXT = 300
# Keys under which Django and DRF put what belongs to no single field.
_NO_FIELD = ("__all__", "non_field_errors", "detail", "error")
# NetBox's own words where MAINTENANCE_MODE keeps it from writing, which it answers with 500.
_MAINTENANCE = "operating in maintenance mode"


def read_failure(settings: NetBoxSettings, response: requests.Response) -> NetBoxError:
    """What a read's answer of 400 or above means."""
    status = response.status_code
    if status in (401, 403):
        return _access_error(settings, response)
    if status >= 500 or status == 429:
        return UnreachableError(
            f"NetBox at {settings.url} cannot answer now (HTTP {status}{_reason(settings, response)}).",
            "Look at NetBox's log, or try again later.",
        )
    if "API-Version" not in response.headers:
        return not_netbox(settings.url)
    if status == 404:
        return NetBoxError(
            f"This NetBox ({response.headers['API-Version']}) has no {response.request.path_url}."
        )
    said = f"NetBox refused a read (HTTP {status}{_reason(settings, response)})."
    return BadFilterError(said, "Correct the value.") if status == 400 else NetBoxError(said)


def write_failure(
    settings: NetBoxSettings, response: requests.Response, body: Sequence[Mapping[str, Any]]
) -> NetBoxError:
    """What a list write's answer of 400 or above means."""
    status = response.status_code
    if status == 500 and _MAINTENANCE in _reason(settings, response):
        return UnreachableError(
            f"NetBox at {settings.url} is in maintenance mode; nothing was written.",
            "Send the same document again when it is over.",
        )
    if status >= 500 or status == 408:
        # Also where NetBox says IntegrityError: its own roll-back is likely, but a proxy's 502 looks alike.
        return UnknownOutcomeError(
            f"NetBox at {settings.url} failed during a write (HTTP {status}{_reason(settings, response)}).",
            "Read back before anything is sent again.",
            over=status == 500 and "API-Version" in response.headers,
        )
    answer = _json(response)
    if status in (401, 403) and not (isinstance(answer, Mapping) and "errors" in answer):
        return _access_error(settings, response)
    if "API-Version" not in response.headers and answer is None:
        if status == 413:
            return RejectedError("The proxy in front of NetBox refused the list as too large (HTTP 413).")
        if status in (409, 412):
            # NetBox says 412 only to a write that asks for a certain version, and ours do not.
            return RejectedError(f"Something in front of NetBox refused the list (HTTP {status}).")
        return not_netbox(settings.url)
    rows = {index: _scrub(settings, text) for index, text in refused_rows(answer, body).items()}
    return RejectedError(_rejection(settings, response, rows, len(body)), rows)


def refused_rows(answer: Any, body: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Index of each refused row -> "field: reason; ...", as far as the answer tells."""
    if isinstance(answer, Mapping) and isinstance(answer.get("errors"), list):
        places = {row["id"]: index for index, row in enumerate(body) if "id" in row}
        rows: dict[int, str] = {}
        for entry in answer["errors"]:
            index = entry["index"] if "index" in entry else places.get(entry.get("id"))
            if isinstance(index, int) and 0 <= index < len(body):
                rows[index] = flatten(entry.get("errors"))
        return rows
    if isinstance(answer, list) and len(answer) == len(body) and all(isinstance(e, Mapping) for e in answer):
        return {index: flatten(entry) for index, entry in enumerate(answer) if entry}
    if len(body) == 1 and answer:
        return {0: flatten(answer)}
    return {}


def flatten(errors: Any, field: str = "") -> str:
    """`{"name": ["too long"], "__all__": ["no"]}` -> `name: too long; no`."""
    if isinstance(errors, Mapping):
        parts = [
            flatten(value, field if key in _NO_FIELD else f"{field}.{key}" if field else str(key))
            for key, value in errors.items()
        ]
        return "; ".join(part for part in parts if part)
    if isinstance(errors, list):
        if any(isinstance(item, Mapping | list) for item in errors):
            return "; ".join(part for part in (flatten(item, field) for item in errors) if part)
        errors = " ".join(str(item) for item in errors)
    text = str(errors or "").strip()
    return f"{field}: {text}" if field and text else text


def redirected(url: str, response: requests.Response) -> NetBoxError:
    """A redirect is never followed: it would turn a write into a read, and take the token elsewhere."""
    place = response.headers.get("Location", "").split("/api/")[0].split("?")[0]
    return NetBoxError(
        f"{url} redirects to {place or 'another place'}.", "Set NETBOX_URL to NetBox's own address."
    )


def not_netbox(url: str) -> NetBoxError:
    """What answers there is no NetBox API."""
    return NetBoxError(
        f"What answers at {url} is not a NetBox API.", "Set NETBOX_URL to NetBox's own address."
    )


def _access_error(settings: NetBoxSettings, response: requests.Response) -> AccessError:
    """401 or 403: a wrong token, or a right one that may not do this."""
    reason = _reason(settings, response)
    where = f"NetBox at {settings.url}"
    if "permission" in reason.lower() or "not permitted" in reason.lower():
        return AccessError(
            f"{where} does not let this token {response.request.method} "
            f"{urlsplit(response.request.url).path!s} (HTTP {response.status_code}{reason}).",
            "Give its user the object permission (view, add, change, delete) "
            "and enable writing on the token.",
        )
    variable = "NETBOX_TOKEN" if settings.name == "default" else f"the token of target {settings.name}"
    return AccessError(
        f"{where} does not accept the token (HTTP {response.status_code}{reason}).",
        f"Check {variable}; a v2 token is nbt_<key>.<secret> as a whole.",
    )


def _rejection(
    settings: NetBoxSettings, response: requests.Response, rows: Mapping[int, str], sent: int
) -> str:
    if rows:
        return f"NetBox refused {len(rows)} of {sent} rows and wrote none of them. First: {rows[min(rows)]}"
    reason = _reason(settings, response)
    return f"NetBox refused a list of {sent} and wrote none of it (HTTP {response.status_code}{reason})."


def _reason(settings: NetBoxSettings, response: requests.Response) -> str:
    """`: <NetBox's own words>`, or nothing where there are none."""
    answer = _json(response)
    if isinstance(answer, Mapping):
        words = answer.get("detail") or answer.get("error")
        answer = words if words else {k: v for k, v in answer.items() if k != "errors"}
    text = " ".join(_scrub(settings, flatten(answer)).split()) if answer else ""
    return f": {text[:_MAX_TEXT]}" if text else ""


def _scrub(settings: NetBoxSettings, text: str) -> str:
    """Text without the token, should an answer repeat it."""
    token = settings.token.get_secret_value()
    for secret in filter(None, (token, token.rpartition(".")[2])):
        text = text.replace(secret, "***")
    return text


def _json(response: requests.Response) -> Any:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
