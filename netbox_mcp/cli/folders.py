"""A folder of files as one document: parts of a document, or a checkout of the devicetype-library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from netbox_mcp.failures import UsageError
from netbox_mcp.input_files import KINDS
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import DocumentError, Problem
from orchestrator.plugin_types import KEYS
from orchestrator.type_library import FOLDERS, read_type, same_type
from orchestrator.values import named

Document = dict[str, Any]
Read = Callable[[Path], Any]

_ONCE = ("options", "defaults", KEYS)
_TOLD = 3


def load_folder(folder: Path, read: Read) -> tuple[Document, list[str]]:
    """The document that the files of a folder are together, and what is remarkable about them.

    `read` gives the data in a file. The document's `sources` tell in problems and reports which file an
    entry is from. Raises UsageError, DocumentError.
    """
    read, files = _naming_the_file(folder, read), _documents(folder)
    types = {path: kind for path in files if (kind := _type_in(folder, path))}
    if types:
        document, remarks = _library(folder, types, read)
        others = [str(path.relative_to(folder)) for path in files if path not in types]
        left_out = "only types are read where there are folders of the library; left out"
        return document, [*remarks, *([f"{left_out}: {named(others, _TOLD)}"] if others else [])]
    if not files:
        raise UsageError(f"There is no document in {folder}.", f"It may have {', '.join(sorted(KINDS))}.")
    parts = _Parts()
    for path in files:
        parts.add(str(path.relative_to(folder)), _named_after_type(path, read(path)))
    return parts.document(), []


def _naming_the_file(folder: Path, read: Read) -> Read:
    """What is wrong with a file as such is told with its name in the folder."""

    def with_its_name(path: Path) -> Any:
        try:
            return read(path)
        except DocumentError as error:
            file = str(path.relative_to(folder))
            raise DocumentError(
                [
                    replace(one, path=one.path if str(path) in one.path else f"{file}: {one.path}")
                    for one in error.problems
                ]
            ) from None

    return with_its_name


class _Parts:
    """Puts parts of a document together."""

    def __init__(self) -> None:
        self._lists: dict[str, list[Any]] = {}
        self._sources: dict[str, list[Any]] = {}
        self._once: dict[str, tuple[str, Any]] = {}
        self.problems: list[Problem] = []

    def add(self, file: str, data: Any) -> None:
        """Take in what one file says."""
        if data is None:  # nothing but comments
            return
        if not isinstance(data, dict):
            hint = "write OBJECT_TYPE: [...], or name the file after the type of its entries"
            self.problems.append(Problem(file, "is no mapping of object types to lists", hint))
            return
        for name, value in data.items():
            if name in _ONCE:
                said, before = self._once.setdefault(name, (file, value))
                if before != value:
                    hint = "say them in one file: they hold for the whole folder"
                    self.problems.append(Problem(f"{file}: {name}", f"differ from those in {said}", hint))
            elif isinstance(value, list):
                self._lists.setdefault(name, []).extend(value)
                self._sources.setdefault(name, []).append([file, len(value)])
            else:
                self.problems.append(Problem(f"{file}: {name}", "must be a list of objects"))

    def document(self) -> Document:
        """The whole. Raises DocumentError."""
        if self.problems:
            raise DocumentError(self.problems)
        once = {name: value for name, (_, value) in self._once.items()}
        return {**once, "sources": self._sources, **self._lists}


def _library(folder: Path, types: Mapping[Path, str], read: Read) -> tuple[Document, list[str]]:
    parts, remarks = _Parts(), list[str]()
    parts.add("", {"options": {"expand": False}})  # the library has no ranges: brackets belong to names
    found: dict[str, dict[str, Document]] = {name: {} for name in FOLDERS.values()}
    for path, object_type in types.items():
        name, raw = str(path.relative_to(folder)), read(path)
        if isinstance(raw, dict):
            found[object_type][name], wrong = read_type(object_type, raw, name)
            parts.problems += wrong
        else:
            parts.problems.append(Problem(name, "does not describe a type", "the format is a mapping"))
    makers: set[str] = set()
    for object_type, entries in found.items():
        problems, same = same_type(entries)
        parts.problems += problems
        remarks += same
        for file, entry in entries.items():
            maker = entry.get("manufacturer")
            # The library may name one like another on purpose: declared, neither is taken for a slip.
            if isinstance(maker, str) and maker not in makers:
                makers.add(maker)
                parts.add(file, {"manufacturers": [maker]})
            parts.add(file, {object_type: [entry]})
    return parts.document(), remarks


def _type_in(folder: Path, path: Path) -> str:
    """The object type that a file of a library describes, by the folder that it lies in; empty for others.

    The folder is a library, or one of its folders, or that of one manufacturer.
    """
    here = folder.resolve()
    places = (here.name, here.parent.name, path.relative_to(folder).parts[0])
    inside = next((FOLDERS[place] for place in places if place in FOLDERS), "")
    return inside if path.suffix.lower() in (".yaml", ".yml") else ""


def _documents(folder: Path) -> list[Path]:
    """The documents in a steady order; hidden ones and those in hidden folders are none of ours."""
    inside = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in KINDS and path.is_file())
    return [
        path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _named_after_type(path: Path, data: Any) -> Any:
    """A bare list is of the type that its file is named after."""
    return {path.stem: data} if isinstance(data, list) and path.stem in OBJECT_TYPES else data
