"""Who is who: pairs entries with live objects and references with either.

Used by plan.py alone, one object type after another in reference order, so
that when a reference is looked at, everything it may mean is already known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from operator import itemgetter
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.desired import Entry, Options, Reference
from orchestrator.diff import ids_first
from orchestrator.errors import Problem
from orchestrator.generic import ends_in_order, ends_of, generic_token
from orchestrator.graph import matched
from orchestrator.live import Live, Table, canonical_field, label_key, live_above, live_ends, live_parent
from orchestrator.narrowing import agrees, fits, narrow, narrow_addresses, shares_key
from orchestrator.ports import Row
from orchestrator.references import HOSTS
from orchestrator.register import Node, Register, identity_of
from orchestrator.values import is_address, named, suggest

_SUGGESTIONS = 20
_CIRCLE = 3
_WHERE = ("site", "location", "cluster", "tenant")


class Resolver:
    """Fills the register and answers which object a reference means. Problems are collected, not raised."""

    def __init__(self, live: Live, options: Options, problems: list[Problem]) -> None:
        self.register = Register(live)
        self.options = options
        self.problems = problems
        self.warnings: list[str] = []
        self._seen = set(problems)
        self._paths = {problem.path for problem in problems}
        self._of_entry: dict[Entry, Node] = {}
        self._renamed: list[Node] = []
        # Names that stand for one object only, by type; until there is one object more of that type.
        self._meant: dict[str, dict[str, Node]] = defaultdict(dict)

    def forget_lookups(self) -> None:
        """Make room: once every object is found, what served to find them is a fifth of a plan's memory."""
        self._of_entry.clear()
        self._meant.clear()
        self.register.forget_lookups()

    def problem(self, path: str, message: str, hint: str = "") -> None:
        """Note a problem once."""
        found = Problem(path, message, hint)
        if found not in self._seen:
            self._seen.add(found)
            self._paths.add(path)
            self.problems.append(found)

    def _told(self, path: str) -> bool:
        """Whether a problem with this place is known already."""
        return path in self._paths

    # -- declaring -----------------------------------------------------------

    def declare(self, entry: Entry) -> None:
        """Resolve an entry's references, merge it with an equal one, pair it with its live object."""
        row = OBJECT_TYPES[entry.object_type]
        node = Node(row, entry.path)
        if not row.links.keys().isdisjoint(entry.fields):
            node.links = {name: value for name, value in entry.fields.items() if name in row.links}
        self._resolve_values(node, entry)
        if entry.match is not None:
            self._pair_by_match(node, entry.match)
        node.settle_place()
        if node.row.ends and not node.unclear:
            self._check_ends(node)
        identity = identity_of(node)
        twins = self.register.twins(node, identity)
        if len(twins) > 1:
            message = f"{node.label!r} may be any of those at {' and '.join(twin.path for twin in twins)}"
            self.problem(node.path, message, f"name its {' or '.join((*row.key[1:], *row.optional_key))}")
        self._meant.pop(row.name, None)
        if twins:
            self._merge(twins[0], node)
            self._of_entry[entry] = twins[0]
            return
        self._of_entry[entry] = node
        self.register.add(node, identity)
        if node.live is None and not (node.unclear or node.row.ends):
            self._pair(node)
        if node.live is None and entry.match is not None:
            self._unmatched(node, entry.match)

    def _unmatched(self, node: Node, match: Reference) -> None:
        if not self._told(match.path) and not self._told(node.path):
            self.problem(match.path, f"no {node.row.noun} in NetBox matches", "name it by id")

    def _resolve_values(self, node: Node, entry: Entry) -> None:
        values, fields = node.values, entry.fields
        pointers, apart = _pointers(node.row)
        beside = self._parent_by_id(node.row, entry.match) if entry.match is not None else {}
        # References come first: they narrow down what an ambiguous name further on may mean.
        for name in pointers:
            if name in fields:
                scope = {**beside, **values} if beside else values
                self._resolve_value(node, name, fields[name], scope)
        for name, value in fields.items():
            if name not in apart:
                values[name] = value

    def _parent_by_id(self, row: ObjectType, match: Reference) -> dict[str, Any]:
        """On what the component hangs that an entry names by its id: others there are called by name."""
        live = self.register.live.table(row.name).by_id.get(match.id or 0)
        if live is None or not row.child_of:
            return {}
        return dict([live_above(row, live)])

    def _resolve_value(self, node: Node, name: str, value: Any, scope: Mapping[str, Any]) -> None:
        if isinstance(value, Reference):
            above = value.entry
            target = self._of_entry.get(above) if above is not None else self.resolve(value, scope)
            if target is None or target.unclear:
                node.unclear = node.unclear or name in (*node.row.key, *node.row.optional_key)
                return
            value = target.token
            if name in node.row.generic and isinstance(value, int):
                value = generic_token(node.row, name, target.row.name, value)
        elif name in node.row.lists:
            value = self._resolve_several(value, scope)
        elif name in node.row.mapped:
            value = self._resolve_mapped(value, scope)
        elif name in node.row.ends:
            found = [self.resolve(reference, scope) for reference in value]
            value = tuple((one.row.name, one.token) for one in found if one is not None)
            node.unclear = node.unclear or len(value) < len(found)
        node.values[name] = value

    def _resolve_several(self, references: Iterable[Reference], scope: Mapping[str, Any]) -> tuple[Any, ...]:
        """The tokens of several objects, each once: ids in order, then what is still to be created."""
        found = (self.resolve(reference, scope) for reference in references)
        return ids_first(node.token for node in found if node is not None)

    def _resolve_mapped(
        self, ports: Iterable[tuple[int, Reference, int]], scope: Mapping[str, Any]
    ) -> tuple[tuple[int, Any, int], ...]:
        """The same with the tokens of the ports, by position."""
        found = [(position, self.resolve(port, scope), its) for position, port, its in ports]
        there = [(position, node.token, its) for position, node, its in found if node is not None]
        return tuple(sorted(there, key=itemgetter(0)))

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

    def _check_ends(self, node: Node) -> None:
        """No end of a cable is an end of another one, or of the same one twice."""
        row, ends = node.row, ends_in_order(node.row, node.values.get)
        if len({*ends}) < len(ends):
            self.problem(node.path, "connects something to itself", "name each termination once")
        for twin in self.register.at_ends(ends):
            if ends_of(row, twin.fact) != {*ends}:
                message = f"ends where the {row.noun} at {twin.path} ends"
                self.problem(node.path, message, "each termination takes one cable")
            elif node.values.get("profile") and not twin.values.get("profile"):
                twin.turn_like(node.fact)
            else:
                node.turn_like(twin.fact)

    def pair_cables(self) -> None:
        """Which cable is which live one: as many as can be are live ones of which some end has moved."""
        for row in (one for one in OBJECT_TYPES.values() if one.ends):
            table = self.register.live.table(row.name)
            nodes = [one for one in self.register.nodes.get(row.name, ()) if not one.unclear]
            taken = {one.live["id"] for one in nodes if one.live is not None}
            common = {
                (node, live["id"]): ends & live_ends(row, live)
                for node in nodes
                if node.live is None and (ends := ends_of(row, node.values.get))
                for one in ends
                for live in table.at(one)
                if live["id"] not in taken
            }
            may_be: dict[Node, list[int]] = defaultdict(list)
            for node, live_id in sorted(common, key=lambda pair: (-len(common[pair]), sorted(common[pair]))):
                may_be[node].append(live_id)
            for node, live_id in matched(may_be).items():
                self.register.bind(node, table.by_id[live_id])
            self._refuse_circles({node: self._settle_ends(node, table) for node in nodes})

    def _settle_ends(self, node: Node, table: Table) -> list[Node]:
        """Turn it like the live cable, and refuse it where another one, which stays, is in the way.

        Returns those that are in the way and leave.
        """
        row, live = node.row, node.live
        leaving: list[Node] = []
        if live is not None:
            node.turn_like(lambda name: canonical_field(row, live, name))
        for one in ends_in_order(row, node.values.get):
            for other in (self.register.of_live(row, there) for there in table.at(one) if there is not live):
                if one not in ends_of(row, other.fact):
                    leaving.append(other)
                elif other.declared:
                    message = f"ends where the {row.noun} at {other.path} ends"
                    self.problem(
                        node.path, message, "declare a cable once, and each termination in one cable"
                    )
                else:
                    message = f"ends where another {row.noun} in NetBox ends (id {(other.live or {})['id']})"
                    self.problem(node.path, message, "delete that one there, or leave this one out")
        return leaving

    def _refuse_circles(self, after: Mapping[Node, list[Node]]) -> None:
        """Cables that swap ends: none of them can be the first."""
        try:
            TopologicalSorter(after).prepare()
        except CycleError as error:
            circle = sorted({node.path for node in error.args[1]})
            message = f"takes an end that another cable leaves in a circle ({named(circle, _CIRCLE)})"
            self.problem(circle[0], message, "delete one of these cables in NetBox first")

    # -- pairing with live objects ---------------------------------------------

    def _pair(self, node: Node) -> None:
        rows = self._live_twins(node)
        if len(rows) > 1:
            ids = ", ".join(str(row["id"]) for row in rows)
            more = " or ".join((*(("interface",) if node.row.generic else ()), *node.row.optional_key, "id"))
            found = f"{node.label!r} may be any of {len(rows)} {node.row.name} in NetBox (ids {ids})"
            self.problem(node.path, found, f"say which by {more}")
        elif rows:
            self._bind(node, rows[0])

    def _live_twins(self, node: Node) -> list[Row]:
        row, values = node.row, node.values
        label = values.get(row.label)
        if label is None:
            return self.register.rows_by_other_keys(row, values)
        labelled = self.register.live.table(row.name).at(node.place)
        rows = [live for live in labelled if agrees(row, values, live)]
        if len(rows) > 1 and row.append_only:
            return rows[:1]  # that it is there is enough
        if len(rows) > 1 and row.generic:
            rows = narrow_addresses(row, values, rows)
        return rows

    def _bind(self, node: Node, live: Row) -> None:
        other = self.register.bind(node, live)
        if other is not None:
            message = f"means the same {node.row.noun} in NetBox (id {live['id']}) as {other.path}"
            self.problem(node.path, message, "declare it once")

    def _pair_by_match(self, node: Node, match: Reference) -> None:
        if match.id is not None:
            target = self._by_id(match)
            if target is not None and target.live is not None:
                self._bind(node, target.live)
            return
        expected = self._expected(match, {})
        if expected is None:
            return
        rows = self._live_rows(node.row, expected)
        if len(rows) > 1:
            self.problem(match.path, f"{len(rows)} {match.object_type} match", "name it by id")
        elif rows:
            self._bind(node, rows[0])
            if node.live is rows[0]:
                self._renamed.append(node)
        else:
            # It may have its new name already; where it is has not changed.
            kept = (name for name in (*node.row.key, *node.row.optional_key) if name != node.row.label)
            node.values |= {n: expected[n] for n in kept if n in expected and n not in node.values}

    def _live_rows(self, row: ObjectType, expected: Mapping[str, Any]) -> list[Row]:
        """The live objects that are as expected now, whatever the document makes of them."""
        table = self.register.live.table(row.name)
        try:
            if row.label in expected:
                rows = table.labelled(expected[row.label], row.parent_token(expected.get))
            elif row.alias in expected:
                rows = table.also_called(str(expected[row.alias]))
            else:
                rows = self.register.rows_by_other_keys(row, expected)
        except ValueError:  # not an address, so nobody has it
            return []
        others = {name: value for name, value in expected.items() if name != row.label}
        return [
            live
            for live in rows
            if all(canonical_field(row, live, name) == value for name, value in others.items())
        ]

    def refuse_names_given_up(self) -> None:
        """A name that finds an object, and that another takes over, would find the other the next time."""
        given_up: dict[tuple[str, Any], list[Node]] = defaultdict(list)
        for node in self._renamed:
            place = _live_place(node)
            if place != node.place:
                given_up[node.row.name, place].append(node)
        for node in self.register.in_order() if given_up else ():
            for other in given_up.get((node.row.name, node.place), ()):
                if _live_place(node) != node.place and self._takes_place_of(node, other):
                    old, new = (other.live or {}).get(node.row.label), other.label
                    hint = "use two documents, or name both by id"
                    self.problem(node.path, f"{other.path} renames {old!r} to {new!r}", hint)

    def _takes_place_of(self, node: Node, other: Node) -> bool:
        row = node.row
        names = [name for name in (*row.key, *row.optional_key) if name not in (row.label, *row.parents)]
        return all(node.fact(name) == canonical_field(row, other.live or {}, name) for name in names)

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
        known = self._meant[reference.object_type].get(reference.name)
        if known is not None and fits(known, scope):
            self._refuse_old_name(reference, known)
            return known
        found = self._named(reference, scope) if reference.name else self._matching(reference, scope)
        if found is None:
            return None
        self._remember(reference, found)
        found = self._fitting(reference, narrow(found, scope), scope)
        if found is None:
            return None
        if len(found) > 1:
            found = narrow(found, self._surroundings(scope))
        if len(found) > 1 and owner is not None:
            found = [node for node in found if self.register.holder(node) == owner.as_host] or found
        if len(found) == 1:
            self._refuse_old_name(reference, found[0])
            return found[0]
        if found:
            self._ambiguous(reference, found)
            return None
        return self._imply(reference, scope)

    def _surroundings(self, scope: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where the device or virtual machine is that a component is on: VLAN 100 is that of its own site."""
        for host in (one for one in HOSTS if scope.get(one) is not None):
            row = OBJECT_TYPES[f"{host}s"]
            above = self.register.with_id(row, scope[host]) if isinstance(scope[host], int) else scope[host]
            if above is not None:
                return {name: above.fact(name) for name in _WHERE if above.fact(name) is not None}
        return {}

    def _fitting(
        self, reference: Reference, found: list[Node], scope: Mapping[str, Any]
    ) -> list[Node] | None:
        """Those that NetBox lets be pointed to from there; None, with the problem noted, where none is."""
        left = [node for node in found if fits(node, scope)] if reference.name else found
        if found and not left:
            row = found[0].row
            where = " and ".join(name for name in row.key if name in row.references and name in scope)
            message = f"the {row.noun} {reference.name!r} is of another {where}"
            hint = f"name one of the same {where}, or declare it under {row.name}"
            self.problem(reference.path, message, hint)
            return None
        return left

    def _remember(self, reference: Reference, found: list[Node]) -> None:
        """A site is named by thousands of devices. What a component's name means depends on where it is."""
        row = OBJECT_TYPES[reference.object_type]
        if reference.name and len(found) == 1 and not row.child_of and not row.by_host:
            self._meant[row.name][reference.name] = found[0]

    def _refuse_old_name(self, reference: Reference, node: Node) -> None:
        """A name that this very document takes away would mean nothing the next time."""
        if not node.declared or node.live is None:
            return
        row, new = node.row, node.values.get(node.row.label)
        used = reference.name or (reference.parts or {}).get(row.label)
        if not used or new is None or row.by_host:
            return
        old = node.live.get(row.label)
        keys = [label_key(row, label) for label in (used, old, new)]
        if keys[0] == keys[1] != keys[2]:
            self.problem(reference.path, f"{node.path} renames {old!r} to {new!r}", f"use {new!r} here, too")

    def _by_id(self, reference: Reference) -> Node | None:
        row = OBJECT_TYPES[reference.object_type]
        node = self.register.with_id(row, reference.id or 0)
        if node is None:
            self.problem(reference.path, f"there is no {row.noun} with id {reference.id}")
        return node

    def _named(self, reference: Reference, scope: Mapping[str, Any]) -> list[Node] | None:
        row = OBJECT_TYPES[reference.object_type]
        named = self.register.labelled(row, reference.name, row.parent_token(scope.get))
        alike = self.register.also_called(row, reference.name) if row.alias else []
        if named and alike and not set(map(id, named)) & set(map(id, alike)):
            message = (
                f"{reference.name!r} is the {row.label} of one {row.noun} and the {row.alias} of another"
            )
            self.problem(reference.path, message, f"use {{{row.alias}: ...}} or {{{row.label}: ...}}")
            return None
        return named or alike

    def _matching(self, reference: Reference, scope: Mapping[str, Any]) -> list[Node]:
        row, expected = OBJECT_TYPES[reference.object_type], self._expected(reference, scope)
        if expected is None:
            return []
        known_by = row.label
        if row.label in expected:
            # Which device is not said where it is that of the entry itself.
            parent = row.parent_token(lambda name: expected.get(name, scope.get(name)))
            found = self.register.labelled(row, str(expected[row.label]), parent)
        elif row.alias in expected:
            known_by = row.alias  # the slug of a new object is derived later on
            found = self.register.also_called(row, str(expected[row.alias]))
        else:
            rows = self.register.rows_by_other_keys(row, expected)
            found = [self.register.of_live(row, live) for live in rows]
        others = {name: value for name, value in expected.items() if name != known_by}
        return [node for node in found if all(node.fact(name) == value for name, value in others.items())]

    def _expected(self, reference: Reference, scope: Mapping[str, Any]) -> dict[str, Any] | None:
        """The parts of a reference, references among them as tokens; None where one of those is not there."""
        found: dict[str, Any] = {}
        for name, part in (reference.parts or {}).items():
            if isinstance(part, Reference):
                target = self.resolve(part, scope)
                if target is None:
                    return None
                part = target.token
                row = OBJECT_TYPES[reference.object_type]
                if name in row.generic and isinstance(part, int):
                    part = generic_token(row, name, target.row.name, part)
            found[name] = part
        return found

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
        if self.register.makers(component):
            node = component
        elif row.can_be_implied and self.options.create_parents != "false" and set(row.key) <= set(values):
            if self.options.create_parents == "guarded" and self._near_miss(row, reference, values):
                return None
            node = Node(row, reference.path, values)
        else:
            self._dangling(row, reference, values)
            return None
        node.settle_place()
        self.register.add(node, identity_of(node))
        self._meant.pop(row.name, None)
        return node

    def _implied_values(
        self, row: ObjectType, reference: Reference, scope: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        if reference.name:
            inherited = {name: scope[name] for name in row.parents if name in scope}
            return {row.label: reference.name, **inherited}
        return self._expected(reference, scope)

    def _near_miss(self, row: ObjectType, reference: Reference, values: Mapping[str, Any]) -> bool:
        name = str(values[row.label])
        namesakes = self.register.live.table(row.name).labelled(name, row.parent_token(values.get))
        if alike := [live for live in namesakes if shares_key(row, values, live)]:
            others = " and ".join(key for key in row.optional_key if key in values)
            message = f"there is a {row.noun} {name!r} in NetBox (id {alike[0]['id']}), of another {others}"
            hint = f"name it by id, or declare the new one under {row.name}"
            self.problem(reference.path, message, hint)
            return True
        near = self.register.look_alike(row, name)
        if not near:
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
        missing = [key for key in row.key if key not in values]
        way_out = (
            f"name its {' and '.join(missing)} to have it created" if row.can_be_implied and missing else ""
        )
        if not row.ensured:
            way_out = "create it in NetBox first"
        # A look at every name there is: worth it for the first mistakes, not for the ten thousandth.
        if row.by_host and not is_address(name):
            self.problem(reference.path, f"{name!r} is not an {row.noun}", 'write it as "192.0.2.10/24"')
            return
        few = len(self.problems) < _SUGGESTIONS and not row.by_host
        near = suggest(name, self.register.labels(row)) if few else ""
        self.problem(
            reference.path,
            f"there is no {row.noun} {name!r}",
            near or way_out or f"declare it under {row.name}",
        )


def _live_place(node: Node) -> Any:
    """Where an object is found by its label now (`label_key`); None while it is not there."""
    row, live = node.row, node.live
    if live is None:
        return None
    return label_key(row, live.get(row.label), live_parent(row, live))


@cache
def _pointers(row: ObjectType) -> tuple[tuple[str, ...], frozenset[str]]:
    """The fields that may point to what the entry hangs on or needs, and those with the links as well."""
    pointers = (*row.references, *row.lists, *row.generic, *row.mapped, *row.ends)
    first = [name for name in pointers if name in row.key]  # on the same device as the entry
    return tuple(dict.fromkeys((*first, *pointers))), frozenset((*pointers, *row.links))
