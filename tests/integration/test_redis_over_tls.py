"""Redis behind TLS, as `rediss://` asks for it."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from netbox_mcp.sandbox.redis_server import RedisServer
from tests.certificates import make_certificate
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam, wait_until_ended
from tests.redis_fixture import REDIS_PASSWORD
from workers.connection import check, connect_briefly
from workers.errors import RedisUnavailableError
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings

CHUNK = 65_536


class _Tunnel(socketserver.ThreadingTCPServer):
    """Takes TLS connections on loopback and passes what is in them on to a port without TLS."""

    daemon_threads = True

    def __init__(self, certificate: Path, port: int) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.port = port
        super().__init__(("127.0.0.1", 0), _Through)


class _Through(socketserver.BaseRequestHandler):
    server: _Tunnel

    def handle(self) -> None:
        with (
            suppress(OSError),
            self.server.context.wrap_socket(self.request, server_side=True) as outside,
            socket.create_connection(("127.0.0.1", self.server.port)) as inside,
        ):
            threading.Thread(target=_pass_on, args=(inside, outside), daemon=True).start()
            _pass_on(outside, inside)


def _pass_on(source: socket.socket, drain: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            drain.sendall(data)
        drain.shutdown(socket.SHUT_RDWR)


@contextmanager
def tls_before(certificate: Path, port: int) -> Iterator[int]:
    """A port of this machine that leads to another through TLS."""
    with _Tunnel(certificate, port) as tunnel:
        threading.Thread(target=tunnel.serve_forever, daemon=True).start()
        yield tunnel.server_address[1]
        tunnel.shutdown()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path / "redis.pem")


@pytest.fixture
def tls_port(redis_server: RedisServer, redis_url: str, certificate: Path) -> Iterator[int]:
    """Leads to an empty Redis."""
    with tls_before(certificate, redis_server.port) as port:
        yield port


def address(port: int, query: str = "") -> str:
    return f"rediss://:{REDIS_PASSWORD}@127.0.0.1:{port}/0{query}"


def test_server_and_worker_speak_tls(
    tls_port: int, certificate: Path, netbox: NetBoxOverHttp, prefix: str, tmp_path: Path
) -> None:
    url = address(tls_port, f"?ssl_ca_certs={certificate}")
    settings = WorkerSettings(redis_url=url)
    with connect_briefly(settings) as redis:
        manager = AsyncTaskManager(redis, settings)
        environment = {"REDIS_URL": url, "NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token}
        with WorkerTeam(tmp_path, environment) as team:
            team.start()
            task = manager.start_apply({"sites": [{"name": prefix}]}, "default", 1)
            assert wait_until_ended(manager, task.task_id).counts == {"created": 1}


def told(url: str) -> str:
    with (
        connect_briefly(WorkerSettings(redis_url=url)) as redis,
        pytest.raises(RedisUnavailableError) as caught,
    ):
        check(redis)
    return f"{caught.value} {caught.value.hint}"


def test_a_certificate_that_nobody_has_signed(tls_port: int) -> None:
    sentence = told(address(tls_port))
    assert "its TLS certificate is not trusted" in sentence
    assert "?ssl_ca_certs=" in sentence
