"""What to call live objects in a document: by name where that is enough, else by what tells them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.gathering import Gathered
from orchestrator.generic import pointed
from orchestrator.live import canonical_field, label_key, live_above
from orchestrator.ports import Row
from orchestrator.values import live_value


class Names:
    """The names of the objects of one type; `others` are those of all types.

    A reference by id holds in this one NetBox: `by_id` counts them.
    """

    def __init__(
        self, found: Gathered, object_type: str, others: Mapping[str, Names], by_id: Counter[str]
    ) -> None:
        self._row = OBJECT_TYPES[object_type]
        self._others = others
        self._by_id = by_id
        self._rows = {**found.rows.table(object_type).by_id, **found.known.table(object_type).by_id}
        rows = self._rows.values()
        self._labels = Counter(map(self._label, rows))
        self._slugs = Counter(row.get("slug") for row in rows)
        self._owner_of_slug = {row.get("slug"): object_id for object_id, row in self._rows.items()}
        self._keys = Counter(self._key(row, self._row.key) for row in rows)
        self._whole_keys = Counter(self._key(row, self._names) for row in rows)
        self._other_keys = Counter((name, row.get(name)) for row in rows for name in self._row.other_keys)

    @property
    def _names(self) -> tuple[str, ...]:
        return (*self._row.key, *self._row.optional_key)

    def of(self, object_id: int, beside: Row) -> Any:
        """The reference to an object from another one; None where it could not be read."""
        row = self._rows.get(object_id)
        if row is None:
            return None
        label = self.pointer(self._row.label, row) if self._row.is_assignment else row[self._row.label]
        if self._row.child_of:
            return self._component(row, label, beside)
        if self._labels[self._label(row)] == 1:
            clashes = self._owner_of_slug.get(label, object_id) != object_id
            return {self._row.label: label} if clashes else label
        if len(self._names) > 1 and self._whole_keys[self._key(row, self._names)] == 1:
            return {name: self._part(name, row) for name in self._names}
        if row.get("slug") and self._slugs[row["slug"]] == 1:
            return {"slug": row["slug"]}
        self._by_id[self._row.name] += 1
        return {"id": object_id}

    def _component(self, row: Row, label: Any, beside: Row) -> Any:
        """By name on the same device; where it has several of that name, by what is above it, too."""
        above, parent = live_above(self._row, row)
        said: dict[str, Any] = {}
        if parent != live_value(beside.get(above)):
            said[above] = self._others[self._row.references[above]].of(parent, row)
        if self._row.tree and self._keys[self._key(row, self._row.key)] > 1:
            said[self._row.tree] = self.pointer(self._row.tree, row)
        return {**said, self._row.label: label} if said else label

    def narrowing(self, row: Row) -> dict[str, Any]:
        """What the entry of an object must say besides its key, lest it be taken for another one."""
        alike = self._keys[self._key(row, self._row.key)] > 1
        said: dict[str, Any] = {
            name: None
            for name in self._row.optional_key
            if alike and canonical_field(self._row, row, name) is None
        }
        if not self._row.by_host and self._whole_keys[self._key(row, self._names)] > 1:
            said |= self._apart_from_namesakes(row)
        return said

    def _apart_from_namesakes(self, row: Row) -> dict[str, Any]:
        """By the slug, by another field that only this one has, or else by the id."""
        if row.get("slug"):
            return {"match": {"slug": row["slug"]}}
        for name in self._row.other_keys:
            if row.get(name) and self._other_keys[name, row[name]] == 1:
                return {"match": {name: row[name]}}
        self._by_id[self._row.name] += 1
        return {"id": row["id"]}

    def identifies(self, row: Row) -> bool:
        """Whether a document can say which object this is without its id."""
        if row.get(self._row.label) is not None:
            return True
        return any(row.get(name) and self._other_keys[name, row[name]] == 1 for name in self._row.other_keys)

    def _label(self, row: Row) -> Any:
        """What a name in a document is looked up by."""
        return label_key(self._row, canonical_field(self._row, row, self._row.label))

    def _key(self, row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
        label = self._row.label
        return tuple(
            self._label(row) if name == label else canonical_field(self._row, row, name) for name in names
        )

    def _part(self, name: str, row: Row) -> Any:
        points = name in self._row.pointers()
        return self.pointer(name, row) if points else canonical_field(self._row, row, name)

    def pointer(self, name: str, row: Row) -> Any:
        """What a field points to, as a document says it; None for nothing, or for what cannot be read."""
        for target, one in pointed(self._row, name, canonical_field(self._row, row, name)):
            named = self._others[target].of(one, row)
            generic = name in self._row.generic and named is not None
            return {OBJECT_TYPES[target].word: named} if generic else named
        return None


def all_names(found: Gathered, by_id: Counter[str]) -> dict[str, Names]:
    """The names of the objects of each type."""
    names: dict[str, Names] = {}
    for object_type in OBJECT_TYPES:
        names[object_type] = Names(found, object_type, names, by_id)
    return names
