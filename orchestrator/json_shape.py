"""The door of the engine: whatever comes in is plain JSON data, of a size that can be handled.

Text, whole numbers of 64 bits, finite numbers, true, false, null, lists, and
mappings with text for keys. Everything behind this door may rely on it,
wherever the document came from.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from orchestrator.errors import Problem

MAX_DEPTH = 20
MAX_VALUES = 10_000_000
_SHOWN = 20
_WHOLE = (-(2**63), 2**64 - 1)


def check_json(data: Any, root: str = "") -> list[Problem]:
    """What in `data` is not JSON, too deep or too much: the first few places. `root` is its path."""
    if _is_plain(data):
        return []
    door = _Door()
    _, size = door.look(data, root, 0)
    if size > MAX_VALUES and not door.problems:
        message = f"stands for more than {MAX_VALUES:,} values"
        door.problem(root, message, "split it, or use fewer YAML aliases")
    return door.problems


def shorten(value: Any) -> str:
    """A value for a message, cut where it is long."""
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


class _OddError(Exception):
    """Something here deserves a closer look."""


def _is_plain(data: Any) -> bool:
    """Whether nothing can be wrong with `data`; when in doubt, it is not.

    Quick, since almost every document passes: no place is spelt out.
    """
    try:
        return isinstance(data, dict | list) and _count(data, 1, set(), set()) <= MAX_VALUES
    except _OddError:
        return False


def _count(value: dict[Any, Any] | list[Any], depth: int, seen: set[int], keys: set[Any]) -> int:
    """How many values are in this container. Raises _OddError, for one that is met twice, too.

    `keys` are those found right so far: most mappings have the same ones.
    """
    if depth > MAX_DEPTH or id(value) in seen:
        raise _OddError
    seen.add(id(value))
    size = 1 + len(value)
    if isinstance(value, dict) and not value.keys() <= keys:
        _check_texts(value)
        keys.update(value)
    for item in value.values() if isinstance(value, dict) else value:
        kind = type(item)
        if kind is dict or kind is list:
            size += _count(item, depth + 1, seen, keys) - 1
        elif kind is not str:
            _check_scalar(item, kind)
        elif not item.isascii():
            _check_texts((item,))
    return size


def _check_texts(texts: Iterable[Any]) -> None:
    for text in texts:
        if type(text) is not str or not _is_unicode(text):
            raise _OddError


def _check_scalar(value: Any, kind: type) -> None:
    if value is None or kind is bool or (kind is int and _is_64_bit(value)):
        return
    if kind is not float or not isfinite(value):
        raise _OddError


class _Door:
    """Looks at every container once, however many aliases lead to it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.known: dict[int, tuple[int, int]] = {}
        self.open: set[int] = set()

    def problem(self, path: str, message: str, hint: str = "") -> None:
        if len(self.problems) < _SHOWN:
            self.problems.append(Problem(path or "document", message, hint))

    def look(self, value: Any, path: str, depth: int) -> tuple[int, int]:
        """Height of a value and the number of values in it, each alias counted."""
        if not isinstance(value, dict | list):
            self.scalar(value, path)
            return 0, 1
        if id(value) in self.open:
            self.problem(path, "contains itself", "an alias leads back to where it stands in")
            return 0, 1
        height, size = self.known.get(id(value), (1, 0))
        if depth + height > MAX_DEPTH:
            self.problem(path, f"is nested more than {MAX_DEPTH} deep")
            return 0, 1
        if not size:
            self.open.add(id(value))
            inside = [self.look(item, place, depth + 1) for item, place in self.items(value, path)]
            self.open.remove(id(value))
            height = 1 + max((high for high, _ in inside), default=0)
            size = 1 + sum(count for _, count in inside)
            self.known[id(value)] = (height, size)
        return height, size

    def items(self, value: dict[Any, Any] | list[Any], path: str) -> list[tuple[Any, str]]:
        if isinstance(value, list):
            return [(item, f"{path}[{index}]") for index, item in enumerate(value)]
        found = []
        for key, item in value.items():
            if isinstance(key, str) and _is_unicode(key):
                found.append((item, f"{path}.{key}" if path else key))
            elif isinstance(key, str):
                self.problem(path, f"the key {key!r} is not valid Unicode text")
            else:
                shown = f" ({key})" if isinstance(key, bool | float) or _is_64_bit(key) else ""
                self.problem(path, f"a key is {_named(key)}{shown}, not text", "put it in quotes")
        return found

    def scalar(self, value: Any, path: str) -> None:
        if isinstance(value, str):
            if not _is_unicode(value):
                self.problem(path, "is not valid Unicode text")
        elif isinstance(value, float):
            if not isfinite(value):
                self.problem(path, f"{value} is not a number that NetBox can keep")
        elif value is None or isinstance(value, bool) or _is_64_bit(value):
            return
        elif isinstance(value, int):
            self.problem(path, "is a number of more than 64 bits", "put it in quotes if it is text")
        else:
            self.problem(path, f"is {_named(value)}, which JSON does not have", "write it as text, in quotes")


def _is_unicode(text: str) -> bool:
    """Whether it can be sent: a lone surrogate cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _is_64_bit(value: Any) -> bool:
    return isinstance(value, int) and _WHOLE[0] <= value <= _WHOLE[1]


def _named(value: Any) -> str:
    names = {"bool": "true or false", "int": "a number", "float": "a number", "NoneType": "empty"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")
