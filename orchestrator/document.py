"""From text to a batch document: YAML or JSON, the options, the legacy list.

The first step of normalising; normalise.py turns the entries into objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from orchestrator.catalog import ENSURED
from orchestrator.desired import Options
from orchestrator.errors import DocumentError, Problem
from orchestrator.values import suggest

LEGACY_ROOT = "devices_data"

_ALLOWED: Mapping[str, tuple[Any, ...]] = {
    "create_parents": ("guarded", True, False),
    "on_error": ("continue", "stop"),
    "on_drift": ("overwrite",),
    "metadata": ("off", False),
    "expand": (True, False),
}
_NOT_YET: Mapping[str, tuple[Any, ...]] = {
    "on_error": ("rollback",),
    "on_drift": ("keep", "fail"),
    "metadata": ("on", True),
}


@dataclass(frozen=True, slots=True)
class Document:
    """The parts of a batch document, checked for shape: `lists` and `defaults` by object type."""

    lists: Mapping[str, list[Any]]
    defaults: Mapping[str, Mapping[str, Any]]
    options: Options
    root: str = ""


def read_document(text: str, name: str) -> Any:
    """The data in YAML or JSON text. `name` tells where it came from in errors. Raises DocumentError."""
    try:
        return orjson.loads(text) if name.endswith(".json") else yaml.load(text, Loader=_Loader)  # noqa: S506 - it is a safe loader
    except (yaml.YAMLError, orjson.JSONDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}" if mark else name
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise DocumentError(
            [Problem(place, f"cannot be read: {reason}", "check the YAML or JSON syntax")]
        ) from error


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML that refuses a key written twice, which plain YAML silently drops."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen and key != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice in one mapping", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


def split_document(data: Any, problems: list[Problem]) -> Document:
    """Options, defaults and lists of a batch document or of the legacy list of devices.

    What is wrong with the shape is appended to `problems`; what is right is returned.
    """
    if isinstance(data, list):
        _check_list(LEGACY_ROOT, data, problems)
        return Document({"devices": data}, {}, Options(expand=False), root=LEGACY_ROOT)
    if not isinstance(data, Mapping):
        problems.append(
            Problem(
                "document", "is neither a mapping of object types nor a list of devices", "see the examples"
            )
        )
        return Document({}, {}, Options())
    options = _read_options(data.get("options") or {}, problems)
    lists = {
        str(name): items
        for name, items in data.items()
        if name not in ("options", "defaults") and _known_type(str(name), str(name), problems)
        and _check_list(str(name), items, problems)
    }  # fmt: skip
    if not lists and not problems:
        problems.append(Problem("document", "declares no objects", f"add a list, for example {ENSURED[0]!r}"))
    return Document(lists, _read_defaults(data.get("defaults") or {}, problems), options)


def _known_type(name: str, path: str, problems: list[Problem]) -> bool:
    if name in ENSURED:
        return True
    hint = suggest(name, ENSURED) or f"known types: {', '.join(ENSURED)}"
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
        if not _known_type(str(name), f"defaults.{name}", problems):
            continue
        if isinstance(values, Mapping):
            known[str(name)] = values
        else:
            problems.append(Problem(f"defaults.{name}", "must be a mapping of fields"))
    return known


def _read_options(raw: Any, problems: list[Problem]) -> Options:
    if not isinstance(raw, Mapping):
        problems.append(Problem("options", "must be a mapping"))
        return Options()
    for name, value in raw.items():
        if name != "tags":
            _check_option(str(name), value, problems)
    tags = raw.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        problems.append(Problem("options.tags", "must be a list of tag names"))
        tags = []
    parents = raw.get("create_parents", "guarded")
    return Options(
        create_parents=parents if isinstance(parents, str) else str(parents).lower(),
        on_error=str(raw.get("on_error", "continue")),
        expand=raw.get("expand", True) is not False,
        tags=tuple(tags),
    )


def _check_option(name: str, value: Any, problems: list[Problem]) -> None:
    path = f"options.{name}"
    if name not in _ALLOWED:
        problems.append(Problem(path, "unknown option", suggest(name, [*_ALLOWED, "tags"])))
    elif value in _NOT_YET.get(name, ()):
        problems.append(Problem(path, f"{value!r} is not available in this version", "leave the option out"))
    elif value not in _ALLOWED[name]:
        allowed = ", ".join(str(choice).lower() for choice in _ALLOWED[name])
        problems.append(Problem(path, f"{value!r} is not allowed", f"one of: {allowed}"))
