"""For how long answers about which object types are kept: what is configured, checked, in one notation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.netbox.surface import Endpoint, normal_name
from orchestrator.values import suggest

DEFAULT_LIFETIMES = {"manufacturers": 86_400, "sites": 3_600, "devices": 300}
MAX_LIFETIME_SECONDS = 7 * 86_400

# Types that documents do not know are named as NetBox does: circuits.circuit, or circuits/circuits.
_NETBOX_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_APPS = frozenset(row.path.partition("/")[0] for row in OBJECT_TYPES.values())
_BY_PATH = {row.path: row.name for row in OBJECT_TYPES.values()}
_BY_NAME = {
    normal_name(name): row.name
    for row in OBJECT_TYPES.values()
    for name in (row.name, row.path, row.model, row.model.partition(".")[2])
}


def read_lifetimes(given: Any) -> dict[str, int]:
    """Object type -> seconds, of `devices=60, dcim.rack=600` or a table; the defaults for all others.

    Raises ValueError with what is wrong, for one who knows which setting is meant.
    """
    if not isinstance(given, str | Mapping):
        raise ValueError("name types and seconds, as in devices=60, sites=600")
    named = _pairs(given) if isinstance(given, str) else given.items()
    return DEFAULT_LIFETIMES | {_name(name): _seconds(name, value) for name, value in named}


def lifetime_of(endpoint: Endpoint, lifetimes: Mapping[str, int]) -> int:
    """For how many seconds answers of this endpoint are kept; 0: not at all."""
    declared = _BY_PATH.get(endpoint.path)
    names = [declared] if declared else [normal_name(endpoint.path), normal_name(endpoint.model)]
    return next((lifetimes[name] for name in names if name in lifetimes), 0)


def _pairs(text: str) -> list[tuple[str, str]]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    wrong = next((part for part in parts if "=" not in part), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is no pair of a type and seconds, as in devices=60")
    return [(name, seconds) for name, _, seconds in (part.partition("=") for part in parts)]


def _name(given: Any) -> str:
    """The catalog's name of the type; NetBox's own for all others."""
    name = normal_name(str(given))
    if name in _APPS and name not in _BY_NAME:
        raise ValueError(f'{name!r} is no object type; write names with a dot in quotes: "{name}.xyz" = 60')
    if name in _BY_NAME:
        return _BY_NAME[name]
    if not _NETBOX_NAME.fullmatch(name):
        hint = suggest(name, _BY_NAME) or "others are named as NetBox does, like extras.bookmark"
        raise ValueError(f"{str(given).strip()!r} is no object type that is known ({hint})")
    return name


def _seconds(name: Any, given: Any) -> int:
    try:
        seconds = int(given) if not isinstance(given, bool | float) else -1
    except (TypeError, ValueError):
        seconds = -1
    if not 0 <= seconds <= MAX_LIFETIME_SECONDS:
        raise ValueError(
            f"{str(name).strip()} must be given whole seconds up to {MAX_LIFETIME_SECONDS:,}, a week"
        )
    return seconds
