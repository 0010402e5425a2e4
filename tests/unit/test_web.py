"""Parts of the web pages by themselves: unseen text, links into NetBox, sessions and their bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from markupsafe import Markup
from mcp.server.auth.provider import AccessToken

from netbox_mcp.dependencies import forget
from netbox_mcp.web.links import changelog_of, objects_in
from netbox_mcp.web.paths import is_page
from netbox_mcp.web.rendering import ENVIRONMENT, show_unseen, span
from netbox_mcp.web.sessions import Sessions


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("NETBOX_TOKEN", "0123456789abcdef0123456789abcdef01234567")
    forget()
    yield monkeypatch
    forget()


def someone(**fields: object) -> AccessToken:
    return AccessToken.model_validate({"token": "t", "client_id": "jane", "scopes": ["read"], **fields})


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sw\u202e1-sma", "sw[U+202E]1-sma"),
        ("a\x00b\x1bc", "a[U+0000]b[U+001B]c"),
        ("zero\u200bwidth\ufeff", "zero[U+200B]width[U+FEFF]"),
        ("\u05e9\u05dc\u05d5\u05dd \u6771\u4eac \U0001f468\u200d\U0001f4bb", None),
    ],
)
def test_what_cannot_be_seen_is_written_out_and_the_rest_stays(name: str, shown: str | None) -> None:
    assert show_unseen(name) == (shown or name)
    template = ENVIRONMENT.from_string('<a title="{{ name }}">{{ name }}</a>')
    assert template.render(name=f"<b>{name}\"'") == str(
        Markup('<a title="{0}">{0}</a>').format(f"<b>{shown or name}\"'")
    )


def test_links_lead_to_the_configured_netbox_and_nowhere_else(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("NETBOX_URL", "https://netbox.example.net/base/")
    link = objects_in("default")
    assert link("device_types", 7) == "https://netbox.example.net/base/dcim/device-types/7/"
    assert link("no such type", 7) == link("devices", None) == ""
    assert changelog_of("default", "b-1&x=/") == (
        "https://netbox.example.net/base/core/changelog/?q=b-1%26x%3D%2F"
    )
    assert objects_in("elsewhere")("devices", 7) == ""


@pytest.mark.parametrize("url", ["javascript:alert(1)//", "data:text/html,x", "ftp://netbox.example.net"])
def test_no_link_leads_to_what_is_no_address(configured: pytest.MonkeyPatch, url: str) -> None:
    configured.setenv("NETBOX_URL", url)
    assert objects_in("default")("devices", 7) == ""


def test_a_session_is_found_by_its_id_and_ends() -> None:
    sessions = Sessions(60)
    session_id, session = sessions.open(someone())
    assert sessions.find(session_id) is session
    assert sessions.find(session.key) is None  # what the server keeps opens nothing
    assert sessions.find("") is None
    sessions.close(session)
    assert sessions.find(session_id) is None
    session_id, _ = sessions.open(someone(expires_at=int(time.time()) - 1))
    assert sessions.find(session_id) is None


def test_of_too_many_sessions_the_oldest_goes() -> None:
    sessions = Sessions(60, most=2)
    ids = [sessions.open(someone())[0] for _ in range(3)]
    assert [sessions.find(one) is not None for one in ids] == [False, True, True]


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        *[
            (path, True)
            for path in ("/", "/tasks", "/tasks/t-1/events", "/plans/p-1", "/sign-in", "/static/x")
        ],
        *[
            (path, False)
            for path in ("/mcp", "/api/v1/tasks", "/tasksx", "/rq/", "/healthz", "/metrics", "//", "*")
        ],
    ],
)
def test_pages_and_the_rest_are_told_apart(path: str, ours: bool) -> None:
    assert is_page(path) is ours


def test_spans_of_time_are_short() -> None:
    told = ["-", "less than 1 s", "59 s", "1 min 1 s", "1 h 2 min", "1 d 1 h"]
    assert [span(seconds) for seconds in (None, 0.4, 59, 61, 3725, 90_000)] == told
