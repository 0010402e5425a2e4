"""A CSV table as a batch document, and back: one row per object of one type, a column per field.

`device_type.model` is a column for a field of what the object points to. An
empty cell says nothing of its field. Text stays text, `007` too; only fields of
the type itself that NetBox has as numbers or as yes and no are read as such, and ids. Lists are JSON, or
names with commas between them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import orjson

from orchestrator.catalog import ENSURED
from orchestrator.errors import DocumentError, Problem
from orchestrator.layered import is_plugin_type
from orchestrator.schema import load_schema
from orchestrator.values import suggest

MAX_COLUMNS = 500
MAX_UNEVEN = 100
_LISTS = frozenset({"list", "tags", "references", "texts", "numbers"})
_READ = frozenset({"integer", "number", "boolean", "object", "json", *_LISTS})


def read_csv(text: str, object_type: str | None) -> dict[str, list[dict[str, Any]]]:
    """The document in a CSV table. Raises DocumentError with every problem and the line it is on."""
    if object_type not in ENSURED:
        hint = suggest(object_type or "", ENSURED) or f"one of: {', '.join(ENSURED)}"
        what = f"there is no object type {object_type!r}" if object_type else "of which type are the rows?"
        if object_type and is_plugin_type(object_type):
            what, hint = f"{object_type} is a plugin's type, of which there are no tables", "use YAML or JSON"
        raise DocumentError([Problem("object_type", what, hint)])
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        lines = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise DocumentError([Problem(f"line {reader.line_num}", f"cannot be read: {error}")]) from None
    if not lines:
        raise DocumentError([Problem("line 1", "the table is empty", "its first line names the fields")])
    heads = [head.strip() for head in lines[0][1]]
    if problems := [*_wrong_heads(heads), *_uneven(heads, lines[1:])]:
        raise DocumentError(problems)
    return {object_type: [_entry(object_type, heads, row) for _, row in lines[1:]]}


def write_csv(document: Any) -> str:
    """The table of a document that has one list and nothing else; `read_csv` makes the same of it again.

    Raises DocumentError with the first thing that a table cannot say: children, null, an empty text.
    """
    lists = list(document.items()) if isinstance(document, dict) else []
    if len(lists) != 1 or lists[0][0] not in ENSURED or not isinstance(lists[0][1], list) or not lists[0][1]:
        hint = "keep one list, and put options and defaults into its entries"
        raise DocumentError([Problem("document", "a table holds objects of one type and nothing else", hint)])
    object_type, entries = lists[0]
    rows = [dict(_cells(object_type, entry)) if isinstance(entry, dict) else {} for entry in entries]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(chain.from_iterable(rows))), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    again = _read_again(out.getvalue(), object_type)
    for at, entry in enumerate(entries):
        if place := _lost(entry, again[at] if at < len(again) else None, f"{object_type}[{at}]"):
            raise DocumentError([Problem(place, "a table cannot say this", "leave it out, or keep to YAML")])
    return out.getvalue()


def _cells(object_type: str, entry: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Columns and cells of an entry; what it points to in several."""
    for name, value in entry.items():
        spec = load_schema()[object_type].get(name)
        if isinstance(value, dict) and (above or spec is None or spec.kind not in _READ):
            yield from _cells(object_type, value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value if isinstance(value, str) else orjson.dumps(value).decode()


def _read_again(text: str, object_type: str) -> list[dict[str, Any]]:
    try:
        return read_csv(text, object_type)[object_type]
    except DocumentError:  # a field that is a name here and a mapping there, say
        return []


def _lost(value: Any, again: Any, path: str) -> str:
    """The first place where what was read again is not what was written; empty where there is none."""
    if isinstance(value, dict) and isinstance(again, dict):
        places = (_lost(part, again.get(name), f"{path}.{name}") for name, part in value.items())
        return next(filter(None, places), "")
    return "" if value == again and type(value) is type(again) else path


def _wrong_heads(heads: list[str]) -> Iterator[Problem]:
    if len(heads) > MAX_COLUMNS:
        yield Problem("line 1", f"{len(heads):,} columns", f"a table has {MAX_COLUMNS} at most")
        return
    seen: set[str] = set()
    for at, head in enumerate(heads):
        if not head or not all(head.split(".")):
            yield Problem("line 1", f"column {at + 1} has no name", "name a field, as in device_type.model")
        elif head in seen:
            yield Problem("line 1", f"two columns are named {head!r}", "leave one out")
        elif head.partition(".")[0] != head and head.partition(".")[0] in heads:
            yield Problem("line 1", f"{head!r} and its first part are both columns", "leave one out")
        seen.add(head)


def _uneven(heads: list[str], lines: list[tuple[int, list[str]]]) -> Iterator[Problem]:
    wrong = (one for one in lines if len(one[1]) != len(heads))
    for number, row in islice(wrong, MAX_UNEVEN):
        found = f"{len(row)} cells under {len(heads)} columns"
        yield Problem(f"line {number}", found, "quote cells with commas")


def _entry(object_type: str, heads: list[str], row: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for head, cell in zip(heads, row, strict=True):
        if not cell.strip():
            continue
        *path, name = head.split(".")
        place = entry
        for part in path:
            place = place.setdefault(part, {})
        place[name] = _value(object_type, name, cell) if not path or name == "id" else cell
    return entry


def _value(object_type: str, name: str, cell: str) -> Any:
    spec = load_schema()[object_type].get(name)
    if (spec is not None and spec.kind in _READ) or name == "id" or name.endswith("_id"):
        try:
            return orjson.loads(cell.strip().lower() if spec is not None and spec.kind == "boolean" else cell)
        except orjson.JSONDecodeError:
            # As NetBox's own import has them: names with commas between them.
            is_list = spec is not None and spec.kind in _LISTS
            return [part.strip() for part in cell.split(",") if part.strip()] if is_list else cell
    return cell
