"""Reading any object type for whoever asks: NetBox's own rows, cut to what a language model can afford.

Arguments and answers have the shape of NetBox Labs' MCP server, so that its
users can switch; what differs is that nothing is ignored in silence and that
no answer floods the reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from netbox_mcp.affordable import fit_groups, fit_rows, without_noise
from netbox_mcp.dependencies import get_endpoints
from netbox_mcp.failures import UsageError
from netbox_mcp.finding import redaction_of
from orchestrator.errors import AccessError, NotThereError, UnknownNameError
from orchestrator.netbox.endpoints import EndpointWrapper
from orchestrator.ports import Row
from orchestrator.values import suggest

MAX_LIMIT = 100
CHANGELOG = "core/object-changes"
SEARCHED_TYPES = (
    "dcim.device",
    "dcim.site",
    "ipam.ipaddress",
    "dcim.interface",
    "dcim.rack",
    "ipam.vlan",
    "circuits.circuit",
    "virtualization.virtualmachine",
)
_IMAGES = ("prechange_data", "postchange_data")


def get_objects(
    object_type: str,
    filters: Mapping[str, Any],
    fields: Sequence[str] | None,
    brief: bool,
    limit: int,
    offset: int,
    ordering: str | Sequence[str] | None,
    target: str,
    fresh: bool = False,
) -> dict[str, Any]:
    """One page of objects: `{count, next, previous, results}`; `next_offset` and `note` where more follow.

    `age_seconds` where the answer was kept; with `fresh` none is. Raises UnknownNameError, UsageError,
    NetBoxError.
    """
    endpoint = get_endpoints(target).find(object_type, cached=True)
    filters = dict(filters)
    # Clients of other servers put these among the filters.
    limit = _whole_number("limit", filters.pop("limit", limit), 1, MAX_LIMIT)
    offset = _whole_number("offset", filters.pop("offset", offset), 0, 2**31)
    ordering = filters.pop("ordering", ordering)
    names = _words(filters.pop("fields", fields))
    redaction = redaction_of(endpoint)
    order = _words(ordering)
    redaction.refuse([*filters, *(name.removeprefix("-") for name in order)])
    asked = endpoint.ask(filters, names, order, brief)
    page = (endpoint.fresh if fresh else endpoint).page_of(asked, limit, offset)
    rows: list[Row] = page["results"]
    if endpoint.endpoint.path == CHANGELOG and not names:
        rows = [_only_what_differs(row) for row in rows]
    rows = [redaction.of(without_noise(row)) for row in rows]
    links = len(page["next"] or "") + len(page["previous"] or "")
    kept = fit_rows(rows, whole=bool(names), spare=links)
    reply = {"count": page["count"], "next": page["next"], "previous": page["previous"], "results": kept}
    reply |= _age(page)
    following = offset + len(kept)
    if kept and following < page["count"]:
        reply["next_offset"] = following
    if len(kept) < len(rows):
        reply["next"] = endpoint.url([*asked, ("limit", limit), ("offset", following)])
        reply["note"] = (
            f"{len(kept)} of the {len(rows)} rows fit into this answer: name the fields you need, "
            f"or go on with offset={following}."
        )
    return reply


def get_object(
    object_type: str, object_id: int, fields: Sequence[str] | None, brief: bool, target: str
) -> Row:
    """One object, with `age_seconds` where it was kept. Raises NotThereError where none has that id."""
    endpoint = get_endpoints(target).find(object_type, cached=True)
    page = endpoint.page({"id": object_id}, fields=_words(fields), brief=brief, limit=1)
    if not page["results"]:
        raise NotThereError(
            f"There is no {endpoint.endpoint.model} with the id {object_id}.",
            "netbox_get_objects finds it by its name.",
        )
    row = redaction_of(endpoint).of(without_noise(page["results"][0]))
    return fit_rows([row], whole=bool(fields))[0] | _age(page)


def search(
    query: str, object_types: Sequence[str] | None, fields: Sequence[str] | None, limit: int, target: str
) -> dict[str, Any]:
    """What each of several types has for a word: type -> rows, brief ones unless fields are named.

    A `note` says what is missing: types that the token may not see, rows that did not fit. `age_seconds`
    is that of the oldest part, where something was kept.
    """
    if not query.strip():
        raise UsageError("query is empty.", "Give a name, an address, a serial number.")
    endpoints = get_endpoints(target)
    names = list(dict.fromkeys(object_types or SEARCHED_TYPES))
    asked = {name: endpoints.find(name, cached=True) for name in names}
    _refuse_nobodys(_words(fields), asked.values())
    deaf = [name for name, endpoint in asked.items() if "q" not in endpoint.endpoint.filters]
    if deaf:
        raise UsageError(f"{deaf[0]} cannot be searched.", "Use netbox_get_objects with filters.")
    calls = [partial(_search_one, one, query, _words(fields), limit) for one in asked.values()]
    pages = dict(zip(names, endpoints.side_by_side(calls), strict=True))
    found = {name: page["results"] if page is not None else None for name, page in pages.items()}
    hidden = [name for name, rows in found.items() if rows is None]
    reply: dict[str, Any] = fit_groups({name: rows or [] for name, rows in found.items()})
    notes = [f"The token may not see {', '.join(hidden)}."] if hidden else []
    if any(len(reply[name]) < len(rows or []) for name, rows in found.items()):
        notes.append("Not all rows fit: name fewer object_types, or the fields you need.")
    if notes:
        reply["note"] = " ".join(notes)
    return reply | _age(*(page for page in pages.values() if page is not None))


def _refuse_nobodys(fields: Sequence[str], endpoints: Iterable[EndpointWrapper]) -> None:
    """Raise UnknownNameError for a field that none of the types has."""
    known = frozenset[str]().union(*(one.endpoint.fields for one in endpoints))
    for name in fields:
        if name not in known:
            raise UnknownNameError(
                f"fields.{name}: none of these types has such a field.", suggest(name, known)
            )


def _search_one(
    endpoint: EndpointWrapper, query: str, fields: list[str], limit: int
) -> dict[str, Any] | None:
    """The page of one type; None where the token may not see it."""
    known = [name for name in fields if name in endpoint.endpoint.fields]
    redaction = redaction_of(endpoint)
    try:
        page = endpoint.page({"q": query}, fields=known, brief=not known, limit=limit)
    except AccessError:
        return None
    return {**page, "results": [redaction.of(without_noise(row)) for row in page["results"]]}


def _age(*pages: Mapping[str, Any]) -> dict[str, int]:
    """How old the oldest of several answers is; nothing where none was kept."""
    ages = [page["age_seconds"] for page in pages if "age_seconds" in page]
    return {"age_seconds": max(ages)} if ages else {}


def _only_what_differs(entry: Row) -> Row:
    """A changelog entry whose before and after hold the fields only that an update changed."""
    before, after = (entry.get(name) for name in _IMAGES)
    if not (isinstance(before, dict) and before and isinstance(after, dict) and after):
        return entry
    differing = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    images = ({name: image.get(name) for name in differing} for image in (before, after))
    return entry | dict(zip(_IMAGES, images, strict=True))


def _words(given: Any) -> list[str]:
    """Names from a list or from text with commas."""
    parts = given.split(",") if isinstance(given, str) else given or []
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise UsageError(f"{given!r} are no names of fields.", "Give a list, as in ['id', 'name'].")
    return [part.strip() for part in parts if part.strip()]


def _whole_number(name: str, given: Any, least: int, most: int) -> int:
    try:
        number = int(given)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{name} must be a number, not {given!r}.") from None
    if not least <= number <= most:
        raise UsageError(f"{name} must be between {least} and {most}, not {number}.")
    return number
