"""What can be said against a document once it is known which objects it means.

Used by plan.py alone, after resolve.py: custom fields that NetBox does not
have, slugs that are taken, fields that a new object needs, names that look
like others. Problems and warnings go where the resolver collects them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.definitions import Definition, misfit
from orchestrator.json_shape import shorten
from orchestrator.live import canonical_field
from orchestrator.metadata import METADATA_FIELDS
from orchestrator.narrowing import shares_key
from orchestrator.ports import Row
from orchestrator.register import Node
from orchestrator.resolve import Resolver
from orchestrator.values import LookAlikes, slugify, suggest


class Checks:
    """The checks of a document; each looks at every Node."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.register = resolver.register
        self.live = resolver.register.live
        self.warnings = resolver.warnings
        self.problem = resolver.problem

    def check_custom_fields(self, definitions: Mapping[str, Definition]) -> None:
        """NetBox would refuse the whole row for a custom field that it does not have; ours are not theirs."""
        for node in self.register.in_order():
            for name, value in (node.values.get("custom_fields") or {}).items():
                path, known = f"{node.path}.custom_fields.{name}", definitions.get(name)
                if name in METADATA_FIELDS:
                    self._keep_ours(path, name)
                elif known is None:
                    hint = suggest(name, definitions) or "declare it under custom_fields"
                    self.problem(path, f"there is no custom field {name!r}", hint)
                elif known.models is not None and node.row.model not in known.models:
                    message = f"the custom field {name!r} is not for {node.row.name}"
                    hint = f"declare it under custom_fields with {node.row.model} among its object_types"
                    self.problem(path, message, hint)
                elif takes := misfit(known.kind, value):
                    message = f"the custom field {name!r} does not take {shorten(value)}"
                    self.problem(path, message, f"it is of type {known.kind}: give {takes}")

    def check_definitions(self) -> None:
        """Our own two custom fields are not the document's, and NetBox changes the type of none."""
        for node in self.register.nodes.get("custom_fields", ()):
            for name in METADATA_FIELDS:
                if name in (node.label, (node.live or {}).get("name")):
                    self._keep_ours(node.path, name)
            there = canonical_field(node.row, node.live, "type") if node.live else None
            if there and node.fact("type") != there:
                message = f"the custom field {node.label!r} is of type {there}, which NetBox does not change"
                self.problem(f"{node.path}.type", message, "leave the type out, or declare another field")
            models = canonical_field(node.row, node.live, "object_types") if node.live else None
            if lost := sorted({*(models or ())} - {*(node.fact("object_types") or ())}):
                self.warnings.append(
                    f"{node.path}.object_types: the custom field {node.label!r} is no more for "
                    f"{', '.join(lost)}; what objects hold in it there is lost"
                )

    def _keep_ours(self, path: str, name: str) -> None:
        self.problem(path, f"the custom field {name!r} is kept by netbox-mcp itself", "leave it out")

    def derive_slugs(self) -> set[Node]:
        """At create only: what exists keeps its slug, whatever the name says. The Nodes that got one."""
        derived: set[Node] = set()
        taken, faulty = self._live_slugs(), _with_prefixes(one.path for one in self.resolver.problems)
        for node in self.register.in_order():
            row = node.row
            if not row.slug_from or node.live is not None:
                continue
            given = node.values.get("slug")
            slug = given or slugify(str(node.values.get(row.slug_from) or ""))
            place = (row.name, *(node.values.get(name) for name in row.slug_scope), slug)
            owner = taken.get(place) if slug else None
            if not slug and self._untold(node, faulty):
                continue
            if not slug:
                self.problem(node.path, f"no slug can be derived from {node.label!r}", "add slug: ...")
            elif owner is not None:
                how = "its slug" if given else f"the slug derived from {node.label!r},"
                message = f"{how} {slug!r} belongs to the {row.noun} {owner!r}"
                self.problem(node.path, message, "add a slug of its own")
            else:
                taken[place] = node.label
                node.values["slug"] = slug
                if not given:
                    derived.add(node)
        return derived

    def _live_slugs(self) -> dict[tuple[Any, ...], str]:
        taken: dict[tuple[Any, ...], str] = {}
        for name, table in self.live.tables.items():
            row = OBJECT_TYPES[name]
            if row.slug_from:
                for one in table.by_id.values():
                    scope = (canonical_field(row, one, field) for field in row.slug_scope)
                    taken[name, *scope, str(one.get("slug"))] = str(one.get(row.label))
        return taken

    def refuse_taken_keys(self) -> None:
        """What is renamed takes a free key: of a plugin's type, the database may let a second one in."""
        for name, nodes in self.register.nodes.items():
            row = OBJECT_TYPES[name]
            if not row.of_plugin:
                continue
            fields = (*row.key, *row.optional_key)
            wanted = [(node, node.live, _key_of(node, fields)) for node in nodes if node.live]
            moved = {
                live["id"]: (node, key) for node, live, key in wanted if key != _live_key(row, live, fields)
            }
            others = (one for one in self.live.table(name).by_id.values() if one["id"] not in moved)
            owners = {_live_key(row, one, fields): one["id"] for one in others} if moved else {}
            for node, key in moved.values():
                if key in owners:
                    message = f"there is another {row.noun} {node.label!r} already, with the id {owners[key]}"
                    self.problem(node.path, message, "give it another name, or change that one first")

    def require_fields(self) -> None:
        """What NetBox demands of a new object; components that come with their parent have it already."""
        faulty = _with_prefixes(problem.path for problem in self.resolver.problems)
        for node in self.register.in_order():
            if node.live is not None or node.may_exist or node.unclear:
                continue
            missing = [name for name in node.row.demanded if node.values.get(name) in (None, ())]
            if node.row.else_of and node.parent is None:
                missing.append(node.row.child_of)
            if not missing:
                continue
            namesakes = self._namesakes(node)
            if namesakes and not self._untold(node, faulty):
                self._not_that_one(node, namesakes)
            else:
                for name in missing:
                    self._missing(node, name, faulty)

    def _namesakes(self, node: Node) -> list[Row]:
        """Live objects of the same name that the entry does not mean: its natural key says otherwise."""
        label = node.values.get(node.row.label)
        return self.live.table(node.row.name).labelled(label, node.parent) if label is not None else []

    def _not_that_one(self, node: Node, namesakes: list[Row]) -> None:
        row = node.row
        names = [name for name in (*row.key, *row.optional_key) if name in node.values]
        other = [
            name
            for name in names
            if name != row.label and canonical_field(row, namesakes[0], name) != node.values[name]
        ]
        self.problem(
            node.path,
            f"there is a {row.noun} {node.label!r} in NetBox (id {namesakes[0]['id']}), of another "
            f"{' and '.join(other) or 'kind'}; a new one would need more fields",
            f"to change that one, add match: {{id: {namesakes[0]['id']}}}",
        )

    def _missing(self, node: Node, name: str, faulty: Mapping[str, bool]) -> None:
        path = f"{node.path}.{name}"
        if self._untold(node, faulty) or {path, f"{path}_id"} & faulty.keys():
            return  # it was given, but wrongly, or the object meant could not be told
        called = f"{node.row.noun} {node.label!r}" if not node.row.is_assignment else f"such {node.row.noun}"
        hint = f"there is no {called} in NetBox yet, and a new one needs it"
        what = " or ".join(node.row.parents) if name == node.row.child_of else name
        self.problem(path, f"{what} is missing", hint)

    def _untold(self, node: Node, faulty: Mapping[str, bool]) -> bool:
        """Whether it is not known which object an entry means, which has been said already."""
        return bool(faulty.get(node.path) or {f"{node.path}.match", f"{node.path}.id"} & faulty.keys())

    def warn_of_near_misses(self) -> None:
        """A declared object is created as asked, but a look-alike or a namesake is worth a word."""
        known: dict[str, LookAlikes] = {}
        for node in self.register.in_order():
            row = node.row
            if node.live is not None:
                continue
            self._warn_of_namesakes(node)
            if not row.slug_from:
                continue
            if row.name not in known:
                known[row.name] = LookAlikes(self.live.table(row.name).labels())
            near = known[row.name].find(node.label)
            if near:
                self.warnings.append(
                    f"{node.path}: creates the {row.noun} {node.label!r}, though NetBox has {near!r}"
                )

    def _warn_of_namesakes(self, node: Node) -> None:
        """One that has no parent or group yet may be the one that is meant to get it."""
        row = node.row
        if row.tells_all:
            return
        for field in row.optional_key:
            alike = [] if node.values.get(field) is None else self._namesakes(node)
            alike = [one for one in alike if shares_key(row, node.values, one)]
            free = [one for one in alike if canonical_field(row, one, field) is None]
            if free:
                self.warnings.append(
                    f"{node.path}: creates a second {row.noun} {node.label!r}, since that in NetBox has "
                    f"no {field} (match: {{id: {free[0]['id']}}} would give it one)"
                )
            elif alike and row.fold_case and field not in row.parents:
                self.warnings.append(
                    f"{node.path}: creates a second {row.noun} {node.label!r}, since that in NetBox is of "
                    f"another {field} (match: {{id: {alike[0]['id']}}} would move it)"
                )

    def refuse_odd_constraints(self) -> None:
        """NetBox takes any JSON there, and what is no condition for none at all: everything is allowed."""
        for node in self.register.nodes.get("permissions", ()):
            value = node.values.get("constraints")
            some = value if isinstance(value, list | tuple) else (value,)
            if value is not None and not all(isinstance(one, Mapping) for one in some):
                hint = "write a mapping such as {site__name: AMS1}, or a list of such"
                self.problem(f"{node.path}.constraints", "is no condition", hint)

    def refuse_copied_fields(self) -> None:
        """What NetBox takes from elsewhere at every save would be an update for ever."""
        for node in self.register.in_order():
            for source, names in node.row.copied_from.items():
                if node.fact(source) is None:
                    continue
                for name in (name for name in names if name in node.values):
                    message = f"is that of its {source}, whatever is sent"
                    self.problem(f"{node.path}.{name}", message, f"leave it out, or write {source}: null")


def _key_of(node: Node, fields: Iterable[str]) -> tuple[Any, ...]:
    """What an object is to be told apart by, with ids of what is there."""
    values = (node.fact(field) for field in fields)
    return tuple(one.live["id"] if isinstance(one, Node) and one.live else one for one in values)


def _live_key(row: ObjectType, live: Row, fields: Iterable[str]) -> tuple[Any, ...]:
    """What an object is told apart by now."""
    return tuple(canonical_field(row, live, field) for field in fields)


def _with_prefixes(paths: Iterable[str]) -> dict[str, bool]:
    """Every path that has a problem: True where it is the very place, False where it is further inside."""
    found: dict[str, bool] = {}
    for path in paths:
        parts = path.split(".")
        for end in range(1, len(parts)):
            found.setdefault(".".join(parts[:end]), False)
        found[path] = True
    return found
