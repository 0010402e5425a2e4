"""Which addresses are pages, which of them are open to everybody, and where signing in may lead."""

from __future__ import annotations

from urllib.parse import urlsplit

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"
STATIC = "/static/"
_PLACES = frozenset({"tasks", "plans", "batches", "static", "sign-in", "sign-out"})


def is_page(path: str) -> bool:
    """Whether the pages answer here. All other addresses are those of MCP, REST and the queue's dashboard."""
    return path == "/" or path.removeprefix("/").partition("/")[0] in _PLACES


def is_open(path: str) -> bool:
    """Whether the page may be seen by everybody: the sign-in page, and what it is painted with."""
    return path == SIGN_IN or path.startswith(STATIC)


def way_back(wanted: str) -> str:
    """The page to go to after signing in, or an empty string where the address is not one of ours.

    What begins with two slashes, or more, leads to another host. Browsers drop control characters and take a
    backslash for a slash, so an address with any of those is none of ours either.
    """
    if not wanted.startswith("/") or wanted.startswith("//"):
        return ""
    if any(one <= " " or one in "\\\x7f" for one in wanted):
        return ""
    path = urlsplit(wanted).path
    return wanted if is_page(path) and not is_open(path) and path != SIGN_OUT else ""
