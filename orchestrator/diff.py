"""Compares what a document wants of an object with what NetBox has: managed fields only.

Both sides are canonical (values.py). Equal fingerprints settle an object at
once; only where they differ is each field looked at. A fingerprint that is
not kept is the canonical JSON itself: a digest of it would tell nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from orchestrator.catalog import ObjectType
from orchestrator.live import canonical_fields
from orchestrator.models import NOTHING
from orchestrator.ports import Row
from orchestrator.values import custom_field_value, same_custom_field

Fields = dict[str, Any]
_PLAIN = frozenset({str, int, bool, type(None)})


def fingerprint(values: Mapping[str, Any], more: Iterable[Any] = ()) -> str:
    """Digest of the canonical JSON of some fields, and of `more`; equal digests mean equal values."""
    digest = blake2b(canonical_json(values), digest_size=16)
    for one in more:  # never all of it in memory: this may be a plan of 100,000 changes
        digest.update(canonical_json(one))
    return digest.hexdigest()


def canonical_json(value: Any) -> bytes:
    """One spelling for equal values: keys sorted, tuples as lists, anything unknown by its repr."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=repr)


def _spelling(value: Any) -> bytes:
    """The canonical JSON of values among which are objects that are not there yet."""
    return orjson.dumps(value, option=_SPELLING, default=repr)


_SPELLING = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def compare(
    row: ObjectType, wanted: Mapping[str, Any], live: Row, kinds: Mapping[str, str] = NOTHING
) -> tuple[Fields, Fields]:
    """What differs as (before, after); both are empty when nothing does.

    Tags and custom fields are merged: what is there stays unless the document
    names it (design, rule 4). `kinds` are the types of custom fields, as far as they are known.
    """
    before = canonical_fields(row, live, wanted)
    mine = _with_tags(wanted, before)
    if _spelling(mine) == _spelling(before):
        return {}, {}
    if "custom_fields" in mine:
        before["custom_fields"], mine["custom_fields"] = _custom_fields(
            mine["custom_fields"] or {}, before["custom_fields"] or {}, kinds
        )
    differing = [name for name in mine if not same(mine[name], before[name])]
    return {name: before[name] for name in differing}, {name: mine[name] for name in differing}


def kept(row: ObjectType, sent: Mapping[str, Any], live: Row) -> bool:
    """Whether an object has exactly what was sent to it, and no other tags; other custom fields may be there.

    A restore takes tags away: by `compare` it would seem done where it never was.
    """
    there = canonical_fields(row, live, ("tags",))["tags"] if "tags" in sent else ()
    return set(there or ()) == set(sent.get("tags") or ()) and not compare(row, sent, live)[1]


def _with_tags(wanted: Mapping[str, Any], theirs: Mapping[str, Any]) -> Fields:
    """The managed fields, the wanted tags joined with those already there."""
    mine = dict(wanted)
    if "tags" in mine:
        mine["tags"] = ids_first([*mine["tags"], *(theirs.get("tags") or ())])
    return mine


def ids_first(tokens: Iterable[Any]) -> tuple[Any, ...]:
    """What stands for several objects, each once: ids in order, then what is still to be created."""
    known = dict.fromkeys(tokens)
    return tuple(sorted(known, key=lambda token: token if isinstance(token, int) else math.inf))


def same(left: Any, right: Any) -> bool:
    """Whether two canonical values are the same fact; True is not 1."""
    if type(left) is type(right) and type(left) in _PLAIN:
        return bool(left == right)
    return _spelling(left) == _spelling(right)


def _custom_fields(
    mine: Mapping[str, Any], theirs: Mapping[str, Any], kinds: Mapping[str, str]
) -> tuple[Fields, Fields]:
    """Of the custom fields that the document names, those that differ: (before, after)."""
    differing = [
        name for name in mine if not same_custom_field(mine[name], theirs.get(name), kinds.get(name, ""))
    ]
    before = {name: custom_field_value(theirs.get(name), kinds.get(name, "")) for name in differing}
    return before, {name: mine[name] for name in differing}
