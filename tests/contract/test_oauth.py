"""Tokens of an OAuth issuer: a small real one on loopback signs them, a real server accepts or refuses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from mcp.client import Client

from netbox_mcp.sandbox.ports import choose_port
from tests.contract.clients import CommandLine, over_http
from tests.contract.test_transports import HttpServer, serve

PUBLIC_URL = "https://netbox-mcp.example.net"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = int(time.time())


class Issuer:
    """Publishes its metadata and its key."""

    def __init__(self) -> None:
        self.url = f"http://127.0.0.1:{choose_port(())}"
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
        pages: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]},
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
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
    assert [one.rstrip("/") for one in told["authorization_servers"]] == [issuer.url]
    assert told["scopes_supported"] == ["read", "plan", "write", "admin", "approve"]


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


def test_an_issuer_needs_an_address_to_issue_for(cli: CommandLine) -> None:
    run = cli("serve", "--transport", "http", NETBOX_MCP_OAUTH_ISSUER="https://login.example.net")
    assert run.code == 1
    assert "set NETBOX_MCP_PUBLIC_URL as well" in run.err
