"""What NetBox would delete along with an object, or what stands in the way: seen on the real one."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from pydantic import SecretStr

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.deeds import Deed
from orchestrator.dependents import read_dependents
from orchestrator.footprints import Footprints
from orchestrator.live import all_fields
from orchestrator.netbox import NetBoxSettings, RestNetBox
from orchestrator.ports import Query
from tests.integration.worker_process import NetBoxOverHttp
from tests.netbox.tidy_fixture import call

# A picture of one dot.
DOT = bytes.fromhex("47494638396101000100800000ffffff00000021f90400000000002c00000000010001000002024401003b")


@pytest.fixture
def web(netbox_sandbox: SandboxInfo) -> NetBoxOverHttp:
    return NetBoxOverHttp(netbox_sandbox.url, netbox_sandbox.token_v2)


@pytest.fixture
def netbox(netbox_sandbox: SandboxInfo) -> RestNetBox:
    token = SecretStr(netbox_sandbox.token_v2)
    return RestNetBox(NetBoxSettings(url=netbox_sandbox.url, token=token))


@pytest.fixture
def name() -> str:
    return f"at-{secrets.token_hex(4)}"


def slugged(web: NetBoxOverHttp, path: str, name: str, **fields: Any) -> int:
    return int(web.create(path, name=name, slug=name, **fields)["id"])


def hanging(netbox: RestNetBox, object_type: str, object_id: int) -> list[str]:
    """The nouns of all that a rollback would name: what is of a type in the catalog, and what is not."""
    key, row = (object_type, object_id), OBJECT_TYPES[object_type]
    (live,) = netbox.read(Query(object_type, (*all_fields(row), "created"), "id", [object_id]))
    made = Deed(object_type, object_id, "", since=live["created"], request_ids={"ours"})
    found = read_dependents(netbox, {key: live}, Footprints(netbox, [made], "b-20260101-00000000"))
    assert not found.unseen
    others = [words.partition(" '")[0] for words in found.others[key]]
    return sorted({*others, *(OBJECT_TYPES[one.object_type].noun for one in found.pointing[key])})


def on_anything(web: NetBoxOverHttp, name: str, model: str, object_id: int) -> list[str]:
    """A contact and a journal entry, which anything can have."""
    contact = web.create("tenancy/contacts", name=name)["id"]
    role = slugged(web, "tenancy/contact-roles", name)
    who = {"contact": contact, "role": role, "object_type": model, "object_id": object_id}
    web.create("tenancy/contact-assignments", **who)
    what = {"assigned_object_type": model, "assigned_object_id": object_id, "comments": "outage"}
    web.create("extras/journal-entries", **what)
    return ["contact assignment", "journal entry"]


def test_on_a_site(web: NetBoxOverHttp, netbox: RestNetBox, name: str) -> None:
    site, other = slugged(web, "dcim/sites", name), slugged(web, "dcim/sites", f"{name}-2")
    scope = {"scope_type": "dcim.site", "scope_id": site}
    slugged(web, "ipam/vlan-groups", name, **scope)
    web.create("ipam/prefixes", prefix="198.51.100.0/24", **scope)
    web.create("ipam/vlans", vid=5, name=name, site=site)
    web.create(
        "virtualization/clusters", name=name, type=slugged(web, "virtualization/cluster-types", name), **scope
    )
    web.create("wireless/wireless-lans", ssid=name, **scope)
    web.create("dcim/power-panels", name=name, site=site)
    expected = ["VLAN", "VLAN group", "cluster", "power panel", "prefix", "wireless LAN"]
    expected += on_anything(web, name, "dcim.site", site)
    assert hanging(netbox, "sites", site) == sorted(expected)
    assert hanging(netbox, "sites", other) == []


def test_on_a_device_and_its_interfaces(web: NetBoxOverHttp, netbox: RestNetBox, name: str) -> None:
    maker = slugged(web, "dcim/manufacturers", name)
    kind = web.create("dcim/device-types", manufacturer=maker, model=name, slug=name)["id"]
    parents = {
        "device_type": kind,
        "role": slugged(web, "dcim/device-roles", name),
        "site": slugged(web, "dcim/sites", name),
    }
    device, other = (int(web.create("dcim/devices", name=f"{name}-{n}", **parents)["id"]) for n in (1, 2))
    port, far = (
        int(web.create("dcim/interfaces", device=one, name="e0", type="1000base-t")["id"])
        for one in (device, other)
    )
    web.create(
        "ipam/services",
        name=name,
        protocol="tcp",
        ports=[22],
        parent_object_type="dcim.device",
        parent_object_id=device,
    )
    web.create("dcim/virtual-device-contexts", name=name, device=device, status="active", identifier=1)
    consoles = [
        int(web.create("dcim/console-ports", device=one, name="con")["id"]) for one in (device, other)
    ]
    server = int(web.create("dcim/console-server-ports", device=other, name="srv")["id"])
    ends = [("dcim.consoleport", consoles[0]), ("dcim.consoleserverport", server)]
    cable(web, *ends)
    expected = ["console port", "interface", "service", "virtual device context"]
    expected += on_anything(web, name, "dcim.device", device)
    assert hanging(netbox, "devices", device) == sorted(expected)

    on_port = {"assigned_object_type": "dcim.interface", "assigned_object_id": port}
    web.create("dcim/mac-addresses", mac_address="00:11:22:33:44:55", **on_port)
    web.create("vpn/l2vpn-terminations", l2vpn=slugged(web, "vpn/l2vpns", name, type="vxlan"), **on_port)
    part = {"component_type": "dcim.interface", "component_id": port}
    web.create("dcim/inventory-items", device=device, name="sfp", **part)
    cable(web, ("dcim.interface", port), ("dcim.interface", far))
    ours = ["L2VPN termination", "MAC address", "cable", "inventory item"]
    assert hanging(netbox, "interfaces", port) == ours


def test_on_a_module_bay_and_its_ports(web: NetBoxOverHttp, netbox: RestNetBox, name: str) -> None:
    maker = slugged(web, "dcim/manufacturers", name)
    kind = web.create("dcim/device-types", manufacturer=maker, model=name, slug=name)["id"]
    role, site = slugged(web, "dcim/device-roles", name), slugged(web, "dcim/sites", name)
    device = web.create("dcim/devices", name=name, device_type=kind, role=role, site=site)["id"]
    bay = int(web.create("dcim/module-bays", device=device, name="slot 1")["id"])
    card = web.create("dcim/module-types", manufacturer=maker, model=name)["id"]
    web.create("dcim/modules", device=device, module_bay=bay, module_type=card)
    assert hanging(netbox, "module_bays", bay) == ["module"]

    port = int(web.create("dcim/console-ports", device=device, name="con")["id"])
    server = int(web.create("dcim/console-server-ports", device=device, name="srv")["id"])
    part = {"component_type": "dcim.consoleport", "component_id": port}
    web.create("dcim/inventory-items", device=device, name="plug", **part)
    cable(web, ("dcim.consoleport", port), ("dcim.consoleserverport", server))
    assert hanging(netbox, "console_ports", port) == ["cable", "inventory item"]
    assert hanging(netbox, "console_server_ports", server) == ["cable"]


def test_on_a_tenant_a_rack_and_a_vrf(web: NetBoxOverHttp, netbox: RestNetBox, name: str) -> None:
    tenant, site = slugged(web, "tenancy/tenants", name), slugged(web, "dcim/sites", name)
    rack = int(web.create("dcim/racks", name=name, site=site)["id"])
    vrf = int(web.create("ipam/vrfs", name=name)["id"])
    web.create("ipam/prefixes", prefix="198.51.100.0/24", tenant=tenant, vrf=vrf)
    web.create("ipam/ip-ranges", start_address="10.9.0.1/24", end_address="10.9.0.9/24", vrf=vrf)
    panel = web.create("dcim/power-panels", name=name, site=site)["id"]
    web.create("dcim/power-feeds", name=name, power_panel=panel, rack=rack, tenant=tenant)
    assert hanging(netbox, "tenants", tenant) == ["power feed", "prefix"]
    assert hanging(netbox, "racks", rack) == ["power feed"]
    assert hanging(netbox, "vrfs", vrf) == ["IP range", "prefix"]


def cable(web: NetBoxOverHttp, left: tuple[str, int], right: tuple[str, int]) -> None:
    ends = [[{"object_type": kind, "object_id": object_id}] for kind, object_id in (left, right)]
    web.create("dcim/cables", a_terminations=ends[0], b_terminations=ends[1])


def test_an_image(netbox_sandbox: SandboxInfo, web: NetBoxOverHttp, netbox: RestNetBox, name: str) -> None:
    site, other = slugged(web, "dcim/sites", name), slugged(web, "dcim/sites", f"{name}-2")
    about = {"object_type": "dcim.site", "object_id": str(site), "name": name}
    call(netbox_sandbox, "POST", "extras/image-attachments", data=about, files={"image": ("a.gif", DOT)})
    assert hanging(netbox, "sites", site) == ["image attachment"]
    assert hanging(netbox, "sites", other) == []
