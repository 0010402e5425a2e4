"""Every endpoint of the real NetBox from Python: what it offers, how it is found, read and kept on disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.catalog import EXCLUDED, OBJECT_TYPES
from orchestrator.errors import BadFilterError, UnknownNameError
from orchestrator.netbox import RestNetBox, open_netbox, surface_store
from orchestrator.netbox.endpoints import Endpoints, Mutation
from orchestrator.netbox.queries import known_filters
from orchestrator.netbox.surface import MANY, Surface, read_surface, surface_from_data, surface_to_data
from orchestrator.ports import Written
from tests.netbox.contract_rig import create, named
from tests.netbox.faulty_proxy import FaultyProxy
from tests.netbox.tidy_fixture import call, settings_of


@contextmanager
def unaudited(_mutation: Mutation) -> Iterator[Callable[[Written], None]]:
    yield lambda _written: None


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("surfaces")


@pytest.fixture
def plain(tidy_netbox: SandboxInfo) -> Iterator[RestNetBox]:
    with open_netbox(settings_of(tidy_netbox)) as netbox:
        yield netbox


@pytest.fixture
def endpoints(plain: RestNetBox, kept: Path) -> Endpoints:
    return Endpoints(plain, kept, unaudited)


def test_every_endpoint_can_be_read(endpoints: Endpoints) -> None:
    """And gives the fields that the surface says; NetBox 4.7 has more than 130 of them."""
    surface = endpoints.surface
    assert len(surface.endpoints) > 130
    for path in surface.endpoints:
        page = endpoints.find(path).page({}, limit=1)
        for row in page["results"]:
            # NetBox 4.7 leaves this one field of tokens out of its own description.
            assert set(row) - {"allowed_ips"} <= surface.endpoints[path].fields, path


def test_it_knows_what_the_catalog_knows(endpoints: Endpoints) -> None:
    for row in OBJECT_TYPES.values():
        endpoint = endpoints.find(row.name).endpoint
        assert (endpoint.path, endpoint.model) == (row.path, row.model)
        assert known_filters(row) <= set(endpoint.filters), row.name
        single = {name for name in known_filters(row) if endpoint.filters[name] != MANY}
        assert single == set(row.asked_singly), row.name
        assert {"GET", "POST", "PATCH", "DELETE"} <= endpoint.methods
        assert set(row.pointers()) - set(row.generic) <= endpoint.writable, row.name


def test_every_list_that_can_be_written_is_known_or_left_out_for_a_reason(endpoints: Endpoints) -> None:
    writable = {path for path, one in endpoints.surface.endpoints.items() if "POST" in one.methods}
    known = {row.path for row in OBJECT_TYPES.values()}
    assert writable - known - EXCLUDED.keys() == set()
    assert EXCLUDED.keys() - writable == set()
    assert known & EXCLUDED.keys() == set()
    assert all(EXCLUDED.values())


def test_models_are_what_netbox_calls_them(endpoints: Endpoints, tidy_netbox: SandboxInfo) -> None:
    types = call(tidy_netbox, "GET", "core/object-types", params={"limit": 1000})["results"]
    models = {f"{row['app_label']}.{row['model']}" for row in types}
    assert {endpoint.model for endpoint in endpoints.surface.endpoints.values()} <= models


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("dcim.device", "dcim/devices"),
        ("dcim.devices", "dcim/devices"),
        ("dcim/device-types", "dcim/device-types"),
        ("device_types", "dcim/device-types"),
        ("Device", "dcim/devices"),
        ("interfaces", "dcim/interfaces"),
        ("virtualization.vminterface", "virtualization/interfaces"),
        (" ipam.ipaddress ", "ipam/ip-addresses"),
    ],
)
def test_an_endpoint_is_found_by_its_names(endpoints: Endpoints, name: str, path: str) -> None:
    assert endpoints.find(name).endpoint.path == path


def test_objects_are_read_page_by_page_in_any_order(
    endpoints: Endpoints, tidy_netbox: SandboxInfo, kept: Path
) -> None:
    with RestNetBox(settings_of(tidy_netbox), page_size=2) as small:
        ids = create(small, "sites", *(named(f"site-{number}") for number in range(5)))
        sites = Endpoints(small, kept, unaudited).app("dcim").sites
        assert [row["id"] for row in sites.all()] == ids
        assert [row["name"] for row in sites.all(fields=["name"], ordering=["-name"])] == [
            f"site-{number}" for number in (4, 3, 2, 1, 0)
        ]
        assert [row["id"] for row in sites.filter(name=["site-1", "site-3"])] == [ids[1], ids[3]]
        many = [f"no-site-{number}" for number in range(400)]  # more than one request line can hold
        assert [row["id"] for row in sites.filter(name=[*many, "site-4"])] == [ids[4]]
        assert sites.get(ids[2])["name"] == "site-2"
        assert sites.get(name="site-2", fields=["name"]) == {"name": "site-2"}
        assert sites.get(name="nowhere") is None
        assert sites.get(99_999_999) is None
        assert (sites.count(), sites.count(name__isw="site-"), sites.count(name="site-1")) == (5, 5, 1)
        with pytest.raises(BadFilterError, match=r"5 objects of dcim\.site match"):
            sites.get(name__isw="site-")
        with pytest.raises(BadFilterError, match="needs an id or a filter"):
            sites.get()
        with pytest.raises(BadFilterError, match="would read all dcim/sites"):
            sites.filter()
        assert [row["id"] for row in sites.filter(id__gt=ids[1])] == ids[2:]
        for negation in ({"name__n": many}, {"tag": many}):  # asked apart, they would find the others
            with pytest.raises(BadFilterError, match="more values than one request"):
                sites.filter(**negation)
        assert [row["id"] for row in sites.filter(name__n=["site-0", "site-1"])] == ids[2:]


def test_misspelt_names_are_told_at_every_step(endpoints: Endpoints) -> None:
    dcim = endpoints.app("dcim")
    for wrong, words, hint in (
        (lambda: endpoints.app("dcmi"), "no app 'dcmi'", "Did you mean 'dcim'?"),
        (lambda: dcim.devises, "dcim has no endpoint 'devises'", "Did you mean 'devices'?"),
        (lambda: dcim.devices.filter(nmae="x"), "filters.nmae", "Did you mean 'name'?"),
        (lambda: dcim.devices.all(fields=["nmae"]), "fields.nmae", "Did you mean 'name'?"),
    ):
        with pytest.raises(UnknownNameError, match=words) as caught:
            wrong()
        assert caught.value.hint == hint
    assert not hasattr(dcim, "devises")
    assert "device_types" in dir(dcim)


def test_it_is_fetched_once_and_then_read_from_disk(
    tidy_netbox: SandboxInfo, proxy: FaultyProxy, tmp_path: Path
) -> None:
    """However many threads ask at the same moment, and by the next process not at all."""
    behind = open_netbox(settings_of(tidy_netbox, url=proxy.url, read_timeout_seconds=2))
    first, together = Endpoints(behind, tmp_path, unaudited), threading.Barrier(50)

    def ask(_: int) -> int:
        together.wait()
        return len(first.surface.endpoints)

    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(ask, range(50)))) == 1
    assert sum("schema" in seen for seen in map(str, proxy.seen)) == 1
    proxy.seen.clear()
    assert Endpoints(behind, tmp_path, unaudited).surface.endpoints == first.surface.endpoints
    assert not any("schema" in seen for seen in map(str, proxy.seen))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", ["", "[]]", '[{"path": 1}]', '{"endpoints": [{"path": 1}]}', "null"])
def test_a_broken_file_is_made_anew(plain: RestNetBox, tmp_path: Path, content: str) -> None:
    path = tmp_path / surface_store.file_name(plain.status())
    path.write_text(content)
    assert len(Endpoints(plain, tmp_path, unaudited).surface.endpoints) > 130
    assert len(json.loads(path.read_text())["endpoints"]) > 130


def test_where_nothing_can_be_kept_it_works_all_the_same(plain: RestNetBox, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert len(Endpoints(plain, tmp_path / "file" / "surfaces", unaudited).surface.endpoints) > 130


def test_an_upgrade_of_netbox_is_noticed(
    plain: RestNetBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints = Endpoints(plain, tmp_path, unaudited)
    path = tmp_path / surface_store.file_name(plain.status())
    path.write_text('{"endpoints": [], "plugin_lists": []}')  # as if kept of a NetBox that offers nothing
    assert endpoints.surface.endpoints == {}
    monkeypatch.setattr(surface_store, "file_name", lambda _status: "netbox-next.json")
    assert endpoints.surface.endpoints == {}  # looked at some moments ago
    monkeypatch.setattr(surface_store, "RECHECK_SECONDS", -1.0)
    assert len(endpoints.surface.endpoints) > 130


def test_it_survives_being_written_down(endpoints: Endpoints) -> None:
    again = surface_from_data(json.loads(json.dumps(surface_to_data(endpoints.surface))))
    assert again.endpoints == endpoints.surface.endpoints


def test_plugins_are_endpoints_like_any_other(plain: RestNetBox) -> None:
    """In the shape that NetBox gives plugins in its OpenAPI document: an app of its own below `plugins`."""
    document = {
        "paths": {
            "/api/plugins/netbox-dns/zones/": {
                "get": {
                    "parameters": [
                        {"in": "query", "name": "name", "schema": {"type": "array"}},
                        {"in": "query", "name": "limit", "schema": {"type": "integer"}},
                    ],
                    "responses": {
                        "200": {
                            "content": {
                                "application/json": {
                                    "schema": {"$ref": "#/components/schemas/PaginatedZoneList"}
                                }
                            }
                        }
                    },
                }
            }
        },
        "components": {
            "schemas": {
                "PaginatedZoneList": {
                    "properties": {"results": {"items": {"$ref": "#/components/schemas/Zone"}}}
                },
                "Zone": {"properties": {"id": {}, "name": {}}},
            }
        },
    }
    surface: Surface = read_surface(document, {})
    zone = surface.find("netbox_dns.zone")
    assert (zone.path, dict(zone.filters), zone.methods) == (
        "plugins/netbox-dns/zones",
        {"name": "many"},
        {"GET"},
    )
    named = read_surface(document, {"plugins/netbox-dns/zones": "dns.zone"})
    assert named.find("dns.zone").path == "plugins/netbox-dns/zones"


def test_netbox_names_the_models_of_its_paths(plain: RestNetBox) -> None:
    models = plain.raw.models_by_path()
    assert (models["dcim/devices"], models["virtualization/interfaces"]) == (
        "dcim.device",
        "virtualization.vminterface",
    )


def test_every_field_that_can_be_sorted_by_sorts(endpoints: Endpoints, plain: RestNetBox) -> None:
    """Both ways round differ, or the field is the same in all: NetBox ignores what it cannot sort by."""
    rows = [
        {**named(f"site-{n}"), "facility": f"f{n}", "status": status, "description": f"d{n}"}
        for n, status in enumerate(("active", "planned", "retired"))
    ]
    create(plain, "sites", *rows)
    sites = endpoints.app("dcim").sites
    for field in ("id", "name", "slug", "facility", "description", "status", "created", "last_updated"):
        up, down = ([row["id"] for row in sites.all(ordering=[f"{sign}{field}"])] for sign in ("", "-"))
        assert up != down or field in ("created", "last_updated"), field
    for computed in ("display", "url", "device_count", "prefix_count", "tags"):
        with pytest.raises(UnknownNameError):
            sites.all(ordering=[computed])


@pytest.mark.parametrize("value", [1, 0, "yes", "no", "on", "null", [True, False]])
def test_what_netbox_takes_for_neither_true_nor_false_is_refused(endpoints: Endpoints, value: object) -> None:
    interfaces = endpoints.app("dcim").interfaces
    for name in ("enabled", "label__empty"):
        with pytest.raises(BadFilterError, match=name):
            interfaces.count(**{name: value})
    assert interfaces.count(enabled="TRUE") == interfaces.count(enabled=True)
