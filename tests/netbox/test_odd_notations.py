"""What the real NetBox returns for what it was sent is unchanged, whatever notation the document uses."""

from __future__ import annotations

from typing import Any

import requests
from pydantic import SecretStr

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.netbox import NetBoxSettings, open_netbox
from orchestrator.ports import Query
from tests.unit.batches import MemoryJournal

CUSTOM_FIELDS = [
    ("notes", "json"),
    ("checked_at", "datetime"),
    ("bought_on", "date"),
    ("price", "decimal"),
    ("stage", "multiselect"),
    ("peers", "multiobject"),
]
DOCUMENT: dict[str, Any] = {
    "sites": [
        {
            "name": "Second Run/é",
            "time_zone": "Europe/Amsterdam",
            "latitude": 52.37021600,
            "physical_address": "Dam 1\nAmsterdam ",
            "comments": " # Notes\n\n- one ",
        }
    ],
    "device_roles": [{"name": "Leaf", "color": "#AA1409", "parent": "Switch"}, {"name": "Switch"}],
    "device_types": [
        {"manufacturer": "Cisco", "model": "X/1", "u_height": 0.5, "weight": 12.50, "weight_unit": "kg"}
    ],
    "devices": [
        {
            "name": "İstanbul straße-1",
            "site": "Second Run/é",
            "role": "Leaf",
            "device_type": "X/1",
            "serial": " 0012 ",
            "local_context_data": {"id": 7, "value": [3, 1, 2]},
            "custom_fields": {
                "notes": {"id": 7, "x": [3, 1, 2]},
                "checked_at": "2026-01-02 10:00:00",
                "bought_on": "2026-01-02",
                "price": 12.50,
                "stage": ["b", "a"],
            },
            "interfaces": [
                {"name": "po1", "type": "lag"},
                {"name": "e1", "type": "1000base-t", "lag": "po1", "mac_address": "001b.7700.0001"},
                {"name": "e1.5", "type": "virtual", "parent": "e1", "bridge": "po1"},
                {"name": "fc1", "type": "16gfc-sfpp", "wwn": "10:00:00:00:c9:00:00:0a"},
            ],
            "ip_addresses": [
                {"address": "2001:DB8::0001/64", "interface": "e1.5", "dns_name": "Host.Example.COM"},
                {"address": "192.0.2.1/24", "interface": "e1.5", "role": "anycast"},
            ],
            "primary_ip6": "2001:db8::1/64",
            "primary_ip4": "192.0.2.1/24",
        }
    ],
}
NAMED = {"name": "İstanbul straße-1", "site": "Second Run/é"}


def make_custom_fields(netbox: SandboxInfo) -> None:
    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {netbox.token_v2}"}
        answer = requests.post(f"{netbox.url}/api/{path}/", json=body, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return dict(answer.json())

    choices = post(
        "extras/custom-field-choice-sets", {"name": "stages", "extra_choices": [["a", "A"], ["b", "B"]]}
    )
    for name, kind in CUSTOM_FIELDS:
        body: dict[str, Any] = {"name": name, "type": kind, "object_types": ["dcim.device"]}
        if kind == "multiselect":
            body["choice_set"] = choices["id"]
        if kind == "multiobject":
            body["related_object_type"] = "dcim.site"
        post("extras/custom-fields", body)


def test_documents_in_odd_notations_have_nothing_left_to_do(empty_netbox: SandboxInfo) -> None:
    make_custom_fields(empty_netbox)
    settings = NetBoxSettings(url=empty_netbox.url, token=SecretStr(empty_netbox.token_v2))
    with open_netbox(settings) as netbox:
        engine = NetBoxBulkOrchestrator(netbox)
        settle(engine, DOCUMENT)
        settle(engine, {"sites": [{"name": "B"}, {"name": "A"}]})
        ids = {row["name"]: row["id"] for row in netbox.read(Query("sites", ("name",)))}
        settle(engine, {"devices": [{**NAMED, "custom_fields": {"peers": [ids["B"], ids["A"]]}}]})
        settle(
            engine, {"devices": [{**NAMED, "serial": None, "custom_fields": {"notes": None, "stage": []}}]}
        )


def settle(engine: NetBoxBulkOrchestrator, document: dict[str, Any]) -> None:
    """Apply a document, then find that there is nothing left to do."""
    report = engine.apply(engine.plan(document), "b-odd", MemoryJournal())
    assert report.ok, report.first_errors
    assert report.write_requests > 0
    assert report.warnings == []
    changes = [change for change in engine.plan(document).changes if change.writes]
    assert [(change.label, dict(change.before), dict(change.after)) for change in changes] == []
