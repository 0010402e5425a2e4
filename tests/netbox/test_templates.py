"""One document with types, templates, devices and modules: these come with what it says of their types."""

from __future__ import annotations

import secrets

from pydantic import SecretStr

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import NetBoxSettings, open_netbox
from tests.netbox.tidy_fixture import call
from tests.unit.batches import MemoryJournal


def test_devices_and_modules_wait_for_their_templates(netbox_sandbox: SandboxInfo) -> None:
    mark = f"t{secrets.token_hex(3)}"
    document = {
        "device_types": [
            {
                "manufacturer": mark,
                "model": "S2",
                "interface_templates": [
                    {"name": "br0", "type": "bridge"},
                    {"name": "Port 1", "type": "1000base-t", "bridge": "br0"},
                ],
                "power_port_templates": [{"name": "PSU", "type": "iec-60320-c14"}],
                "power_outlet_templates": [{"name": "Out", "power_port": "PSU"}],
                "rear_port_templates": [{"name": "R", "type": "lc", "positions": 2}],
                "front_port_templates": [
                    {"name": "F[1-2]", "type": "lc", "rear_port": "R", "rear_port_position": "{1}"}
                ],
                "module_bay_templates": [{"name": "Slot 1", "position": "1"}],
            }
        ],
        "module_types": [
            {
                "manufacturer": mark,
                "model": "M1",
                "interface_templates": [{"name": "Eth{module}/1", "type": "10gbase-x-sfpp"}],
            }
        ],
        "devices": [
            {
                "name": mark,
                "site": mark,
                "role": mark,
                "device_type": {"manufacturer": mark, "model": "S2"},
                "modules": [{"module_bay": "Slot 1", "module_type": {"manufacturer": mark, "model": "M1"}}],
                "interfaces": [
                    {"name": "Port 1", "description": "uplink"},
                    {"name": "Eth1/1", "description": "of the module"},
                ],
            }
        ],
    }
    settings = NetBoxSettings(url=netbox_sandbox.url, token=SecretStr(netbox_sandbox.token_v2))
    with open_netbox(settings) as netbox:
        engine, journal = NetBoxBulkOrchestrator(netbox, settle_seconds=0), MemoryJournal()
        report = engine.apply(engine.plan(document), f"b-{mark}", journal)
        assert report.ok, [error.message for error in report.first_errors]

        def there(path: str) -> dict[str, dict[str, object]]:
            rows = call(netbox_sandbox, "GET", path, params={"device": mark})["results"]
            return {row["name"]: row for row in rows}

        ports = there("dcim/interfaces")
        assert ports["Port 1"]["bridge"]["name"] == "br0"
        assert ports["Port 1"]["description"] == "uplink"
        assert ports["Eth1/1"]["description"] == "of the module"
        assert ports["Eth1/1"]["module"] is not None
        assert there("dcim/power-outlets")["Out"]["power_port"]["name"] == "PSU"
        rear = there("dcim/rear-ports")["R"]["id"]
        assert {name: row["rear_ports"] for name, row in there("dcim/front-ports").items()} == {
            f"F{number}": [{"position": 1, "rear_port": rear, "rear_port_position": number}]
            for number in (1, 2)
        }
        assert engine.plan(document).writes == 0

        undo = engine.plan_rollback(f"b-{mark}", journal)
        assert undo.conflicts == []
        assert engine.apply(undo, f"b-{mark}-undone", MemoryJournal()).ok
        assert call(netbox_sandbox, "GET", "dcim/devices", params={"name": mark})["results"] == []
