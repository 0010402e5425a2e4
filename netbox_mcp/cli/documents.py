"""Reading a batch document from a file or from standard input, and writing one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from netbox_mcp.cli.folders import load_folder
from netbox_mcp.cli.output import say
from netbox_mcp.failures import UsageError
from netbox_mcp.inputs import decode
from orchestrator.csv_text import read_csv
from orchestrator.document import read_document

FILE = typer.Argument(
    metavar="FILE",
    help="YAML, JSON, NDJSON, or CSV named after its type; a folder of these or a checkout of the "
    "devicetype-library; - for standard input.",
)
FileArgument = Annotated[str, FILE]
TargetOption = Annotated[str, typer.Option("--target", help="Which configured NetBox.")]


def load_document(file: str, object_type: str | None = None) -> Any:
    """The document in a YAML, JSON, NDJSON or CSV file, or in a folder of such; `-` is standard input.

    A table is of `object_type` or, where that is not said, of the type that its file is named after. What is
    remarkable about a folder is said on stderr. Raises UsageError, DocumentError.
    """
    if file == "-":
        return _read(sys.stdin.buffer.read(), "standard input", object_type)
    path = Path(file)
    if path.is_dir():
        document, remarks = load_folder(path, _load_file)
        for remark in remarks:
            say(f"Warning: {remark}")
        return document
    return _load_file(path, object_type)


def _load_file(path: Path, object_type: str | None = None) -> Any:
    file = str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {file}.", "Give the path of YAML, JSON, NDJSON or CSV.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {(error.strerror or 'error').lower()}.") from None
    is_table = path.suffix.lower() == ".csv"
    return _read(raw, file, object_type or path.stem if is_table else object_type)


def write_out(text: str, out: Path | None) -> None:
    """Write to a file, or to stdout where there is none. Raises UsageError."""
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {(error.strerror or 'error').lower()}.") from None


def _read(raw: bytes, name: str, object_type: str | None) -> Any:
    text = decode(raw, name, "Save it as UTF-8.")
    return read_document(text, name) if object_type is None else read_csv(text, object_type)
