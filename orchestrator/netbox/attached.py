"""What hangs on an object without being of a type in the catalog, and would go or stand in the way with it.

NetBox deletes much of this along with the object and says nothing. Each row of
the table names a list, the field by which its objects point, and the filter
for it; the pointer is checked on our side as well, since NetBox ignores
filters that it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.catalog import BY_MODEL, OBJECT_TYPES
from orchestrator.ports import Row, Tagged


@dataclass(frozen=True, slots=True)
class Attachment:
    """One list of such objects, which point by a pair of fields, `<pointer>_type` and `<pointer>_id`."""

    path: str
    noun: str
    pointer: str

    @property
    def filter(self) -> str:
        """The filter by id."""
        return f"{self.pointer}_id"

    def parameters(self, object_type: str) -> list[tuple[str, str | int]]:
        """What is asked for beside the ids."""
        return [(f"{self.pointer}_type", OBJECT_TYPES[object_type].model)]

    def target(self, object_type: str, row: Row) -> Any:
        """The id of the object that a row points to; None where it is of another kind."""
        if row.get(f"{self.pointer}_type") != OBJECT_TYPES[object_type].model:
            return None
        return row.get(f"{self.pointer}_id")


_ON_ANYTHING = (Attachment("extras/image-attachments", "image attachment", "object"),)


TAGGED_PATH = "extras/tagged-objects"


def tagged(row: Row) -> Tagged | None:
    """What carries a tag, of a row of that list; None where it is of no type in the catalog."""
    name, there = BY_MODEL.get(row["object_type"], ""), row["object"] or {}
    label = str(there.get("display") or f"id {row['object_id']}")
    return Tagged(row["tag"]["id"], name, row["object_id"], label) if name else None


def attachments_of(object_type: str) -> tuple[Attachment, ...]:
    """Every list in which something may point to objects of a type; templates have neither."""
    return () if OBJECT_TYPES[object_type].is_template else _ON_ANYTHING


def in_words(attachment: Attachment, row: Row) -> str:
    """`image attachment 'Rack front'`."""
    return f"{attachment.noun} {str(row.get('display') or row['id'])!r}"
