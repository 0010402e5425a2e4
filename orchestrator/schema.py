"""What NetBox's own schema says about fields: types, limits, choices.

`schema-4.7.json` beside this file is made from the OpenAPI document of a real
NetBox by `python -m orchestrator.netbox.openapi`; a test compares the two. The
planner checks documents against it, so that mistakes are found before
anything is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from orchestrator.layered import Layered

SNAPSHOT = "schema-4.7.json"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One writable field.

    `kind` is string, integer, number, boolean, choice, reference, references, list, texts, numbers, ports,
    ends, tags, object or json.
    `notation` names the one in which NetBox stores text, where it has its own (values.py).
    `target` is the object type that a reference, or each of several, points to; empty where the catalog
    does not have it. `filter` finds who points to given ids by this field, where NetBox has such a filter.
    """

    kind: str
    required: bool = False
    nullable: bool = False
    blank: bool = False
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    notation: str = ""
    target: str = ""
    filter: str = ""


@cache
def load_schema() -> Layered[dict[str, FieldSpec]]:
    """Object type -> field -> FieldSpec, from the snapshot shipped with the package."""
    raw: dict[str, dict[str, dict[str, Any]]] = orjson.loads(
        files("orchestrator").joinpath(SNAPSHOT).read_bytes()
    )
    return Layered({name: specs_of(fields) for name, fields in raw["object_types"].items()})


def specs_of(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, FieldSpec]:
    """The fields of one type, of what the snapshot has for each."""
    return {key: FieldSpec(**spec) for key, spec in fields.items()}
