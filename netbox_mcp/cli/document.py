"""`netbox-mcp validate`, `schema`, `convert`: documents by themselves. None of these asks NetBox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from netbox_mcp.cli.documents import FileArgument, load_document, write_out
from netbox_mcp.cli.output import JsonFlag, print_json, say
from netbox_mcp.failures import UsageError
from orchestrator.csv_text import write_csv
from orchestrator.document import DECLARES_NOTHING
from orchestrator.document_schema import document_schema
from orchestrator.errors import DocumentError
from orchestrator.layered import is_plugin_type
from orchestrator.normalise import normalise
from orchestrator.plugin_types import keys_in
from orchestrator.yaml_text import dump_yaml

OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write to this file instead of standard output.")
]
TypeOption = Annotated[
    str | None, typer.Option("--type", help="Object type of a CSV table; usually its file is named after it.")
]


def validate(file: FileArgument, object_type: TypeOption = None, as_json: JsonFlag = False) -> None:
    """Look for mistakes in a document without asking NetBox.

    Finds all of them at once: unknown fields, values that NetBox would not take, ranges, contradictions. What
    a document refers to, only `plan` can check. Ends with 4 where something is wrong.
    """
    document, unseen = _without_plugins(load_document(file, object_type))
    found = normalise(document)
    if unseen and not len(found):
        found.problems = [one for one in found.problems if one.message != DECLARES_NOTHING]
    if found.problems and not found.only_choices_doubted:
        raise DocumentError(found.problems)
    counts = {name: len(entries) for name, entries in found.entries.items()}
    doubts = [str(problem) for problem in found.problems]
    passed_over = [f"{name}: not looked at, since only a live NetBox knows it (plan does)" for name in unseen]
    if as_json:
        print_json({"valid": True, "objects": len(found), "by_type": counts, "doubts": doubts + passed_over})
        return
    for doubt in doubts:
        say(f"{doubt}; unless your NetBox is configured to have it")
    for remark in passed_over:
        say(remark)
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(f"Nothing is wrong: {len(found)} objects{f' ({listed})' if listed else ''}.")


def _without_plugins(document: Any) -> tuple[Any, list[str]]:
    """The document without the types of plugins, of which only a live NetBox knows; and their names."""
    keys = keys_in(document)
    named = keys if isinstance(keys, Mapping) else {}
    unseen = [name for name in named if is_plugin_type(str(name)) and name in document]
    rest = {name: part for name, part in document.items() if name not in unseen} if unseen else document
    if unseen and isinstance(rest.get("defaults"), Mapping):
        rest["defaults"] = {name: some for name, some in rest["defaults"].items() if name not in unseen}
    return rest, unseen


def schema(out: OutOption = None) -> None:
    """Print the JSON Schema of documents, for editors that complete and check while you type."""
    write_out(_json(document_schema()), out)


def convert(
    file: FileArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where to; its ending says what: .yaml, .json or .csv.")
    ],
    object_type: TypeOption = None,
) -> None:
    """Turn a document from CSV into YAML or JSON, and back. Nothing is lost on the way.

    A table holds one object type; what it cannot say is an error, with its place.
    """
    document = load_document(file, object_type)
    ending = out.suffix.lower()
    if ending == ".json":
        text = _json(document)
    elif ending == ".csv":
        text = write_csv(document)
    elif ending in (".yaml", ".yml"):
        text = dump_yaml(document)
    else:
        raise UsageError(f"{out} ends in none of .yaml, .json and .csv.", "The ending says what to write.")
    write_out(text, out)


def _json(data: Any) -> str:
    return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"
