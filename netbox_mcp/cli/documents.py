"""Reading a batch document from a file or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from netbox_mcp.failures import UsageError
from orchestrator.document import read_document

TargetOption = Annotated[str, typer.Option("--target", help="Which configured NetBox.")]


def load_document(file: str) -> Any:
    """The document in a YAML or JSON file; `-` is standard input. Raises UsageError, DocumentError."""
    if file == "-":
        return read_document(_decode(sys.stdin.buffer.read(), "standard input"), "standard input")
    path = Path(file)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {file}.", "Give the path of a YAML or JSON document.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {(error.strerror or 'error').lower()}.") from None
    return read_document(_decode(raw, file), file)


def _decode(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from None
