"""Issue forms as GitHub takes them, and the files and commands that they name.

A form that GitHub refuses is missing from its list without a word. Its rules are
those of
https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / ".github/ISSUE_TEMPLATE"
FORMS = sorted(path for path in FOLDER.glob("*.yml") if path.name != "config.yml")

FORM_KEYS = {"name", "description", "title", "labels", "assignees", "projects", "type", "body"}
NEEDED = {
    "markdown": "value",
    "textarea": "label",
    "input": "label",
    "dropdown": "label",
    "checkboxes": "label",
}
ATTRIBUTES = {
    "markdown": {"value"},
    "textarea": {"label", "description", "placeholder", "value", "render"},
    "input": {"label", "description", "placeholder", "value"},
    "dropdown": {"label", "description", "multiple", "options", "default"},
    "checkboxes": {"label", "description", "options"},
}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_every_kind_of_issue_has_a_form() -> None:
    wanted = {"bug", "bug-with-write-impact", "feature", "integration", "safety-review", "write-operation"}
    assert {path.stem for path in FORMS} == wanted


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_is_one_that_github_shows(path: Path) -> None:
    form = read(path)
    assert set(form) <= FORM_KEYS
    for key in ("name", "description", "body"):
        assert form.get(key), key
    assert all(isinstance(label, str) for label in form.get("labels", []))
    assert any(part["type"] != "markdown" for part in form["body"])
    for part in form["body"]:
        check_part(part)
    ids = [part["id"] for part in form["body"] if "id" in part]
    labels = [part["attributes"]["label"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(ids)) == len(ids)
    assert len(set(labels)) == len(labels)


def check_part(part: dict[str, Any]) -> None:
    kind, attributes = part["type"], part["attributes"]
    assert kind in ATTRIBUTES
    assert set(part) <= {"type", "id", "attributes", "validations"}
    assert set(attributes) <= ATTRIBUTES[kind], part
    assert str(attributes.get(NEEDED[kind], "")).strip(), part
    assert re.fullmatch(r"[A-Za-z0-9_-]+", part.get("id", "x"))
    assert set(part.get("validations", {})) <= {"required"}
    if kind == "dropdown":
        options = attributes["options"]
        # GitHub refuses what YAML takes for true and false, and "None", which it adds itself.
        assert all(isinstance(option, str) and option.lower() != "none" for option in options), options
        assert len(set(options)) == len(options) > 0
    if kind == "checkboxes":
        assert attributes["options"]
        for option in attributes["options"]:
            assert set(option) <= {"label", "required"}
            assert isinstance(option["label"], str), option
        assert "validations" not in part


def test_the_list_of_forms_is_configured_as_github_wants_it() -> None:
    config = read(FOLDER / "config.yml")
    assert set(config) <= {"blank_issues_enabled", "contact_links"}
    assert isinstance(config["blank_issues_enabled"], bool)
    for link in config.get("contact_links", []):
        assert set(link) == {"name", "url", "about"}


@pytest.mark.parametrize(
    "path", [*FORMS, REPOSITORY / ".github/pull_request_template.md"], ids=lambda path: path.stem
)
def test_what_a_template_names_is_there(path: Path) -> None:
    named = re.findall(r"[\w./-]+\.(?:md|py|yml)\b", path.read_text())
    missing = [
        name for name in named if not any((base / name).is_file() for base in (REPOSITORY, path.parent))
    ]
    assert missing == []
