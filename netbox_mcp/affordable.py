"""Rows cut to what a language model can afford to read: about 2,000 tokens an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from pydantic_core import to_json

from netbox_mcp.failures import MAX_REPLY_CHARS
from orchestrator.ports import Row

MAX_ROWS_CHARS = MAX_REPLY_CHARS - 500
_NOISE = frozenset({"url", "display_url"})


def without_noise(row: Row) -> Row:
    """A row without the addresses of the objects that it points to; its own stays."""
    return {name: _bare(value) for name, value in row.items() if name != "display_url"}


def fit_rows(rows: Sequence[Row], whole: bool, spare: int = 0) -> list[Row]:
    """The first rows that fit beside `spare` characters of something else.

    There is always one: with its longest values left out, unless `whole`.
    """
    kept: list[Row] = []
    used = spare
    for row in rows:
        size = _length(row)
        if used + size > MAX_ROWS_CHARS:
            break
        kept.append(row)
        used += size
    return kept or [row if whole else _shortened(row) for row in rows[:1]]


def fit_groups(groups: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """The first rows of each group that fit together, taken in turns so that no group crowds out another."""
    kept: dict[str, list[Row]] = {name: [] for name in groups}
    used = sum(len(name) + 6 for name in groups)
    for turn in zip_longest(*groups.values()):
        for name, row in zip(groups, turn, strict=True):
            if row is None:
                continue
            used += _length(row)
            if used > MAX_ROWS_CHARS:
                return kept
            kept[name].append(row)
    return kept


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        # Only what NetBox shows of another object: in custom data these names mean something.
        noise = _NOISE if {"id", "display"} <= value.keys() else frozenset[str]()
        return {name: _bare(part) for name, part in value.items() if name not in noise}
    if isinstance(value, list):
        return [_bare(part) for part in value]
    return value


def _shortened(row: Row) -> Row:
    """The row with its longest values replaced by how long they are, until it fits."""
    short = dict(row)
    over = _length(row) - MAX_ROWS_CHARS
    for name, value in sorted(row.items(), key=lambda item: _length(item[1]), reverse=True):
        if over <= 0:
            break
        size = _length(value)
        short[name] = f"({size:,} characters: name it in fields to read it)"
        over -= size - _length(short[name])
    return short


def _length(value: Any) -> int:
    return len(to_json(value)) + 1
