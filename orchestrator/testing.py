"""A NetBox in memory, for unit tests of the engine: same port, same refusals, no server.

It enforces what the real one enforces for the types that documents may declare
and answers in NetBox's shapes. The contract suite in `tests/netbox/` runs
against this and the real one alike. Faults are put into `faults`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from enum import StrEnum

from orchestrator.catalog import OBJECT_TYPES, ObjectType
from orchestrator.errors import DryRunError, NetBoxError, RejectedError, UnknownOutcomeError, UnreachableError
from orchestrator.netbox.queries import check_query
from orchestrator.netbox.rest import MAX_MESSAGE_LENGTH, to_wire
from orchestrator.ports import Query, Row
from orchestrator.schema import load_schema
from orchestrator.testing_rules import ListWrite, LogEntry, MemoryTables, RefusalError
from orchestrator.values import host_of


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
    each with verb, object type and rows, and may raise.
    """

    def __init__(self, dry_run: bool = False) -> None:
        self._tables = MemoryTables()
        self.faults: deque[Fault] = deque()
        self.on_write: Callable[[str, str, Sequence[Row]], None] | None = None
        self.read_requests = 0
        self.write_requests = 0
        self._dry_run = dry_run
        self._lock = threading.RLock()

    @property
    def tables(self) -> dict[str, dict[int, Row]]:
        """The rows by object type and id, references as ids and choices as plain values."""
        return self._tables.rows

    @property
    def changelog(self) -> list[LogEntry]:
        """What was written, oldest first."""
        return self._tables.changelog

    @property
    def interface_templates(self) -> dict[int, list[tuple[str, str]]]:
        """Device type id -> (name, type) of the interfaces that its devices come with."""
        return self._tables.interface_templates

    def read(self, query: Query) -> list[Row]:
        """All rows that match, in the order of their ids."""
        values = check_query(query)
        row = OBJECT_TYPES[query.object_type]
        with self._lock:
            self.read_requests += 1
            rows = [
                live
                for live in self.tables[row.name].values()
                if not query.filter or _matches(row, live, query.filter, values)
            ]
            wanted = {"id", *query.fields} if query.fields else None
            return [
                {
                    name: value
                    for name, value in self._shown(row, live).items()
                    if wanted is None or name in wanted
                }
                for live in rows
            ]

    def count(self, object_type: str) -> int:
        """How many objects of a type there are."""
        with self._lock:
            self.read_requests += 1
            return len(self.tables[object_type])

    def create(self, object_type: str, rows: Sequence[Row], message: str) -> list[Row]:
        """Create all rows or none."""
        return self._request("create", object_type, rows, message)

    def update(self, object_type: str, rows: Sequence[Row], message: str) -> list[Row]:
        """Update all rows (each with its `id`) or none."""
        if len({row["id"] for row in rows}) != len(rows):
            raise NetBoxError(f"A list of updates names the same {OBJECT_TYPES[object_type].noun} twice.")
        return self._request("update", object_type, rows, message)

    def choices(self, object_type: str) -> Mapping[str, Mapping[str, str]]:
        """Field -> {value: label}, from the schema snapshot."""
        specs = load_schema()[object_type]
        return {name: dict(spec.choices) for name, spec in specs.items() if spec.kind == "choice"}

    # -- one write request ---------------------------------------------------------

    def _request(self, verb: str, object_type: str, rows: Sequence[Row], message: str) -> list[Row]:
        if not rows:
            return []
        if self._dry_run:
            raise DryRunError(f"Dry-run is on: {len(rows)} {object_type} were not sent to NetBox.")
        if self.on_write is not None:
            self.on_write(verb, object_type, rows)
        with self._lock:
            self.write_requests += 1
            fault = self.faults.popleft() if self.faults else Fault.NONE
            _fail_before(fault)
            answer = self._all_or_none(verb, OBJECT_TYPES[object_type], rows, message[:MAX_MESSAGE_LENGTH])
            if fault is Fault.LOST_AFTER:
                raise UnknownOutcomeError("The connection was lost.")
            return answer

    def _all_or_none(self, verb: str, row: ObjectType, rows: Sequence[Row], message: str) -> list[Row]:
        kept, kept_log = {name: dict(rows) for name, rows in self.tables.items()}, list(self.changelog)
        write = ListWrite(self._tables, row, message)
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
            self._tables.rows, self._tables.changelog = kept, kept_log
            first = refused[min(refused)]
            raise RejectedError(f"NetBox refused {len(refused)} of {len(rows)} rows. First: {first}", refused)
        return [self._shown(row, self.tables[row.name][object_id]) for object_id in written]

    # -- NetBox's shapes -----------------------------------------------------------

    def _shown(self, row: ObjectType, live: Row) -> Row:
        """A row as NetBox returns it."""
        specs = load_schema().get(row.name, {})
        references = row.all_references()
        shown: Row = {"display": str(live.get(row.label))}
        for name, value in live.items():
            if name in references and value is not None:
                shown[name] = self._nested(references[name], value)
            elif name == "tags":
                shown[name] = [self._nested("tags", tag) for tag in value]
            elif name in specs and specs[name].kind == "choice":
                shown[name] = {"value": value, "label": specs[name].choices[value]} if value else None
            else:
                shown[name] = deepcopy(value)
        for name, target in row.generic.items():
            there = live.get(f"{name}_id")
            shown[name] = self._nested(target, there) if there else None
        if row.name == "device_types":
            shown["interface_template_count"] = len(self.interface_templates[live["id"]])
        return shown

    def _nested(self, object_type: str, object_id: int) -> Row:
        row, live = OBJECT_TYPES[object_type], self.tables[object_type][object_id]
        parent = {row.child_of: {"id": live[row.child_of]}} if row.child_of else {}
        return {
            "id": object_id,
            "display": str(live.get(row.label)),
            row.label: live.get(row.label),
            **parent,
        }


def _fail_before(fault: Fault) -> None:
    if fault is Fault.UNREACHABLE:
        raise UnreachableError("NetBox does not answer.")
    if fault is Fault.LOST_BEFORE:
        raise UnknownOutcomeError("The connection was lost.")
    if fault is Fault.FAILED:
        raise UnknownOutcomeError("NetBox failed during a write (HTTP 500).", over=True)
    if fault is Fault.REFUSED:
        raise RejectedError("NetBox refused the list.")


def _matches(row: ObjectType, live: Row, name: str, values: Iterable[str | int]) -> bool:
    if name == "address":
        texts = {str(value) for value in values}
        return live["address"] in texts or host_of(live["address"]) in texts
    plain = name.removesuffix("__ie")
    own = live.get(plain if plain in live else plain.removesuffix("_id"))
    if name.endswith("__ie") or (row.fold_case and name == row.label):
        return str(own).lower() in {str(value).lower() for value in values}
    return str(own) in {str(value) for value in values}
