"""A real NetBox for the tests: one per test process, emptied where a test asks for that.

A sandbox that already runs is used as it is and left running, so that a
developer who keeps one up pays nothing for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.sandbox.layout import cache_home
from netbox_mcp.sandbox.locks import file_lock

# Test processes side by side need one each: resets by one would empty the other's NetBox.
SANDBOX_NAME = "-".join(
    filter(None, [os.environ.get("NETBOX_MCP_TEST_SANDBOX", "tests"), os.environ.get("PYTEST_XDIST_WORKER")])
)


@pytest.fixture(scope="session")
def netbox_sandbox() -> Iterator[SandboxInfo]:
    """A NetBox that runs for the whole session, with whatever the tests before have left in it."""
    with file_lock(cache_home() / "instances" / f"{SANDBOX_NAME}.session.lock", _tell):
        sandbox = Sandbox(SANDBOX_NAME, report=_tell)
        was_running = sandbox.status() is not None
        try:
            yield sandbox.up()
        finally:
            if not was_running:
                sandbox.down()


@pytest.fixture
def empty_netbox(netbox_sandbox: SandboxInfo) -> SandboxInfo:
    """The same NetBox with nothing in it."""
    Sandbox(netbox_sandbox.name).reset()
    return netbox_sandbox


def _tell(message: str, done: int | None = None, total: int | None = None) -> None:
    print(f"{message} {done or ''}", file=sys.stderr, flush=True)
