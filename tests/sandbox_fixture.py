"""A real NetBox for the tests: one per test process, emptied where a test asks for that.

A sandbox that already runs is used as it is and left running, so that a
developer who keeps one up pays nothing for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from netbox_mcp.sandbox.layout import cache_home
from netbox_mcp.sandbox.locks import file_lock

PLUGINS = ("netbox-bgp==0.20.2",)


def _name_for_this_process(variable: str, otherwise: str) -> str:
    """Test processes side by side need one each: resets by one would empty the other's NetBox."""
    words = [os.environ.get(variable, otherwise), os.environ.get("PYTEST_XDIST_WORKER")]
    return "-".join(word for word in words if word)


SANDBOX_NAME = _name_for_this_process("NETBOX_MCP_TEST_SANDBOX", "tests")
PLUGIN_SANDBOX_NAME = _name_for_this_process("NETBOX_MCP_TEST_PLUGIN_SANDBOX", "tests-plugins")


@pytest.fixture(scope="session")
def netbox_sandbox() -> Iterator[SandboxInfo]:
    """A NetBox that runs for the whole session, with whatever the tests before have left in it."""
    with _running_meanwhile(Sandbox(SANDBOX_NAME, report=_tell)) as info:
        yield info


@pytest.fixture(scope="session")
def netbox_with_plugins() -> Iterator[SandboxInfo]:
    """Another one, with `PLUGINS` in it; started when the first test asks for it."""
    with _running_meanwhile(Sandbox(PLUGIN_SANDBOX_NAME, report=_tell, plugins=PLUGINS)) as info:
        yield info


@pytest.fixture
def empty_netbox(netbox_sandbox: SandboxInfo) -> SandboxInfo:
    """The same NetBox with nothing in it."""
    Sandbox(netbox_sandbox.name).reset()
    return netbox_sandbox


@contextmanager
def _running_meanwhile(sandbox: Sandbox) -> Iterator[SandboxInfo]:
    with file_lock(cache_home() / "instances" / f"{sandbox.name}.session.lock", _tell):
        was_running = sandbox.status() is not None
        try:
            yield sandbox.up()
        finally:
            if not was_running:
                sandbox.down()


def _tell(message: str, done: int | None = None, total: int | None = None) -> None:
    print(f"{message} {done or ''}", file=sys.stderr, flush=True)
