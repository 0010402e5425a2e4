"""`ensure_*` calls from Python on the real NetBox: confirmed, repeated, refused in dry-run, taken back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from netbox_mcp.failures import UsageError
from netbox_mcp.rollbacks import plan_rollback
from netbox_mcp.single import NetBoxClientManager, get_netbox_client
from tests.integration.worker_process import NetBoxOverHttp


def test_one_object_is_ensured_with_its_parents_and_again_unchanged(
    netbox: NetBoxOverHttp, prefix: str
) -> None:
    client = get_netbox_client()
    assert client.ensure_device_role(name=f"{prefix} role").status == "confirmation_required"
    assert netbox.count("dcim/device-roles", name=f"{prefix} role") == 0
    maker = client.ensure_manufacturer(name=f"{prefix} maker", confirm=True).object
    role = client.ensure_device_role(name=f"{prefix} role", confirm=True).object
    assert maker is not None
    assert role is not None
    kind = {"manufacturer_id": maker["id"], "model": f"{prefix} model"}
    assert client.ensure_device_type(**kind, confirm=True).action == "created"
    site = client.ensure_site(name=f"{prefix} site", facility="x", confirm=True)
    device = {
        "name": f"{prefix}-1",
        "site": f"{prefix} site",
        "role_id": role["id"],
        "device_type": {"model": f"{prefix} model"},
    }
    made = client.ensure_device(**device, confirm=True)
    assert made.object is not None
    assert made.object["site"]["id"] == site.object["id"] if site.object else False
    again = client.ensure_device(**device, confirm=True)
    assert (again.action, again.object["id"] if again.object else 0) == ("unchanged", made.object["id"])
    assert netbox.count("dcim/devices", name=f"{prefix}-1") == 1
    plan = plan_rollback(made.batch_id, None, force=False, here=True)
    assert [(change.action, change.live_id) for change in plan.changes] == [("delete", made.object["id"])]


def test_dry_run_refuses_a_confirmed_call(
    netbox: NetBoxOverHttp, bare: pytest.MonkeyPatch, prefix: str
) -> None:
    bare.setenv("NETBOX_DRY_RUN", "true")
    with pytest.raises(UsageError, match="Dry-run is on"):
        get_netbox_client().ensure_site(name=f"{prefix} site", confirm=True)
    assert netbox.count("dcim/sites", name=f"{prefix} site") == 0


def test_fifty_threads_share_one_client(netbox: NetBoxOverHttp, prefix: str) -> None:
    """By either of its names; and all of them can read at once."""
    site = netbox.create("dcim/sites", name=prefix, slug=prefix)["id"]
    together = threading.Barrier(50)

    def use(number: int) -> tuple[int, int]:
        together.wait()
        client = NetBoxClientManager.get_client() if number % 2 else get_netbox_client()
        found = client.dcim.sites.get(name=prefix, fields=["id"])
        assert found is not None
        return id(client), int(found["id"])

    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(use, range(50))) == {(id(get_netbox_client()), site)}
