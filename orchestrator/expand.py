"""Ranges in names: one entry written, many meant.

`sw-[01-48]`, `sw-[a-d]` and `sw-[a,core]` make one entry per value, `{1}`
elsewhere in that entry (its children too) is the value of the first range as
written, `{1+10}` that number plus ten. A child with a range of its own fills
in its own values. Expansion touches only entries whose own label has a range.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.layered import per_catalog
from orchestrator.values import Filled

MAX_ENTRIES = 20_000

_RANGE = re.compile(r"\[([^\[\]]*[-,][^\[\]]*)\]")
_NUMBERS = re.compile(r"([0-9]+)\s*-\s*([0-9]+)")
_LETTERS = re.compile(r"([a-z])\s*-\s*([a-z])|([A-Z])\s*-\s*([A-Z])")
_PLACE = re.compile(r"\{([0-9])(?:([+-])([0-9]+))?\}")
_MAX_DIGITS = 18


class RangeError(ValueError):
    """A range or a placeholder cannot be expanded; the text says why."""


def expand_entry(entry: Mapping[str, Any], label: str) -> Iterable[Mapping[str, Any]]:
    """One mapping per value of the ranges in `entry[label]`; the entry itself when there are none.

    A label that is a mapping or a list, as of a cable, may have its ranges anywhere inside.

    Raises RangeError for a range that is malformed or larger than MAX_ENTRIES.
    """
    texts = list(texts_in(entry.get(label)))
    values = [_values(match.group(1)) for text in texts if "[" in text for match in _RANGE.finditer(text)]
    if not values:
        return (entry,)
    size = 1
    for column in values:
        size *= len(column)
    if size > MAX_ENTRIES:
        named = ", ".join(texts)
        raise RangeError(f"{named!r} stands for {size:,} entries; at most {MAX_ENTRIES:,} are allowed")
    return _filled(entry, label, values)


def _filled(entry: Mapping[str, Any], label: str, values: Iterable[list[str]]) -> Iterator[Mapping[str, Any]]:
    for combination in itertools.product(*values):
        filled = {key: _fill(item, combination) for key, item in entry.items()}
        filled[label] = _with_parts(entry[label], iter(combination))
        yield filled


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a label, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from texts_in(one)


def _with_parts(value: Any, parts: Iterator[str]) -> Any:
    """A label with what comes next in place of each range."""
    if isinstance(value, Mapping):
        return {key: _with_parts(one, parts) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_parts(one, parts) for one in value]
    if isinstance(value, str) and _RANGE.search(value):
        return Filled(_RANGE.sub(lambda _: next(parts), value))
    return value


def _values(body: str) -> list[str]:
    values: list[str] = []
    for part in map(str.strip, body.split(",")):
        if numbers := _NUMBERS.fullmatch(part):
            values.extend(_count(*numbers.groups()))
        elif letters := _LETTERS.fullmatch(part):
            values.extend(_spell(*filter(None, letters.groups())))
        elif not part:
            raise RangeError(f"the range [{body}] has an empty value")
        elif "-" in part:
            raise RangeError(f"the range [{body}] must go from number to number or letter to letter")
        else:
            values.append(part)
        if len(values) > MAX_ENTRIES:
            raise RangeError(f"the range [{body[:40]}] is longer than {MAX_ENTRIES:,}")
    return values


def _count(first: str, last: str) -> list[str]:
    if max(len(first), len(last)) > _MAX_DIGITS:
        raise RangeError(f"a number in a range has at most {_MAX_DIGITS} digits")
    if int(last) < int(first):
        raise RangeError(f"the range [{first}-{last}] runs backwards")
    if int(last) - int(first) >= MAX_ENTRIES:
        raise RangeError(f"the range [{first}-{last}] is longer than {MAX_ENTRIES:,}")
    width = len(first) if first.startswith("0") else 0
    return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]


def _spell(first: str, last: str) -> list[str]:
    if last < first:
        raise RangeError(f"the range [{first}-{last}] runs backwards")
    return [chr(code) for code in range(ord(first), ord(last) + 1)]


def _fill(value: Any, combination: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        if "{" not in value:
            return value
        filled = _PLACE.sub(lambda match: _place(match, combination), value)
        return Filled(filled) if filled != value else value
    if isinstance(value, Mapping):
        own = _ranged_label(value)
        # Inside a child that has a range itself, placeholders are the child's; its name is ours.
        return {key: _fill(item, combination) if own in ("", key) else item for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, combination) for item in value]
    return value


def _ranged_label(entry: Mapping[str, Any]) -> str:
    """The field of a nested entry that has a range of its own; empty when none has."""
    texts = {label: entry.get(label) for label in _labels()}
    return next((name for name, text in texts.items() if isinstance(text, str) and _RANGE.search(text)), "")


@per_catalog
def _labels() -> list[str]:
    return sorted({row.label for row in OBJECT_TYPES.values()})


def _place(match: re.Match[str], combination: tuple[str, ...]) -> str:
    index, sign, amount = int(match.group(1)), match.group(2), match.group(3)
    if not 1 <= index <= len(combination):
        raise RangeError(f"{match.group()} names range {index}, but the entry has {len(combination)}")
    value = combination[index - 1]
    if amount is None:
        return value
    if not (value.isascii() and value.isdecimal()):
        raise RangeError(f"{match.group()} needs a number, but the range gives {value!r}")
    if max(len(value), len(amount)) > _MAX_DIGITS:
        raise RangeError(f"a number in {{{index}...}} has at most {_MAX_DIGITS} digits")
    return str(int(value) + int(amount) * (1 if sign == "+" else -1))
