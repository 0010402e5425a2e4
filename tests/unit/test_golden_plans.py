"""Documents and live rows in, the plan's text (or the problems) out: one file per planning rule.

`pytest tests/unit/test_golden_plans.py --update-golden` writes the .txt files anew: read the diff.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import DocumentError
from orchestrator.live import Live
from orchestrator.normalise import normalise
from orchestrator.plan import build_plan
from orchestrator.plan_text import render_plan
from orchestrator.yaml_text import load_yaml

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(GOLDEN.glob("*.yaml"))


def snapshot(rows: dict[str, list[dict[str, Any]]]) -> Live:
    live = Live()
    for name, some in rows.items():
        live.table(name).add(some)
    return live


def plan_or_problems(case: dict[str, Any], reverse: bool = False) -> str:
    document = case["document"]
    if reverse and isinstance(document, dict):
        document = {name: document[name] for name in reversed(document)}
    try:
        return render_plan(build_plan(normalise(document), snapshot(case["live"])))
    except DocumentError as error:
        return "\n".join(["Refused:", *(f"  {problem}" for problem in error.problems)])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_document_gives_the_expected_plan(path: Path, request: pytest.FixtureRequest) -> None:
    text = plan_or_problems(load_yaml(path.read_text())) + "\n"
    expected = path.with_suffix(".txt")
    if request.config.getoption("--update-golden"):
        expected.write_text(text)
    assert text == expected.read_text()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_order_of_the_document_does_not_matter(path: Path) -> None:
    case = load_yaml(path.read_text())
    forwards, backwards = plan_or_problems(case), plan_or_problems(case, reverse=True)
    assert sorted(forwards.splitlines()) == sorted(backwards.splitlines())
