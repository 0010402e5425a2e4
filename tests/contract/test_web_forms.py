"""Forms at the pages: only those that we have made, for this session, sent by a page of ours, do anything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.clients import bare_command_line
from tests.contract.pages_client import Visitor, signed_in
from tests.contract.test_transports import TOKEN, HttpServer, serve

FOREIGN: list[dict[str, str]] = [
    {"origin": "", "Origin": "https://evil.example"},
    {"origin": "", "Origin": "null"},
    {"origin": "", "Origin": "http://127.0.0.1:1"},
    {"origin": ""},
    {"origin": "", "Sec_Fetch_Site": "cross-site"},
    {"origin": "", "Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "cross-site"},
    {"origin": "", "Origin": "https://evil.example", "Sec_Fetch_Site": "same-origin"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    cli = bare_command_line(tmp_path_factory.mktemp("server"))
    yield from serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_PUBLIC_URL="https://netbox-mcp.example.net")


@pytest.mark.parametrize("headers", FOREIGN)
def test_what_another_site_sends_does_nothing(server: HttpServer, headers: dict[str, str]) -> None:
    visitor = signed_in(server.url, TOKEN)
    form = {"form_token": visitor.form_token()}
    refused = visitor.post("/sign-out", form, **headers)
    assert refused.status_code == 403
    assert "not sent from a page of this server" in refused.text
    assert visitor.is_signed_in()
    stranger = Visitor(server.url)
    refused = stranger.sign_in(TOKEN, **headers)
    assert (refused.status_code, "set-cookie" in refused.headers) == (403, False)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "", "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "same-origin"},
        {"origin": "", "Origin": "https://netbox-mcp.example.net"},
    ],
)
def test_what_a_page_of_ours_sends_is_done(server: HttpServer, headers: dict[str, str]) -> None:
    visitor = signed_in(server.url, TOKEN)
    assert visitor.post("/sign-out", {"form_token": visitor.form_token()}, **headers).status_code == 303
    assert not visitor.is_signed_in()


def test_a_form_without_the_token_of_its_session_does_nothing(server: HttpServer) -> None:
    visitor, other = signed_in(server.url, TOKEN), signed_in(server.url, TOKEN)
    for form in (
        {"confirm": "yes"},
        {"form_token": ""},
        {"form_token": "made-up"},
        {"form_token": "é"},
        {"form_token": other.form_token()},
        {"form_token": visitor.cookie},
        {"form_token": TOKEN},
    ):
        for path in ("/sign-out", "/tasks/t-1/cancel", "/plans/p-1/apply", "/batches/b-1/rollback"):
            refused = visitor.post(path, form)
            assert refused.status_code == 403, path
            assert "not made for this session" in refused.text
    assert visitor.is_signed_in()
    assert visitor.act("/sign-out").status_code == 303


def test_only_short_forms_are_read(server: HttpServer) -> None:
    visitor = signed_in(server.url, TOKEN)
    form_token = visitor.form_token()
    assert visitor.post("/sign-out", {"form_token": form_token, "x": "x" * 100_000}).status_code == 413
    many = {"form_token": form_token, **{f"field-{at}": "" for at in range(100)}}
    assert visitor.post("/sign-out", many).status_code == 422
    for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
        answer = visitor.session.post(
            f"{server.url}/sign-out",
            data=f"form_token={form_token}".encode(),
            headers={"Origin": server.url, "Content-Type": kind},
            allow_redirects=False,
            timeout=10,
        )
        assert answer.status_code == 422, kind
    for method in ("GET", "PUT", "DELETE"):
        answer = visitor.session.request(method, f"{server.url}/sign-out", allow_redirects=False, timeout=10)
        assert answer.status_code == 405
    assert visitor.is_signed_in()


def test_every_answer_ties_the_hands_of_the_browser(server: HttpServer) -> None:
    visitor = signed_in(server.url, TOKEN)
    answers = [Visitor(server.url).get(path) for path in ("/", "/sign-in", "/static/live.js", "/tasks/t-1")]
    answers += [visitor.get(path) for path in ("/", "/plans/p-1", "/tasks/a/b/c", "/plans/p-1?page=x")]
    answers.append(visitor.post("/sign-out", {}))
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for rule in ("frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'", "script-src 'self'"):
            assert rule in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        kept = "no-cache" if "/static/" in answer.url else "no-store"
        assert answer.headers["cache-control"] == kept, answer.url
        assert "<script>" not in answer.text
        assert " style=" not in answer.text


def test_without_redis_the_pages_say_so_and_what_to_do(server: HttpServer) -> None:
    visitor = signed_in(server.url, TOKEN)
    for path in ("/", "/tasks/t-1", "/plans", "/plans/p-1", "/batches/b-1"):
        answer = visitor.get(path)
        assert answer.status_code == 503, path
        assert "REDIS_URL is not set" in answer.text
        assert "Start Redis" in answer.text
        assert "Sign out" in answer.text
