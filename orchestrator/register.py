"""The objects that a plan knows, and every way to find one again: by label, slug, natural key or live id.

Filled by resolve.py while it pairs and resolves; read by plan.py afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, TEMPLATED, ObjectType
from orchestrator.desired import Reference
from orchestrator.generic import ends_of, generic_target
from orchestrator.graph import type_order
from orchestrator.live import Live, called, canonical_field, canonical_row, in_short, label_key
from orchestrator.models import Planned
from orchestrator.ports import Row
from orchestrator.references import HOSTS
from orchestrator.values import LookAlikes, slugify

# IP roles that may share an address (NetBox ipam/constants.py, IPADDRESS_ROLES_NONUNIQUE).
SHARED_ROLES = frozenset({"anycast", "vip", "vrrp", "hsrp", "glbp", "carp"})


Identity = tuple[Any, ...]


@dataclass(eq=False, repr=False, slots=True)
class Node:
    """One object that the plan knows: declared, implied by a reference, or only live.

    `values` are canonical; a reference in them is the id of a live object or
    the Node of one that is still to be created. It is `unclear` which object is
    meant when something that its natural key refers to could not be found.
    `place` is equal for all that share a label, as far as labels can tell them
    apart (`label_key`); None while it has no label.
    """

    row: ObjectType
    path: str
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, Reference | None] = field(default_factory=dict)
    live: Row | None = None
    declared: bool = True
    may_exist: bool = False
    unclear: bool = False
    place: Any = None
    id: str = ""
    full_name: tuple[str, ...] = ()
    _planned: Planned | None = None

    def settle_place(self) -> None:
        """To be called once the values are known, before the Node is looked for or added."""
        self.place = label_key(self.row, self.values.get(self.row.label), self.parent)

    @property
    def planned(self) -> Planned:
        """What stands for this object in a plan while it has no id of its own; known once it is named."""
        if self._planned is None:
            self._planned = Planned(self.id)
        return self._planned

    @property
    def token(self) -> Any:
        """What stands for this object in another's values: its id, or itself while it has none."""
        return self.live["id"] if self.live is not None else self

    @property
    def as_host(self) -> tuple[str, Any]:
        """What `Register.holder` says of the addresses on its interfaces."""
        return self.row.word, self.token

    @property
    def label(self) -> str:
        """How people call it."""
        if self.row.is_assignment:
            return (" <> " if self.row.ends else "/").join(self.full_name) or (
                called(self.row, self.live) if self.live else self.row.noun
            )
        name = self.values.get(self.row.label) or self.fact(self.row.label)
        if type(name) is str:
            return in_short(self.row, name)
        if name is None:
            name = next((self.values[key] for key in self.row.other_keys if self.values.get(key)), None)
        return str(name) if name is not None else f"id {self.live['id']}" if self.live else "(unnamed)"

    def fact(self, name: str) -> Any:
        """What a field will be: as the document says, or else as it is in NetBox."""
        if name in self.values or self.live is None:
            return self.values.get(name)
        return canonical_field(self.row, self.live, name)

    def turn_like(self, other: Callable[[str], Any]) -> None:
        """Let the ends of a cable be A and B as those of another one are, and in the same order.

        Which end is which, and the order, says something where a profile is given (NetBox 4.5).
        """
        values, (a, b) = self.values, self.row.ends
        if values.get("profile"):
            return
        mine = {name: {*(values.get(name) or ())} for name in (a, b)}
        theirs = {name: {*(other(name) or ())} for name in (a, b)}
        straight = len(mine[a] & theirs[a]) + len(mine[b] & theirs[b])
        across = len(mine[a] & theirs[b]) + len(mine[b] & theirs[a])
        if across > straight:
            values |= {new: values.pop(old) for new, old in ((b, a), (a, b)) if old in values}
        for name in (a, b) if not self.fact("profile") else ():
            if {*(values.get(name) or ())} == theirs[name]:
                values[name] = other(name)

    @property
    def parent(self) -> Any:
        """What it hangs on (`ObjectType.parent_token`); None for what hangs on nothing."""
        row, child_of = self.row, self.row.child_of
        if row.else_of:
            return row.parent_token(self.fact)
        if not child_of:
            return None
        return self.values[child_of] if child_of in self.values else self.fact(child_of)


class Register:
    """Holds every Node. Live rows become Nodes when somebody asks for them."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.nodes: dict[str, list[Node]] = defaultdict(list)
        self._of_live: dict[tuple[str, int], Node] = {}
        self._by_label: dict[str, dict[Any, list[Node]]] = defaultdict(dict)
        self._by_alias: dict[tuple[str, str], list[Node]] = defaultdict(list)
        self._by_key: dict[Identity, Node] = {}
        self._look_alikes: dict[str, LookAlikes] = {}
        # What declared templates are called, by their type and by the device type that they are of.
        self._templates: dict[tuple[str, Any], list[str]] = defaultdict(list)
        # What cables end at, with the cable.
        self._ends: dict[tuple[str, Any], Node] = {}
        # What gets components from the modules that are put into it, by its token.
        self._modules: dict[Any, list[Node]] = defaultdict(list)

    def forget_lookups(self) -> None:
        """No object will be looked for by label, slug or key any more."""
        for lookup in (self._by_label, self._by_alias, self._by_key, self._look_alikes):
            lookup.clear()

    def add(self, node: Node, identity: Identity) -> None:
        """Take in an object that the document declares or implies."""
        row, label, alias = node.row, node.values.get(node.row.label), node.values.get(node.row.alias)
        self.nodes[row.name].append(node)
        if row.is_template:
            self._templates[row.name, node.parent].append(str(label))
        if row.comes_with and row.child_of:
            self._modules[node.parent].append(node)
        self._by_key.setdefault(identity, node)
        for one in ends_of(row, node.fact) if row.ends else ():
            self._ends.setdefault(one, node)
        if row.slug_from and not alias:
            alias = slugify(str(label or ""))
        if label is not None:
            self._by_label[row.name].setdefault(node.place, []).append(node)
        if alias:
            self._by_alias[row.name, alias].append(node)
        if label is not None and row.name in self._look_alikes:
            self._look_alikes[row.name].add(str(label))

    def bind(self, node: Node, live: Row) -> Node | None:
        """Pair a Node with its live row; returns the declared Node that has it already, if there is one."""
        other = self._of_live.get((node.row.name, live["id"]))
        if other is not None and other.declared:
            return other
        node.live = live
        self._of_live[node.row.name, live["id"]] = node
        return None

    def at_ends(self, ends: Iterable[tuple[str, Any]]) -> list[Node]:
        """The cables that were added and end at one of these, each once."""
        return list(dict.fromkeys(self._ends[one] for one in ends if one in self._ends))

    def twins(self, node: Node, identity: Identity) -> list[Node]:
        """The Nodes that were added and mean the same object, as far as one can tell."""
        label = node.values.get(node.row.label)
        if node.unclear:
            return []
        if node.row.ends and (ends := ends_of(node.row, node.values.get)):
            return [other for other in self.at_ends(ends) if ends_of(node.row, other.fact) == ends]
        if (exact := self._by_key.get(identity)) is not None:
            return [exact]
        if label is None or node.live is not None or node.row.tells_all:
            return []
        known = self._by_label[node.row.name].get(node.place, ())
        return [other for other in known if not other.unclear and _compatible(node, other)]

    def in_order(self) -> Iterator[Node]:
        """Every object that was added, types in reference order."""
        for name in type_order():
            yield from self.nodes.get(name, ())

    def of_live(self, row: ObjectType, live: Row) -> Node:
        """The Node of a live row; made when nobody has declared it."""
        node = self._of_live.get((row.name, live["id"]))
        if node is None:
            node = Node(row, "", canonical_row(row, live), live=live, declared=False)
            self._of_live[row.name, live["id"]] = node
        return node

    def with_id(self, row: ObjectType, object_id: int) -> Node | None:
        """The live object with this id."""
        live = self.live.table(row.name).by_id.get(object_id)
        return self.of_live(row, live) if live is not None else None

    def labelled(self, row: ObjectType, label: str, parent: Any) -> list[Node]:
        """Objects with this label; components, under the parent with this token."""
        try:
            key = label_key(row, label, parent)
        except ValueError:  # not an address, so nobody has it
            return []
        return self._both(row, self._by_label[row.name].get(key, []), self.live.table(row.name).at(key))

    def also_called(self, row: ObjectType, alias: str) -> list[Node]:
        """Objects with this slug, or what else they are called by (`ObjectType.alias`)."""
        # A derived slug counts only for objects that are new: what exists keeps its own.
        nodes = [
            node
            for node in self._by_alias.get((row.name, alias), [])
            if node.fact(row.alias) in (None, alias)
        ]
        return self._both(row, nodes, self.live.table(row.name).also_called(alias))

    def rows_by_other_keys(self, row: ObjectType, values: Mapping[str, Any]) -> list[Row]:
        """Live rows found by a unique field that can stand in for a missing name."""
        for key in row.other_keys:
            if values.get(key):
                return self.live.table(row.name).with_other_key(key, values[key])
        return []

    def look_alike(self, row: ObjectType, label: str) -> str:
        """The label of an object that may have been meant instead; empty when there is none."""
        if row.name not in self._look_alikes:
            self._look_alikes[row.name] = LookAlikes(self.labels(row))
        return self._look_alikes[row.name].find(label)

    def labels(self, row: ObjectType) -> list[str]:
        """Every label there is, for suggestions."""
        return [*self.live.table(row.name).labels(), *(node.label for node in self.nodes[row.name])]

    def holder(self, address: Node) -> tuple[str, Any]:
        """What an address is on through its interface: the field that names it there, and its token."""
        assigned = address.values.get("assigned_object")
        known = assigned if isinstance(assigned, Node) else self._of_live.get(_interface(address, assigned))
        if known is not None:
            return known.row.child_of, known.parent
        nested = (address.live or {}).get("assigned_object") or {}
        above = next((name for name in HOSTS if nested.get(name)), "")
        return above, (nested.get(above) or {}).get("id")

    def component_count(self, node: Node, kinds: Iterable[ObjectType] = TEMPLATED) -> int:
        """How many components NetBox instantiates along with this object, from its type's templates."""
        row = node.row
        own_type = node.values.get(row.comes_with) if row.comes_with else None
        if own_type is None:
            return 0
        live = self.live.table(row.references[row.comes_with]).by_id.get(own_type, {})
        counts = (int(live.get(kind.template_count) or 0) for kind in kinds)
        if not self._templates:
            return sum(counts)
        declared = (len(self._declared_templates(node, kind)) for kind in kinds)
        return sum(map(max, counts, declared))

    def _declared_templates(self, node: Node, kind: ObjectType) -> Sequence[str]:
        """What templates of a kind are called that the document has for the type of a device or module."""
        of_which = {node.row.comes_with: node.values.get(node.row.comes_with)}
        return self._templates.get(
            (kind.templates, OBJECT_TYPES[kind.templates].parent_token(of_which.get)), ()
        )

    def makers(self, node: Node) -> list[Node]:
        """Along with what NetBox may create this component: its new parent, or a new module in that.

        A module bay that the device comes with is none of a module's, nor is one that a module waits for.
        """
        if node.live is not None or not node.row.templated:
            return []
        parent, label = node.parent, node.values.get(node.row.label)
        above = [parent] if type(parent) is Node and self._may_bring(parent, node.row, label) else []
        modules = [one for one in self._modules.get(parent, ()) if self._may_bring(one, node.row, label)]
        if node.row.name == "module_bays":
            modules = [] if above else [one for one in modules if not self._waits_for(one, node, set())]
        return [*above, *modules]

    def _may_bring(self, maker: Node, kind: ObjectType, label: Any) -> bool:
        """Whether NetBox may make a component of this name along with a device or module."""
        if maker.live is not None or self.component_count(maker, (kind,)) == 0:
            return False
        if type(maker.values.get(maker.row.comes_with)) is not Node:
            return True  # what the templates in NetBox are called is not known here
        names = self._declared_templates(maker, kind)
        return label in names or any("{" in name for name in names)

    def _waits_for(self, module: Node, bay: Node, seen: set[int]) -> bool:
        """Whether a module goes into a bay, or into one that comes of what goes into it."""
        own = module.values.get("module_bay")
        if own is bay:
            return True
        if type(own) is not Node or own.live is not None or id(own) in seen:
            return False
        seen.add(id(own))
        if type(own.parent) is Node and self._may_bring(own.parent, own.row, own.values.get("name")):
            return False
        others = [one for one in self._modules.get(own.parent, ()) if one.values.get("module_bay") is not own]
        return any(self._waits_for(one, bay, seen) for one in others)

    def _both(self, row: ObjectType, nodes: list[Node], rows: list[Row]) -> list[Node]:
        if not rows:
            return list(nodes)
        found = [*nodes, *(self.of_live(row, live) for live in rows)]
        return list(dict.fromkeys(found))


def _interface(address: Node, assigned: Any) -> tuple[str, int]:
    object_type, object_id = generic_target(address.row, "assigned_object", assigned)
    return object_type, object_id or 0


def _compatible(node: Node, other: Node) -> bool:
    """Whether nothing that both say of their natural keys differs: what is left out may be anything."""
    names = [name for name in (*node.row.key, *node.row.optional_key) if name != node.row.label]
    told = [
        name for name in names if name in node.values and (name in other.values or other.live is not None)
    ]
    return all(node.values[name] == other.fact(name) for name in told)


@cache
def _key_names(row: ObjectType) -> tuple[str, ...]:
    return (*row.key, *row.optional_key)


@cache
def _beyond_place(row: ObjectType) -> tuple[str, ...]:
    """What tells objects in one place (`label_key`) apart."""
    return tuple(name for name in _key_names(row) if name not in (row.label, *row.parents))


def natural_key(node: Node) -> dict[str, Any]:
    """All that tells an object apart from others of its type, as far as it is known."""
    row, values = node.row, node.values
    if node.fact(row.label) is None:
        return {name: values[name] for name in row.other_keys if values.get(name)}
    key = {name: node.fact(name) for name in _key_names(row)}
    if _shares_address(node):
        key["assigned_object"] = values["assigned_object"]
    return key


def identity_of(node: Node) -> Identity:
    """Equal for Nodes that mean the same object."""
    row, values = node.row, node.values
    if node.live is not None:
        return (row.name, "id", node.live["id"])
    if row.ends and not node.unclear:
        return (row.name, ends_of(row, values.get))
    if values.get(row.label) is None:
        return (row.name, *natural_key(node).items())
    parts = [values.get(name) for name in _beyond_place(row)]
    if row.by_host and _shares_address(node):
        parts.append(("on", values["assigned_object"]))
    return (row.name, node.place, *parts)


def _shares_address(node: Node) -> bool:
    """Whether only the interface tells this address from others that are the same."""
    return node.row.by_host and "assigned_object" in node.values and node.fact("role") in SHARED_ROLES
