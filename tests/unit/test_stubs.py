"""Stubs of what no sandbox has: plugins, names that are no names in Python, objects that name each other."""

from __future__ import annotations

import ast
from typing import Any

from orchestrator.netbox.stubs import client_stub
from orchestrator.netbox.surface import read_surface

LIST = {"properties": {"results": {"items": {"$ref": "#/components/schemas/Zone"}}}}
ZONE = {
    "id": {"type": "integer"},
    "class": {"type": "string"},
    "parent": {"allOf": [{"$ref": "#/components/schemas/Zone"}], "nullable": True},
}


def stub_of_plugin() -> str:
    names = {"name": "array", "class": "array", "server_id": "array", "server_id__n": "array"}
    parameters = [
        {"in": "query", "name": name, "schema": {"type": kind, "items": {"type": "integer"}}}
        for name, kind in names.items()
    ]
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ZoneList"}}}
    get: dict[str, Any] = {"parameters": parameters, "responses": {"200": {"content": content}}}
    schema = {"$ref": "#/components/schemas/ZoneRequest"}
    post = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    request = {"properties": {"id": {"type": "integer"}, "class": ZONE["class"]}, "required": ["class"]}
    openapi = {
        "paths": {"/api/plugins/netbox-dns/zones/": {"get": get, "post": post}},
        "components": {"schemas": {"ZoneList": LIST, "Zone": {"properties": ZONE}, "ZoneRequest": request}},
    }
    return client_stub(openapi, read_surface(openapi, {}), [], "NetBox 4.7 with netbox_dns 1.0")


def test_plugins_are_apps_below_plugins() -> None:
    stub = stub_of_plugin()
    defined = {node.name: node for node in ast.parse(stub).body if isinstance(node, ast.ClassDef)}

    def members(name: str) -> set[str]:
        return {ast.unparse(one) for one in defined[name].body if isinstance(one, ast.AnnAssign)}

    assert "plugins: PluginsApp" in members("NetBoxClient")
    assert members("PluginsApp") == {"netbox_dns: PluginsNetboxDnsApp"}
    assert members("PluginsNetboxDnsApp") == {"zones: PluginsNetboxDnsZones"}
    assert "# What NetBox 4.7 with netbox_dns 1.0 offers" in stub
    deleted = next(
        one for one in defined["PluginsNetboxDnsZones"].body if getattr(one, "name", "") == "delete"
    )
    assert "ids: Never" in ast.unparse(deleted)  # neither are there DELETE and PATCH


def test_what_is_no_name_in_python_is_a_key_all_the_same() -> None:
    stub = stub_of_plugin().replace('"', "'")
    assert "ZoneRow = TypedDict('ZoneRow', {'id': int, 'class': str, 'parent': ZoneRow | None})" in stub
    assert "'PluginsNetboxDnsZonesChange', {'id': int, 'class': NotRequired[str]}" in stub
    assert "class PluginsNetboxDnsZonesFilters(_by_name, _by_server_id):" in stub
    assert "    server_id__n: _Some[int] | Literal['null']" in stub
