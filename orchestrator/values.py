"""One canonical form for every value, whichever side it comes from.

Documents and NetBox write the same fact in different ways (`1` and `1.0`,
choice objects and plain values, upper and lower case MACs). Both sides pass
through here before they are compared, so that what NetBox returns for what we
sent is always equal to what we sent.

Canonical values: None (empty text, too), bool, int, float, str, a sorted tuple
for lists, a dict for custom fields and JSON; a reference is the id.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from orchestrator.schema import FieldSpec

EMPTY: tuple[Any, ...] = (None, "", (), [], {})
"""What a field holds that holds nothing, canonical or as NetBox sends it."""
_COLOR = re.compile(r"[0-9a-f]{6}")
_WWN = re.compile(r"[0-9a-fA-F]{16}")
_MAC = re.compile(r"[0-9a-fA-F]{12}")


_MASKED = ("address", "start_address", "end_address")
_LARGEST = 2**63 - 1
_NUMERIC = ("integer", "number")


class Filled(str):
    """Text that a range has filled in (expand.py): where a number belongs, it is one."""

    __slots__ = ()


class BadValueError(ValueError):
    """A value does not fit its field; `hint` says what would."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def coerce(field: str, spec: FieldSpec, value: Any) -> Any:
    """The canonical form of a document's value. Raises BadValueError when it does not fit the field."""
    if isinstance(value, Filled) and spec.kind in _NUMERIC and value.strip().isdecimal():
        value = int(value)
    elif isinstance(value, str):
        value = value.strip()
    if value is None or (value == "" and spec.kind != "string"):
        return _cleared(field, spec)
    coerced = _COERCERS[spec.kind](field, spec, value)
    if coerced == "":
        return _cleared(field, spec)
    return coerced


def has_notation(field: str) -> bool:
    """Whether NetBox stores the text of fields of this name in a notation of its own."""
    return field in _NOTATIONS


def _cleared(field: str, spec: FieldSpec) -> None:
    if not (spec.nullable or spec.blank):
        raise BadValueError(f"{field} cannot be empty", "leave it out to keep what NetBox has")


def _string(field: str, spec: FieldSpec, value: Any) -> str:
    if not isinstance(value, str) and (isinstance(value, bool) or not isinstance(value, int)):
        raise BadValueError(f"expected text, got {_describe(value)}", "put it in quotes if it is text")
    if spec.notation in _MASKED and "/" not in str(value):
        raise BadValueError(f"{value!r} has no mask", f'write it as "{value}/24", with the mask it has')
    notation = _NOTATIONS.get(spec.notation)
    text = notation(str(value)) if notation is not None else str(value)
    if spec.max_length is not None and len(text) > spec.max_length:
        raise BadValueError(f"{len(text)} characters, NetBox allows {spec.max_length}")
    return text


def _number(field: str, spec: FieldSpec, value: Any) -> int | float:
    if type(value) is not int and (type(value) is not float or not math.isfinite(value)):
        raise BadValueError(f"expected a number, got {_describe(value)}")
    if spec.kind == "integer" and value != int(value):
        raise BadValueError(f"expected a whole number, got {value}")
    if abs(value) > _LARGEST:
        raise BadValueError(f"{value:.0e} is out of range")
    low, high = spec.minimum, spec.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        raise BadValueError(f"{value} is outside {low:g} to {high:g}" if low is not None and high is not None
                           else f"{value} is out of range")  # fmt: skip
    if spec.choices and str(value) not in spec.choices:
        raise BadValueError(f"{value} is not a choice of {field}", suggest_choice(str(value), spec.choices))
    return _plain_number(value)


def _boolean(field: str, spec: FieldSpec, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValueError(f"expected true or false, got {_describe(value)}")
    return value


def _choice(field: str, spec: FieldSpec, value: Any) -> str:
    text = str(value)
    if type(value) is not str and isinstance(value, bool | Mapping | list):
        raise BadValueError(f"expected one of NetBox's choices, got {_describe(value)}")
    if text not in spec.choices:
        raise BadValueError(f"{text!r} is not a choice of {field}", suggest_choice(text, spec.choices))
    return text


def _id_list(field: str, spec: FieldSpec, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise BadValueError(f"expected a list of NetBox ids, got {_describe(value)}")
    if odd := [one for one in value if type(one) is not int]:
        raise BadValueError(f"expected a list of NetBox ids, got {_describe(odd[0])} in it")
    return tuple(sorted(set(value)))


def _numbers(field: str, spec: FieldSpec, value: Any) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value]
    read = [int(item) if isinstance(item, str) and item.strip().isdecimal() else item for item in items]
    if any(type(item) is not int for item in read):
        raise BadValueError(f"expected a list of whole numbers, got {_describe(value)}", "write [1, 2]")
    return tuple(sorted(set(read)))


def _texts(field: str, spec: FieldSpec, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadValueError(f"expected a list of texts, got {_describe(value)}")
    notation = _NOTATIONS.get(spec.notation, str.strip)
    return tuple(sorted({notation(item.strip()) for item in value}))


def _mapping(field: str, spec: FieldSpec, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadValueError(f"expected a mapping, got {_describe(value)}")
    return {str(key): item for key, item in value.items()}


_COERCERS: dict[str, Callable[[str, FieldSpec, Any], Any]] = {
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "choice": _choice,
    "list": _id_list,
    "references": _id_list,
    "numbers": _numbers,
    "texts": _texts,
    "object": _mapping,
    "json": lambda field, spec, value: value,
}


def live_value(raw: Any, notation_of: str = "") -> Any:
    """The canonical form of a value as NetBox returned it; not for JSON fields, which have none."""
    if isinstance(raw, str):
        notation = _NOTATIONS.get(notation_of)
        return (notation(raw.strip()) if notation is not None else raw.strip()) or None
    if isinstance(raw, dict):
        if "value" in raw and len(raw) <= 2:
            return live_value(raw["value"], notation_of)
        return raw.get("id", raw)
    if isinstance(raw, list):
        return tuple(sorted(live_value(item) for item in raw))
    if isinstance(raw, float):
        return _plain_number(raw)
    return raw


# The types of custom fields that NetBox shows otherwise than it takes them, and those of moments. Where the
# type is not known (""), what a value looks like has to do.
_SHOWN_AT_LENGTH = frozenset({"", "select", "multiselect", "object", "multiobject"})
_MOMENTS = frozenset({"", "date", "datetime"})


def custom_field_value(raw: Any, kind: str = "") -> Any:
    """A custom field of a type as a document would say it: choices by value, objects by id."""
    if kind not in _SHOWN_AT_LENGTH:
        return raw
    if isinstance(raw, list):
        return [custom_field_value(item) for item in raw]
    if isinstance(raw, dict) and set(raw) == {"value", "label"}:
        return raw["value"]
    if isinstance(raw, dict) and {"id", "url", "display"} <= set(raw):
        return raw["id"]
    return raw


def same_custom_field(wanted: Any, live: Any, kind: str = "") -> bool:
    """Whether a custom field of a type is as wanted. What is sent is always as the document has it.

    Dates and times may differ in notation, ids of several objects in order.
    """
    theirs = live if wanted == live else custom_field_value(live, kind)
    if theirs != live and isinstance(wanted, list) and isinstance(theirs, list):
        return sorted(wanted, key=repr) == sorted(theirs, key=repr)
    if kind in _MOMENTS and isinstance(wanted, str) and isinstance(theirs, str) and wanted != theirs:
        return _moment(wanted) is not None and _moment(wanted) == _moment_of_netbox(theirs)
    if wanted in ("", None) and theirs in ("", None):
        return True
    return bool(wanted == theirs) and isinstance(wanted, bool) == isinstance(theirs, bool)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _moment_of_netbox(text: str) -> datetime | None:
    """The same for what NetBox returned: text that it does not write so is no moment, such as 20240101."""
    return _moment(text) if text[4:5] == "-" else None


def wire_value(spec: FieldSpec | None, value: Any) -> Any:
    """What to send for a canonical value. Text that NetBox does not let be null is cleared with ''."""
    if value is None and spec is not None and spec.kind in ("string", "choice") and spec.blank:
        return None if spec.nullable and spec.kind == "string" else ""
    if isinstance(value, tuple):
        return list(value)
    return value


def interface_address(text: str) -> str:
    """`192.0.2.1/24` in canonical notation; a missing mask means a host. Raises BadValueError."""
    if _IPV4.fullmatch(text):
        return text if "/" in text else f"{text}/32"
    try:
        return _parsed(text.strip()).with_prefixlen
    except ValueError as error:
        hint = 'write it as "192.0.2.10/24" or "2001:db8::10/64"'
        if re.search(r"(^|\.)0\d", text):
            hint = "octets have no leading zeros; after a range, {1+0} is its number without them"
        raise BadValueError(f"{text!r} is not an IP address", hint) from error


def network_prefix(text: str) -> str:
    """`192.0.2.0/24` in canonical notation. Raises BadValueError, also for an address within a network."""
    try:
        network = ipaddress.ip_interface(text.strip()).network
    except ValueError as error:
        raise BadValueError(f"{text!r} is not a prefix", 'write it as "192.0.2.0/24"') from error
    if ipaddress.ip_interface(text.strip()).ip != network.network_address or "/" not in text:
        raise BadValueError(f"{text!r} is not a prefix", f'the network that it is in is "{network}"')
    return str(network)


def port_mapping(text: str) -> str:
    """`tcp/22` as NetBox keeps it (ipam/validators.py), however it was written. Raises BadValueError."""
    protocol, slash, port = text.strip().lower().partition("/")
    if not slash or not port.isdecimal():
        raise BadValueError(f"{text!r} is no port", 'write it as "tcp/22"')
    return f"{protocol}/{int(port)}"


def host_of(address: str) -> str:
    """The host part of an address: `192.0.2.1/24` -> `192.0.2.1`. Raises ValueError for anything else."""
    if _IPV4.fullmatch(address):
        return address.partition("/")[0]
    return str(_parsed(address).ip)


# Every address is looked at several times: most of them are IPv4 in canonical notation already.
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:/(?:3[0-2]|[12]?[0-9]))?")


@lru_cache(maxsize=100_000)
def _parsed(address: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    return ipaddress.ip_interface(address)


def is_address(text: str) -> bool:
    """Whether this is an IP address, with or without a mask."""
    try:
        host_of(text)
    except ValueError:
        return False
    return True


def mac_address(text: str) -> str:
    """A MAC in NetBox's notation, whatever separators it came with. Raises BadValueError."""
    digits = re.sub(r"[-:.\s]", "", text)
    if not text:
        return text
    if not _MAC.fullmatch(digits):
        raise BadValueError(f"{text!r} is not a MAC address", 'write it as "00:1B:77:00:00:01"')
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2)).upper()


def world_wide_name(text: str) -> str:
    """A WWN in NetBox's notation, whatever separators it came with. Raises BadValueError."""
    digits = re.sub(r"[-:.\s]", "", text)
    if text and not _WWN.fullmatch(digits):
        raise BadValueError(f"{text!r} is not a WWN", 'write it as "10:00:00:00:C9:00:00:01"')
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2)).upper()


def rgb_color(text: str) -> str:
    """A colour as NetBox wants it: six hexadecimal digits in lower case, no `#`. Raises BadValueError."""
    digits = text.removeprefix("#").lower()
    if text and not _COLOR.fullmatch(digits):
        raise BadValueError(f"{text!r} is not an RGB colour", 'write it as "4caf50"')
    return digits


# Fields whose text NetBox stores in a notation of its own (ipam/models/ip.py, dcim/fields.py).
_NOTATIONS: dict[str, Callable[[str], str]] = {
    "address": interface_address,
    "start_address": interface_address,
    "end_address": interface_address,
    "prefix": network_prefix,
    "port_mappings": port_mapping,
    "mac_address": mac_address,
    "color": rgb_color,
    "dns_name": str.lower,
    "wwn": world_wide_name,
}


def slugify(text: str, max_length: int = 100) -> str:
    """The slug that NetBox's own form derives from a name (project-static/src/buttons/reslug.ts)."""
    kept = re.sub(r"[^-.\w\s]", "", text, flags=re.ASCII)
    trimmed = re.sub(r"^[\s.]+|[\s.]+$", "", kept)
    return re.sub(r"[-.\s]+", "-", trimmed).lower()[:max_length]


def named(words: Sequence[str], most: int) -> str:
    """The first of them, and how many more there are: `a, b and 3 more`."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return f"{', '.join(words[:most])}{more}"


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean ...?` for a misspelt word, or an empty string."""
    names = list(known)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[close[0]]!r}?" if close else ""


def suggest_choice(word: str, choices: Mapping[str, str]) -> str:
    """Like `suggest`, and a choice's label leads to its value."""
    for value, label in choices.items():
        if word.casefold() in (label.casefold(), value.casefold()):
            return f"did you mean {value!r}?"
    few = ", ".join(list(choices)[:8])
    return suggest(word, choices) or f"one of: {few}{', ...' if len(choices) > 8 else ''}"


class LookAlikes:
    """Names among which a different one may have been meant (case, punctuation, a typing slip).

    Names that differ in a digit are never alike: AMS1 and AMS2 are two sites.
    Short ones only when they differ in case or punctuation.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[str, list[str]] = defaultdict(list)
        self._by_digits: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """One more name."""
        letters = _letters(name)
        self._names[letters].append(name)
        self._by_digits[_digits(letters)].add(letters)

    def find(self, name: str) -> str:
        """A different name that looks like this one; empty when there is none."""
        mine = _letters(name)
        for other in self._names.get(mine, ()):
            if other != name:
                return other
        if len(mine) < _SHORT:
            return ""
        matcher = difflib.SequenceMatcher(b=mine)
        for letters in self._by_digits.get(_digits(mine), ()):
            if letters == mine or len(letters) < _SHORT or abs(len(letters) - len(mine)) > 2:
                continue
            matcher.set_seq1(letters)
            if matcher.quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE:
                return self._names[letters][0]
        return ""


_SHORT = 5
_ALIKE = 0.88


def _digits(letters: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", letters))


def _letters(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def _plain_number(value: int | float) -> int | float:
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _describe(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    names = {
        str: "text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
    }
    shown = f" ({value!r})" if isinstance(value, str | int | float) and len(repr(value)) < 40 else ""
    return names.get(type(value), type(value).__name__) + shown
