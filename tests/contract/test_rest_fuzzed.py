"""Schemathesis against the REST API: some thousand requests made from its own OpenAPI description."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from tests.contract.clients import CommandLine
from tests.contract.test_transports import TOKEN, serve
from tests.integration.worker_process import NetBoxOverHttp

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# What a document or a filter may say goes beyond what a JSON Schema can: our 422 is no fault there.
NOT_FOR_SCHEMAS = "positive_data_acceptance,negative_data_rejection"


def fuzz(folder: Path, url: str, examples: int, *options: str) -> tuple[str, list[int]]:
    """What schemathesis said, and the status of each answer that it got."""
    report = folder / "answers.har"
    run = subprocess.run(
        [
            *(SCHEMATHESIS, "run", "openapi.json", "--url", url, "--seed", "1", "--continue-on-failure"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)),
            *("--checks", "all", "--exclude-checks", NOT_FOR_SCHEMAS, "--request-timeout", "60"),
            *("--report", "har", "--report-har-path", str(report), "--warnings", "off", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
    )
    entries: list[dict[str, Any]] = json.loads(report.read_text())["log"]["entries"]
    assert run.returncode == 0, run.stdout[-6_000:] + run.stderr[-2_000:]
    return run.stdout, [entry["response"]["status"] for entry in entries]


def test_two_thousand_requests_find_nothing_unforeseen(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, tmp_path: Path
) -> None:
    """No 5xx, no answer that the description does not have, nothing without the token; no traceback."""
    for server in serve(cli, NETBOX_MCP_TOKEN=TOKEN, NETBOX_MCP_TOOLSETS="all"):
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        described = requests.get(f"{server.url}/api/v1/openapi.json", headers=bearer, timeout=30)
        (tmp_path / "openapi.json").write_text(described.text)
        _, known = fuzz(tmp_path, server.url, 100, "--header", f"Authorization: {bearer['Authorization']}")
        assert {200, 404, 422} <= set(known)
        assert max(known) < 500
        _, unknown = fuzz(
            tmp_path, server.url, 10, "--exclude-checks", f"{NOT_FOR_SCHEMAS},unsupported_method"
        )
        assert set(unknown) == {401}
        assert len(known) + len(unknown) >= 2_000
        assert "Traceback" not in server.log.read_text()
