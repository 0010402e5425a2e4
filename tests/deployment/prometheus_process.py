"""A real Prometheus with the configuration of deploy/prometheus, quick enough for a test."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.processes import end_with_parent
from tests.deployment.conftest import DEPLOY, find_program

Series = list[dict[str, Any]]


class Prometheus:
    """What it answers over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        answer = requests.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.ok, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> Series:
        """The value of an expression now, series by series."""
        return self.get("query", query=expression)["result"]

    def alerts(self) -> dict[str, dict[str, Any]]:
        """The rules by name."""
        groups = self.get("rules", type="alert")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}


def configured(folder: Path, server: str, token: str) -> Path:
    """The files of deploy/prometheus in `folder`, with another address and token and with short times."""
    (folder / "alerts.yml").write_text((DEPLOY / "prometheus" / "alerts.yml").read_text())
    (folder / "token").write_text(token)
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (job,) = config["scrape_configs"]
    assert list(job["authorization"]) == ["credentials_file"]
    job["authorization"]["credentials_file"] = str(folder / "token")
    job["static_configs"] = [{"targets": [server]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def prometheus_of(config: Path, folder: Path) -> Iterator[Prometheus]:
    """Prometheus while the block runs."""
    address = f"127.0.0.1:{choose_port(())}"
    log = folder / "prometheus.log"
    process = subprocess.Popen(
        [
            find_program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address={address}",
        ],
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        preexec_fn=end_with_parent,
    )
    try:
        _wait_until_ready(f"http://{address}", process, log)
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(f"{url}/-/ready", timeout=2).ok:
                return
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
