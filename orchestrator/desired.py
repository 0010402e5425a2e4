"""What a document says, flattened: entries by type, references, options.

Made by normalise.py, read by live.py and plan.py. Nothing here knows NetBox's
present state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import Problem


# Not frozen: there are several for every object, and a frozen one takes five times as long to make.
@dataclass(slots=True)
class Reference:
    """A pointer to an object: by `name` (or slug), `id`, `parts` of its natural key, or to an `entry`.

    A part is text, a Reference, or None where the object must have none (`vrf: null`: the global table).
    """

    object_type: str
    path: str
    name: str = ""
    id: int | None = None
    parts: Mapping[str, Any] | None = None
    entry: Entry | None = None

    def __str__(self) -> str:
        """How the document wrote it."""
        if self.parts is not None:
            shown = (f"no {key}" if value is None else f"{key} {value}" for key, value in self.parts.items())
            return ", ".join(shown)
        return self.name or (f"id {self.id}" if self.id is not None else "")


@dataclass(eq=False, slots=True)
class Entry:
    """One object as the document describes it. `fields` hold canonical values and References.

    `match` names an existing object to update when the natural key itself is
    to change.
    """

    object_type: str
    path: str
    fields: dict[str, Any] = field(default_factory=dict)
    match: Reference | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The document's `options`. `scope` is a kind (tag, site) and the name of one."""

    create_parents: str = "guarded"
    on_error: str = "continue"
    on_drift: str = "overwrite"
    metadata: bool = True
    expand: bool = True
    tags: tuple[str, ...] = ()
    absent: str = "ignore"
    scope: tuple[str, str] = ("", "")


@dataclass(slots=True)
class Desired:
    """A whole document, normalised. `problems` are those that needed no look at NetBox.

    `unknown_choices` has the object type of each problem with a choice that stock NetBox does
    not have; a NetBox can be configured to have more (FIELD_CHOICES).
    """

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    problems: list[Problem] = field(default_factory=list)
    unknown_choices: list[str] = field(default_factory=list)
    _seen: set[Problem] = field(default_factory=set, repr=False, compare=False)

    def problem(self, path: str, message: str, hint: str = "") -> bool:
        """Note a problem once, however many entries a range has made of it. Whether it is new."""
        found = Problem(path, message, hint)
        if found in self._seen:
            return False
        self._seen.add(found)
        self.problems.append(found)
        return True

    @property
    def only_choices_doubted(self) -> bool:
        """Whether nothing is wrong save choices that this NetBox may well have."""
        return len(self.problems) == len(self.unknown_choices)

    def __len__(self) -> int:
        """Number of objects declared."""
        return sum(len(entries) for entries in self.entries.values())

    def all_entries(self) -> Iterator[Entry]:
        """Every entry, type by type."""
        for entries in self.entries.values():
            yield from entries
