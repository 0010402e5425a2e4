"""Queries made safe: no filter that NetBox would ignore, no request line that its server would refuse.

NetBox drops unknown and empty filters without a word and returns everything
(design rule 9), so both are errors here, before anything is sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.errors import NetBoxError
from orchestrator.ports import Query
from orchestrator.schema import load_schema

Values = list[str | int]


def known_filters(row: ObjectType) -> frozenset[str]:
    """The filters that NetBox has for this type; a contract test tries each of them."""
    specs = load_schema().get(row.name, {})
    unasked = {name for name, spec in specs.items() if spec.kind in ("list", "numbers")}
    if not row.label_filter:  # a cable is called by what it connects, a remark by itself
        unasked.add(row.label)
    texts = {*row.key, row.label, *row.other_keys} - row.pointers().keys() - unasked
    if row.slug_from:
        texts.add("slug")
    if "tags" in specs:
        texts.add("tag")
    names = {"id", row.label_filter, *texts}
    known = frozenset((names | fields_by_filter(row).keys()) - {""})
    return known & row.offered if row.of_plugin else known


def fields_by_filter(row: ObjectType) -> dict[str, list[str]]:
    """NetBox's filters by the ids of what is pointed to, with the fields that do; none under no name."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, targets in row.pointers().items():
        for asks in dict.fromkeys(row.pointer_filter(name, OBJECT_TYPES[one].model) for one in targets):
            found[asks].append(name)
    return found


def check_query(query: Query) -> Values:
    """The values to ask for, each once. Raises NetBoxError for a filter that would let everything through."""
    row = OBJECT_TYPES[query.object_type]
    if not query.filter:
        if query.values:
            raise NetBoxError(f"Values without a filter would read all {row.name}; nothing was sent.")
        return []
    if query.filter not in known_filters(row):
        raise NetBoxError(
            f"{row.name} have no filter {query.filter!r}; NetBox would ignore it and return everything.",
            f"Known: {', '.join(sorted(known_filters(row)))}.",
        )
    values = list(dict.fromkeys(query.values))
    if not values or any(isinstance(v, bool) or v is None or not str(v).strip() for v in values):
        raise NetBoxError(
            f"An empty filter {query.filter} would return all {row.name}; nothing was sent.",
            "Ask for at least one value, and for none that is empty.",
        )
    return values


def check_ids(row: ObjectType, ids: Sequence[int]) -> None:
    """Refuse to delete nothing, or the same object twice (NetBoxError)."""
    if not ids:
        raise NetBoxError(f"A list of deletes names no {row.noun}; nothing was sent.")
    if len(set(ids)) != len(ids):
        raise NetBoxError(f"A list of deletes names the same {row.noun} twice; nothing was sent.")


def split_values(
    values: Sequence[str | int], length_of: Callable[[Values], int], limit: int
) -> Iterator[Values]:
    """Cut a filter's values into lists whose requests stay within `limit` bytes.

    `length_of` tells how long the request line with these values would be.
    """
    base = length_of([])
    chunk: Values = []
    used = base
    for value in values:
        own = length_of([value]) - base
        if chunk and used + own > limit:
            yield chunk
            chunk, used = [], base
        chunk.append(value)
        used += own
    if chunk:
        yield chunk
