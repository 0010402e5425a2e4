"""Questions to any endpoint, made safe: filters, fields and ordering that NetBox knows, and none empty.

NetBox drops what it does not know and answers with everything (design rule 9),
so whatever is wrong with a question is an error here, all of it at once, before
anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.errors import BadFilterError, Problem, UnknownNameError
from orchestrator.json_shape import check_json
from orchestrator.netbox.custom_filters import PREFIX, split_name, takes, why_ignored
from orchestrator.netbox.surface import BOOLEAN, MANY, Endpoint
from orchestrator.netbox.transport import Parameters
from orchestrator.ports import Row
from orchestrator.values import suggest

# In NetBox's answers, and no columns that it could sort by: it would ignore them.
_NOT_SORTABLE = frozenset({"url", "display", "display_url", "tags", "custom_fields"})
_SORTABLE = frozenset({"id", "created", "last_updated"})

FindCustomField = Callable[[str], Row | None]


def ask_for(
    endpoint: Endpoint,
    filters: Mapping[str, Any],
    find_custom_field: FindCustomField,
    fields: Sequence[str] = (),
    ordering: Sequence[str] = (),
) -> Parameters:
    """The parameters of a question. Custom fields, as `cf_owner`, are no part of the surface and asked for.

    Raises UnknownNameError for names that NetBox would ignore, BadFilterError for values that it would.
    """
    taken = dict(endpoint.filters)
    unknown = [
        *_unknown_filters(endpoint, filters, find_custom_field, taken),
        *_unknown_words("fields", fields, endpoint.fields, ""),
        *_unknown_words("ordering", ordering, _sortable(endpoint), "-"),
    ]
    if unknown:
        first = unknown[0]
        more = f" ({len(unknown) - 1} more in the details)" if len(unknown) > 1 else ""
        raise UnknownNameError(
            f"{first.path}: {first.message}; NetBox would ignore it{more}.", first.hint, unknown
        )
    parameters: list[tuple[str, str | int]] = []
    for name, value in filters.items():
        parameters += [(name, one) for one in _values(name, value, taken[name])]
    if fields:
        parameters.append(("fields", ",".join(fields)))
    if ordering:
        parameters.append(("ordering", ",".join(ordering)))
    return parameters


def _sortable(endpoint: Endpoint) -> frozenset[str]:
    """The fields that NetBox can sort by. Of those that nobody can write, most are computed."""
    if endpoint.writable:
        return (endpoint.writable & endpoint.fields | _SORTABLE) - _NOT_SORTABLE
    return endpoint.fields - _NOT_SORTABLE


def _unknown_filters(
    endpoint: Endpoint,
    filters: Mapping[str, Any],
    find_custom_field: FindCustomField,
    taken: dict[str, str],
) -> Iterable[Problem]:
    """What is wrong with the names; what filters by custom fields take is added to `taken`."""
    for name in filters:
        if name in endpoint.filters:
            continue
        if name.startswith(PREFIX):
            field_name, lookup = split_name(name)
            field = find_custom_field(field_name)
            if why := why_ignored(field, endpoint.model, lookup):
                yield Problem(f"filters.{name}", why, "see Customization, Custom Fields in NetBox")
            elif field is not None:
                taken[name] = takes(field, lookup)
            continue
        base, _, lookup = name.rpartition("__")
        if lookup == "in" and base in endpoint.filters:
            hint = f"give {base!r} a list of values"
        elif "__" in name and name.partition("__")[0] not in endpoint.filters:
            hint = "filters reach one step far: read the other objects first, then filter by their ids"
        else:
            hint = suggest(name, endpoint.filters) or "see the filters of NetBox's REST API"
        yield Problem(f"filters.{name}", f"{endpoint.model} has no such filter", hint)


def _unknown_words(place: str, names: Sequence[str], known: frozenset[str], prefix: str) -> Iterable[Problem]:
    for name in names:
        if name.removeprefix(prefix) not in known:
            hint = suggest(name.removeprefix(prefix), known) or f"known: {', '.join(sorted(known))}"
            yield Problem(f"{place}.{name}", "there is no such field", hint)


def _values(name: str, value: Any, takes: str) -> list[str | int]:
    """What a filter is asked for: nothing that NetBox would drop without a word."""
    values = list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
    if not values or any(one is None or not str(one).strip() for one in values):
        raise BadFilterError(
            f"filters.{name} is empty, and NetBox would answer with everything; nothing was sent.",
            f"Leave it out, or ask for {name}='null' where objects without a value are meant.",
        )
    if any(isinstance(one, list | tuple | Mapping) for one in values):
        raise BadFilterError(f"filters.{name} takes plain values; nothing was sent.", "Give text or numbers.")
    if len(values) > 1 and takes != MANY:
        raise BadFilterError(
            f"filters.{name} takes one value, and {len(values)} were given; nothing was sent.",
            "NetBox would look at the last one only: ask for one at a time.",
        )
    if takes == BOOLEAN and str(values[0]).casefold() not in ("true", "false"):
        raise BadFilterError(
            f"filters.{name} is true or false, and {values[0]!r} is neither; nothing was sent.",
            "NetBox would ignore it and answer with everything.",
        )
    sent = [_text(one, takes) for one in values]
    for problem in check_json(sent, f"filters.{name}"):
        raise BadFilterError(f"{problem.path}: {problem.message}; nothing was sent.", problem.hint)
    return sent


def _text(value: Any, takes: str) -> str | int:
    if isinstance(value, bool) or takes == BOOLEAN:
        return str(value).casefold()
    return value if isinstance(value, int) else str(value)
