"""docs/concepts.md: its example, planned and applied; what it prints is in the page, word for word.

`--update-golden` writes the printed parts anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.plan_text import render_plan
from orchestrator.testing import MemoryNetBox
from orchestrator.yaml_text import load_yaml
from tests.unit.batches import MemoryJournal

PAGE = Path(__file__).parents[2] / "docs/concepts.md"
_DOCUMENT = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PRINTED = re.compile(r"^```text\n.*?^```$", re.MULTILINE | re.DOTALL)


def printed() -> Iterator[str]:
    """What the steps of the example print, in their order."""
    found = _DOCUMENT.search(PAGE.read_text())
    assert found
    document = load_yaml(found[1])
    netbox, journal = MemoryNetBox(), MemoryJournal()
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0.0)
    plan = engine.plan(document)
    yield render_plan(plan)
    engine.apply(plan, "b-first", journal)
    yield render_plan(engine.plan(document))
    (device,) = netbox.tables["devices"].values()
    netbox.update("devices", [{"id": device["id"], "status": "offline"}], "by hand")
    document["devices"][0]["serial"] = "FOC2301X0AB"
    plan, second = engine.plan(document), MemoryJournal()
    yield render_plan(plan)
    engine.apply(plan, "b-second", second)
    plan = engine.plan_rollback("b-second", second)
    yield render_plan(plan)
    engine.apply(plan, "b-undo", MemoryJournal())
    yield _as_if(render_plan(engine.plan_rollback("b-first", journal, force=True)))


def _as_if(text: str) -> str:
    """As if a person had been at it, at a moment that stays the same."""
    return re.sub(r"by memory at \S+:", "by jane at 2026-02-03T09:15:00Z:", text)


def test_the_worked_example_prints_what_it_says(request: pytest.FixtureRequest) -> None:
    steps = iter(list(printed()))
    expected = _PRINTED.sub(lambda found: f"```text\n{next(steps)}\n```", PAGE.read_text())
    assert next(steps, None) is None, "the page lacks a step"
    if request.config.getoption("--update-golden"):
        PAGE.write_text(expected)
    assert PAGE.read_text() == expected
