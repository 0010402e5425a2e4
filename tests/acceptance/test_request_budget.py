"""How few requests a batch costs NetBox, counted at a proxy between us and it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack
from tests.acceptance.conftest import Users, apply
from tests.netbox.faulty_proxy import FaultyProxy


def fifty_devices(children: bool) -> dict[str, Any]:
    """50 devices of 3 types, one site, one role, all parents new."""
    devices = []
    for number in range(1, 51):
        device: dict[str, Any] = {
            "name": f"sw-{number:02}",
            "site": "AMS1",
            "role": "Access",
            "device_type": {"manufacturer": "Cisco", "model": f"C9300-{(24, 48, 96)[number % 3]}P"},
        }
        if children:
            device["interfaces"] = [{"name": name, "type": "virtual"} for name in ("Vlan1", "Vlan2")]
            device["ip_addresses"] = [{"address": f"192.0.2.{number}/24", "interface": "Vlan1"}]
            device["primary_ip4"] = f"192.0.2.{number}/24"
        devices.append(device)
    return {"devices": devices}


# The lists get shorter where NetBox is slower (lanes.py: Pace): with children there is room for some more.
@pytest.mark.parametrize(("children", "to_create", "to_find_nothing"), [(False, 15, 8), (True, 28, 12)])
def test_fifty_devices(
    empty_netbox: SandboxInfo, tmp_path: Path, children: bool, to_create: int, to_find_nothing: int
) -> None:
    document = fifty_devices(children)
    with (
        FaultyProxy(empty_netbox.url) as proxy,
        Stack(tmp_path, proxy.url, empty_netbox.token_v2) as stack,
    ):
        stack.start_worker()
        users = Users(stack)
        first = users.over_stdio(lambda client: apply(client, document))
        assert first["status"] == "completed", first
        created = len(proxy.seen)
        assert created <= to_create, [seen.line for seen in proxy.seen]

        second = users.over_stdio(lambda client: apply(client, document))
        assert set(second["counts"]) == {"unchanged"}
        read = proxy.seen[created:]
        assert all(seen.method == "GET" for seen in read)
        assert len(read) <= to_find_nothing, [seen.line for seen in read]
