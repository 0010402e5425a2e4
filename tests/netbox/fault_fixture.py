"""What the tests of faults share: an emptied NetBox behind a proxy that misbehaves, a case for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from netbox_mcp.sandbox import SandboxInfo
from tests.netbox.faulty_batches import Case, Plain
from tests.netbox.faulty_proxy import FaultyProxy


@pytest.fixture(scope="module")
def parents(swept_netbox: SandboxInfo) -> None:
    """The parents that every case needs beside its site, made once."""
    Plain(swept_netbox).make_parents()


@pytest.fixture
def proxy(swept_netbox: SandboxInfo) -> Iterator[FaultyProxy]:
    with FaultyProxy(swept_netbox.url) as proxy:
        yield proxy


@pytest.fixture
def case(swept_netbox: SandboxInfo, proxy: FaultyProxy) -> Case:
    return Case(swept_netbox, proxy)
