"""Which live objects a document is made of: those of sites, those with tags, those that filters find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netbox_mcp.dependencies import get_endpoints, get_engine
from netbox_mcp.failures import UsageError
from netbox_mcp.finding import find_one
from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.errors import DocumentError, NotThereError
from orchestrator.export import Exported
from orchestrator.models import Action
from orchestrator.ports import Row
from orchestrator.schema import load_schema
from orchestrator.values import suggest

# Words that say how an answer is to look, not what is in it.
_NO_FILTERS = frozenset({"fields", "ordering", "brief", "limit", "offset"})


@dataclass(frozen=True, slots=True)
class Where:
    """A filter on one object type, as in `devices.role=leaf`."""

    object_type: str
    filter: str
    value: str


def read_where(text: str) -> Where:
    """What `devices.role=leaf` means. Raises UsageError."""
    name, _, rest = text.partition(".")
    field, _, value = rest.partition("=")
    if not (field.strip() and value.strip()) or field.strip() in _NO_FILTERS:
        raise UsageError(f"{text!r} is no filter.", "Write TYPE.FILTER=VALUE, as in devices.role=leaf.")
    if name not in ENSURED:
        hint = suggest(name, ENSURED) or f"One of: {', '.join(ENSURED)}."
        raise UsageError(f"{name!r} is no object type of documents.", hint)
    return Where(name, field.strip(), value.strip())


def export(
    sites: Sequence[str], tags: Sequence[str], where: Sequence[Where], target: str, template: bool = False
) -> Exported:
    """The document of all that is named, with components and what they refer to.

    `sites` and `tags` are names or slugs. Raises UsageError, NotThereError, UnknownNameError, NetBoxError.
    """
    if not (sites or tags or where):
        raise UsageError(
            "What is to be exported?", "Name a --site, a --tag or a filter: --where devices.role=leaf."
        )
    seeds: dict[str, set[int]] = defaultdict(set)
    for name in sites:
        site = _find(target, "sites", name)
        seeds["sites"].add(site["id"])
        seeds["devices"] |= _ids(target, "devices", site_id=site["id"])
    for name in tags:
        slug = _find(target, "tags", name)["slug"]
        for object_type in ENSURED:
            if "tags" in load_schema()[object_type]:
                seeds[object_type] |= _ids(target, object_type, tag=slug)
    for one in where:
        seeds[one.object_type] |= _ids(target, one.object_type, **{one.filter: one.value})
    return get_engine(target).export(seeds, template)


def differences(found: Exported, target: str) -> str:
    """What would keep planning an exported document from finding nothing to do; empty where nothing does."""
    if not found.objects:
        return ""
    try:
        plan = get_engine(target).plan(found.document)
    except DocumentError as error:
        return "; ".join(str(problem) for problem in error.problems[:3])
    moved = [change for change in plan.changes if change.action is not Action.UNCHANGED]
    if not moved and len(plan.changes) != found.objects:
        return f"{found.objects} objects would be taken for {len(plan.changes)}"
    return "; ".join(
        f"{one.object_type} {one.label}: {', '.join(one.after) or one.action}" for one in moved[:3]
    )


def _ids(target: str, object_type: str, **filters: Any) -> set[int]:
    endpoint = get_endpoints(target).find(object_type)
    return {row["id"] for row in endpoint.filter(**filters, fields=["id"])}


def _find(target: str, object_type: str, name: str) -> Row:
    """The object of this name or slug. Raises NotThereError."""
    found = find_one(object_type, {"name": name}, target) or find_one(object_type, {"slug": name}, target)
    if found is not None:
        return found
    known = [str(row["name"]) for row in get_endpoints(target).find(object_type).all(fields=["name"])]
    raise NotThereError(f"NetBox has no {OBJECT_TYPES[object_type].noun} {name!r}.", suggest(name, known))
