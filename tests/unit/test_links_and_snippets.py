"""Every document: its links lead somewhere, its snippets are what they say they are.

YAML is a document that `validate` accepts, JSON can be read, TOML is a configuration that we take, and each
`netbox-mcp` in a shell block is a command that exists, with its options and as many arguments as it takes.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml

from netbox_mcp.cli import app
from netbox_mcp.cli.documents import load_document
from netbox_mcp.config import Settings, variable_of
from netbox_mcp.sandbox.interpreter import PYTHON_VARIABLE
from netbox_mcp.sandbox.layout import HOME_VARIABLE, SEED_VARIABLE
from orchestrator.desired import Desired
from orchestrator.netbox.settings import _VARIABLES as TARGET_VARIABLES
from orchestrator.normalise import normalise
from orchestrator.plugin_types import declare, in_use, keys_in
from orchestrator.yaml_text import load_yaml
from tests.unit.markdown import Block, anchors, blocks, links
from tests.unit.netbox_bgp import BGP_LISTS

REPOSITORY = Path(__file__).parents[2]

OTHER_YAML = {"scrape_configs": "Prometheus's", "services": "Compose's", "apiVersion": "Kubernetes'"}
"""Blocks of YAML that are no documents of ours, by a word in them, and whose they are: they must be YAML."""
OTHER_LANGUAGES = {"nginx"}
"""Configurations of programs that are not here to check them."""

PACKAGES = ("netbox_mcp", "workers", "orchestrator")
_FOLDERS = "|".join((*PACKAGES, "docs", "examples", "tests", "bench", "deploy"))
KNOWN_VARIABLES = {
    *map(variable_of, Settings.model_fields),
    *TARGET_VARIABLES.values(),
    "NETBOX_MCP_CONFIG",
    HOME_VARIABLE,
    SEED_VARIABLE,
    PYTHON_VARIABLE,
}


def documents() -> list[Path]:
    """What git has or would take in; what npm and others have put into the folder is not ours."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(path for name in set(listed.split("\0")) if name and (path := REPOSITORY / name).is_file())


DOCUMENTS = documents()
BLOCKS = [block for path in DOCUMENTS for block in blocks(path)]


def of(*languages: str) -> Any:
    found = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.place(REPOSITORY))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in links(path):
        if target.startswith(("https://", "mailto:")):
            continue  # other people's pages: a test must not need them
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or not file.is_relative_to(REPOSITORY):
            broken.append(f"{target}: no such file")
        elif anchor and anchor not in anchors(file):
            broken.append(f"{target}: no such heading in {name or 'this page'}")
    assert broken == []


def test_the_index_names_every_document() -> None:
    index = REPOSITORY / "docs/README.md"
    named = {(index.parent / target).resolve() for target in links(index)}
    missing = [path for path in (REPOSITORY / "docs").rglob("*.md") if path not in named and path != index]
    assert missing == []


@of("yaml")
def test_yaml_is_a_valid_document(block: Block) -> None:
    if any(word in (yaml.safe_load(block.text) or {}) for word in OTHER_YAML):
        return
    found = load_yaml(block.text)
    if set(found) == {"options"}:  # shown by themselves; a document without objects is refused
        found = {**found, "sites": ["AMS1"]}
    assert [str(problem) for problem in read(found).problems] == []


def read(document: Any) -> Desired:
    """A document as it is read where NetBox has the plugin netbox-bgp."""
    keys = keys_in(document)
    with in_use(declare(keys, BGP_LISTS) if keys else ()):
        return normalise(document)


EXAMPLES = [path for path in (REPOSITORY / "examples").glob("*") if path.name != "formats"]


@pytest.mark.parametrize(
    "path",
    sorted([*EXAMPLES, *(REPOSITORY / "examples/formats").glob("*")]),
    ids=lambda path: path.name,
)
def test_every_example_is_a_valid_document(path: Path) -> None:
    found = read(load_document(str(path)))
    assert [str(problem) for problem in found.problems] == []
    assert len(found) > 0


@of("json")
def test_json_can_be_read(block: Block) -> None:
    json.loads(block.text)


@of("toml")
def test_toml_names_settings_that_there_are(block: Block) -> None:
    found = tomllib.loads(block.text)
    assert set(found) <= {"netbox", "targets", "clients"}, "add the setting to this test"


@of("python")
def test_python_can_be_read(block: Block) -> None:
    compile(block.text, str(block.path), "exec")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_files_and_variables_that_a_document_names_are_there(path: Path) -> None:
    named = re.findall(rf"(?<![\w/.-])(?:{_FOLDERS})/[\w./-]+\.[a-z]+\b", path.read_text())
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
    variables = set(re.findall(r"\bNETBOX_MCP_[A-Z0-9_]+\b(?!\*)", path.read_text()))
    assert variables - KNOWN_VARIABLES == set()


def test_what_the_program_says_of_documents_is_true() -> None:
    text = "\n".join(path.read_text() for top in PACKAGES for path in (REPOSITORY / top).rglob("*.py"))
    named = set(re.findall(r"\bdocs/[\w/-]+\.md\b", text))
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


@of("sh", "console")
def test_commands_exist(block: Block) -> None:
    problems = [problem for words in our_commands(block) for problem in mistakes(words)]
    assert problems == []


def test_something_of_each_kind_was_found() -> None:
    # A language that is missing here is one that no test looks at; text is what something prints.
    found = {block.language for block in BLOCKS}
    assert found - OTHER_LANGUAGES == {"sh", "console", "yaml", "json", "toml", "python", "text"}
    assert sum(1 for block in BLOCKS for _ in our_commands(block)) > 30


# What stands in a shell block


def our_commands(block: Block) -> Iterator[list[str]]:
    """The words of each call of `netbox-mcp`, without what the shell does with them."""
    text = block.text
    if block.language == "console":  # what is typed stands behind a prompt, the rest is what it prints
        text = re.sub(r"^(?!\$ ).*\n", "", re.sub(r"\\\n", " ", text), flags=re.MULTILINE)
    text = re.sub(r"\s\d?>>?\s*\S+", "", text.replace("\\\n", " "))  # where its output goes
    for command in _OURS.findall(text):
        yield shlex.split(command)[1:]


# Where a command begins: a line, a part of one, behind variables, behind `--` of another program.
_BEFORE = r"(?:^|[;&|(]|\s--|\b(?:exec(?: [\w-]+)?|run|sudo|nohup|watch))\s*(?:[A-Z_]+=\S* +)*"
_OURS = re.compile(_BEFORE + r"(netbox-mcp [^\n;|&)<#`]*)", re.MULTILINE)


class Found(NamedTuple):
    """A command of ours, and the words that follow its name."""

    command: Any
    words: list[str]


def command_of(words: list[str]) -> Found | None:
    """The command that words name, through groups (`sandbox up`)."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        named = [word for word in words if not word.startswith("-")]
        if not named or named[0] not in command.commands:
            return None
        command = command.commands[named[0]]
        words = words[words.index(named[0]) + 1 :]
    return Found(command, words)


def mistakes(words: list[str]) -> Iterator[str]:
    found = command_of(words)
    if found is None:
        general = {"--help", "--version", "--install-completion", "--show-completion"}
        if not set(words) & general:
            yield f"no such command: netbox-mcp {' '.join(words)}"
        return
    options = {name: one for one in found.command.params for name in (*one.opts, *one.secondary_opts)}
    rest, given = iter(found.words), 0
    for word in rest:
        name, equals, _ = word.partition("=")
        if not word.startswith("-") or word == "-":
            given += 1
        elif name not in options and name != "--help":
            yield f"no such option: netbox-mcp {' '.join(words)}: {name}"
        elif name in options and not options[name].is_flag and not equals:
            next(rest, None)
    arguments = [one for one in found.command.params if one.param_type_name == "argument"]
    needed = sum(1 for one in arguments if one.required)
    many = any(one.nargs == -1 for one in arguments)
    if given < needed or (given > len(arguments) and not many):
        yield f"takes {len(arguments)} arguments: netbox-mcp {' '.join(words)}"
