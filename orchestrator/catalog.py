"""The object types we know: one row each (rows/), holding only what NetBox's schema cannot tell.

Documents name object types as here (`device_types`). Everything that treats
types differently reads it from this table; what the schema knows (field
types, choices, limits, what a field points to) comes from schema.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.layered import Layered
from orchestrator.object_type import ObjectType, Reading
from orchestrator.rows import (
    circuits,
    dcim,
    devices,
    extras,
    ipam,
    journal,
    templates,
    tenancy,
    virtualization,
    vpn,
    wireless,
)
from orchestrator.schema import FieldSpec, load_schema

__all__ = [
    "BY_MODEL",
    "ENSURED",
    "EXCLUDED",
    "OBJECT_TYPES",
    "TEMPLATED",
    "TEMPLATE_COUNTS",
    "ObjectType",
    "Reading",
    "completed",
]

_APPS = (dcim, templates, devices, tenancy, ipam, circuits, virtualization, vpn, wireless, extras, journal)


def completed(row: ObjectType, specs: Mapping[str, FieldSpec]) -> ObjectType:
    """The row with what NetBox's schema says of its pointers and its label."""
    single = {name: spec.target for name, spec in specs.items() if spec.kind == "reference" and spec.target}
    return replace(
        row,
        references={name: target for name, target in single.items() if name not in row.deferred},
        links={name: single[name] for name in row.deferred if name in single},
        lists={
            name: spec.target or "tags"
            for name, spec in specs.items()
            if spec.kind == "tags" or (spec.kind == "references" and not _points_back(spec.target, row))
        },
        filters={
            **{name: spec.filter for name, spec in specs.items() if spec.filter},
            **{name: f"{name}_id" for name in row.generic},
            **{name: f"{name.removesuffix('s')}_id" for name in row.mapped},
        },
        demanded=tuple(dict.fromkeys([*_required(row, specs), *row.demanded])),
        numbered=row.label in specs and specs[row.label].kind == "integer",
    )


def _required(row: ObjectType, specs: Mapping[str, FieldSpec]) -> Iterator[str]:
    """What NetBox's schema says that a new object must have, save a slug that is derived."""
    demanded = (name for name, spec in specs.items() if spec.required and not spec.nullable)
    yield from (row.halves.get(name, name) for name in demanded if name != "slug" or not row.slug_from)


def _points_back(target: str, row: ObjectType) -> bool:
    """Whether a list is the other end of a reference: accounts name their provider.

    Of plugins nobody knows; what would make a circle is no pointer any more (plugin_types.py).
    """
    known = {} if row.of_plugin else load_schema().get(target, {})
    return any(spec.target == row.name for spec in known.values())


_ROWS = tuple(completed(row, load_schema().get(row.name, {})) for app in _APPS for row in app.ROWS)

OBJECT_TYPES: Layered[ObjectType] = Layered({row.name: row for row in _ROWS})
"""Every known type by name. Those with `ensured=False` can be referred to but not declared.

While a document names types of plugins they are in it, too (plugin_types.py).
"""

BY_MODEL: Layered[str] = Layered({row.model: row.name for row in _ROWS})
"""The types by what NetBox calls them where it names content types: `dcim.devicetype`."""

ENSURED: tuple[str, ...] = tuple(row.name for row in _ROWS if row.ensured)
"""The types of NetBox itself that a document may declare."""

_PERSONAL = "belongs to one person, who makes it"

EXCLUDED: Mapping[str, str] = {
    "users/tokens": "is a credential",
    **dict.fromkeys(("extras/bookmarks", "extras/notifications", "extras/subscriptions"), _PERSONAL),
    "extras/table-configs": _PERSONAL,
    "extras/image-attachments": "is a file",
    "extras/scripts": "is code that NetBox runs",
    "extras/notification-groups": "NetBox's list has no filters, so nothing in it can be looked up",
}
"""The lists of NetBox 4.7 whose objects a document can neither declare nor refer to, each with the reason."""

TEMPLATED: tuple[ObjectType, ...] = tuple(row for row in _ROWS if row.templated)
"""The types of components that NetBox makes along with a device, from the templates of its type."""

TEMPLATE_COUNTS: tuple[str, ...] = tuple(row.template_count for row in TEMPLATED)
"""The fields in which a device type counts what comes along with each of its devices."""
