"""The test session's NetBox, tidied up after each test rather than reset: quicker, where tests write little.

The changelog stays, so a test that looks into it needs messages of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from orchestrator.netbox import NetBoxSettings, RestNetBox, open_netbox
from tests.netbox.faulty_proxy import FaultyProxy

# What tests may leave behind, those that others hang on last; devices take their interfaces along.
SWEPT = {
    "ipam.ipaddress": "ipam/ip-addresses",
    "virtualization.virtualmachine": "virtualization/virtual-machines",
    "dcim.device": "dcim/devices",
    "dcim.devicetype": "dcim/device-types",
    "dcim.platform": "dcim/platforms",
    "dcim.devicerole": "dcim/device-roles",
    "dcim.site": "dcim/sites",
    "dcim.manufacturer": "dcim/manufacturers",
    "extras.tag": "extras/tags",
    "extras.customfield": "extras/custom-fields",
}


def settings_of(info: SandboxInfo, **changes: Any) -> NetBoxSettings:
    return NetBoxSettings(**{"url": info.url, "token": info.token_v2, **changes})


def call(info: SandboxInfo, method: str, path: str, **kwargs: Any) -> Any:
    """Plain HTTP, so that nothing under test vouches for itself."""
    headers = {"Authorization": f"Bearer {info.token_v2}"}
    response = requests.request(method, f"{info.url}/api/{path}/", headers=headers, timeout=60, **kwargs)
    response.raise_for_status()
    return response.json() if response.content else None


def add_vm_interface(info: SandboxInfo) -> int:
    """An interface of a new virtual machine."""
    site = call(info, "POST", "dcim/sites", json={"name": "VM site", "slug": "vm-site"})
    machine = {"name": "vm-1", "site": site["id"]}
    vm = call(info, "POST", "virtualization/virtual-machines", json=machine)
    port = {"name": "eth0", "virtual_machine": vm["id"]}
    return int(call(info, "POST", "virtualization/interfaces", json=port)["id"])


@pytest.fixture(scope="module")
def swept_netbox(netbox_sandbox: SandboxInfo) -> SandboxInfo:
    """Empty at the start of this module; each test takes away what it made, quicker than a reset."""
    Sandbox(netbox_sandbox.name).reset()
    return netbox_sandbox


@pytest.fixture
def tidy_netbox(swept_netbox: SandboxInfo) -> Iterator[SandboxInfo]:
    before = last_change(swept_netbox)
    yield swept_netbox
    made = {row["changed_object_type"] for row in changes(swept_netbox, before)}
    for path in (SWEPT[name] for name in SWEPT if name in made):
        rows = call(swept_netbox, "GET", path, params={"fields": "id", "limit": 1000})["results"]
        if rows:
            call(swept_netbox, "DELETE", path, json=[{"id": row["id"]} for row in rows])


def onlooker(info: SandboxInfo) -> RestNetBox:
    """Somebody without any permission."""
    user = {"username": f"onlooker-{last_change(info)}", "password": "Onlooker-pass-2026"}
    call(info, "POST", "users/users", json=user)
    token = call(info, "POST", "users/tokens/provision", json=user)
    secret = token["token"] if token["version"] == 1 else f"nbt_{token['key']}.{token['token']}"
    return open_netbox(settings_of(info, token=secret))


def last_change(info: SandboxInfo) -> int:
    """The id of the newest entry in NetBox's changelog."""
    rows = call(info, "GET", "core/object-changes", params={"limit": 1, "ordering": "-id"})["results"]
    return int(rows[0]["id"]) if rows else 0


def changes(info: SandboxInfo, since: int) -> list[dict[str, Any]]:
    """NetBox's changelog after an entry, oldest first."""
    params: dict[str, Any] = {"limit": 1000, "id__gt": since}
    rows: list[dict[str, Any]] = call(info, "GET", "core/object-changes", params=params)["results"]
    return sorted(rows, key=lambda row: int(row["id"]))


@pytest.fixture
def proxy(swept_netbox: SandboxInfo) -> Iterator[FaultyProxy]:
    with FaultyProxy(swept_netbox.url) as proxy:
        yield proxy


@pytest.fixture
def behind(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> Iterator[RestNetBox]:
    """A client that goes through the proxy, with small pages and short patience."""
    settings = settings_of(tidy_netbox, url=proxy.url, read_timeout_seconds=5)
    with RestNetBox(settings, page_size=2) as netbox:
        netbox.status()
        proxy.seen.clear()
        yield netbox
