"""Documents handed over beforehand, so that a language model need not carry them: named by an `input_id`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netbox_mcp.background import background
from netbox_mcp.dependencies import get_settings
from netbox_mcp.failures import UsageError
from netbox_mcp.input_files import NDJSON, PREFIX, read_input_file
from netbox_mcp.replies import InputReply
from orchestrator.csv_text import read_csv
from orchestrator.document import read_document

MEDIA_TYPES = ("application/json", "application/yaml", NDJSON, "text/csv")
_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain"})


def keep_input(body: bytes, media_type: str, object_type: str | None) -> InputReply:
    """Keep a document for as long as tasks are kept. Raises DocumentError, UsageError, and without Redis."""
    kind = media_type.partition(";")[0].strip().lower()
    text = decode(body, "The body", "Send it as UTF-8.")
    document = _document(text, kind, object_type)
    with background() as manager:
        input_id = manager.keep_document(document)
    return InputReply(
        input_id=input_id,
        expires_in_seconds=get_settings().task_retention_seconds,
        next="netbox_plan_bulk and netbox_start_bulk_async take the input_id instead of the document.",
    )


def load_input(input_id: str) -> Any:
    """The document that was handed over, or that `file:NAME` names in the folder for inputs.

    Raises UnknownDocumentError when it has expired; for a file UsageError, TooLargeError, DocumentError.
    """
    if input_id.startswith(PREFIX):
        name = input_id.removeprefix(PREFIX)
        content, kind = read_input_file(name)
        return _document(decode(content, name, "Save it as UTF-8."), kind, Path(name).stem, name)
    with background() as manager:
        return manager.load_document(input_id)


def one_document(
    devices_data: list[dict[str, Any]] | None,
    batch: dict[str, Any] | None,
    input_id: str | None = None,
    or_plan: bool = False,
) -> Any:
    """The document of a call. Raises UsageError unless exactly one form of it was given."""
    if (devices_data, batch, input_id).count(None) != 2:
        ways = "batch, devices_data, input_id and plan_id" if or_plan else "batch, devices_data and input_id"
        raise UsageError(
            f"Give one of {ways}, and only one of them.",
            'For example batch={"manufacturers": [{"name": "Cisco"}]}.',
        )
    if input_id is not None:
        return load_input(input_id)
    return devices_data if batch is None else batch


def _document(text: str, kind: str, object_type: str | None, file: str = "") -> Any:
    """The document in a body or a file of a media type; the rows of a table are of `object_type`."""
    if kind == "application/json":
        document = read_document(text, file or "input.json")
    elif kind == NDJSON:
        document = read_document(text, file or "input.ndjson")
    elif kind in _YAML:
        document = read_document(text, file or "input.yaml")
    elif kind == "text/csv":
        document = read_csv(text, object_type)
    else:
        raise UsageError(
            f"A body of type {kind or 'nothing in particular'} cannot be read.",
            f"Say which it is by Content-Type: {', '.join(MEDIA_TYPES)}.",
        )
    if not isinstance(document, dict | list):
        raise UsageError(
            f"{file or 'The body'} is no document.", "A document is a mapping of object types to lists."
        )
    return document


def decode(raw: bytes, name: str, way_out: str) -> str:
    """The text of a document; a byte order mark does no harm. Raises UsageError."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start}).", way_out) from None
