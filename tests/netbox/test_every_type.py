"""Every type that a document may declare, on the real NetBox."""

from __future__ import annotations

import secrets

import pytest
from pydantic import SecretStr

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.catalog import ENSURED
from orchestrator.netbox import NetBoxSettings, open_netbox
from tests.netbox.type_contract import check_types


@pytest.mark.timeout(1800)
def test_objects_are_made_and_made_again_and_changed_and_taken_back(netbox_sandbox: SandboxInfo) -> None:
    settings = NetBoxSettings(url=netbox_sandbox.url, token=SecretStr(netbox_sandbox.token_v2))
    with open_netbox(settings) as netbox:
        check_types(netbox, ENSURED, f"t{secrets.token_hex(3)}")
