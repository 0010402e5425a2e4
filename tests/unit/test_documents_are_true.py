"""The documents against the code: settings, planning rules, examples, Redis keys.

`--update-golden` writes anew what is made from the code: docs/command-line.md, docs/tools.md,
docs/object-types.md, and the tables of docs/configuration.md and docs/batch-document.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from netbox_mcp.config import Settings, variable_of
from netbox_mcp.registry import load_tools
from orchestrator.desired import Options
from orchestrator.document import ALLOWED_OPTIONS, read_document
from orchestrator.document_schema import OPTION_HELP
from orchestrator.netbox.settings import _VARIABLES as TARGET_VARIABLES
from orchestrator.netbox.settings import NetBoxSettings
from orchestrator.normalise import normalise
from orchestrator.testing import MemoryNetBox
from tests.unit.batches import apply
from tests.unit.document_pages import (
    excluded_table,
    object_types_page,
    object_types_table,
    options_table,
    referred_table,
)
from tests.unit.reference_pages import command_line_page, tools_page

REPOSITORY = Path(__file__).parents[2]
MADE = "made from the code by `pytest tests/unit/test_documents_are_true.py --update-golden`"


def default_of(info: Any) -> str:
    if info.default is PydanticUndefined:
        return "required" if info.default_factory is None else "by the platform's convention"
    if info.default is None or isinstance(info.default, SecretStr):
        return ""
    if isinstance(info.default, list):
        return ", ".join(info.default)
    if isinstance(info.default, dict):
        return ", ".join(f"{name}={value}" for name, value in info.default.items())
    return str(info.default).lower() if isinstance(info.default, bool) else str(info.default)


def settings_table() -> list[str]:
    targets = [(TARGET_VARIABLES[name], NetBoxSettings.model_fields[name]) for name in TARGET_VARIABLES]
    ours = [(variable_of(name), info) for name, info in Settings.model_fields.items() if name != "dry_run"]
    rows = [f"| `{name}` | {default_of(info)} | {info.description} |" for name, info in (*targets, *ours)]
    return ["| variable | default | what it does |", "|---|---|---|", *rows]


@pytest.mark.parametrize(
    ("name", "part", "made"),
    [
        ("configuration.md", "settings", settings_table),
        ("batch-document.md", "object types", object_types_table),
        ("batch-document.md", "referred types", referred_table),
        ("batch-document.md", "excluded", excluded_table),
        ("batch-document.md", "options", options_table),
    ],
)
def test_a_table_that_is_made_from_the_code_is_as_the_code(
    name: str, part: str, made: Callable[[], list[str]], request: pytest.FixtureRequest
) -> None:
    page = REPOSITORY / "docs" / name
    begin, end = f"<!-- {part}: {MADE} -->\n", f"<!-- end of {part} -->\n"
    head, begun, tail = page.read_text().partition(begin)
    _, ended, rest = tail.partition(end)
    assert begun, f"{page} lacks {begin!r}"
    assert ended, f"{page} lacks {end!r}"
    expected = head + begin + "\n".join(made()) + "\n" + end + rest
    if request.config.getoption("--update-golden"):
        page.write_text(expected)
    assert page.read_text() == expected


def test_the_first_value_of_each_option_is_its_default() -> None:
    assert set(OPTION_HELP) == {*ALLOWED_OPTIONS, "tags", "scope"}
    for name, values in ALLOWED_OPTIONS.items():
        assert getattr(Options(), name) in (values[0], values[0] == "on"), name


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("command-line.md", command_line_page),
        ("tools.md", tools_page),
        ("object-types.md", object_types_page),
    ],
)
def test_a_page_that_is_made_from_the_code_is_as_the_code(
    name: str, made: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    page = REPOSITORY / "docs" / name
    if request.config.getoption("--update-golden"):
        page.write_text(made())
    assert page.read_text() == made()


def test_every_planning_rule_has_a_golden_file_and_the_other_way_round() -> None:
    rules = (REPOSITORY / "docs/planning-rules.md").read_text()
    rows = [line.rsplit("|", 2)[1] for line in rules.splitlines() if line.startswith("| ") and "`" in line]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    present = {path.stem for path in (REPOSITORY / "tests/golden").glob("*.yaml")}
    assert named & present == present
    assert {name for name in named if "_" in name} - present <= {"settle_seconds", "on_error"}


def test_the_readme_names_every_tool() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    assert [name for name in load_tools() if f"`{name}`" not in readme] == []


def test_the_campus_can_be_applied_and_then_has_nothing_left_to_do() -> None:
    path = REPOSITORY / "examples/campus.yaml"
    document = read_document(path.read_text(), path.name)
    netbox = MemoryNetBox()
    assert apply(netbox, document).ok
    assert len(netbox.tables["devices"]) == 204
    assert all(device["primary_ip4"] for device in netbox.tables["devices"].values())
    assert apply(netbox, document).write_requests == 0


def test_everything_can_be_applied_and_then_has_nothing_left_to_do() -> None:
    path = REPOSITORY / "examples/everything.yaml"
    document = read_document(path.read_text(), path.name)
    netbox = MemoryNetBox()
    report = apply(netbox, document)
    assert report.ok, report.first_errors
    assert report.warnings == []
    assert apply(netbox, document).write_requests == 0


def test_the_campus_is_as_large_as_it_says() -> None:
    path = REPOSITORY / "examples/campus.yaml"
    desired = normalise(read_document(path.read_text(), path.name))
    assert desired.problems == []
    counts = {name: len(entries) for name, entries in desired.entries.items()}
    assert (counts["manufacturers"], counts["sites"], counts["devices"]) == (2, 3, 204)
    head = path.read_text().split("\n\n")[0]
    assert "204 devices" in head
    assert f"{counts['interfaces']} interfaces, {counts['ip_addresses']} addresses" in head
    hosts = [entry.fields["address"].partition("/")[0] for entry in desired.entries["ip_addresses"]]
    assert len(set(hosts)) == len(hosts)
