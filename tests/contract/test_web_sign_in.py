"""Signing in at the pages: who gets in, what a session opens and what it does not, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from netbox_mcp.web.gate import COOKIE
from netbox_mcp.web.sign_in import ATTEMPTS_PER_MINUTE
from tests.contract.clients import CommandLine, bare_command_line
from tests.contract.pages_client import Visitor, signed_in
from tests.contract.test_oauth import PUBLIC_URL, Issuer, publish
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.contract.test_who_may import CLIENTS, TOKENS

PAGES = (
    "/",
    "/tasks/t-1",
    "/tasks/t-1/events",
    "/plans",
    "/plans/p-1",
    "/batches/b-1",
    "/batches/b-1/rollback",
)
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/plans",
    "///evil.example/plans",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/plans\r\nSet-Cookie: a=b",
    "/plans/\r\nSet-Cookie: a=b",
    "/plans/\\evil.example",
    "javascript:alert(1)",
    "http:plans",
    "plans",
    "/api/v1/tasks",
    "/mcp",
    "/rq/",
    "/sign-in?next=/",
    "/sign-out",
    "/static/page.css",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """One server for all tests of this file: it has no NetBox and no Redis."""
    cli = bare_command_line(tmp_path_factory.mktemp("server"))
    yield from serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_CLIENTS=CLIENTS)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    yield from publish()


def without_jar(server: HttpServer, path: str, headers: dict[str, str]) -> requests.Response:
    """As a browser that keeps a cookie for longer than it is told to."""
    return requests.get(server.url + path, headers=headers, allow_redirects=False, timeout=10)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": f"Bearer {TOKEN}"}, {"Cookie": f"{COOKIE}=made-up"}]
)
def test_without_a_session_every_page_leads_to_the_sign_in_page(
    server: HttpServer, headers: dict[str, str]
) -> None:
    visitor = Visitor(server.url)
    for path in PAGES:
        answer = visitor.get(path, **headers)
        assert (answer.status_code, answer.text) == (303, ""), path
        assert answer.headers["location"].startswith("/sign-in?next=%2F"), path
    assert visitor.get("/plans?a=b", **headers).headers["location"] == "/sign-in?next=%2Fplans%3Fa%3Db"
    assert visitor.get("/tasks/events", Accept="text/event-stream", **headers).status_code == 401
    for path in ("/tasks/t-1/cancel", "/plans/p-1/approve", "/plans/p-1/apply", "/batches/b-1/rollback"):
        answer = visitor.post(path, {"confirm": "yes"}, **headers)
        assert (answer.status_code, answer.text) == (303, ""), path
        assert "apply" not in answer.headers["location"]


def test_open_are_the_sign_in_page_and_what_it_is_painted_with(server: HttpServer) -> None:
    visitor = Visitor(server.url)
    assert "Bearer token" in visitor.get("/sign-in").text
    for name, kind in (("page.css", "text/css"), ("live.js", "javascript"), ("icon.svg", "image/svg+xml")):
        answer = visitor.get(f"/static/{name}")
        assert (answer.status_code, kind in answer.headers["content-type"]) == (200, True)
    assert visitor.get("/static/../app.py").status_code in (303, 404, 401)
    assert visitor.get("/static/%2e%2e/app.py").status_code == 404
    assert visitor.get("/static/").status_code == 404


def test_a_token_opens_a_session_whose_cookie_tells_nothing(server: HttpServer) -> None:
    visitor = Visitor(server.url)
    answer = visitor.sign_in(TOKEN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; ")), cookie
    assert "Secure" not in cookie
    assert "Max-Age=28800" in cookie
    assert len(visitor.cookie) >= 43
    assert TOKEN not in cookie
    first = visitor.cookie
    assert visitor.sign_in(TOKEN).status_code == 303
    assert visitor.cookie != first
    old = Visitor(server.url)
    old.session.cookies.set(COOKIE, first)
    assert not old.is_signed_in()  # who signs in again has one session, not two
    assert visitor.is_signed_in()
    assert not {TOKEN, first, visitor.cookie} & set(server.log.read_text().split())


def test_over_https_the_cookie_goes_over_https_only(server: HttpServer) -> None:
    visitor = Visitor(server.url)
    answer = visitor.sign_in(TOKEN, origin="", Origin=server.url.replace("http:", "https:"))
    assert answer.status_code == 303
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    behind_a_proxy = Visitor(server.url).sign_in(
        TOKEN, origin="", Sec_Fetch_Site="same-origin", X_Forwarded_Proto="https"
    )
    assert "Secure" in behind_a_proxy.headers["set-cookie"].split("; ")


@pytest.mark.parametrize(
    "token", ["", "wrong-wrong-wrong-wrong", f"{TOKEN}x", f"Bearer {TOKEN}", "é" * 20, "\ud800"]
)
def test_nothing_else_opens_one(server: HttpServer, token: str) -> None:
    visitor = Visitor(server.url)
    sent = {"token": token.encode("utf-8", "surrogatepass"), "next": b"/"}
    answer = visitor.post("/sign-in", sent)  # type: ignore[arg-type]
    assert answer.status_code in (401, 422)
    assert "set-cookie" not in answer.headers
    assert not visitor.is_signed_in()


@pytest.mark.parametrize("back", ELSEWHERE)
def test_signing_in_leads_to_pages_of_ours_alone(server: HttpServer, back: str) -> None:
    visitor = Visitor(server.url)
    assert visitor.sign_in(TOKEN, back).headers["location"] == "/"
    assert (
        visitor.session.get(
            f"{server.url}/sign-in", params={"next": back}, allow_redirects=False, timeout=10
        ).headers["location"]
        == "/"
    )


@pytest.mark.parametrize("back", ["/plans", "/tasks/t-1", "/batches/b-1?outcome=failed&object_type=devices"])
def test_and_to_the_one_that_was_wanted(server: HttpServer, back: str) -> None:
    assert Visitor(server.url).sign_in(TOKEN, back).headers["location"] == back


def test_a_session_opens_the_pages_and_nothing_else(server: HttpServer) -> None:
    visitor = signed_in(server.url, TOKEN)
    assert visitor.is_signed_in()
    for method, path in (
        ("GET", "/mcp"),
        ("POST", "/mcp"),
        ("GET", "/api/v1/tasks"),
        ("POST", "/api/v1/tasks/t-1/cancel"),
        ("POST", "/api/v1/batches"),
        ("POST", "/api/v1/execute"),
        ("GET", "/api/v1/openapi.json"),
        ("GET", "/metrics"),
        ("GET", "/rq/"),
    ):
        answer = visitor.session.request(method, server.url + path, json={}, timeout=10)
        assert answer.status_code == 401, path


def test_whoever_signs_out_is_out(server: HttpServer) -> None:
    visitor = signed_in(server.url, TOKEN)
    before = visitor.cookie
    assert visitor.act("/sign-out").headers["location"] == "/sign-in"
    assert not visitor.is_signed_in()
    visitor.session.cookies.set(COOKIE, before)
    assert not visitor.is_signed_in()


def test_attempts_are_counted_and_too_many_are_refused(cli: CommandLine) -> None:
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN):
        visitor = Visitor(server.url)
        answers = [visitor.sign_in("wrong-wrong-wrong-wrong") for _ in range(ATTEMPTS_PER_MINUTE + 1)]
        assert {answer.status_code for answer in answers[:-1]} == {401}
        assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "60")
        assert visitor.sign_in(TOKEN).status_code == 429
        assert Visitor(server.url).sign_in(TOKEN).status_code == 303  # from another address


def test_a_session_ends_after_its_time(cli: CommandLine) -> None:
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_SESSION_SECONDS="6"):
        visitor = signed_in(server.url, TOKEN)
        kept = {"Cookie": f"{COOKIE}={visitor.cookie}"}
        assert without_jar(server, "/plans", kept).status_code == 503  # there is no Redis
        time.sleep(6.1)
        assert without_jar(server, "/plans", kept).headers["location"] == "/sign-in?next=%2Fplans"


def test_it_ends_with_the_token_that_opened_it(cli: CommandLine, issuer: Issuer) -> None:
    settings = {"NETBOX_MCP_OAUTH_ISSUER": issuer.url, "NETBOX_MCP_PUBLIC_URL": PUBLIC_URL}
    for server in serve(cli, **settings):
        visitor = Visitor(server.url)
        # Clocks may differ by half a minute.
        token = issuer.token(exp=int(time.time()) - 20)
        assert visitor.sign_in(token).status_code == 303
        assert "jane" in visitor.get("/plans").text
        kept = {"Cookie": f"{COOKIE}={visitor.cookie}"}
        time.sleep(11)
        assert without_jar(server, "/plans", kept).headers["location"] == "/sign-in?next=%2Fplans"
        assert visitor.sign_in(token).status_code == 401
        assert Visitor(server.url).sign_in(issuer.token(), origin="", Origin=PUBLIC_URL).status_code == 303


def test_a_session_has_the_scopes_of_its_token(server: HttpServer) -> None:
    approver = Visitor(server.url)
    assert approver.sign_in(TOKENS["approve"]).headers["location"] == "/plans"
    refused = approver.get("/")
    assert refused.status_code == 403
    assert "This needs the scope read, and the bearer token has the scope approve." in refused.text
    assert approver.get("/plans").status_code == 503  # there is no Redis here
    for path in ("/tasks/t-1", "/tasks/events", "/tasks/t-1/events", "/batches/b-1", "/batches/b-1/rollback"):
        assert approver.get(path).status_code == 403, path
    reader = signed_in(server.url, TOKENS["read"])
    assert reader.get("/").status_code == 503
    writer = signed_in(server.url, TOKENS["write"])
    for path, who in (
        ("/tasks/t-1/cancel", reader),
        ("/tasks/t-1/resume", reader),
        ("/plans/p-1/apply", reader),
        ("/plans/p-1/apply", approver),
        ("/plans/p-1/approve", reader),
        ("/plans/p-1/approve", writer),
        ("/batches/b-1/rollback", reader),
    ):
        refused = who.act(path, confirm="yes")
        assert refused.status_code == 403, path
        assert "This needs the scope" in refused.text, path
