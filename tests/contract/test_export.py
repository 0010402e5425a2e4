"""`netbox-mcp export, validate, convert, schema` as users type them; exports are of the real NetBox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from netbox_mcp.cli.output import ExitCode
from tests.contract.clients import CommandLine, assert_sentence, write
from tests.integration.worker_process import NetBoxOverHttp

CAMPUS = Path(__file__).parents[2] / "examples" / "campus.yaml"


@pytest.fixture
def site(netbox: NetBoxOverHttp, prefix: str) -> str:
    """A site of everything that is awkward: names of several objects, and what no document can name."""
    netbox.define_metadata()
    parent = netbox.create("dcim/device-roles", name=f"{prefix} net", slug=f"{prefix}-net")
    role = netbox.create(
        "dcim/device-roles", name=f"{prefix} leaf", slug=f"{prefix}-leaf", parent=parent["id"]
    )
    maker = netbox.create("dcim/manufacturers", name=f"{prefix} maker", slug=f"{prefix}-maker")
    other = netbox.create("dcim/manufacturers", name=f"{prefix} other", slug=f"{prefix}-other")
    kind = netbox.create(
        "dcim/device-types", manufacturer=maker["id"], model=f"{prefix} X1", slug=f"{prefix}-x1"
    )
    netbox.create("dcim/device-types", manufacturer=other["id"], model=f"{prefix} X1", slug=f"{prefix}-x1")
    tenant = netbox.create("tenancy/tenants", name=f"{prefix} tenant", slug=f"{prefix}-tenant")
    tag = netbox.create("extras/tags", name=f"{prefix} tag", slug=f"{prefix}-tag")
    site = netbox.create(
        "dcim/sites", name=f"{prefix} site", slug=f"{prefix}-own", latitude=52.37, tags=[tag["id"]]
    )
    room = netbox.create("dcim/locations", site=site["id"], name="Room", slug=f"{prefix}-room")
    rack = netbox.create("dcim/racks", site=site["id"], location=room["id"], name="R1")
    vrfs = [
        netbox.create("ipam/vrfs", name=name)
        for name in (f"{prefix} red", f"{prefix} twin", f"{prefix} twin")
    ]
    vlan = netbox.create("ipam/vlans", vid=10, name=f"{prefix} v")
    on = {"site": site["id"], "role": role["id"], "device_type": kind["id"]}
    leaf = netbox.create(
        "dcim/devices", name=f"{prefix}-leaf", **on, tenant=tenant["id"], location=room["id"],
        rack=rack["id"], position=3, face="front", local_context_data={"ntp": ["192.0.2.1"]}, comments="no",
    )  # fmt: skip
    netbox.create("dcim/devices", asset_tag=f"{prefix}-A1", **on)
    lag = netbox.create("dcim/interfaces", device=leaf["id"], name="Po1", type="lag")
    port = netbox.create(
        "dcim/interfaces", device=leaf["id"], name="Eth1/[1]", type="1000base-t", lag=lag["id"],
        mode="access", untagged_vlan=vlan["id"],
    )  # fmt: skip
    held = {"assigned_object_type": "dcim.interface", "assigned_object_id": port["id"]}
    net = 10 + int(site["id"]) % 200
    address = netbox.create("ipam/ip-addresses", address=f"10.{net}.0.1/24", **held)
    netbox.create("ipam/ip-addresses", address=f"10.{net}.0.1/24", vrf=vrfs[0]["id"], **held)
    netbox.create("ipam/ip-addresses", address=f"10.{net}.0.2/24", vrf=vrfs[2]["id"], **held)
    netbox.update("dcim/devices", leaf["id"], primary_ip4=address["id"])
    return f"{prefix} site"


def exported(cli: CommandLine, *arguments: str) -> dict[str, Any]:
    run = cli("export", *arguments, "--json")
    assert run.code == ExitCode.OK, run.err
    found: dict[str, Any] = run.json
    return found


def test_a_site_is_exported_and_planned_again_without_a_difference(
    netbox: NetBoxOverHttp, cli: CommandLine, site: str, prefix: str
) -> None:
    run = cli("export", "--site", site, "--out", "site.yaml")
    assert run.code == ExitCode.OK, run.err
    assert "Left out" not in run.err
    document = yaml.safe_load((cli.folder / "site.yaml").read_text())
    assert document["options"] == {"expand": False}
    (leaf,) = [one for one in document["devices"] if one.get("name")]
    assert leaf["device_type"] == {"manufacturer": f"{prefix} maker", "model": f"{prefix} X1"}
    assert {"name": "Eth1/[1]", "lag": "Po1"}.items() <= leaf["interfaces"][0].items()
    assert leaf["primary_ip4"]["vrf"] is None
    vrfs = [one["vrf"] for one in leaf["ip_addresses"][:2]]
    assert {None, f"{prefix} red"} == set(vrfs)  # the same host twice: that one is in none is said
    assert list(leaf["ip_addresses"][2]["vrf"]) == ["id"]  # two are called so
    assert "Named by its id, which holds in this NetBox only: one of vrfs (2)" in run.err
    assert {one["name"] for one in document["device_roles"]} == {f"{prefix} net", f"{prefix} leaf"}
    assert document["sites"][0]["slug"] == f"{prefix}-own"
    assert [one["name"] for one in document["vlans"]] == [f"{prefix} v"]

    planned = cli("plan", "site.yaml", "--json")
    assert planned.code == ExitCode.OK, planned.err
    assert {change["action"] for change in planned.json["changes"]} == {"unchanged"}
    assert len(planned.json["changes"]) == exported(cli, "--site", f"{prefix}-own")["objects"] == 19


def test_a_new_site_is_made_like_another(netbox: NetBoxOverHttp, cli: CommandLine, prefix: str) -> None:
    """What an export is for: one name is changed, and there are two."""
    first = {
        "options": {"create_parents": True},
        "devices": [
            {
                "name": "{site}-sw[1-3]".replace("{site}", f"{prefix}-ams1"),
                "site": f"{prefix}-ams1",
                "role": f"{prefix} access",
                "device_type": {"manufacturer": f"{prefix} Acme", "model": f"{prefix} X1"},
                "serial": "SN{1}",
                "interfaces": [{"name": "Eth[1-4]", "type": "1000base-t", "mtu": 9000}],
                "ip_addresses": [{"address": f"10.{netbox_octet(prefix)}.0.{{1+0}}/24", "interface": "Eth1"}],
                "primary_ip4": f"10.{netbox_octet(prefix)}.0.{{1+0}}/24",
            }
        ],
    }
    assert cli("apply", write(cli, first), "--sync", "--yes").code == ExitCode.OK
    assert cli("export", "--site", f"{prefix}-ams1", "--template", "-o", "ams1.yaml").code == ExitCode.OK
    text = (cli.folder / "ams1.yaml").read_text()
    assert text.count("9000") == 1  # said once, as a default
    (cli.folder / "ams2.yaml").write_text(text.replace("ams1", "ams2"))
    done = cli("apply", "ams2.yaml", "--sync", "--yes", "--json")
    assert done.json["totals"]["created"] == 1 + 3 + 12
    assert done.json["totals"].get("updated", 0) == 0  # no address has left its device
    again = exported(cli, "--site", f"{prefix}-ams2", "--template")["document"]
    assert again == yaml.safe_load(text.replace("ams1", "ams2"))


def netbox_octet(prefix: str) -> int:
    """A network of the test's own."""
    return 1 + sum(prefix.encode()) % 200


def test_a_tag_and_a_filter_choose_as_well(
    netbox: NetBoxOverHttp, cli: CommandLine, site: str, prefix: str
) -> None:
    by_tag = exported(cli, "--tag", f"{prefix}-tag")
    assert set(by_tag["document"]) == {"sites", "tags"}
    found = exported(cli, "--where", f"devices.name={prefix}-leaf", "--tag", f"{prefix} tag")
    assert [one["name"] for one in found["document"]["devices"]] == [f"{prefix}-leaf"]
    assert found["differs"] == ""


def test_what_cannot_be_exported_is_said_in_a_sentence(
    netbox: NetBoxOverHttp, cli: CommandLine, site: str
) -> None:
    assert_sentence(cli("export"), ExitCode.USAGE, "What is to be exported?", "--site")
    assert_sentence(
        cli("export", "--site", f"{site}x"), ExitCode.ERROR, f"no site '{site}x'", f"did you mean '{site}'"
    )
    for wrong in ("devices", "devices.role", "devices.role=", "devices.fields=name"):
        assert_sentence(cli("export", "--where", wrong), ExitCode.USAGE, "devices.role=leaf")
    assert_sentence(cli("export", "--where", "device.role=x"), ExitCode.USAGE, "did you mean 'devices'")
    assert_sentence(cli("export", "--where", "devices.rolle=x"), ExitCode.USAGE, "rolle", "role")
    run = cli("export", "--where", "devices.name=nobody-is-called-so")
    assert (run.code, run.out.strip()) == (ExitCode.OK, "{}")
    assert "Nothing was found." in run.err


# Without NetBox


def test_a_document_is_validated_without_netbox(cli: CommandLine) -> None:
    name = write(cli, {"sites": [{"name": "AMS[1-3]", "status": "active"}], "manufacturers": ["Cisco"]})
    run = cli("validate", name)
    assert (run.code, run.out) == (ExitCode.OK, "Nothing is wrong: 4 objects (3 sites, 1 manufacturers).\n")
    name = write(cli, {"sites": [{"name": "AMS1", "statsu": "active"}], "devicez": []})
    assert_sentence(cli("validate", name), ExitCode.INVALID_DOCUMENT, "sites[0].statsu", "devicez")
    name = write(cli, {"sites": [{"name": "AMS1", "status": "ours"}]})
    run = cli("validate", name)
    assert (run.code, "unless your NetBox is configured to have it" in run.err) == (ExitCode.OK, True)
    assert cli("validate", name, "--json").json["doubts"]


def test_tables_become_documents_and_tables_again(cli: CommandLine) -> None:
    (cli.folder / "sites.csv").write_text("name,region.name,latitude\nAMS1,NL,52.5\n007,NL,\n")
    assert cli("convert", "sites.csv", "--out", "all.yaml").code == ExitCode.OK
    assert yaml.safe_load((cli.folder / "all.yaml").read_text()) == {
        "sites": [
            {"name": "AMS1", "region": {"name": "NL"}, "latitude": 52.5},
            {"name": "007", "region": {"name": "NL"}},
        ]
    }
    assert cli("convert", "all.yaml", "--out", "again.csv").code == ExitCode.OK
    assert (cli.folder / "again.csv").read_text() == (cli.folder / "sites.csv").read_text()
    assert cli("validate", "sites.csv").code == ExitCode.OK
    run = cli("convert", "again.csv", "--out", "x.yaml")
    assert_sentence(run, ExitCode.INVALID_DOCUMENT, "no object type 'again'", "sites")
    assert cli("convert", "again.csv", "--type", "sites", "--out", "x.json").code == ExitCode.OK
    assert_sentence(cli("convert", "x.json", "--out", "x.txt"), ExitCode.USAGE, "x.txt ends in none of")


def test_the_schema_for_editors_takes_our_examples(cli: CommandLine) -> None:
    schema = json.loads(cli("schema").out)
    validator = Draft202012Validator(schema)
    Draft202012Validator.check_schema(schema)
    assert not list(validator.iter_errors(yaml.safe_load(CAMPUS.read_text())))
    wrong = {"sites": [{"name": "AMS1", "latitude": "north"}], "devicez": []}
    assert len(list(validator.iter_errors(wrong))) == 2
