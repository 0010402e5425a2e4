"""A checkout of the devicetype-library on the command line: in, again for nothing, devices of it, and out."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from netbox_mcp.stack import Stack
from tests.acceptance.conftest import PlainNetBox

LIBRARY = Path(__file__).parents[2] / "examples/devicetype-library"
FOLDERS = {"device-types": "device_type", "module-types": "module_type", "rack-types": "rack_type"}
# Of a type that has no components of a kind, the file has no list.
KINDS = (
    "console-ports",
    "console-server-ports",
    "power-ports",
    "power-outlets",
    "interfaces",
    "rear-ports",
    "front-ports",
    "module-bays",
    "device-bays",
    "inventory-items",
    "cooling-intakes",
    "cooling-outflows",
)
OUR_FIELDS = 2

Files = dict[tuple[str, str, str], dict[str, Any]]
Components = Counter[tuple[str, str, str, str]]


def typed(stack: Stack, *words: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "netbox_mcp", *words, "--json"],
        env=stack.variables({}),
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def described() -> Files:
    """The files by field, manufacturer and model."""
    files = [path for path in LIBRARY.rglob("*.yaml") if path.is_file()]
    found = {}
    for path in files:
        raw = yaml.safe_load(path.read_text())
        found[FOLDERS[path.relative_to(LIBRARY).parts[0]], raw["manufacturer"], str(raw["model"])] = raw
    assert len(found) == len(files)
    return found


@pytest.mark.timeout(1800)
def test_every_component_template_of_the_library_is_there(stack: Stack, netbox: PlainNetBox) -> None:
    files = described()
    assert len(files) >= 40
    assert {kind for raw in files.values() for kind in KINDS if raw.get(kind)} == set(KINDS)
    stack.start_worker()

    made = typed(stack, "apply", str(LIBRARY), "--yes")
    assert made["status"] == "completed", made
    makers = {maker for _, maker, _ in files}
    parts = sum(len(raw.get(kind, ())) for raw in files.values() for kind in KINDS)
    assert counts_of(made)["created"] == len(files) + len(makers) + parts + OUR_FIELDS
    for kind in KINDS:
        assert in_netbox(netbox, kind) == in_files(files, kind), kind
    assert mapped(netbox) == sum(
        len(raw.get("port-mappings", ())) + sum("rear_port" in port for port in raw.get("front-ports", ()))
        for raw in files.values()
    )

    entries = netbox.changelog_entries()
    assert set(counts_of(typed(stack, "apply", str(LIBRARY), "--yes"))) <= {"unchanged"}
    assert netbox.changelog_entries() == entries

    undone = typed(stack, "rollback", made["batch_id"], "--yes")
    assert undone["status"] == "completed", undone
    assert netbox.all("dcim/device-types") == netbox.all("dcim/module-types") == []
    assert netbox.all("dcim/manufacturers") == []


def counts_of(status: dict[str, Any]) -> dict[str, int]:
    """How many objects came to which end."""
    return {name: count for name, count in (status.get("counts") or {}).items() if count}


def in_files(files: Files, kind: str) -> Components:
    """The components of a kind: by type and name."""
    return Counter(
        (*key, str(component["name"])) for key, raw in files.items() for component in raw.get(kind, ())
    )


def in_netbox(netbox: PlainNetBox, kind: str) -> Components:
    """The templates of a kind, likewise."""
    found: Components = Counter()
    for template in netbox.all(f"dcim/{kind.removesuffix('s')}-templates"):
        field = "device_type" if template["device_type"] else "module_type"
        above = template[field]
        found[field, above["manufacturer"]["name"], above["model"], template["name"]] += 1
    return found


def mapped(netbox: PlainNetBox) -> int:
    """How many positions of front ports are mapped to rear ports."""
    return sum(len(port["rear_ports"]) for port in netbox.all("dcim/front-port-templates"))
