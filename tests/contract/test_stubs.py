"""`netbox-mcp stubs` of the real NetBox: what mypy makes of programs with them, and of the stubs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from netbox_mcp.cli.output import ExitCode
from tests.contract.clients import CommandLine, assert_sentence
from tests.integration.worker_process import NetBoxOverHttp

SOURCE = Path(__file__).parents[2]
CLIENT = "typings/orchestrator/netbox/client.pyi"
RIGHT = """
from typing import TYPE_CHECKING, Any

from netbox_mcp.single import get_netbox_client
from orchestrator.netbox import open_netbox
from orchestrator.netbox.client import Ensured, NetBoxClient
from orchestrator.netbox.settings import NetBoxSettings

if TYPE_CHECKING:
    from orchestrator.netbox.client import DcimSitesNew

netbox = get_netbox_client()
ids: list[int] = [1, 2]
names: list[str] = ["sw-1"]
for device in netbox.dcim.devices.filter(
    site="ams1", name__ic="sw", status=["active", "staged"], site_id=ids, fields=["name", "status"]
):
    print(device["name"], device["site"]["slug"], device["status"]["value"].upper())
netbox.dcim.devices.filter(site_id="null", role_id=(1, 2), name=names, status=names[0], has_primary_ip=True)
netbox.dcim.devices.filter(region_id=ids, id__gt=5, latitude__gte=52, cf_OWNER="noc", cf_OWNER__isw="n")
site = netbox.dcim.sites.get(7) or netbox.dcim.sites.get(name="AMS1")
number: int = site["id"] if site is not None else netbox.ipam.prefixes.count(status="active")
netbox.tenancy.contact_assignments.get(object_id=5)
netbox.dcim.sites.create({"name": "x", "slug": "x", "status": "active", "tags": [{"name": "t"}]})
rows: "list[DcimSitesNew]" = [{"name": name, "slug": name} for name in names]
netbox.dcim.sites.create(rows, message="from a list")
netbox.dcim.devices.create({"site": 1, "role": {"name": "Access"}, "device_type": 4, "face": None})
netbox.dcim.sites.update({"id": number, "region": {"name": "EU"}, "name": "y"}, confirm=True)
netbox.dcim.sites.delete([7], confirm=True)
done: Ensured = netbox.ensure_site(name="x", confirm=True)
anything: Any = [{"name": "x"}]
netbox.dcim.sites.create(anything)
print(netbox.endpoints()["dcim/devices"].filters)
open_netbox(NetBoxSettings(url="http://127.0.0.1", token="x"))  # type: ignore[arg-type]


def first(client: NetBoxClient) -> int:
    return client.dcim.sites.page({"name": ["x"]}, limit=5)["results"][0]["id"]
"""
WRONG = """
from netbox_mcp.single import get_netbox_client

netbox = get_netbox_client()
netbox.dcmi  # attr-defined
netbox.dcim.devises  # attr-defined
netbox.dcim.devices.filtre(name="x")  # attr-defined
netbox.ensure_sites(name="x")  # attr-defined
netbox.dcim.devices.filter(nmae="x")  # call-arg
netbox.dcim.devices.filter(name__icc="x")  # call-arg
netbox.dcim.devices.get(cf_ovner="x")  # call-arg
netbox.dcim.devices.count(nmae="x")  # call-arg
netbox.dcim.sites.page({"nmae": "x"})  # typeddict-unknown-key
netbox.dcim.devices.filter(name=5)  # arg-type
netbox.dcim.devices.filter(site_id="five")  # arg-type
netbox.dcim.devices.filter(has_primary_ip="x")  # arg-type
netbox.dcim.devices.all(fields=["nmae"])  # list-item
netbox.dcim.devices.all()[0]["nmae"]  # typeddict-item
netbox.dcim.sites.all()[0]["name"] + 1  # operator
netbox.dcim.sites.create({"name": "x", "slgu": "x"})  # arg-type
netbox.dcim.sites.create({"name": "x"})  # arg-type
netbox.dcim.sites.create({"name": "x", "slug": 7})  # arg-type
netbox.dcim.sites.update({"name": "x"})  # arg-type
netbox.dcim.sites.update({"id": 7, "facilty": "x"})  # arg-type
netbox.dcim.sites.delete("x")  # arg-type
netbox.core.object_changes.create({"id": 7})  # arg-type
netbox.core.object_changes.delete(7)  # arg-type
"""


def check(folder: Path, tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """mypy or stubtest with the stubs of a folder laid over the installed product."""
    return subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments],
        cwd=folder,
        env={**os.environ, "MYPYPATH": f"{folder / 'typings'}:{SOURCE}"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_programs_are_checked_against_the_live_netbox(
    netbox: NetBoxOverHttp, cli: CommandLine, tmp_path: Path, prefix: str
) -> None:
    """Every line of one program is right, every line of the other wrong in the way that it says."""
    owner = prefix.replace("-", "_")
    field = {"name": owner, "type": "text", "object_types": ["dcim.device"], "filter_logic": "exact"}
    made = netbox.create("extras/custom-fields", **field)
    try:
        run = cli("stubs")
    finally:
        netbox.delete("extras/custom-fields", made["id"])
    assert run.code == ExitCode.OK, run.err
    assert CLIENT in run.out
    assert 'mypy_path = "typings"' in run.err
    for name, text in (("right.py", RIGHT), ("wrong.py", WRONG)):
        (tmp_path / name).write_text(text.replace("OWNER", owner))
    said = check(tmp_path, "mypy", "--strict", "right.py", "wrong.py").stdout
    found = [re.match(r"(\S+?):(\d+): error: .*\[([\w-]+)\]$", line) for line in said.splitlines()]
    errors = {match.groups() for match in found if match}
    marked = [(at, line.partition("  # ")[2]) for at, line in enumerate(WRONG.splitlines(), 1)]
    assert errors == {("wrong.py", str(at), code) for at, code in marked if code}, said


def test_the_stub_has_what_the_real_module_has(
    netbox: NetBoxOverHttp, cli: CommandLine, tmp_path: Path
) -> None:
    """mypy's own comparison of a stub with its module: names, signatures, defaults."""
    assert cli("stubs").code == ExitCode.OK
    compared = check(tmp_path, "stubtest", "orchestrator.netbox.client")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "no issues found" in compared.stdout


def test_the_files_are_the_same_again(netbox: NetBoxOverHttp, cli: CommandLine, tmp_path: Path) -> None:
    """And take the place of what was there; nothing is left beside them."""
    assert cli("stubs").code == ExitCode.OK
    first = (tmp_path / CLIENT).read_bytes()
    assert len(first) < 1_000_000  # what editors and repositories bear well
    (tmp_path / CLIENT).write_text("in between")
    again = cli("stubs", "--json").json
    assert (tmp_path / CLIENT).read_bytes() == first
    assert again["folder"] == "typings"
    written = {
        str(path.relative_to(tmp_path)) for path in (tmp_path / "typings").rglob("*") if path.is_file()
    }
    assert written == set(again["files"])
    assert CLIENT in written
    elsewhere = cli("stubs", "--out", "other/place").out
    assert "other/place/orchestrator/netbox/client.pyi" in elsewhere


def test_what_goes_wrong_is_one_sentence(netbox: NetBoxOverHttp, cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert_sentence(cli("stubs", "--out", "file"), ExitCode.USAGE, "file", "--out")
    assert_sentence(cli("stubs", "--target", "nowhere"), ExitCode.USAGE, "no target 'nowhere'")
    away = cli("stubs", "--json", NETBOX_URL="http://127.0.0.1:9")
    assert (away.code, away.json["error"]["code"]) == (ExitCode.UNREACHABLE, "netbox_unreachable")
    assert not (tmp_path / "typings").exists()
