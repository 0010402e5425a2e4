"""The classes of a stub that stand for apps, endpoints and their objects, as text."""

from __future__ import annotations

import keyword
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from orchestrator.netbox.endpoints import EndpointWrapper
from orchestrator.netbox.stubs.real_source import public_signatures
from orchestrator.netbox.surface import Endpoint

_ROWS = "rows: Row | Sequence[Row]"


@dataclass(frozen=True, slots=True)
class TypedEndpoint:
    """An endpoint with the types of its filters and of the fields that a write takes; `row` is a class."""

    endpoint: Endpoint
    row: str
    filters: Mapping[str, str]
    writable: Mapping[str, str]
    required: frozenset[str]

    @property
    def title(self) -> str:
        """`dcim/device-types` -> `DcimDeviceTypes`."""
        return title_of(self.endpoint.path)


def title_of(path: str) -> str:
    """A path as the beginning of a class name."""
    words = path.replace("-", "/").replace("_", "/").split("/")
    return "".join(word[:1].upper() + word[1:] for word in words)


def typed_dict(name: str, fields: Mapping[str, str], bases: Iterable[str] = ("TypedDict",)) -> str:
    """A class of dictionaries with these keys."""
    if not all(map(_is_name, fields)):
        said = ", ".join(f"{key!r}: {kind}" for key, kind in fields.items())
        return f'{name} = TypedDict("{name}", {{{said}}})\n'
    body = [f"    {key}: {kind}\n" for key, kind in fields.items()] or ["    pass\n"]
    return f"@type_check_only\nclass {name}({', '.join(bases)}):\n{''.join(body)}"


class FilterClasses:
    """The filters of all endpoints; one name with its lookups is written once for all that have it."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        self._variants: dict[str, int] = defaultdict(int)
        self.text: list[str] = []

    def add(self, name: str, filters: Mapping[str, str]) -> None:
        """Write down the class of one endpoint's filters."""
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for filter_name, kind in sorted(filters.items()):
            if _is_name(filter_name):  # no other can be given as a keyword
                groups[filter_name.partition("__")[0]].append((filter_name, kind))
        bases = [self._group(base, tuple(group)) for base, group in groups.items()]
        self.text.append(typed_dict(name, {}, bases or ["TypedDict"]))

    def _group(self, base: str, group: tuple[tuple[str, str], ...]) -> str:
        if (base, group) not in self._names:
            self._variants[base] += 1
            number = self._variants[base]
            name = self._names[base, group] = f"_by_{base}" + (f"_{number}" if number > 1 else "")
            self.text.append(typed_dict(name, dict(group), ["TypedDict, total=False"]))
        return self._names[base, group]


def endpoint_text(typed: TypedEndpoint) -> str:
    """The class of one endpoint, and those of what its writes take."""
    title, endpoint = typed.title, typed.endpoint
    field = f"_{title}Field"
    fields = ", ".join(f'"{name}"' for name in sorted(endpoint.fields))
    new, change = _ROWS, _ROWS  # where NetBox does not say what it takes
    if typed.writable:
        new, change = (f"rows: {title}{kind} | Sequence[{title}{kind}]" for kind in ("New", "Change"))
    told = {
        "**filters: Any": f"**filters: Unpack[{title}Filters]",
        "filters: Mapping[str, Any]": f"filters: {title}Filters",
        "fields: Sequence[str]": f"fields: Sequence[{field}]",
        "-> list[Row]": f"-> list[{typed.row}]",
        "-> Row | None": f"-> {typed.row} | None",
        "-> dict[str, Any]": f"-> Page[{typed.row}]",
    }
    own = {
        "create": {_ROWS: new if "POST" in endpoint.methods else "rows: Never"},
        "update": {_ROWS: change if "PATCH" in endpoint.methods else "rows: Never"},
        "delete": {} if "DELETE" in endpoint.methods else {"ids: int | Sequence[int]": "ids: Never"},
    }
    lines = [f"{field}: TypeAlias = Literal[{fields}]\n", *_written(typed)]
    lines.append(f"@type_check_only\nclass {title}(EndpointWrapper):\n")
    for name, real in _signatures().items():
        signature = real
        for before, after in {**told, **own.get(name, {})}.items():
            signature = signature.replace(before, after)
        if signature != real:
            lines.append(f"    def {name}{signature}: ...\n")
    return "".join(lines)


def _written(typed: TypedEndpoint) -> Iterable[str]:
    """What its writes take: a new object with all that is required, a change with an id and anything else."""
    if not typed.writable:
        return
    title, common = typed.title, f"_{typed.title}Optional"
    given = {name: kind for name, kind in typed.writable.items() if name != "id"}  # which names the object
    required = {name: kind for name, kind in given.items() if name in typed.required}
    optional = {name: kind for name, kind in given.items() if name not in typed.required}
    yield typed_dict(common, optional, ["TypedDict, total=False"])
    yield typed_dict(f"{title}New", required, [common])
    changed = {"id": "int", **{name: f"NotRequired[{kind}]" for name, kind in required.items()}}
    yield typed_dict(f"{title}Change", changed, [common])


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


@cache
def _signatures() -> Mapping[str, str]:
    return public_signatures(EndpointWrapper)
