"""Documents and live rows in, the plan's text (or the problems) out: one file per planning rule.

`plugin_lists` are what NetBox says of the lists of its plugins.
A case with `undoes` and `deeds` instead of a document is a rollback: what a batch did, what has
become of it since (`changed`, `dependents` and `others`, by object type and id), whether by `force`.

`pytest tests/unit/test_golden_plans.py --update-golden` writes the .txt files anew: read the diff.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.aftermath import Aftermath
from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.deeds import Deed, Key
from orchestrator.dependents import Dependent
from orchestrator.errors import DocumentError
from orchestrator.live import Live
from orchestrator.metadata import BATCH_FIELD, DIGESTS_FIELD
from orchestrator.models import Plan
from orchestrator.normalise import normalise
from orchestrator.plan import build_plan
from orchestrator.plan_text import render_plan
from orchestrator.plugin_types import PluginList, declare, in_use, keys_in
from orchestrator.rollback import plan_rollback
from orchestrator.yaml_text import load_yaml

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(GOLDEN.glob("*.yaml"))


def snapshot(case: dict[str, Any]) -> Live:
    """The live rows of a case. Our two custom fields are there unless it says `defined: false`."""
    live = Live(may_define=case.get("may_define", True), sees_definitions=case.get("sees", True))
    for name, some in case["live"].items():
        live.table(name).add(some)
    if case.get("defined", True):
        models = [OBJECT_TYPES[name].model for name in ENSURED]
        kinds = enumerate({BATCH_FIELD: "text", DIGESTS_FIELD: "json"}.items(), start=9001)
        live.table("custom_fields").add(
            {"id": number, "name": name, "type": {"value": kind, "label": kind}, "object_types": models}
            for number, (name, kind) in kinds
        )
    live.holders = dict(live.table("devices").by_id)
    return live


def keyed(facts: dict[str, Any] | None) -> dict[Key, Any]:
    """`devices/10` as type and id."""
    return {
        (name, int(number)): fact for key, fact in (facts or {}).items() for name, number in [key.split("/")]
    }


def rollback(case: dict[str, Any], reverse: bool) -> Plan:
    live = snapshot({**case, "defined": False})
    labels = {
        name: {id_: str(row[OBJECT_TYPES[name].label]) for id_, row in table.by_id.items()}
        for name, table in live.tables.items()
    }
    found = Aftermath(live=live, changed=keyed(case.get("changed")), names=labels)
    for key, pointing in keyed(case.get("dependents")).items():
        found.dependents.pointing[key] = [Dependent(**one) for one in pointing]
    found.dependents.others.update(keyed(case.get("others")))
    deeds = [Deed(**deed) for deed in case["deeds"]]
    deeds = deeds[::-1] if reverse else deeds
    return plan_rollback(case["undoes"], deeds, found, force=case.get("force", False))


def plan_or_problems(case: dict[str, Any], reverse: bool = False) -> str:
    if "undoes" in case:
        return render_plan(rollback(case, reverse))
    document = case["document"]
    if reverse and isinstance(document, dict):
        document = {name: document[name] for name in reversed(document)}
    lists = {one["model"]: PluginList(**one) for one in case.get("plugin_lists", ())}
    try:
        types = declare(keys_in(document), lists) if lists else ()
        with in_use(types):
            plan = build_plan(normalise(document), snapshot(case))
        return render_plan(replace(plan, types=types))
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
