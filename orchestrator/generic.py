"""Generic references, which NetBox keeps in two fields: the type of what they point to, and its id.

Canonical is one value: the id where they point to the type that the catalog
has for them (`7` for an interface of a device), and type and id otherwise
(`virtualization.vminterface 7`), so that the two are never taken for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType


def generic_value(row: ObjectType, name: str, raw: Mapping[str, Any]) -> Any:
    """The canonical value of a field, from a row with `<name>_type` (`dcim.interface`) and `<name>_id`."""
    kind, object_id = raw.get(f"{name}_type"), raw.get(f"{name}_id")
    if object_id is None or kind in (None, OBJECT_TYPES[row.generic[name]].model):
        return object_id
    return f"{kind} {object_id}"


def generic_fields(row: ObjectType, name: str, value: Any) -> dict[str, Any]:
    """The same the other way round: the two fields as NetBox wants them."""
    kind: Any = None if value is None else OBJECT_TYPES[row.generic[name]].model
    if isinstance(value, str):
        kind, _, number = value.rpartition(" ")
        value = int(number)
    return {f"{name}_type": kind, f"{name}_id": value}
