"""What hangs on an object without being of a type in the catalog, and would go or stand in the way with it.

NetBox deletes much of this along with the object and says nothing. Each row of
the table names a list, the field by which its objects point, and the filter
for it; the pointer is checked on our side as well, since NetBox ignores
filters that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.ports import Row, Tagged


@dataclass(frozen=True, slots=True)
class Attachment:
    """One list of such objects. `generic` pointers are a pair of fields, `<pointer>_type` and `<pointer>_id`.

    With `cabled` only what a cable ends at counts.
    """

    path: str
    noun: str
    pointer: str
    generic: bool = True
    cabled: bool = False

    @property
    def filter(self) -> str:
        """The filter by id."""
        return "id" if self.pointer == "id" else f"{self.pointer}_id"

    def parameters(self, object_type: str) -> list[tuple[str, str | int]]:
        """What is asked for beside the ids."""
        kind = [(f"{self.pointer}_type", OBJECT_TYPES[object_type].model)] if self.generic else []
        return [*kind, *([("cabled", "true")] if self.cabled else [])]

    def target(self, object_type: str, row: Row) -> Any:
        """The id of the object that a row points to; None where it is of another kind, or does not count."""
        if self.cabled and not row.get("cable"):
            return None
        if self.generic and row.get(f"{self.pointer}_type") != OBJECT_TYPES[object_type].model:
            return None
        value = row.get(f"{self.pointer}_id") if self.generic else row.get(self.pointer)
        return value["id"] if isinstance(value, dict) else value


_ON_ANYTHING = (
    Attachment("extras/journal-entries", "journal entry", "assigned_object"),
    Attachment("extras/image-attachments", "image attachment", "object"),
)
_PORTS = ("console-port", "console-server-port", "power-port", "power-outlet", "front-port", "rear-port")


def _plain(path: str, noun: str, pointer: str) -> Attachment:
    return Attachment(path, noun, pointer, generic=False)


def _cabled(path: str, noun: str) -> tuple[Attachment]:
    return (Attachment(path, f"cable at the {noun}", "id", generic=False, cabled=True),)


_ON: Mapping[str, tuple[Attachment, ...]] = {
    "cable_bundles": (_plain("dcim/cables", "cable", "bundle"),),
    "power_feeds": _cabled("dcim/power-feeds", "power feed"),
    "circuit_terminations": _cabled("circuits/circuit-terminations", "circuit termination"),
    "tenants": (_plain("dcim/cables", "cable", "tenant"),),
    "devices": tuple(
        Attachment(f"dcim/{kind}s", f"cabled {kind.replace('-', ' ')}", "device", generic=False, cabled=True)
        for kind in _PORTS
    ),
    **{
        f"{kind.replace('-', '_')}s": _cabled(f"dcim/{kind}s", kind.replace("-", " "))
        for kind in ("interface", *_PORTS)
    },
}


TAGGED_PATH = "extras/tagged-objects"
_BY_MODEL = {row.model: row.name for row in OBJECT_TYPES.values()}


def tagged(row: Row) -> Tagged | None:
    """What carries a tag, of a row of that list; None where it is of no type in the catalog."""
    name, there = _BY_MODEL.get(row["object_type"], ""), row["object"] or {}
    label = str(there.get("display") or f"id {row['object_id']}")
    return Tagged(row["tag"]["id"], name, row["object_id"], label) if name else None


def attachments_of(object_type: str) -> Iterator[Attachment]:
    """Every list in which something may point to objects of a type."""
    if not OBJECT_TYPES[object_type].is_template:  # they have neither
        yield from _ON_ANYTHING
    yield from _ON.get(object_type, ())


def in_words(attachment: Attachment, row: Row) -> str:
    """`service 'ssh (TCP/22)'`."""
    return f"{attachment.noun} {str(row.get('display') or row['id'])!r}"
