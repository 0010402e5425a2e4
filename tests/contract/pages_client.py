"""A browser without a window: the pages by plain HTTP, header by header."""

from __future__ import annotations

import re
import secrets
from html import unescape

import requests

from netbox_mcp.web.gate import COOKIE


class Visitor:
    """Somebody at the pages. Redirects are not followed; forms say that they come from the server itself."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        # Attempts to sign in are counted by address, and tests are many from one.
        self.address = f"2001:db8::{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}"

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(self.url + path, headers=headers, allow_redirects=False, timeout=20)

    def post(self, path: str, form: dict[str, str], **headers: str) -> requests.Response:
        """Send a form. `origin=""` leaves that header out."""
        given = {"X-Forwarded-For": self.address, "Origin": self.url}
        if "origin" in headers:
            del given["Origin"], headers["origin"]
        given |= {name.replace("_", "-"): text for name, text in headers.items()}
        return self.session.post(self.url + path, data=form, headers=given, allow_redirects=False, timeout=20)

    def sign_in(self, token: str, back: str = "", **headers: str) -> requests.Response:
        return self.post("/sign-in", {"token": token, "next": back}, **headers)

    def form_token(self, path: str = "/plans") -> str:
        """What the forms of a page carry."""
        found = re.search(r'name="form_token" value="([^"]+)"', self.get(path).text)
        assert found, f"no form at {path}"
        return unescape(found[1])

    def act(self, path: str, **fields: str) -> requests.Response:
        """Send a form as its page would."""
        return self.post(path, {"form_token": self.form_token(), **fields})

    @property
    def cookie(self) -> str:
        return self.session.cookies.get(COOKIE) or ""

    def is_signed_in(self) -> bool:
        return self.get("/sign-in").status_code == 303


def signed_in(url: str, token: str) -> Visitor:
    visitor = Visitor(url)
    answer = visitor.sign_in(token)
    assert answer.status_code == 303, answer.text
    return visitor
