"""The official conformance suite: every scenario that it has for servers, in both eras of the protocol.

Many want the suite's own example server, with tools such as `test_simple_text`: not_applicable.yml names
their checks, each with the reason. Every other check has to pass, and one that is named there and passes by
now is an error, too: the suite sees to both.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from netbox_mcp.stack import Stack
from tests.interop.conftest import Program
from tests.interop.token_proxy import token_proxy

NOT_APPLICABLE = Path(__file__).with_name("not_applicable.yml")
EVERYTHING = "every scenario"
SCENARIOS = {EVERYTHING: 65, "2025-11-25": 33, "2026-07-28": 40}
"""How many the pinned suite has; extensions are among all of them only."""


@pytest.mark.parametrize("version", SCENARIOS)
def test_what_applies_passes(program: Program, stack: Stack, tmp_path: Path, version: str) -> None:
    with token_proxy(stack.port, stack.bearer_token) as port:
        done = program(
            "conformance",
            "server",
            *("--url", f"http://127.0.0.1:{port}/mcp"),
            *("--suite", "all"),
            *(() if version == EVERYTHING else ("--spec-version", version)),
            *("--expected-failures", str(NOT_APPLICABLE)),
            *("--output-dir", str(tmp_path)),
        )
    summary = done.stdout.partition("=== SUMMARY ===")[2]
    assert done.returncode == 0, summary + done.stderr
    assert len([line for line in summary.splitlines() if line[:1] in ("✓", "✗")]) == SCENARIOS[version]
    if version == EVERYTHING:
        failed = {line.removeprefix("  ~ ") for line in summary.splitlines() if line.startswith("  ~ ")}
        assert failed == set(yaml.safe_load(NOT_APPLICABLE.read_text())["server"])
