"""A NetBox in memory, for unit tests of the engine: same port, same refusals, no server.

It enforces what the real one enforces for the types that documents may declare
and answers in NetBox's shapes. The contract suite in `tests/netbox/` runs
against this and the real one alike. Faults are put into `faults`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from enum import StrEnum

from orchestrator.catalog import OBJECT_TYPES, TEMPLATED, ObjectType
from orchestrator.errors import (
    AccessError,
    DryRunError,
    NetBoxError,
    RejectedError,
    UnknownOutcomeError,
    UnreachableError,
)
from orchestrator.generic import mapped_fields, mapped_value, pointed
from orchestrator.layered import per_catalog
from orchestrator.live import called
from orchestrator.netbox.changelog import is_message, parse_moment
from orchestrator.netbox.queries import check_ids, check_query, fields_by_filter
from orchestrator.netbox.rest import MAX_MESSAGE_LENGTH, to_wire
from orchestrator.ports import Attached, Extent, LoggedChange, Query, Row, Tagged, Written
from orchestrator.schema import load_schema
from orchestrator.testing_custom_fields import fields_of, metadata_definitions
from orchestrator.testing_deletes import ListDelete
from orchestrator.testing_rules import ListWrite, MemoryTables, RefusalError, points_to, tables_of
from orchestrator.values import host_of

_METHODS = {"create": "POST", "update": "PATCH", "delete": "DELETE"}


class Fault(StrEnum):
    """What goes wrong with a write request."""

    NONE = "none"
    UNREACHABLE = "unreachable"  # no connection: certainly nothing done
    LOST_BEFORE = "lost_before"  # no answer, and nothing was written
    LOST_AFTER = "lost_after"  # no answer, although everything was written
    FAILED = "failed"  # NetBox answers 500: nothing was written, and it is not still at it
    REFUSED = "refused"  # refused as a whole without saying which rows, as before NetBox 4.7


class MemoryNetBox:
    """Implements the NetBox port.

    `faults` are used up by write requests in turn; `on_write` is called before
    each with verb, object type and rows (for a delete only their ids), and may
    raise. `forbidden` are the object types that the token may not write, or
    single actions on them: "delete sites" (read, create, update, delete). The
    custom fields for the metadata of an apply are there unless
    `metadata_fields` says otherwise.
    """

    def __init__(
        self, dry_run: bool = False, metadata_fields: bool = True, forbidden: Iterable[str] = ()
    ) -> None:
        self._tables = MemoryTables()
        if metadata_fields:
            self._tables.rows["custom_fields"] = metadata_definitions(self._tables.clock.now())
        self.forbidden = set(forbidden)
        self.faults: deque[Fault] = deque()
        self.on_write: Callable[[str, str, Sequence[Row]], None] | None = None
        self.attachments: dict[tuple[str, int], list[str]] = {}
        self.read_requests = 0
        self.write_requests = 0
        self._dry_run = dry_run
        self._lock = threading.RLock()

    @property
    def tables(self) -> dict[str, dict[int, Row]]:
        """The rows by object type and id, references as ids and choices as plain values."""
        return self._tables.rows

    @property
    def changelog(self) -> list[LoggedChange]:
        """What was written, oldest first."""
        return self._tables.log.entries

    def read(self, query: Query) -> list[Row]:
        """All rows that match, in the order of their ids."""
        values = check_query(query)
        row = OBJECT_TYPES[query.object_type]
        if f"read {row.name}" in self.forbidden:
            raise AccessError(f"NetBox does not let this token GET {row.path}.")
        with self._lock:
            self.read_requests += 1
            for parent in row.parents:
                if query.filter == f"{parent}_id":
                    self._refuse_unknown(row, parent, values)
            if tree := _tree_filters(row.name).get(query.filter):
                values = self._with_descendants(tree, values)
            lets_through = _matcher(row, query.filter, values, self.tables["tags"])
            rows = filter(lets_through, self.tables[row.name].values())
            wanted = {"id", *query.fields} if query.fields else None
            return [
                {name: value for name, value in shown.items() if wanted is None or name in wanted}
                for shown in self._all_shown(row, rows)
            ]

    def _refuse_unknown(self, row: ObjectType, parent: str, ids: Iterable[str | int]) -> None:
        """As NetBox does with a parent that is not there."""
        there = self.tables[row.references[parent]]
        gone = [one for one in ids if int(one) not in there]
        if gone:
            raise NetBoxError(f"NetBox refused a read: {parent}_id: {gone[0]} is not there.")

    def read_all(self, queries: Sequence[Query]) -> list[list[Row]]:
        """The rows of several queries, one after another."""
        return [self.read(query) for query in queries]

    def extents(self, object_types: Sequence[str]) -> list[Extent]:
        """How much there is of each of these types."""
        with self._lock:
            self.read_requests += len(object_types)
            tables = [self.tables[name] for name in object_types]
            return [Extent(len(table), min(table, default=0), max(table, default=0)) for table in tables]

    def create(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Create all rows or none."""
        return self._request("create", object_type, rows, message)

    def update(self, object_type: str, rows: Sequence[Row], message: str) -> Written:
        """Update all rows (each with its `id`) or none."""
        if len({row["id"] for row in rows}) != len(rows):
            raise NetBoxError(f"A list of updates names the same {OBJECT_TYPES[object_type].noun} twice.")
        return self._request("update", object_type, rows, message)

    def delete(self, object_type: str, ids: Sequence[int], message: str) -> str:
        """Delete all objects, with what hangs on them, or none."""
        check_ids(OBJECT_TYPES[object_type], ids)
        return self._request("delete", object_type, [{"id": id_} for id_ in ids], message).request_id

    def logged(self, message: str) -> list[LoggedChange]:
        """The changelog entries with this message, oldest first; a remark in brackets may follow it."""
        if not message.strip():
            raise NetBoxError("Without a message the whole changelog would be read; nothing was asked.")
        with self._lock:
            self.read_requests += 1
            text = message[:MAX_MESSAGE_LENGTH].strip()
            return deepcopy([entry for entry in self.changelog if is_message(entry.message, text)])

    def logged_since(self, object_type: str, ids: Sequence[int], since: str) -> list[LoggedChange]:
        """What the changelog says of these objects after a moment, oldest first."""
        moment, wanted = parse_moment(since), set(ids)
        with self._lock:
            self.read_requests += 1
            return deepcopy(
                [
                    entry
                    for entry in self.changelog
                    if entry.object_type == object_type
                    and entry.object_id in wanted
                    and parse_moment(entry.time) > moment
                ]
            )

    def attached(self, object_type: str, ids: Sequence[int]) -> Attached:
        """What `attachments` holds for these objects: types beyond the catalog do not exist here."""
        held = self.attachments
        words = [(id_, one) for id_ in ids for one in held.get((object_type, id_), ())]
        return Attached(words, tagged=list(self._tagged(set(ids))) if object_type == "tags" else [])

    def _tagged(self, ids: Collection[int]) -> Iterator[Tagged]:
        for name, lives in self.tables.items():
            for live in lives.values():
                tags = [tag for tag in live.get("tags") or () if tag in ids]
                label = called(OBJECT_TYPES[name], {"display": live.get("name"), **live}) if tags else ""
                yield from (Tagged(tag, name, live["id"], label) for tag in tags)

    def may_create(self, object_type: str) -> bool:
        """Whether the token may create objects of a type: all but the `forbidden` ones."""
        return self._may("create", object_type)

    def may_change(self, object_type: str) -> bool:
        """Whether the token may change objects of a type."""
        return self._may("update", object_type)

    def may_delete(self, object_type: str) -> bool:
        """Whether the token may delete objects of a type."""
        return self._may("delete", object_type)

    def _may(self, verb: str, object_type: str) -> bool:
        return not {object_type, f"{verb} {object_type}"} & self.forbidden

    def choices(self, object_type: str) -> Mapping[str, Mapping[str, str]]:
        """Field -> {value: label}, from the schema snapshot."""
        specs = load_schema()[object_type]
        return {name: dict(spec.choices) for name, spec in specs.items() if spec.choices}

    # -- one write request ---------------------------------------------------------

    def _request(self, verb: str, object_type: str, rows: Sequence[Row], message: str) -> Written:
        if not rows:
            return Written([])
        if self._dry_run:
            raise DryRunError(f"Dry-run is on: {len(rows)} {object_type} were not sent to NetBox.")
        if not self._may(verb, object_type):
            method, path = _METHODS[verb], OBJECT_TYPES[object_type].path
            raise AccessError(f"NetBox does not let this token {method} {path}.")
        if self.on_write is not None:
            self.on_write(verb, object_type, rows)
        with self._lock:
            self.write_requests += 1
            fault = self.faults.popleft() if self.faults else Fault.NONE
            _fail_before(fault)
            row, request = OBJECT_TYPES[object_type], f"request-{self.write_requests}"
            if verb == "delete":
                self._delete(row, [item["id"] for item in rows], message[:MAX_MESSAGE_LENGTH], request)
                answer = []
            else:
                answer = self._all_or_none(verb, row, rows, message[:MAX_MESSAGE_LENGTH], request)
            if fault is Fault.LOST_AFTER:
                raise UnknownOutcomeError("The connection was lost.")
            return Written(answer, request)

    def _delete(self, row: ObjectType, ids: Sequence[int], message: str, request: str) -> None:
        deletes = ListDelete(self._tables, row, message, request)
        if refused := deletes.refusals(ids):
            raise _rejected(refused, len(ids))
        deletes.delete(ids)

    def _all_or_none(
        self, verb: str, row: ObjectType, rows: Sequence[Row], message: str, request: str
    ) -> list[Row]:
        kept, kept_log = tables_of(self.tables), list(self.changelog)
        write = ListWrite(self._tables, row, message, request)
        refused: dict[int, str] = {}
        written: list[int] = []
        for index, item in enumerate(rows):
            try:
                written.append(
                    write.create(to_wire(row, item)) if verb == "create" else write.update(to_wire(row, item))
                )
            except RefusalError as error:
                refused[index] = str(error)
        if refused:
            self._tables.rows, self._tables.log.entries = kept, kept_log
            raise _rejected(refused, len(rows))
        return list(self._all_shown(row, [self.tables[row.name][object_id] for object_id in written]))

    # -- NetBox's shapes -----------------------------------------------------------

    def _all_shown(self, row: ObjectType, lives: Iterable[Row]) -> Iterator[Row]:
        """Rows as NetBox returns them."""
        custom_fields = dict.fromkeys(fields_of(self.tables["custom_fields"], row))
        for live in lives:
            shown = self._shown(row, live)
            if "custom_fields" in shown:
                values = shown["custom_fields"]
                shown["custom_fields"] = {name: values.get(name) for name in custom_fields}
            yield shown

    def _shown(self, row: ObjectType, live: Row) -> Row:
        specs = load_schema().get(row.name, {})
        shown: Row = {"display": str(live.get(row.label, live.get("name")))}
        for name, value in live.items():
            if name in row.lists:
                shown[name] = [self._nested(*target) for target in pointed(row, name, value)]
            elif name in row.references or name in row.links:
                shown[name] = next((self._nested(*target) for target in pointed(row, name, value)), value)
            elif name in specs and specs[name].kind == "choice":
                shown[name] = {"value": value, "label": specs[name].choices[value]} if value else None
            else:
                shown[name] = deepcopy(value) if isinstance(value, dict | list) else value
        shown |= {name: mapped_fields(name, mapped_value(name, live.get(name))) for name in row.mapped}
        for name in row.ends:
            ends = pointed(row, name, points_to(row, name, live))
            shown[name] = [
                {
                    "object_type": OBJECT_TYPES[kind].model,
                    "object_id": one,
                    "object": self._nested(kind, one),
                }
                for kind, one in ends
            ]
        for name in row.generic:
            there = points_to(row, name, live)
            shown[name] = {"id": live[f"{name}_id"], "display": there} if there else None
            for object_type, one in pointed(row, name, there):
                shown[name] = self._nested(object_type, one)
        return shown | self._template_counts(row, live)

    def _template_counts(self, row: ObjectType, live: Row) -> Row:
        """How many templates of each kind a type of devices or modules has."""
        kinds = [kind for kind in TEMPLATED if kind.templates in row.children]
        return {
            kind.template_count: sum(
                one[row.children[kind.templates]] == live["id"]
                for one in self.tables[kind.templates].values()
            )
            for kind in kinds
        }

    def _with_descendants(self, object_type: str, ids: Iterable[str | int]) -> list[str | int]:
        """These objects of a tree and all below them."""
        found = [int(id_) for id_ in ids]
        for id_ in found:  # grows while it is walked
            found += [
                live["id"]
                for live in self.tables[object_type].values()
                if live.get("parent") == id_ and live["id"] not in found
            ]
        return list(found)

    def _nested(self, object_type: str, object_id: int) -> Row:
        row, live = OBJECT_TYPES[object_type], self.tables[object_type][object_id]
        parent = {name: self._named(row.references[name], live[name]) for name in row.parents if live[name]}
        return {
            "id": object_id,
            "display": str(live.get(row.label, live.get("name"))),
            row.label: live.get(row.label),
            **parent,
        }

    def _named(self, object_type: str, object_id: int) -> Row:
        label = OBJECT_TYPES[object_type].label
        return {"id": object_id, label: self.tables[object_type][object_id].get(label)}


def _fail_before(fault: Fault) -> None:
    if fault is Fault.UNREACHABLE:
        raise UnreachableError("NetBox does not answer.")
    if fault is Fault.LOST_BEFORE:
        raise UnknownOutcomeError("The connection was lost.")
    if fault is Fault.FAILED:
        raise UnknownOutcomeError("NetBox failed during a write (HTTP 500).", over=True)
    if fault is Fault.REFUSED:
        raise RejectedError("NetBox refused the list.")


def _rejected(refused: Mapping[int, str], sent: int) -> RejectedError:
    first = refused[min(refused)]
    return RejectedError(f"NetBox refused {len(refused)} of {sent} rows. First: {first}", refused)


@per_catalog
def _pointers(object_type: str) -> dict[str, list[str]]:
    """Filter by the id of a target -> the fields that point to it."""
    return fields_by_filter(OBJECT_TYPES[object_type])


@per_catalog
def _tree_filters(object_type: str) -> dict[str, str]:
    """The filters that find who points to a descendant, too, with the type of the target."""
    row = OBJECT_TYPES[object_type]
    return {
        row.pointer_filter(name): target
        for name, target in row.references.items()
        if OBJECT_TYPES[target].links.get("parent") == target
    }


def _matcher(
    row: ObjectType, name: str, values: Iterable[str | int], tags: Mapping[int, Row]
) -> Callable[[Row], bool]:
    """Whether NetBox's filter lets a row through."""
    texts = {str(value) for value in values}
    if not name:
        return lambda live: True
    if name == "tag":
        slugs = {live["id"] for live in tags.values() if live["slug"] in texts}
        return lambda live: not slugs.isdisjoint(live.get("tags") or ())
    if name == "address":
        return lambda live: live["address"] in texts or host_of(live["address"]) in texts
    if pointers := _pointers(row.name).get(name):
        return lambda live: any(_holds(row, pointer, live, texts, name) for pointer in pointers)
    field = name.removesuffix("__ie")
    if name.endswith("__ie") or (row.fold_case and name == row.label):
        folded = {text.lower() for text in texts}
        return lambda live: str(live.get(field)).lower() in folded
    return lambda live: str(live.get(field)) in texts


def _holds(row: ObjectType, pointer: str, live: Row, ids: Collection[str], asks: str) -> bool:
    """Whether a field points to one of these ids, of whichever type; an end of a cable, of that asked for."""
    if pointer in row.ends:
        ends = pointed(row, pointer, points_to(row, pointer, live))
        return any(
            str(one) in ids and row.pointer_filter(pointer, OBJECT_TYPES[kind].model) == asks
            for kind, one in ends
        )
    if pointer in row.mapped:
        return any(str(port) in ids for _, port in pointed(row, pointer, points_to(row, pointer, live)))
    value = live.get(f"{pointer}_id" if pointer in row.generic else pointer)
    return any(str(one) in ids for one in (value if isinstance(value, list) else [value]))
