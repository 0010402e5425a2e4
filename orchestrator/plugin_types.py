"""Object types of plugins: found in a live NetBox, told apart by the key that a document names.

    keys:
      netbox_bgp.community: value
      netbox_bgp.prefixlistrule: [prefix_list, index]

What a NetBox says of the lists of its plugins (PluginList) and such keys make
types like those of the catalog. They are in the catalog's tables as long as
`in_use` runs; plans and journals keep them, for whoever applies, shows or
undoes them later.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

import orjson

from orchestrator.catalog import BY_MODEL, OBJECT_TYPES, ObjectType, completed
from orchestrator.errors import DocumentError, Problem
from orchestrator.json_shape import check_json, shorten
from orchestrator.layered import is_plugin_type, worked_out_anew
from orchestrator.schema import FieldSpec, load_schema, specs_of
from orchestrator.values import suggest

KEYS = "keys"
"""The part of a document that names the keys."""

_LABELS = ("string", "integer", "choice", "reference")
"""By what kinds of fields objects are called, those that say most first."""

_NONE = "it has no plugin with lists, or does not say what they are called: NetBox before 4.4"

Fields = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PluginList:
    """What a NetBox says of one list of a plugin.

    `model` is what it calls the objects (`netbox_bgp.community`), `path` where they are, `noun` one of them
    in words; `fields` what can be written, as keyword arguments of FieldSpec. `filters` are those that are
    relied on: what plugins do with others, nobody knows.
    """

    model: str
    path: str
    noun: str
    fields: Fields
    filters: Sequence[str]


@dataclass(frozen=True, slots=True)
class PluginType:
    """A list together with the key that tells its objects apart; `deferred` as in a row of the catalog.

    Without a key its objects can be seen, and nothing else.
    """

    of: PluginList
    key: Sequence[str] = ()
    deferred: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What documents, plans and reports call it."""
        return self.of.model


PluginTypes = Sequence[PluginType]
PluginLists = Mapping[str, PluginList]


def keys_in(document: Any) -> Any:
    """The keys that a document names, whatever their shape; None where it names none."""
    return document.get(KEYS) if isinstance(document, Mapping) else None


def declare(keys: Any, lists: PluginLists) -> PluginTypes:
    """The types that a document names the keys of. Raises DocumentError with all that is wrong with them."""
    problems = check_keys(keys)
    wrong = {one.path for one in problems}
    named = {} if KEYS in wrong else _named(keys, lists, problems, wrong)
    found = [_declared(lists[model], key, named, problems) for model, key in sorted(named.items())]
    if not problems:
        found = _in_order(found, problems)
    if problems:
        raise DocumentError(problems)
    return tuple(found)


def with_others(types: PluginTypes, lists: PluginLists) -> PluginTypes:
    """The types and, without keys, all others of plugins: their objects may point to what is deleted."""
    named = {one.name for one in types}
    others = [PluginType(_settled(one, lists)) for name, one in sorted(lists.items()) if name not in named]
    return (*types, *_in_order(others, []))


def check_keys(keys: Any) -> list[Problem]:
    """What is wrong with the keys of a document whatever the NetBox has."""
    if unfit := check_json(keys, KEYS):
        return unfit
    if not isinstance(keys, Mapping):
        hint = "for example keys: {netbox_bgp.community: value}"
        return [Problem(KEYS, f"must be a mapping of types to fields, not {shorten(keys)}", hint)]
    problems = []
    for model, said in keys.items():
        path, names = f"{KEYS}.{model}", [said] if isinstance(said, str) else said
        if model in BY_MODEL and model not in OBJECT_TYPES:
            problems.append(Problem(path, "is no type of a plugin", f"documents call it {BY_MODEL[model]}"))
        elif not is_plugin_type(model):
            problems.append(Problem(path, "is no type of a plugin", "its key is known, or its name misspelt"))
        elif not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names):
            hint = f"for example {model}: name"
            problems.append(Problem(path, f"must be a field or a list of fields, not {shorten(said)}", hint))
    return problems


def _named(
    keys: Mapping[str, Any], lists: PluginLists, problems: list[Problem], wrong: Container[str]
) -> dict[str, list[str]]:
    """Type -> the fields of its key, of those that this NetBox has; places in `wrong` are passed over."""
    named = {}
    for model, said in keys.items():
        path, names = f"{KEYS}.{model}", [said] if isinstance(said, str) else said
        if path in wrong:
            continue
        if model not in lists:
            known = f"its plugins have {', '.join(sorted(lists))}" if lists else _NONE
            hint = suggest(model, lists) or known
            problems.append(Problem(path, "this NetBox has no list of such objects that we can write", hint))
        elif unknown := [one for one in names if one not in lists[model].fields]:
            fields = lists[model].fields
            hint = suggest(unknown[0], fields) or f"it has: {', '.join(sorted(fields))}"
            problems.append(Problem(path, f"has no field {unknown[0]!r}", hint))
        else:
            named[model] = list(dict.fromkeys(names))
    return named


def _declared(
    listed: PluginList, key: list[str], named: Mapping[str, Any], problems: list[Problem]
) -> PluginType:
    """The type by itself. What its fields point to counts where it is known: by its own type and key."""
    settled = _settled(listed, named)
    for name in key:
        spec, path = settled.fields[name], f"{KEYS}.{listed.model}"
        if spec["kind"] not in _LABELS:
            message = f"{name} is of kind {spec['kind']}, which tells nothing apart"
            problems.append(Problem(path, message, "name fields that are text, numbers or references"))
        elif spec["kind"] == "reference" and "target" not in spec:
            target = listed.fields[name].get("target", "")
            hint = f"name the key of {target}, too" if target else "name another field"
            problems.append(Problem(path, f"what {name} points to is not known", hint))
    return PluginType(settled, tuple(key))


def _settled(listed: PluginList, known: Mapping[str, Any]) -> PluginList:
    """The list with pointers to types that are known; all others take ids."""
    fields = {
        name: spec if spec.get("target", "") in (*OBJECT_TYPES, *known, "") else _without_target(spec)
        for name, spec in listed.fields.items()
    }
    return replace(listed, fields=fields)


def _without_target(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pointer to what is not known takes ids."""
    left = {name: value for name, value in spec.items() if name not in ("target", "filter")}
    return left | {"kind": "list"} if spec["kind"] == "references" else left


def _in_order(types: list[PluginType], problems: list[Problem]) -> list[PluginType]:
    """The types with what would make them wait for each other in circles written later, or by id only."""
    known = {one.name for one in types}
    before: dict[str, set[str]] = {name: set() for name in known}
    loose: list[tuple[PluginType, str]] = []
    for one in types:
        for name, spec in one.of.fields.items():
            if spec.get("target") in known:
                if one.key and (name in one.key or (spec.get("required") and not spec.get("nullable"))):
                    before[one.name].add(spec["target"])
                else:
                    loose.append((one, name))
    stuck = next((name for name in sorted(known) if name in _reached(name, before, direct=False)), "")
    if stuck:
        problems.append(Problem(f"{KEYS}.{stuck}", "needs, by way of others, an object of its own type"))
    deferred: dict[str, list[str]] = {name: [] for name in known}
    by_id: dict[str, list[str]] = {name: [] for name in known}
    # A single pointer can be written later, a list cannot.
    for one, name in sorted(loose, key=lambda pair: pair[0].of.fields[pair[1]]["kind"] != "references"):
        spec = one.of.fields[name]
        if one.name not in {spec["target"], *_reached(spec["target"], before)}:
            before[one.name].add(spec["target"])
        elif spec["kind"] == "reference" and (spec.get("nullable") or not one.key):
            deferred[one.name].append(name)
        else:
            by_id[one.name].append(name)
    return [
        replace(
            one,
            of=replace(one.of, fields=_by_id(one.of.fields, by_id[one.name])),
            deferred=tuple(deferred[one.name]),
        )
        for one in types
    ]


def _by_id(fields: Fields, names: Sequence[str]) -> Fields:
    return {name: _without_target(spec) if name in names else spec for name, spec in fields.items()}


def _reached(name: str, before: Mapping[str, set[str]], direct: bool = True) -> set[str]:
    """What a type waits for; with `direct` off, an object of the own type that it names is none."""
    reached: set[str] = set()
    queue = [one for one in before[name] if direct or one != name]
    for one in queue:  # grows while it is walked
        if one not in reached:
            reached.add(one)
            queue += before[one] - reached
    return reached


def types_to_data(types: PluginTypes) -> list[dict[str, Any]]:
    """The types as data that JSON can hold."""
    return [asdict(one) for one in types]


def types_from_data(data: Sequence[Mapping[str, Any]]) -> PluginTypes:
    """The types that `types_to_data` wrote. Raises KeyError or TypeError for anything else."""
    return tuple(
        PluginType(list_from_data(one["of"]), tuple(one["key"]), tuple(one["deferred"])) for one in data
    )


def list_from_data(data: Mapping[str, Any]) -> PluginList:
    """The list that `asdict` made data of. Raises KeyError or TypeError for anything else."""
    return PluginList(**{**data, "filters": tuple(data["filters"])})


@contextmanager
def in_use(types: PluginTypes) -> Iterator[None]:
    """Know these types while the block runs, in this context and in threads that run in a copy of it."""
    if not types:
        yield
        return
    known = {one.name: _known(orjson.dumps(asdict(one), option=orjson.OPT_SORT_KEYS)) for one in types}
    with ExitStack() as stack:
        stack.enter_context(worked_out_anew())
        stack.enter_context(load_schema().beside({name: specs for name, (specs, _) in known.items()}))
        stack.enter_context(OBJECT_TYPES.beside({name: row for name, (_, row) in known.items()}))
        stack.enter_context(BY_MODEL.beside({name: name for name in known}))
        yield


@lru_cache(maxsize=1000)
def _known(definition: bytes) -> tuple[dict[str, FieldSpec], ObjectType]:
    """What the tables have of a type. The same for the same: what follows from a row is kept by the row."""
    (one,) = types_from_data([orjson.loads(definition)])
    specs = specs_of(one.of.fields)
    return specs, _row_of(one, specs)


def _row_of(one: PluginType, specs: Mapping[str, FieldSpec]) -> ObjectType:
    """The row of the catalog. Whether the database enforces the key, nobody says."""
    row = ObjectType(
        one.name,
        one.of.path,
        singular=one.of.noun,
        content_type=one.of.model,
        deferred=tuple(one.deferred),
        offered=frozenset(one.of.filters),
        key_enforced=False,
        only_declared=True,
    )
    if not one.key:  # called as NetBox calls it
        return completed(replace(row, label="display", key=("display",), ensured=False), specs)
    label = "name" if "name" in one.key else min(one.key, key=lambda name: _LABELS.index(specs[name].kind))
    needed = {name for name in one.key if specs[name].required and not specs[name].nullable} | {label}
    key = tuple(name for name in one.key if name in needed)
    optional = tuple(name for name in one.key if name not in needed)
    return completed(replace(row, label=label, key=key, optional_key=optional), specs)
