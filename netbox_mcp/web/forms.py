"""What comes back from a page: that it is one of ours, from this browser, and what its fields hold."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from netbox_mcp.access import ForbiddenError
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import TooLargeError, UsageError
from netbox_mcp.web.sessions import Session

FORM_TOKEN = "form_token"  # noqa: S105  the name of a field
MOST_BYTES = 64 * 1024
MOST_FIELDS = 30
_FORM = "application/x-www-form-urlencoded"
_AGAIN = "Open the page again and repeat it there."


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises UsageError for another kind of body, TooLargeError."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise UsageError("This takes what a form of ours sends.", "Use /api/v1 for programs.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise TooLargeError(f"The form is longer than {MOST_BYTES:,} bytes.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise UsageError("The form cannot be read.", _AGAIN) from None


def check_origin(request: Request) -> None:
    """Raise ForbiddenError unless the browser says that the form stood on a page of this server.

    Every browser sends `Origin` with a form, and `Sec-Fetch-Site` where it trusts the connection.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if (site or origin) and site in (None, "same-origin") and origin in (None, *_own_origins(request)):
        return
    raise ForbiddenError(
        "This form was not sent from a page of this server; nothing was done.",
        "Behind a reverse proxy, let it pass on the Host header or set NETBOX_MCP_PUBLIC_URL.",
    )


def check_form_token(session: Session, form: Mapping[str, str]) -> None:
    """Raise ForbiddenError unless the form was made for this session."""
    given = form.get(FORM_TOKEN, "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, session.form_token.encode()):
        raise ForbiddenError("This form was not made for this session; nothing was done.", _AGAIN)


def is_encrypted(request: Request) -> bool:
    """Whether the browser speaks https, to us or to a proxy before us. Its own word is what counts."""
    origin = request.headers.get("origin")
    return urlsplit(origin).scheme == "https" if origin else request.url.scheme == "https"


def _own_origins(request: Request) -> list[str]:
    """Our addresses as the browser may know them; a proxy before us may have taken the `s` off https."""
    host, public = request.headers.get("host", ""), get_settings().public_url
    return [f"http://{host}", f"https://{host}", *([public] if public else [])]
