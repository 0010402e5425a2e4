"""Who is who: pairs entries with live objects and references with either.

Used by plan.py alone, one object type after another in reference order, so
that when a reference is looked at, everything it may mean is already known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType, Reading
from orchestrator.desired import Entry, Options, Reference
from orchestrator.errors import Problem
from orchestrator.live import Live, Table, canonical_row, label_key
from orchestrator.ports import Row
from orchestrator.values import is_near_miss, suggest

# IP roles that may share an address (NetBox ipam/constants.py, IPADDRESS_ROLES_NONUNIQUE).
SHARED_ROLES = frozenset({"anycast", "vip", "vrrp", "hsrp", "glbp", "carp"})


@dataclass(eq=False, repr=False, slots=True)
class Node:
    """One object that the plan knows: declared, implied by a reference, or only live.

    `values` are canonical; a reference in them is the id of a live object or
    the Node of one that is still to be created.
    """

    row: ObjectType
    path: str
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, Reference | None] = field(default_factory=dict)
    live: Row | None = None
    declared: bool = True
    may_exist: bool = False
    id: str = ""

    @property
    def token(self) -> Any:
        """What stands for this object in another's values: its id, or itself while it has none."""
        return self.live["id"] if self.live is not None else self

    @property
    def label(self) -> str:
        """How people call it."""
        name = self.values.get(self.row.label)
        if name is None:
            name = next((self.values[key] for key in self.row.other_keys if self.values.get(key)), None)
        return str(name) if name is not None else f"id {self.live['id']}" if self.live else "(unnamed)"


class Resolver:
    """Holds every Node and answers which one a reference means. Problems are collected, not raised."""

    def __init__(self, live: Live, options: Options, problems: list[Problem]) -> None:
        self.live = live
        self.options = options
        self.problems = problems
        self.warnings: list[str] = []
        self.nodes: dict[str, list[Node]] = defaultdict(list)
        self._of_entry: dict[Entry, Node] = {}
        self._of_live: dict[tuple[str, int], Node] = {}
        self._by_label: dict[tuple[str, Any], list[Node]] = defaultdict(list)
        self._by_slug: dict[tuple[str, str], list[Node]] = defaultdict(list)
        self._by_key: dict[tuple[Any, ...], Node] = {}

    def problem(self, path: str, message: str, hint: str = "") -> None:
        """Note a problem once."""
        found = Problem(path, message, hint)
        if found not in self.problems:
            self.problems.append(found)

    # -- declaring -----------------------------------------------------------

    def declare(self, entry: Entry) -> None:
        """Resolve an entry's references, merge it with an equal one, pair it with its live object."""
        row = OBJECT_TYPES[entry.object_type]
        node = Node(row, entry.path)
        node.links = {name: value for name, value in entry.fields.items() if name in row.links}
        node.values = self._resolve_values(row, entry)
        if entry.match is not None:
            self._pair_by_match(node, entry.match)
        twin = self._by_key.get(self._key(node))
        if twin is not None:
            self._merge(twin, node)
            self._of_entry[entry] = twin
            return
        self._of_entry[entry] = node
        self._add(node)
        if entry.match is None:
            self._pair(node)

    def _resolve_values(self, row: ObjectType, entry: Entry) -> dict[str, Any]:
        values: dict[str, Any] = {}
        pointers = (*row.references, *row.generic)
        for name in (*pointers, *(key for key in entry.fields if key not in pointers)):
            if name not in entry.fields or name in row.links:
                continue
            value = entry.fields[name]
            if isinstance(value, Reference):
                target = self.resolve(value, values)
                if target is None:
                    continue
                value = target.token
            elif name == "tags":
                value = self._resolve_tags(value)
            values[name] = value
        return values

    def _resolve_tags(self, references: Iterable[Reference]) -> tuple[int, ...]:
        found = (self.resolve(reference, {}) for reference in references)
        return tuple(sorted({tag.token for tag in found if tag is not None}))

    def _key(self, node: Node) -> tuple[Any, ...]:
        row, values = node.row, node.values
        if node.live is not None:
            return (row.name, "id", node.live["id"])
        label = values.get(row.label)
        if label is None:
            return (row.name, "other", *((key, values.get(key)) for key in row.other_keys))
        rest = [values.get(key) for key in (*row.key, *row.optional_key) if key != row.label]
        if values.get("role") in SHARED_ROLES and row.generic:
            rest.append(values.get("assigned_object"))
        return (row.name, label_key(row, label, values.get(row.child_of)), *rest)

    def _merge(self, twin: Node, node: Node) -> None:
        """The same object declared twice: identical is fine, contradictory is an error naming both places."""
        for name, value in {**node.values, **node.links}.items():
            mine = twin.links if name in node.links else twin.values
            if name not in mine:
                mine[name] = value
            elif str(mine[name]) != str(value) if name in node.links else mine[name] != value:
                self.problem(
                    f"{node.path}.{name}",
                    f"contradicts {twin.path}, which declares the same {node.row.noun} {node.label!r}",
                    "keep one of them, or make them agree",
                )

    def _add(self, node: Node) -> None:
        row = node.row
        self.nodes[row.name].append(node)
        self._by_key.setdefault(self._key(node), node)
        label = node.values.get(row.label)
        if label is not None:
            key = label_key(row, label, node.values.get(row.child_of))
            self._by_label[row.name, key].append(node)
        if node.values.get("slug"):
            self._by_slug[row.name, node.values["slug"]].append(node)

    # -- pairing with live objects ---------------------------------------------

    def _pair(self, node: Node) -> None:
        rows = self._live_twins(node)
        if len(rows) > 1:
            ids = ", ".join(str(row["id"]) for row in rows)
            more = " or ".join((*node.row.optional_key, "id"))
            found = f"{node.label!r} may be any of {len(rows)} {node.row.name} in NetBox (ids {ids})"
            self.problem(node.path, found, f"say which by {more}")
        elif rows:
            self._bind(node, rows[0])

    def _live_twins(self, node: Node) -> list[Row]:
        row, values, table = node.row, node.values, self.live.table(node.row.name)
        label = values.get(row.label)
        if label is None:
            return self._by_other_keys(row, table, values)
        rows = [
            live for live in table.labelled(label, values.get(row.child_of)) if _agrees(row, values, live)
        ]
        if len(rows) > 1 and row.generic:
            rows = _narrow_addresses(row, values, rows)
        return rows

    def _by_other_keys(self, row: ObjectType, table: Table, values: Mapping[str, Any]) -> list[Row]:
        for key in row.other_keys:
            if values.get(key):
                return [live for live in table.by_id.values() if live.get(key) == values[key]]
        return []

    def _bind(self, node: Node, live: Row) -> None:
        other = self._of_live.get((node.row.name, live["id"]))
        if other is not None and other.declared:
            self.problem(
                node.path,
                f"means the same {node.row.noun} in NetBox (id {live['id']}) as {other.path}",
                "declare it once",
            )
            return
        node.live = live
        self._of_live[node.row.name, live["id"]] = node

    def _pair_by_match(self, node: Node, match: Reference) -> None:
        target = self._by_id(match) if match.id is not None else self._one_live(match)
        if target is not None and target.live is not None:
            self._of_live.pop((node.row.name, target.live["id"]), None)
            self._bind(node, target.live)

    def _one_live(self, match: Reference) -> Node | None:
        found = [node for node in self._matching(match, {}) if node.live is not None]
        if len(found) == 1:
            return found[0]
        message = (
            f"no {OBJECT_TYPES[match.object_type].noun} in NetBox matches" if not found else "several match"
        )
        self.problem(match.path, message, "name it by id")
        return None

    def _of_row(self, row: ObjectType, live: Row) -> Node:
        """The Node of a live object; made when nobody has declared it."""
        node = self._of_live.get((row.name, live["id"]))
        if node is None:
            node = Node(row, "", canonical_row(row, live), live=live, declared=False)
            self._of_live[row.name, live["id"]] = node
        return node

    # -- references --------------------------------------------------------------

    def resolve(
        self, reference: Reference, scope: Mapping[str, Any], owner: Node | None = None
    ) -> Node | None:
        """The object a reference means, or None with the problem noted.

        `scope` are the values of the referring entry: an ambiguous name is
        narrowed by what they have in common with the candidates. `owner` is
        the device whose own address is preferred.
        """
        if reference.entry is not None:
            return self._of_entry.get(reference.entry)
        if reference.id is not None:
            return self._by_id(reference)
        found = self._named(reference, scope) if reference.name else self._matching(reference, scope)
        if found is None:
            return None
        found = _narrow(found, scope)
        if len(found) > 1 and owner is not None:
            found = [node for node in found if self._owner_token(node) == owner.token] or found
        if len(found) == 1:
            return found[0]
        if found:
            self._ambiguous(reference, found)
            return None
        return self._imply(reference, scope)

    def _by_id(self, reference: Reference) -> Node | None:
        row = OBJECT_TYPES[reference.object_type]
        live = self.live.table(row.name).by_id.get(reference.id or 0)
        if live is None:
            self.problem(reference.path, f"there is no {row.noun} with id {reference.id}")
            return None
        return self._of_row(row, live)

    def _candidates(self, row: ObjectType, label: str, parent: Any) -> list[Node]:
        try:
            key = label_key(row, label, parent)
        except ValueError:
            return []
        live = self.live.table(row.name).labelled(label, parent)
        return _unique([*self._by_label.get((row.name, key), ()), *(self._of_row(row, one) for one in live)])

    def _slugged(self, row: ObjectType, slug: str) -> list[Node]:
        live = self.live.table(row.name).slugged(slug)
        return _unique([*self._by_slug.get((row.name, slug), ()), *(self._of_row(row, one) for one in live)])

    def _named(self, reference: Reference, scope: Mapping[str, Any]) -> list[Node] | None:
        row = OBJECT_TYPES[reference.object_type]
        named = self._candidates(row, reference.name, scope.get(row.child_of))
        slugged = self._slugged(row, reference.name) if row.slug_from else []
        if named and slugged and not set(map(id, named)) & set(map(id, slugged)):
            message = f"{reference.name!r} is the name of one {row.noun} and the slug of another"
            self.problem(reference.path, message, f"use {{slug: ...}} or {{{row.label}: ...}}")
            return None
        return named or slugged

    def _matching(self, reference: Reference, scope: Mapping[str, Any]) -> list[Node]:
        row, parts = OBJECT_TYPES[reference.object_type], dict(reference.parts or {})
        expected: dict[str, Any] = {}
        for name, part in parts.items():
            if isinstance(part, Reference):
                target = self.resolve(part, scope)
                if target is None:
                    return []
                part = target.token
            expected[name] = part
        if row.label in expected:
            found = self._candidates(row, str(expected[row.label]), expected.get(row.child_of))
        elif "slug" in expected:
            found = self._slugged(row, str(expected["slug"]))
        else:
            rows = self._by_other_keys(row, self.live.table(row.name), expected)
            found = [self._of_row(row, live) for live in rows]
        others = {name: value for name, value in expected.items() if name != row.label}
        return [
            node for node in found if all(node.values.get(name) == value for name, value in others.items())
        ]

    def _owner_token(self, node: Node) -> Any:
        """The device that an address is on, through its interface."""
        assigned = node.values.get("assigned_object")
        if isinstance(assigned, Node):
            return assigned.values.get("device")
        known = self._of_live.get(("interfaces", assigned)) if assigned else None
        if known is not None:
            return known.values.get("device")
        nested = (node.live or {}).get("assigned_object") or {}
        return (nested.get("device") or {}).get("id")

    def _ambiguous(self, reference: Reference, found: list[Node]) -> None:
        row = OBJECT_TYPES[reference.object_type]
        fields = [name for name in (*row.key, *row.optional_key) if name != row.label]
        hint = f"name its {' or '.join(fields)} too, or give its id" if fields else "give its id"
        self.problem(reference.path, f"{str(reference)!r} may be any of {len(found)} {row.name}", hint)

    # -- parents that are only mentioned -----------------------------------------

    def _imply(self, reference: Reference, scope: Mapping[str, Any]) -> Node | None:
        row = OBJECT_TYPES[reference.object_type]
        values = self._implied_values(row, reference, scope)
        if values is None:
            return None
        component = Node(row, reference.path, values, may_exist=True)
        if self.comes_with_parent(component):
            node = component
        elif row.can_be_implied and self.options.create_parents != "false" and set(row.key) <= set(values):
            if self.options.create_parents == "guarded" and self._near_miss(
                row, reference, values[row.label]
            ):
                return None
            node = Node(row, reference.path, values)
        else:
            self._dangling(row, reference, values)
            return None
        self._add(node)
        return node

    def _implied_values(
        self, row: ObjectType, reference: Reference, scope: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        if reference.name:
            inherited = {row.child_of: scope[row.child_of]} if row.child_of in scope else {}
            return {row.label: reference.name, **inherited}
        values: dict[str, Any] = {}
        for name, part in (reference.parts or {}).items():
            if isinstance(part, Reference):
                target = self.resolve(part, scope)
                if target is None:
                    return None
                part = target.token
            values[name] = part
        return values

    def comes_with_parent(self, node: Node) -> bool:
        """Whether NetBox may create this component along with its new device, from the type's templates."""
        parent = node.values.get(node.row.child_of) if node.row.child_of else None
        return node.live is None and isinstance(parent, Node) and self.component_count(parent) > 0

    def component_count(self, node: Node) -> int:
        """How many components NetBox instantiates along with this object."""
        device_type = node.values.get("device_type")
        live = (
            self.live.table("device_types").by_id.get(device_type) if isinstance(device_type, int) else None
        )
        return int((live or {}).get("interface_template_count") or 0)

    def _near_miss(self, row: ObjectType, reference: Reference, name: str) -> bool:
        known = [*self.live.table(row.name).labels(), *(n.label for n in self.nodes[row.name])]
        near = next((other for other in known if is_near_miss(str(name), other)), None)
        if near is None:
            return False
        message = f"there is no {row.noun} {name!r}, but one called {near!r}"
        hint = (
            f"did you mean {near!r}? If not, declare {name!r} under {row.name} "
            "or set options.create_parents: true"
        )
        self.problem(reference.path, message, hint)
        return True

    def _dangling(self, row: ObjectType, reference: Reference, values: Mapping[str, Any]) -> None:
        name = str(values.get(row.label) or reference)
        known = [*self.live.table(row.name).labels(), *(n.label for n in self.nodes[row.name])]
        missing = [key for key in row.key if key not in values]
        way_out = (
            f"name its {' and '.join(missing)} to have it created" if row.can_be_implied and missing else ""
        )
        if not row.ensured:
            way_out = "create it in NetBox first"
        hint = suggest(name, known) or way_out or f"declare it under {row.name}"
        self.problem(reference.path, f"there is no {row.noun} {name!r}", hint)


def _agrees(row: ObjectType, values: Mapping[str, Any], live: Row) -> bool:
    """Whether a live row with the same label is the one meant: it has the key fields that the entry sets."""
    theirs = canonical_row(row, live)
    for name in row.key:
        if name != row.label and name in values and theirs.get(name) != values[name]:
            return False
    for name in row.optional_key:
        # An address without a VRF means the global table; elsewhere what is left out matches anything.
        given = name in values or row.reading is Reading.BY_ADDRESS
        if given and theirs.get(name) != values.get(name):
            return False
    return not (
        values.get("role") in SHARED_ROLES and theirs.get("assigned_object") != values.get("assigned_object")
    )


def _narrow_addresses(row: ObjectType, values: Mapping[str, Any], rows: list[Row]) -> list[Row]:
    """Where NetBox allows duplicates: the one on the same interface, then the one with the same mask."""
    for name in ("assigned_object", "address"):
        same = [live for live in rows if canonical_row(row, live).get(name) == values.get(name)]
        rows = same or rows
    return rows


def _narrow(found: list[Node], scope: Mapping[str, Any]) -> list[Node]:
    for name in scope:
        if len(found) < 2:
            break
        same = [node for node in found if name in node.values and node.values[name] == scope[name]]
        found = same or found
    return found


def _unique(nodes: Iterable[Node]) -> list[Node]:
    return list({id(node): node for node in nodes}.values())
