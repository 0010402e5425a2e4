"""What tests on the session's NetBox share that take back themselves what they make."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.netbox import RestNetBox, open_netbox
from tests.netbox.tidy_fixture import settings_of


@pytest.fixture
def netbox(netbox_sandbox: SandboxInfo) -> Iterator[RestNetBox]:
    with open_netbox(settings_of(netbox_sandbox)) as opened:
        yield opened


@pytest.fixture
def mark() -> str:
    """What all names of a test begin with."""
    return f"t{secrets.token_hex(3)}"
