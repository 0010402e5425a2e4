"""Stubs for editors and type checkers: `client.dcim.devices.filter(...)` as the live NetBox has it.

Laid over `orchestrator.netbox.client` by whoever looks into the folder first, so
that no program need be changed for them. What the real modules define is taken
from their source, what NetBox offers from its OpenAPI document.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import orchestrator
import orchestrator.netbox
from orchestrator.errors import AccessError
from orchestrator.netbox import client
from orchestrator.netbox.custom_filters import FIELDS as CUSTOM_FIELD_FIELDS
from orchestrator.netbox.custom_filters import filters_by
from orchestrator.netbox.rest import NetBoxStatus, RestNetBox
from orchestrator.netbox.stubs.endpoint_text import (
    FilterClasses,
    TypedEndpoint,
    endpoint_text,
    title_of,
    typed_dict,
)
from orchestrator.netbox.stubs.python_types import REFERENCE, TypeReader
from orchestrator.netbox.stubs.real_source import stub_of
from orchestrator.netbox.surface import Endpoint, Surface, listed, path_of, read_surface, written
from orchestrator.ports import Row

CLIENT_STUB = "orchestrator/netbox/client.pyi"

_OPENING = """\
# What {netbox} offers, for editors and type checkers. Made by `netbox-mcp stubs`; do not edit it.
# mypy: disable-error-code="override"
# pyright: reportIncompatibleMethodOverride=false
# ruff: noqa
# fmt: off
"""
_SHARED = f"""
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, Never, NotRequired
from typing import TypeAlias, TypedDict, TypeVar, Unpack, type_check_only

from orchestrator.netbox.endpoints import EndpointWrapper
from orchestrator.netbox.transport import Parameters
from orchestrator.ports import Row

_Item = TypeVar("_Item")
_Some: TypeAlias = _Item | list[_Item] | tuple[_Item, ...] | set[_Item] | frozenset[_Item]
{REFERENCE}: TypeAlias = int | Mapping[str, Any]
@type_check_only
class Choice(TypedDict):
    value: str
    label: str
@type_check_only
class NumberChoice(TypedDict):
    value: int
    label: str
@type_check_only
class Page(TypedDict, Generic[_Item]):
    count: int
    next: str | None
    previous: str | None
    results: list[_Item]
"""


def make_stubs(netbox: RestNetBox) -> dict[str, str]:
    """The files of the stubs, path -> content: the same as long as NetBox offers the same.

    Takes as long as NetBox needs to describe its API. Raises UnreachableError, AccessError, NetBoxError.
    """
    openapi = netbox.raw.openapi()
    surface = read_surface(openapi, netbox.raw.models_by_path())
    # The packages around the module hide the real ones from mypy: they are as the real ones are.
    around = {
        f"{package.__name__.replace('.', '/')}/__init__.pyi": inspect.getsource(package)
        for package in (orchestrator, orchestrator.netbox)
    }
    return {
        **around,
        CLIENT_STUB: client_stub(openapi, surface, _custom_fields(netbox), _named(netbox.status())),
    }


def client_stub(
    openapi: Mapping[str, Any], surface: Surface, custom_fields: Iterable[Row], netbox_name: str
) -> str:
    """The stub of `orchestrator.netbox.client`."""
    reader, filters = TypeReader(openapi["components"]["schemas"]), FilterClasses()
    fields, methods = list(custom_fields), {path_of(url): one for url, one in openapi["paths"].items()}
    typed = [
        _typed(surface.endpoints[path], methods[path], openapi["components"]["schemas"], reader, fields)
        for path in sorted(surface.endpoints)
    ]
    for one in typed:
        filters.add(f"{one.title}Filters", one.filters)
    parts = [
        _SHARED,
        *(typed_dict(name, reader.rows[name]) for name in sorted(reader.rows)),
        *filters.text,
        *map(endpoint_text, typed),
    ]
    apps = _app_texts([one.endpoint.path for one in typed], parts)
    return "".join([_OPENING.format(netbox=netbox_name), stub_of(client, {"NetBoxClient": apps}), *parts])


def _typed(
    endpoint: Endpoint,
    methods: Mapping[str, Any],
    components: Mapping[str, Any],
    reader: TypeReader,
    custom_fields: Iterable[Row],
) -> TypedEndpoint:
    body = written(methods, components)
    filters = {
        parameter["name"]: reader.asked(parameter["name"], parameter["schema"])
        for parameter in methods["get"].get("parameters", ())
        if parameter["name"] in endpoint.filters
    }
    for field in custom_fields:
        for name, kind in filters_by(field, endpoint.model).items():
            filters[name] = kind if kind == "bool" else f"_Some[{kind}]"
    return TypedEndpoint(
        endpoint=endpoint,
        row=reader.row(listed(methods["get"], components) or ""),
        filters=filters,
        writable={name: reader.written(schema) for name, schema in body.get("properties", {}).items()},
        required=frozenset(body.get("required", ())),
    )


def _app_texts(paths: Iterable[str], texts: list[str], below: str = "") -> dict[str, str]:
    """What is below a path, attribute -> class; the classes of apps are added to the texts."""
    leaves: dict[str, str] = {}
    apps: dict[str, list[str]] = {}
    for path in paths:
        part, _, rest = path.removeprefix(below).partition("/")
        if rest:
            apps.setdefault(part, []).append(path)
        else:
            leaves[part] = title_of(path)
    for part, inside in apps.items():
        if part not in leaves:  # an endpoint of that name goes before, as in the real client
            leaves[part] = f"{title_of(below + part)}App"
            members = _app_texts(inside, texts, f"{below}{part}/")
            texts.append(typed_dict(leaves[part], members, [""]))
    return {part.replace("-", "_"): kind for part, kind in leaves.items()}


def _custom_fields(netbox: RestNetBox) -> list[Row]:
    """All custom fields; none where the token may not see them, and could not filter by them either."""
    try:
        return netbox.raw.rows("extras/custom-fields", [("fields", f"id,{CUSTOM_FIELD_FIELDS}")], by_id=True)
    except AccessError:
        return []


def _named(status: NetBoxStatus) -> str:
    plugins = ", ".join(f"{name} {version}" for name, version in sorted(status.plugins.items()))
    return f"NetBox {status.version}" + (f" with {plugins}" if plugins else "")
