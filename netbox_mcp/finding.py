"""Which object of any type a caller means: the one that filters find, or that bears a name at a place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netbox_mcp.dependencies import get_endpoints, get_settings
from netbox_mcp.failures import UsageError
from netbox_mcp.likeness import says
from netbox_mcp.redaction import Redaction
from orchestrator.errors import NotThereError
from orchestrator.netbox.endpoints import EndpointWrapper
from orchestrator.ports import Row

_SAY_MATCH = "Say by what it is found, in NetBox's filters: match={'vid': 10, 'group_id': 3}."
# What an object is named within: the same name elsewhere is another object.
_PLACES = frozenset(
    {
        "vid",
        "site",
        "location",
        "rack",
        "group",
        "vrf",
        "device",
        "device_type",
        "module_type",
        "manufacturer",
        "cluster",
        "virtual_machine",
        "provider",
        "parent",
        "scope_type",
        "scope_id",
    }
)


def find_one(object_type: str, match: Mapping[str, Any], target: str) -> Row | None:
    """The one object that matches, or None. Raises UsageError where several do."""
    return find_match(get_endpoints(target).find(object_type), match)


def the_one(object_type: str, match: Mapping[str, Any], target: str) -> Row:
    """The one object that matches. Raises NotThereError, UsageError."""
    row = find_one(object_type, match, target)
    if row is None:
        what = ", ".join(f"{name} {value!r}" for name, value in match.items())
        raise NotThereError(f"There is no {object_type} with {what}.", "netbox_search_objects finds others.")
    return row


def find_by_name(endpoint: EndpointWrapper, fields: Mapping[str, Any]) -> Row | None:
    """The object of that slug or name at that place. Raises UsageError where it is only at another one.

    Names are often unique within a parent only: one at another site is another object, or one that
    is to move, and nobody can tell which.
    """
    kind = endpoint.endpoint.model
    names = [one for one in ("slug", "name") if fields.get(one) and one in endpoint.endpoint.filters]
    if not names:
        raise UsageError(f"It is not clear which {kind} is meant.", _SAY_MATCH)
    rows = endpoint.filter(**{names[0]: fields[names[0]]})
    placed = sorted(_PLACES & fields.keys())
    here = [row for row in rows if all(says(row.get(one), fields[one]) for one in placed)]
    if len(here) == 1 or not rows:
        return here[0] if here else None
    elsewhere = "" if here else f" with another {' or '.join(placed)}"
    found = f"NetBox has {len(here or rows)} of this {names[0]}{elsewhere}"
    raise UsageError(f"It is not clear which {kind} is meant: {found}.", _SAY_MATCH)


def find_match(endpoint: EndpointWrapper, match: Mapping[str, Any]) -> Row | None:
    """The one object of this endpoint that matches, or None. Raises UsageError where several do."""
    redaction_of(endpoint).refuse(match)
    page = endpoint.page(match, limit=2)
    if page["count"] > 1:
        raise UsageError(
            f"{page['count']} objects of {endpoint.endpoint.model} match {dict(match)}.",
            "Narrow match down until it finds one.",
        )
    return page["results"][0] if page["results"] else None


def complete(endpoint: EndpointWrapper, fields: Mapping[str, Any], match: Mapping[str, Any]) -> Row:
    """The fields of a new object, with what `match` says of it: else the next call would not find it.

    Raises UsageError where `match` says what cannot be written, or something else than the fields.
    """
    whole = dict(fields)
    for name, value in match.items():
        field = name.removesuffix("_id") if name not in endpoint.endpoint.writable else name
        plain = isinstance(value, str | int) and field in endpoint.endpoint.writable
        if value == "null" and field not in whole:
            continue
        if not plain or (field == name and field in whole and not says(value, whole[field])):
            raise UsageError(
                f"Nothing matches, and what match says of {name} would not be so of a new one.",
                "Let match say what fields say, or leave it out.",
            )
        whole.setdefault(field, value)
    return whole


def redaction_of(endpoint: EndpointWrapper) -> Redaction:
    """What of these objects is secret."""
    return Redaction(endpoint.endpoint.path, get_settings().redacted_fields)
