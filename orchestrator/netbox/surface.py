"""What one NetBox offers: its endpoints, and of each the fields, the filters and how it may be called.

Read from NetBox's own OpenAPI document, plugins included. With it a name that
NetBox would ignore without a word is an error here, before anything is sent
(design rule 9). Fetching and keeping it is surface_store.py's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import UnknownNameError
from orchestrator.plugin_types import PluginList, list_from_data
from orchestrator.values import suggest

# Parameters of a list that choose no objects.
_NO_FILTERS = frozenset(
    {"limit", "offset", "start", "ordering", "fields", "omit", "brief", "exclude", "format"}
)
MANY, ONE, BOOLEAN = "many", "one", "boolean"
_TAKES = {"array": MANY, "boolean": BOOLEAN}
_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One list of objects: `dcim/devices`, whose objects NetBox calls `dcim.device`.

    `fields` are those of its answers, `writable` those that a write may set.
    `filters` says of each filter what it takes: many values, one, or true and false.
    """

    path: str
    model: str
    fields: frozenset[str]
    writable: frozenset[str]
    filters: Mapping[str, str]
    methods: frozenset[str]


class Surface:
    """All endpoints of one NetBox, found by any of the names that people give them.

    `plugin_lists` are those of plugins that documents may have objects of.
    """

    def __init__(self, endpoints: Iterable[Endpoint], plugin_lists: Iterable[PluginList] = ()) -> None:
        self.plugin_lists = {one.model: one for one in plugin_lists}
        self.endpoints = {one.path: one for one in endpoints}
        self._named: dict[str, list[Endpoint]] = {}
        for one in self.endpoints.values():
            app, _, leaf = one.path.rpartition("/")
            names = (one.model, one.path, leaf, one.model.partition(".")[2], f"{app}.{leaf}")
            for name in set(map(normal_name, names)):
                self._named.setdefault(name, []).append(one)
        for row in OBJECT_TYPES.values():  # in documents these names mean one type only
            if row.path in self.endpoints:
                self._named[normal_name(row.name)] = [self.endpoints[row.path]]

    def find(self, name: str) -> Endpoint:
        """The endpoint for `dcim.device`, `dcim/devices`, `devices` or `device`.

        Raises UnknownNameError with "did you mean", also where several endpoints bear the name.
        """
        found = self._named.get(normal_name(name), [])
        if len(found) == 1:
            return found[0]
        if found:
            models = ", ".join(sorted(one.model for one in found))
            raise UnknownNameError(f"{name!r} can be any of: {models}.", "Say which.")
        close = suggest(normal_name(name), self._named)
        hint = close or "NetBox's own names are known, like dcim.device or ipam.ipaddress."
        raise UnknownNameError(f"This NetBox has no object type {name!r}.", hint)

    def find_below(self, prefix: str, name: str, noun: str) -> str:
        """The path of an app or endpoint below `prefix`. Raises UnknownNameError, naming what is there."""
        known = self.below(prefix)
        if name in known:
            return known[name]
        where = prefix.strip("/").replace("/", ".") or "This NetBox"
        hint = suggest(name, known) or f"known: {', '.join(sorted(known))}"
        raise UnknownNameError(f"{where} has no {noun} {name!r}.", hint)

    def below(self, prefix: str) -> dict[str, str]:
        """What is below `prefix`: its name in Python -> its path."""
        paths = (path.removeprefix(prefix) for path in self.endpoints if path.startswith(prefix))
        parts = {path.partition("/")[0] for path in paths}
        return {part.replace("-", "_"): f"{prefix}{part}" for part in parts}


def read_surface(
    openapi: Mapping[str, Any], models: Mapping[str, str], plugin_lists: Iterable[PluginList] = ()
) -> Surface:
    """The endpoints in an OpenAPI document that list objects.

    `models` says what NetBox calls the objects of a path, where it can be derived from neither (plugins);
    `plugin_lists` are those of openapi.py.
    """
    components = openapi["components"]["schemas"]
    found = []
    for url, methods in openapi["paths"].items():
        path = path_of(url)
        item = listed(methods.get("get"), components)
        if "{" in path or item is None:
            continue
        one = openapi["paths"].get(f"{url}{{id}}/", {})
        app = path.rpartition("/")[0].rpartition("/")[2].replace("-", "_")
        found.append(
            Endpoint(
                path=path,
                model=models.get(path, f"{app}.{item.lower()}"),
                fields=frozenset(components[item]["properties"]),
                writable=frozenset(written(methods, components).get("properties", ())),
                filters={
                    parameter["name"]: _TAKES.get(parameter["schema"].get("type"), ONE)
                    for parameter in methods["get"].get("parameters", ())
                    if parameter["in"] == "query" and parameter["name"] not in _NO_FILTERS
                },
                methods=frozenset(name.upper() for name in _METHODS if name in methods or name in one),
            )
        )
    return Surface(found, plugin_lists)


def path_of(url: str) -> str:
    """`/api/dcim/devices/` -> `dcim/devices`."""
    return url.removeprefix("/api/").strip("/")


def written(methods: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    """The component that a create takes, by the methods of its path; empty where nothing can be created."""
    schema = _content(methods.get("post", {}).get("requestBody", {}))
    variants = schema.get("oneOf", [schema])  # one object, or a list of such
    component: Mapping[str, Any] = components.get(referred(variants[0]), {})
    return component


def listed(get: Mapping[str, Any] | None, components: Mapping[str, Any]) -> str | None:
    """The component that a list is made of; None for what is no list of objects."""
    schema = _content(get["responses"].get("200", {})) if get else {}
    pages = components.get(referred(schema), {}).get("properties", {}).get("results")
    return referred(pages.get("items", {})) or None if pages else None


def referred(schema: Mapping[str, Any]) -> str:
    """The name of the component that a schema points to; empty where it describes itself."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def surface_to_data(surface: Surface) -> dict[str, Any]:
    """The surface as data that JSON can hold."""
    endpoints = [
        asdict(one)
        | {"fields": sorted(one.fields), "writable": sorted(one.writable), "methods": sorted(one.methods)}
        for one in surface.endpoints.values()
    ]
    return {"endpoints": endpoints, "plugin_lists": [asdict(one) for one in surface.plugin_lists.values()]}


def surface_from_data(data: Mapping[str, Any]) -> Surface:
    """The surface that `surface_to_data` wrote. Raises KeyError or TypeError for anything else."""
    endpoints = [
        Endpoint(
            path=one["path"],
            model=one["model"],
            fields=frozenset(one["fields"]),
            writable=frozenset(one["writable"]),
            filters=dict(one["filters"]),
            methods=frozenset(one["methods"]),
        )
        for one in data["endpoints"]
    ]
    return Surface(endpoints, [list_from_data(one) for one in data["plugin_lists"]])


def normal_name(name: str) -> str:
    """One notation for all that an object type may be called: `dcim/device-types` is `dcim.device_types`."""
    return name.strip().casefold().strip("/").replace("/", ".").replace("-", "_")


def _content(part: Mapping[str, Any]) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = part.get("content", {}).get("application/json", {}).get("schema", {})
    return schema
