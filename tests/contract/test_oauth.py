"""Tokens of an OAuth issuer: a small real one on loopback signs them, a real server accepts or refuses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from mcp.client import Client

from netbox_mcp.addresses import origin_of
from netbox_mcp.cli.output import ExitCode
from netbox_mcp.sandbox.ports import choose_port
from tests.contract.clients import CommandLine, assert_sentence, over_http
from tests.contract.test_transports import HttpServer, serve

PUBLIC_URL = "https://netbox-mcp.example.net"
HANGS = "no answer for a long time"
ODD_METADATA: dict[str, Any] = {
    "no address of keys": {"issuer": "ISSUER"},
    "a list": [],
    "another issuer": {"issuer": "https://elsewhere.example.net", "jwks_uri": "ISSUER/keys"},
    "keys over http elsewhere": {"issuer": "ISSUER", "jwks_uri": "http://elsewhere.example.net/keys"},
    "keys in a file": {"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"},
    "keys that are none": {"issuer": "ISSUER", "jwks_uri": "ISSUER/.well-known/openid-configuration"},
}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = int(time.time())


class Issuer:
    """Publishes its metadata and its key."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{choose_port(())}"
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        self.pages = pages = {
            "/.well-known/oauth-authorization-server": "a page for everything",
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]},
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
                if page is HANGS:
                    time.sleep(8)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(page).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", int(self.url.rpartition(":")[2])), Handler)

    def token(self, key: Any = KEY, algorithm: str = "RS256", kid: str = "one", **claims: Any) -> str:
        said = {
            "iss": self.url,
            "aud": f"{PUBLIC_URL}/mcp",
            "sub": "jane",
            "client_id": "claude",
            "exp": NOW + 3600,
            "scope": "plan",
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    yield from publish()


@pytest.fixture
def fresh_issuer() -> Iterator[Issuer]:
    yield from publish()


def publish() -> Iterator[Issuer]:
    made = Issuer()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def server(dead_netbox: str, cli: CommandLine, issuer: Issuer) -> Iterator[HttpServer]:
    yield from serve(cli, NETBOX_MCP_OAUTH_ISSUER=issuer.url, NETBOX_MCP_PUBLIC_URL=PUBLIC_URL)


def status(server: HttpServer, method: str, path: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    body = {} if method == "POST" else None
    return requests.request(method, server.url + path, headers=headers, json=body, timeout=30).status_code


def test_a_client_learns_where_to_get_a_token(server: HttpServer, issuer: Issuer) -> None:
    refused = server.post()
    assert refused.status_code == 401
    where = f"{PUBLIC_URL}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{where}"' in refused.headers["www-authenticate"]
    told = requests.get(server.url + where.removeprefix(PUBLIC_URL), timeout=10).json()
    assert told["resource"] == f"{PUBLIC_URL}/mcp"
    assert told["authorization_servers"] == [issuer.url]
    assert told["scopes_supported"] == ["read", "plan", "write"]
    assert 'scope="read plan"' in refused.headers["www-authenticate"]
    more = requests.get(
        f"{server.url}/metrics",
        headers={"Authorization": f"Bearer {issuer.token(scope='email')}"},
        timeout=10,
    )
    assert 'error="insufficient_scope", scope="read"' in more.headers["www-authenticate"]


def test_its_tokens_open_what_their_scopes_say(server: HttpServer, issuer: Issuer) -> None:
    async def listed(client: Client) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    names = over_http(f"{server.url}/mcp", issuer.token(), listed)
    assert "netbox_plan_bulk" in names
    assert "netbox_start_bulk_async" not in names
    assert "netbox_start_bulk_async" in over_http(f"{server.url}/mcp", issuer.token(scope="write"), listed)
    assert status(server, "POST", "/api/v1/plans", issuer.token(scope="email read")) == 403
    assert status(server, "POST", "/api/v1/plans", issuer.token(scope=None, scp=["plan"])) == 422
    assert status(server, "GET", "/api/v1/tools", issuer.token(scope="email")) == 403
    assert status(server, "GET", "/api/v1/tools", issuer.token(aud=["x", f"{PUBLIC_URL}/mcp"])) == 200


def test_nobody_approves_what_they_write(server: HttpServer, issuer: Issuer) -> None:
    approve = "/api/v1/plans/p-1/approve"
    for scope, words in (
        ("write approve", "This needs the scope approve, and the bearer token has the scope write."),
        ("approve", "This server cannot sign an approval."),
    ):
        headers = {"Authorization": f"Bearer {issuer.token(scope=scope)}"}
        assert requests.post(server.url + approve, headers=headers, timeout=10).json()["detail"] == words


WRONG: dict[str, dict[str, Any]] = {
    "for another server": {"aud": "https://elsewhere.example.net/mcp"},
    "for nobody": {"aud": None},
    "by another issuer": {"iss": "https://elsewhere.example.net"},
    "by no issuer": {"iss": None},
    "expired": {"exp": NOW - 3600},
    "without an end": {"exp": None},
    "not yet": {"nbf": NOW + 3600},
    "of nobody": {"sub": None},
    "signed by a stranger": {"key": STRANGER},
    "unknown key": {"kid": "two"},
    "not signed": {"key": None, "algorithm": "none"},
    "signed with a shared secret": {"key": "a-secret-that-is-shared-by-two-sides", "algorithm": "HS256"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_other_tokens_are_refused(server: HttpServer, issuer: Issuer, wrong: str) -> None:
    assert status(server, "GET", "/api/v1/tools", issuer.token()) == 200
    assert status(server, "GET", "/api/v1/tools", issuer.token(**WRONG[wrong])) == 401
    assert "Traceback" not in server.log.read_text()


def test_without_the_issuer_nobody_gets_in(dead_netbox: str, cli: CommandLine, issuer: Issuer) -> None:
    gone = f"http://127.0.0.1:{choose_port(())}"
    for server in serve(cli, NETBOX_MCP_OAUTH_ISSUER=gone, NETBOX_MCP_PUBLIC_URL=PUBLIC_URL):
        assert status(server, "GET", "/api/v1/tools", issuer.token(iss=gone)) == 401
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("odd", ODD_METADATA)
def test_an_issuer_that_answers_oddly_lets_nobody_in(
    dead_netbox: str, cli: CommandLine, fresh_issuer: Issuer, odd: str
) -> None:
    text = json.dumps(ODD_METADATA[odd]).replace("ISSUER", fresh_issuer.url)
    fresh_issuer.pages["/.well-known/openid-configuration"] = json.loads(text)
    for server in serve(cli, NETBOX_MCP_OAUTH_ISSUER=fresh_issuer.url, NETBOX_MCP_PUBLIC_URL=PUBLIC_URL):
        assert status(server, "GET", "/api/v1/tools", fresh_issuer.token()) == 401
        assert "Traceback" not in server.log.read_text()
        assert "cannot be read" in server.log.read_text()


def test_an_issuer_that_hangs_holds_nobody_else_up(
    dead_netbox: str, cli: CommandLine, fresh_issuer: Issuer
) -> None:
    fresh_issuer.pages["/.well-known/openid-configuration"] = HANGS
    token = "a-token-of-our-own-0123456789"
    variables = {"NETBOX_MCP_OAUTH_ISSUER": fresh_issuer.url, "NETBOX_MCP_PUBLIC_URL": PUBLIC_URL}
    for server in serve(cli, NETBOX_MCP_TOKEN=token, **variables):
        with ThreadPoolExecutor(60) as pool:
            others = [
                pool.submit(status, server, "GET", "/api/v1/tools", fresh_issuer.token()) for _ in range(60)
            ]
            time.sleep(0.5)
            assert status(server, "GET", "/api/v1/tools", token) == 200
            assert not any(other.done() for other in others)  # while they all still wait
            assert {other.result() for other in others} == {401}


def test_beside_an_issuer_no_token_is_made(server: HttpServer, cli: CommandLine) -> None:
    assert not (cli.folder / "state" / "http-token").exists()


@pytest.mark.parametrize(
    ("issuer_url", "public_url", "words"),
    [
        ("https://login.example.net", "", "set NETBOX_MCP_PUBLIC_URL as well"),
        ("http://login.example.net", PUBLIC_URL, "it must be https"),
        ("ftp://login.example.net", PUBLIC_URL, "no address"),
        ("https://login.example.net", "http://mcp.example.net", "it must be https"),
        ("https://login.example.net", "https://mcp.example.net/mcp", "it must end with the host"),
        ("https://login.example.net", "https://[bad", "NETBOX_MCP_PUBLIC_URL"),
        ("https://login.example.net", "https://a:99999", "NETBOX_MCP_PUBLIC_URL"),
    ],
)
def test_addresses_that_cannot_be_are_one_sentence(
    cli: CommandLine, issuer_url: str, public_url: str, words: str
) -> None:
    run = cli(
        "serve",
        "--transport",
        "http",
        NETBOX_MCP_OAUTH_ISSUER=issuer_url,
        NETBOX_MCP_PUBLIC_URL=public_url,
    )
    assert_sentence(run, ExitCode.ERROR, words)


def test_an_address_has_one_form() -> None:
    assert origin_of("https://NetBox.Example:443/") == "https://netbox.example"
    assert origin_of("http://[::1]:8765") == "http://[::1]:8765"
