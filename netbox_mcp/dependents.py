"""What points at an object, as far as the filters of NetBox's endpoints tell: shown before it is deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from netbox_mcp.dependencies import get_endpoints
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import AccessError
from orchestrator.netbox.endpoints import EndpointWrapper
from orchestrator.netbox.surface import Endpoint

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Dependents:
    """How many objects of which types point at one; `unseen` are the types that the token may not see."""

    counts: dict[str, int]
    unseen: list[str]


def count_dependents(endpoint: Endpoint, object_id: int, target: str) -> Dependents:
    """Look at every endpoint that has a filter for what points at such an object. Raises NetBoxError."""
    endpoints = get_endpoints(target)
    asked = [
        (endpoints.find(other.path), name)
        for other in endpoints.surface.endpoints.values()
        for name in _pointers(endpoint, other)
    ]
    with ThreadPoolExecutor(_AT_ONCE, "dependents") as pool:
        answers = [pool.submit(copy_context().run, _count, other, name, object_id) for other, name in asked]
        found = [(other.endpoint.model, one.result()) for (other, _), one in zip(asked, answers, strict=True)]
    counts: dict[str, int] = {}
    for model, count in found:
        if count:  # pointing twice is one object
            counts[model] = max(count, counts.get(model, 0))
    return Dependents(counts, sorted({model for model, count in found if count is None}))


def _count(other: EndpointWrapper, name: str, object_id: int) -> int | None:
    try:
        return other.count(**{name: object_id})
    except AccessError:
        return None


def _pointers(endpoint: Endpoint, other: Endpoint) -> list[str]:
    """The filters by which objects of another type are found that point at one of these."""
    row = next((row for row in OBJECT_TYPES.values() if row.path == other.path), None)
    references = row.all_references().items() if row is not None else ()
    own = [name for name, pointed in references if OBJECT_TYPES[pointed].path == endpoint.path]
    if row is not None and (own or row.ensured):  # of those we know each reference
        names = {row.pointer_filter(name) for name in own}
    elif other.path == endpoint.path:
        names = {"parent_id"}
    else:
        leaf = endpoint.path.rpartition("/")[2].replace("-", "_")
        names = {f"{_singular(leaf)}_id", f"{endpoint.model.partition('.')[2]}_id"}
    return [name for name in sorted(names) if name in other.filters]


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return f"{plural[:-3]}y"
    if plural.endswith(("sses", "xes")):
        return plural[:-2]
    return plural.removesuffix("s") if not plural.endswith("sis") else plural
