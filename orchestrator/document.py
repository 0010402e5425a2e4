"""From text to a batch document: YAML or JSON, the options, the legacy list.

The first step of normalising; normalise.py turns the entries into objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from orchestrator.catalog import BY_MODEL, ENSURED, OBJECT_TYPES
from orchestrator.desired import Options
from orchestrator.errors import DocumentError, Problem
from orchestrator.json_shape import check_json, shorten
from orchestrator.layered import is_plugin_type
from orchestrator.plugin_types import KEYS, check_keys
from orchestrator.values import suggest
from orchestrator.yaml_text import load_yaml

LEGACY_ROOT = "devices_data"
PARTS = ("options", "defaults", "sources", KEYS)
"""What stands in a document besides lists of objects."""
_LONGEST_FILE = 300
DECLARES_NOTHING = "declares no objects"
LINES = (".ndjson", ".jsonl")
"""The endings of files of which each line is a part of the document."""

ALLOWED_OPTIONS: Mapping[str, tuple[Any, ...]] = {
    "create_parents": ("guarded", True, False),
    "on_error": ("continue", "stop", "rollback"),
    "on_drift": ("overwrite", "keep", "fail"),
    "metadata": ("on", "off", True, False),
    "expand": (True, False),
    "absent": ("ignore", "report"),
}
SCOPES = ("tag", "site")
"""Within what it may be reported which objects of ours a document does not have."""


@dataclass(frozen=True, slots=True)
class Document:
    """The parts of a batch document, checked for shape: `lists` and `defaults` by object type.

    `sources` has, by object type, the files that the entries of its list are from, as (file, entries).
    """

    lists: Mapping[str, list[Any]]
    defaults: Mapping[str, Mapping[str, Any]]
    options: Options
    root: str = ""
    sources: Mapping[str, Sequence[tuple[str, int]]] = field(default_factory=dict)

    def places(self, object_type: str) -> Iterator[str]:
        """What problems and reports call the entries of a list, one after another: `sites[0]`."""
        name = self.root or object_type
        number = 0
        for file, entries in self.sources.get(object_type, ()):
            for index in range(entries):
                number += 1
                yield f"{file}: {name}[{index}]"
        for index in range(number, len(self.lists[object_type])):
            yield f"{name}[{index}]"


def read_document(text: str, name: str) -> Any:
    """The data in YAML, JSON or NDJSON text, as its ending says; `name` tells in errors where it came from.

    Raises DocumentError.
    """
    try:
        if name.endswith(LINES):
            data: Any = _joined(text)
        else:
            data = orjson.loads(text) if name.endswith(".json") else load_yaml(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        mark, line = getattr(error, "problem_mark", None), getattr(error, "lineno", None)
        place = f"{name}:{mark.line + 1}" if mark else f"{name}:{line}" if line else name
        reason = getattr(error, "problem", None) or (str(error).splitlines() or ["not text"])[0]
        raise DocumentError(
            [Problem(place, f"cannot be read: {reason}", "check the YAML or JSON syntax")]
        ) from error
    if problems := _unfit(data):
        raise DocumentError(problems)
    return data


def _joined(text: str) -> dict[str, Any]:
    """The document of which each line is a part: `{"sites": {"name": "AMS1"}}`, or a list of entries.

    Raises ValueError, with `lineno`, for a line that is no mapping and for parts that are said twice.
    """
    document: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        part = _line(line, number)
        for name, value in part.items():
            if name not in PARTS:
                document.setdefault(name, []).extend(value if isinstance(value, list) else [value])
            elif name in document:
                raise _LineError(f"{name} are given a second time", number)
            else:
                document[name] = value
    return document


def _line(line: str, number: int) -> dict[str, Any]:
    try:
        part = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _LineError(str(error), number) from None
    if not isinstance(part, dict):
        raise _LineError("a line is a mapping of an object type to an object", number)
    return part


class _LineError(ValueError):
    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.lineno = number


def _unfit(data: Any) -> list[Problem]:
    return check_json(data, LEGACY_ROOT if isinstance(data, list) else "")


def split_document(data: Any, problems: list[Problem]) -> Document:
    """Options, defaults and lists of a batch document or of the legacy list of devices.

    What is wrong with the shape is appended to `problems`; what is right is returned.
    """
    if unfit := _unfit(data):
        problems.extend(unfit)
        return Document({}, {}, Options())
    if isinstance(data, list):
        _check_list(LEGACY_ROOT, data, problems)
        return Document({"devices": data}, {}, Options(expand=False), root=LEGACY_ROOT)
    if not isinstance(data, dict):
        problems.append(
            Problem(
                "document", "is neither a mapping of object types nor a list of devices", "see the examples"
            )
        )
        return Document({}, {}, Options())
    problems.extend(check_keys(_given(data, KEYS)))
    options = _read_options(_given(data, "options"), problems)
    lists = {
        name: items
        for name, items in data.items()
        if name not in PARTS and _known_type(name, name, problems)
        and _check_list(name, items, problems)
    }  # fmt: skip
    if not lists and not problems:
        problems.append(Problem("document", DECLARES_NOTHING, f"add a list, for example {ENSURED[0]!r}"))
    defaults = _read_defaults(_given(data, "defaults"), problems)
    return Document(lists, defaults, options, sources=_read_sources(_given(data, "sources"), problems))


def _read_sources(raw: Any, problems: list[Problem]) -> dict[str, list[tuple[str, int]]]:
    """Written by whoever puts several files together, not by hand."""
    if isinstance(raw, Mapping) and all(map(_are_sources, raw.values())):
        return {name: [(file, count) for file, count in parts] for name, parts in raw.items()}
    problems.append(Problem("sources", "must be lists of [file, number of entries] by object type"))
    return {}


def _are_sources(parts: Any) -> bool:
    return isinstance(parts, list) and all(map(_is_source, parts))


def _is_source(part: Any) -> bool:
    """A file's name, which problems of each of its entries begin with, and how many it has."""
    if not isinstance(part, list) or len(part) != 2:
        return False
    file, count = part
    return isinstance(file, str) and len(file) <= _LONGEST_FILE and file.isprintable() and type(count) is int


def _known_type(name: str, path: str, problems: list[Problem]) -> bool:
    row = OBJECT_TYPES.get(name)
    if row is not None and row.ensured:
        return True
    hint = suggest(name, ENSURED) or f"known types: {', '.join(ENSURED)}"
    if name in BY_MODEL:
        hint = f"documents call it {BY_MODEL[name]}"
    elif is_plugin_type(name):
        hint = f"where it is a plugin's, name its key, as in {KEYS}: {{{name}: [name]}}"
    problems.append(Problem(path, f"unknown object type {name!r}", hint))
    return False


def _check_list(path: str, items: Any, problems: list[Problem]) -> bool:
    if isinstance(items, list) and items:
        return True
    message = "is an empty list" if items == [] else f"must be a list of objects, not {type(items).__name__}"
    problems.append(Problem(path, message, "leave it out, or put entries in it"))
    return False


def _read_defaults(raw: Any, problems: list[Problem]) -> dict[str, Mapping[str, Any]]:
    if not isinstance(raw, Mapping):
        problems.append(Problem("defaults", "must be a mapping of object types"))
        return {}
    known = {}
    for name, values in raw.items():
        if not _known_type(name, f"defaults.{name}", problems):
            continue
        if isinstance(values, Mapping):
            known[name] = values
        else:
            problems.append(Problem(f"defaults.{name}", "must be a mapping of fields"))
    return known


def _given(data: Mapping[str, Any], name: str) -> Any:
    """A part of the document; an empty one may be left open (`options:`)."""
    return {} if data.get(name) is None else data[name]


_SHAPED = ("tags", "scope")


def _read_options(raw: Any, problems: list[Problem]) -> Options:
    if not isinstance(raw, Mapping):
        problems.append(Problem("options", "must be a mapping"))
        return Options()
    right = {
        name for name, value in raw.items() if name not in _SHAPED and _check_option(name, value, problems)
    }
    chosen = {name: raw[name] for name in right}
    tags = [] if raw.get("tags") is None else raw["tags"]
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.strip() for tag in tags):
        problems.append(Problem("options.tags", "must be a list of tag names"))
        tags = []
    return Options(
        create_parents=str(chosen.get("create_parents", "guarded")).lower(),
        on_error=chosen.get("on_error", "continue"),
        on_drift=chosen.get("on_drift", "overwrite"),
        metadata=chosen.get("metadata", True) not in ("off", False),
        expand=chosen.get("expand", True),
        tags=tuple(tag.strip() for tag in tags),
        absent=chosen.get("absent", "ignore"),
        scope=_read_scope(raw.get("scope"), chosen.get("absent") == "report", problems),
    )


def _read_scope(raw: Any, needed: bool, problems: list[Problem]) -> tuple[str, str]:
    """Of which objects it is reported that they are absent: `{tag: nightly}` or `{site: AMS1}`."""
    hint = "write scope: {tag: NAME} or {site: NAME}"
    if raw is None:
        if needed:
            problems.append(Problem("options.absent", "report needs a scope", hint))
        return "", ""
    if isinstance(raw, Mapping) and len(raw) == 1:
        kind, name = next(iter(raw.items()))
        if kind in SCOPES and isinstance(name, str) and name.strip():
            return kind, name.strip()
    problems.append(Problem("options.scope", f"expected one tag or site, got {shorten(raw)}", hint))
    return "", ""


def _check_option(name: str, value: Any, problems: list[Problem]) -> bool:
    path = f"options.{name}"
    if name not in ALLOWED_OPTIONS:
        problems.append(Problem(path, "unknown option", suggest(name, [*ALLOWED_OPTIONS, *_SHAPED])))
    elif _is_one_of(value, ALLOWED_OPTIONS[name]):
        return True
    else:
        allowed = ", ".join(str(choice).lower() for choice in ALLOWED_OPTIONS[name])
        hint = f"one of: {allowed}" + (
            ", without quotes" if str(value).lower() in allowed.split(", ") else ""
        )
        problems.append(Problem(path, f"{shorten(value)} is not allowed", hint))
    return False


def _is_one_of(value: Any, choices: tuple[Any, ...]) -> bool:
    """Python holds 0 for False and 1 for True; a document does not."""
    return any(type(value) is type(choice) and value == choice for choice in choices)
