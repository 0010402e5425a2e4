"""Makes the plan: what has to be written so that the document becomes true.

Pure: a normalised document and a live snapshot in, a Plan out. `build_plan`
reads as the list of steps; each step leaves its problems behind, and only when
all have been looked at is the document refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.checks import Checks
from orchestrator.definitions import definitions_in
from orchestrator.desired import Desired, Entry, Reference
from orchestrator.diff import Fields, compare, fingerprint
from orchestrator.errors import DocumentError
from orchestrator.graph import parents_first, type_order
from orchestrator.live import Live, canonical_field, canonical_fields
from orchestrator.metadata import Metadata, is_own_definition, read_metadata
from orchestrator.models import NOTHING, Action, Change, Pass, Plan, Stamp
from orchestrator.naming import LINK_MARK, name_nodes, names_in, title
from orchestrator.references import HOSTS
from orchestrator.register import Node, natural_key
from orchestrator.release import release_first
from orchestrator.resolve import Resolver
from orchestrator.schema import load_schema


def build_plan(desired: Desired, live: Live, target: str = "default") -> Plan:
    """Compare a document with NetBox and say what to create, update and leave alone.

    The order of the document does not matter. Raises DocumentError with every
    problem of the document, also those found while it was normalised.
    """
    draft = _Draft(desired, live)
    draft.pair_objects()
    draft.resolve_links()
    draft.check()
    if draft.problems:
        raise DocumentError(draft.problems)
    name_nodes(draft.register)
    draft.resolver.forget_lookups()
    draft.prepare_metadata()
    changes = draft.wait_for_templates([*draft.build_changes(), *draft.link_changes()])
    changes = draft.wait_for_definitions(changes)
    changes, lost = release_first(changes, live)
    changes = draft.define_metadata(draft.metadata.stamp_released(changes))
    plan = Plan(
        target,
        tuple(changes),
        warnings=(*draft.resolver.warnings, *lost),
        on_error=desired.options.on_error,
        names=names_in(draft.register, changes),
    )
    return replace(plan, digest=digest_of(plan))


def digest_of(plan: Plan) -> str:
    """Names a plan by what it would write, and by what is in conflict.

    Where in the document a change came from does not count, nor whether our custom fields are there
    already: another batch may have made them meanwhile.
    """
    own = {change.id for change in plan.changes if is_own_definition(change.object_type, change.label)}
    facts: dict[str, Any] = {"target": plan.target, "on_error": plan.on_error}
    if plan.undoes:
        facts |= {"undoes": plan.undoes, "force": plan.force}
    if conflicts := sorted(change.id for change in plan.conflicts):
        facts["conflicts"] = conflicts
    writes = (
        [c.id, c.action, c.passes, c.live_id, dict(c.before), dict(c.after), sorted({*c.depends_on} - own)]
        for c in plan.changes
        if c.writes and c.id not in own
    )
    return fingerprint(facts, writes)


# Whether a colon in the address is what the field asks for.
_FAMILIES = {"primary_ip4": False, "primary_ip6": True}


class _Draft:
    """A plan in the making: the nodes and what is wrong with them."""

    def __init__(self, desired: Desired, live: Live) -> None:
        self.desired = desired
        self.live = live
        self.problems = list(desired.problems)
        self.resolver = Resolver(live, desired.options, self.problems)
        self.register = self.resolver.register
        self.links: dict[Node, dict[str, Node | None]] = {}
        self.derived_slugs: set[Node] = set()
        self.metadata = Metadata()
        self.kinds: Mapping[str, str] = NOTHING
        # What may bring a component that the document names: a new device, or new modules in it.
        self.makers: dict[Node, list[Node]] = {}
        # Addresses that stay on another interface than the document wants them on.
        self.kept_in_place: set[Node] = set()

    # -- the steps, in order ---------------------------------------------------

    def pair_objects(self) -> None:
        """Types in reference order, so that what an entry refers to is known before the entry."""
        entries = self.desired.entries
        for row in (OBJECT_TYPES[name] for name in type_order() if name in entries):
            for entry in parents_first(row, _telling_first(row, entries[row.name])):
                self.resolver.declare(entry)
        self.resolver.pair_cables()
        self.resolver.refuse_names_given_up()
        for node in self.register.in_order():
            if makers := self.register.makers(node):
                node.may_exist = True
                self.makers[node] = makers

    def resolve_links(self) -> None:
        """Link fields point to objects that may come later in the order, so they are resolved last."""
        for node in list(self.register.in_order()):
            if node.links:
                self.links[node] = dict(self._targets(node))
        self._refuse_cycles()

    def _targets(self, node: Node) -> Iterator[tuple[str, Node | None]]:
        for name, reference in node.links.items():
            target = self._link_target(node, reference) if isinstance(reference, Reference) else None
            if target is not None or reference is None:
                yield name, target

    def _refuse_cycles(self) -> None:
        """A parent that is its own descendant, which NetBox would refuse row by row."""
        trees = [name for name in type_order() if OBJECT_TYPES[name].tree]
        below = [n for name in trees for n in self.register.nodes.get(name, ()) if n.row.tree in n.values]
        for node in (*self.links, *below):
            seen, above = {node}, self._above(node)
            while above is not None and above not in seen:
                seen.add(above)
                above = self._above(above)
            if above is node:
                self._problem(
                    f"{node.path}.parent", f"{node.label!r} would be its own parent", "break the cycle"
                )

    def _above(self, node: Node) -> Node | None:
        """What it is below in a tree, as the document has it or else as it is."""
        if not node.row.tree:
            return self.links.get(node, {}).get("parent")
        token = node.fact(node.row.tree)
        return self.register.with_id(node.row, token) if isinstance(token, int) else token

    def _link_target(self, node: Node, reference: Reference) -> Node | None:
        scope = dict([node.row.parent_in(node.fact)]) if node.row.child_of else {}
        owner = node if node.row.word in HOSTS and reference.object_type == "ip_addresses" else None
        target = self.resolver.resolve(reference, scope, owner=owner)
        if target is not None and owner is not None:
            self._check_own_address(node, reference, target)
        return target

    def _check_own_address(self, device: Node, reference: Reference, address: Node) -> None:
        """NetBox takes only an address on the device itself, and of the right family, as its primary."""
        name = reference.path.rsplit(".", 1)[-1]
        text = str(address.fact("address"))
        if name in _FAMILIES and _FAMILIES[name] != (":" in text):
            self._problem(reference.path, f"{text} is of the other address family", "use the other field")
        elif not address.unclear and self.register.holder(address) != device.as_host:
            hint = f"assign it to one of the {device.row.noun}'s interfaces"
            self._problem(reference.path, f"{text} is not on {device.label!r}", hint)

    def check(self) -> None:
        """Everything that can be wrong once it is known which objects are meant."""
        definitions = definitions_in(self.register)
        self.kinds = {name: one.kind for name, one in definitions.items()}
        checks = Checks(self.resolver)
        checks.check_definitions()
        checks.check_custom_fields(definitions)
        self.derived_slugs = checks.derive_slugs()
        checks.require_fields()
        checks.refuse_taken_keys()
        checks.refuse_copied_fields()
        checks.refuse_odd_constraints()
        checks.warn_of_near_misses()

    def prepare_metadata(self) -> None:
        """Whether objects are stamped, and what has to be defined in NetBox for it."""
        options = self.desired.options
        self.metadata = read_metadata(self.live, options.metadata, options.on_drift)
        if self.metadata.warning:
            self.resolver.warnings.append(self.metadata.warning)

    def define_metadata(self, changes: list[Change]) -> list[Change]:
        """Our custom fields come before the first object that is stamped, if there is any."""
        first = [change.id for change in self.metadata.definitions]
        if not first or not any(change.stamp for change in changes):
            return changes
        waiting = (change.after_these(first) if change.stamp else change for change in changes)
        return [*self.metadata.definitions, *waiting]

    def build_changes(self) -> Iterator[Change]:
        """One change for every object that the document declares or implies."""
        for node in self.register.in_order():
            yield self._create(node) if node.live is None else self._update(node)

    def link_changes(self) -> Iterator[Change]:
        """What could not be written along with the object itself; nothing where it is so already."""
        for node in self.register.in_order():
            if node not in self.links:
                continue
            links = {
                name: target
                for name, target in self.links[node].items()
                if self._may_link(node, name, target)
            }
            wanted = {name: target.token if target else None for name, target in links.items()}
            live = node.live
            before = {name: canonical_field(node.row, live, name) if live else None for name in wanted}
            after = {name: value for name, value in wanted.items() if value != before[name]}
            if after:
                targets = [target for target in links.values() if target is not None]
                before = {name: before[name] for name in after}
                yield self._judged(node, wanted, before, after, Pass.LINK, [node, *targets])

    def wait_for_templates(self, changes: list[Change]) -> list[Change]:
        """New devices and modules come after the templates of their type, and after what those link to."""
        templates = [node for node in self.register.in_order() if node.row.is_template]
        if not templates:
            return changes
        written = {change.id for change in changes if change.writes}
        needed: dict[tuple[str, Any], list[str]] = defaultdict(list)
        for node in templates:
            ids = {node.id, f"{node.id}{LINK_MARK}"} & written
            needed[node.row.parent_in(node.fact)] += ids
        waits = {
            node.id: needed[node.row.comes_with, node.values.get(node.row.comes_with)]
            for node in self.register.in_order()
            if node.row.comes_with and node.live is None
        }
        return [change.after_these(waits.get(change.id, ())) for change in changes]

    def wait_for_definitions(self, changes: list[Change]) -> list[Change]:
        """What sets custom fields that the document declares comes after these are as it wants them."""
        written = {change.id for change in changes if change.writes}
        nodes = self.register.nodes.get("custom_fields", ())
        ids = {node.label: node.id for node in nodes if node.id in written}
        if not ids:
            return changes
        return [
            change.after_these([ids[one] for one in change.after.get("custom_fields") or () if one in ids])
            for change in changes
        ]

    def _may_link(self, node: Node, name: str, target: Node | None) -> bool:
        """Not where the address stays on the device that somebody has moved it to (`on_drift: keep`)."""
        if target is None or target not in self.kept_in_place or node.row.name != "devices":
            return True
        there = ((target.live or {}).get("assigned_object") or {}).get("device") or {}
        if there.get("id") == node.token:
            return True
        holder = self.live.holders.get(there.get("id") or 0, {}).get("name")
        where = f"on {holder!r}" if holder else "where it is"
        self.resolver.warnings.append(
            f"{node.path}.{name}: {target.label} stays {where}, and so {name} stays as it is (on_drift: keep)"
        )
        return False

    # -- one change --------------------------------------------------------------

    def _create(self, node: Node) -> Change:
        row = node.row
        return Change(
            id=node.id,
            object_type=row.name,
            action=Action.CREATE,
            label=title(self.register, node),
            path=node.path,
            before=NOTHING,
            drift=NOTHING,
            after=_sent(node),
            key=_frozen(natural_key(node)),
            depends_on=_ids([*_nodes_in(node.values), *self.makers.get(node, ())]),
            may_exist=node.may_exist,
            create_only=("slug",) if node in self.derived_slugs else (),
            stamp=self.metadata.stamp_new(row),
            seconds=row.create_seconds + row.component_seconds * self.register.component_count(node),
        )

    def _update(self, node: Node) -> Change:
        assert node.live is not None
        values = node.values
        if node.row.append_only:  # it was found by its text, whose lines may end otherwise
            values = {name: value for name, value in values.items() if name != node.row.label}
        before, after = compare(node.row, values, node.live, self.kinds)
        if not after:
            return self._unchanged(node, node.live["id"])
        if node.row.comes_with in after:
            self.resolver.warnings.append(
                f"{node.path}: the type of {node.label!r} changes; its components stay as they are"
            )
        return self._judged(node, node.values, before, after, Pass.BUILD, _nodes_in(after))

    def _unchanged(self, node: Node, live_id: int) -> Change:
        """Most objects of a document that is applied again: what only a write needs is left out."""
        return Change(
            id=node.id,
            object_type=node.row.name,
            action=Action.UNCHANGED,
            label=title(self.register, node),
            path=node.path,
            live_id=live_id,
            before=NOTHING,
            after=NOTHING,
            key=NOTHING,
            drift=NOTHING,
            seconds=node.row.update_seconds,
        )

    def _judged(
        self,
        node: Node,
        wanted: Mapping[str, Any],
        before: Fields,
        after: Fields,
        passes: Pass,
        targets: list[Node],
    ) -> Change:
        """An update of these fields, once it is known what of it is drift."""
        is_link = passes is Pass.LINK
        verdict = self.metadata.judge(node.row, wanted, node.live or {}, before, after)
        if "assigned_object" in after and "assigned_object" not in verdict.after:
            self.kept_in_place.add(node)
        action, reason = Action.UPDATE if verdict.after else Action.UNCHANGED, ""
        if verdict.drift and self.metadata.on_drift == "fail":
            action, reason = (
                Action.CONFLICT,
                f"changed in NetBox since our last apply: {', '.join(verdict.drift)}",
            )
        return Change(
            id=f"{node.id}{LINK_MARK}" if is_link else node.id,
            object_type=node.row.name,
            action=action,
            label=title(self.register, node),
            path=node.path,
            passes=passes,
            live_id=node.live["id"] if node.live is not None else None,
            before={**_overwritten(node, verdict.after), **verdict.before},
            after=_frozen(verdict.after),
            key=NOTHING if is_link else _frozen(natural_key(node)),
            depends_on=_ids(targets),
            subject=node.id if is_link else "",
            drift=verdict.drift,
            reason=reason,
            stamp=_with_planned_tags(verdict.stamp),
            seconds=node.row.update_seconds,
        )

    def _problem(self, path: str, message: str, hint: str) -> None:
        self.resolver.problem(path, message, hint)


def _overwritten(node: Node, after: Fields) -> Fields:
    """What an object has in fields that NetBox will copy into it: a rack with a type loses its own height."""
    names = node.row.copied_by(after.__contains__)
    return canonical_fields(node.row, node.live or {}, names) if names else {}


def _telling_first(row: ObjectType, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Those that say more of their key come first, so that those that say less are found among them."""
    keys = {*row.key, *row.optional_key}
    said = [len(keys & entry.fields.keys()) for entry in entries]
    if len(set(said)) < 2:
        return entries
    return [entries[at] for at in sorted(range(len(entries)), key=lambda at: -said[at])]


def _nodes_in(values: Mapping[str, Any]) -> list[Node]:
    found: list[Node] = []
    for value in values.values():
        if type(value) is Node:
            found.append(value)
        elif type(value) is tuple:
            found += _nodes_among(value)
    return found


def _nodes_among(values: tuple[Any, ...]) -> Iterator[Node]:
    for one in values:
        if type(one) is Node:
            yield one
        elif type(one) is tuple:
            yield from _nodes_among(one)


def _ids(nodes: list[Node]) -> tuple[str, ...]:
    if len(nodes) < 2:
        return tuple(node.id for node in nodes if node.id)
    return tuple(sorted({node.id for node in nodes if node.id}))


def _sent(node: Node) -> Mapping[str, Any]:
    """A new object has nothing that could be cleared; null is sent where NetBox's API demands the field."""
    values: Mapping[str, Any] = node.values
    if None in values.values():
        values = {name: value for name, value in values.items() if value is not None}
    nulls = _null_unless_said(node.row)
    return _frozen({**nulls, **values} if nulls else values)


@cache
def _null_unless_said(row: ObjectType) -> dict[str, None]:
    """Fields without which NetBox's API takes no new object, though null will do: the group of an owner."""
    specs = load_schema().get(row.name, {})
    return {name: None for name, spec in specs.items() if spec.required and spec.nullable}


def _frozen(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What goes into a change: in place of each Node what stands for it in a plan."""
    planned: dict[str, Any] = {}
    for name, value in values.items():
        if type(value) is Node:
            planned[name] = value.planned
        elif type(value) is tuple and next(_nodes_among(value), None) is not None:
            planned[name] = _several(value)
    return {**values, **planned} if planned else values


def _with_planned_tags(stamp: Stamp | None) -> Stamp | None:
    return replace(stamp, tags=_several(stamp.tags)) if stamp is not None and stamp.tags else stamp


def _several(tokens: tuple[Any, ...]) -> tuple[Any, ...]:
    """Ids in order, then what the plan makes, by its name: the order of the document says nothing.

    What is mapped by position is in order already.
    """
    if type(tokens[0]) is tuple:
        return tuple(
            tuple(part.planned if type(part) is Node else part for part in parts) for parts in tokens
        )
    ids = [one for one in tokens if type(one) is not Node]
    return (*ids, *sorted((one.planned for one in tokens if type(one) is Node), key=attrgetter("change_id")))
