"""Reading a batch document from a file or from standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from netbox_mcp.failures import UsageError
from netbox_mcp.inputs import decode
from orchestrator.document import read_document

TargetOption = Annotated[str, typer.Option("--target", help="Which configured NetBox.")]


def load_document(file: str) -> Any:
    """The document in a YAML or JSON file; `-` is standard input. Raises UsageError, DocumentError."""
    if file == "-":
        return _read(sys.stdin.buffer.read(), "standard input")
    path = Path(file)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {file}.", "Give the path of a YAML or JSON document.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {(error.strerror or 'error').lower()}.") from None
    return _read(raw, file)


def _read(raw: bytes, name: str) -> Any:
    return read_document(decode(raw, name, "Save it as UTF-8."), name)
