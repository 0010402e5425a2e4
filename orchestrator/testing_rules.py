"""What NetBox refuses, for the NetBox in memory (testing.py): one row at a time, in its own words.

Covers the types that documents may declare. Unique constraints and defaults
are those of NetBox 4.7's models; everything else comes from the schema.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from orchestrator.catalog import OBJECT_TYPES, TEMPLATED, ObjectType
from orchestrator.generic import pointed, shaped_value
from orchestrator.live import live_ends
from orchestrator.ports import Row
from orchestrator.schema import FieldSpec, load_schema
from orchestrator.testing_custom_fields import (
    DEFINITION_DEFAULTS,
    definition_refusal,
    fields_of,
    initial_values,
    value_refusal,
)
from orchestrator.testing_log import MemoryClock, MemoryLog
from orchestrator.values import host_of

_DEFAULTS: Mapping[str, Row] = {
    "sites": {"status": "active"},
    "device_roles": {"color": "9e9e9e", "vm_role": True},
    "device_types": {"u_height": 1.0, "is_full_depth": True, "exclude_from_utilization": False},
    "devices": {"status": "active"},
    "interfaces": {"enabled": True, "mgmt_only": False, "mark_connected": False},
    "ip_addresses": {"status": "active"},
    "cables": {"status": "connected"},
    "permissions": {"enabled": True},
    "journal_entries": {"kind": "info"},
    "custom_fields": DEFINITION_DEFAULTS,
}
_SHARED_ROLES = {"anycast", "vip", "vrrp", "hsrp", "glbp", "carp"}
_PRIMARY = {"primary_ip4": 4, "primary_ip6": 6, "oob_ip": 0}


_host_of = lru_cache(maxsize=100_000)(host_of)


@dataclass(slots=True)
class MemoryTables:
    """Everything a NetBox in memory knows. Rows are replaced, never changed, so that a copy is cheap."""

    rows: dict[str, dict[int, Row]] = field(default_factory=lambda: tables_of({}))
    clock: MemoryClock = field(default_factory=MemoryClock)
    log: MemoryLog = field(init=False)
    user: str = "memory"
    last_id: int = 0

    def __post_init__(self) -> None:
        self.log = MemoryLog(self.clock, self.user)

    def next_id(self) -> int:
        """An id that was never used."""
        self.last_id += 1
        return self.last_id


def tables_of(rows: Mapping[str, Mapping[int, Row]]) -> dict[str, dict[int, Row]]:
    """Copies of these tables, and empty ones for all other types; those of plugins once they are needed."""
    return defaultdict(dict, {name: dict(rows.get(name, {})) for name in {**rows, **OBJECT_TYPES}})


class RefusalError(Exception):
    """NetBox's words about one row."""


class ListWrite:
    """The rows of one list write, checked one after another as NetBox does."""

    def __init__(self, tables: MemoryTables, row: ObjectType, message: str, request: str) -> None:
        self._tables = tables
        self._row = row
        self._message = message
        self._request = request
        self._custom_fields = fields_of(tables.rows["custom_fields"], row)
        self._components: dict[str, ListWrite] = {}
        self._specs = load_schema().get(row.name, {})
        self._taken: dict[tuple[str, ...], dict[tuple[Any, ...], int]] = {}
        for constraint in row.unique:
            lives = tables.rows[row.name].values()
            self._taken[constraint] = {
                key: live["id"] for live in lives if (key := self._key(constraint, live))
            }

    def create(self, wire: Row) -> int:
        """Add one row. Raises RefusalError."""
        for name, spec in self._specs.items():
            if spec.required and name not in wire:
                raise RefusalError(f"{name}: This field is required.")
        blank = {name: _empty(spec) for name, spec in self._specs.items()}
        made = self._tables.clock.now()
        times = {"created": made, "last_updated": made} if self._row.logged else {}
        live = {"id": self._tables.next_id(), **times, **blank, **_DEFAULTS.get(self._row.name, {})}
        if "custom_fields" in blank and "custom_fields" not in wire:
            live["custom_fields"] = initial_values(self._custom_fields)
        self._keep(live, wire)
        self._log(None, live)
        if self._row.name == "devices":
            self._instantiate(live)
        return int(live["id"])

    def update(self, wire: Row) -> int:
        """Change one row. Raises RefusalError."""
        object_id = wire.pop("id")
        before = self._tables.rows[self._row.name].get(object_id)
        if before is None:
            raise RefusalError(f"id: Object with ID {object_id} does not exist")
        live = deepcopy(before)
        if self._row.name == "ip_addresses":
            self._check_not_primary(before, wire)
        self._keep(live, wire)
        changed = live != before
        if self._row.logged:
            live["last_updated"] = self._tables.clock.now()  # whether something has changed or not
        if changed:
            self._log(before, live)
        return int(object_id)

    def _keep(self, live: Row, wire: Row) -> None:
        for name, value in wire.items():
            if self._specs and name not in self._specs:
                continue  # NetBox ignores what it does not know
            self._check_value(name, self._specs.get(name), value)
            merged = self._merged(live, value) if name == "custom_fields" else deepcopy(value)
            is_choice = name in self._specs and self._specs[name].kind == "choice"
            live[name] = None if is_choice and merged == "" else merged
        check = _CHECKS.get(self._row.name)
        if check:
            check(self._tables, live)
        self._claim(live)
        self._tables.rows[self._row.name][live["id"]] = live

    def _merged(self, live: Row, values: Row) -> Row:
        """Custom fields are set one by one; what is no longer defined goes."""
        if refusal := value_refusal(self._custom_fields, values):
            raise RefusalError(refusal)
        merged = {**live["custom_fields"], **deepcopy(values)}
        return {name: value for name, value in merged.items() if name in self._custom_fields}

    def _check_value(self, name: str, spec: FieldSpec | None, value: Any) -> None:
        canonical = points_to(self._row, name, {name: value})
        for target, object_id in pointed(self._row, name, canonical) if name not in self._row.generic else ():
            if object_id not in self._tables.rows[target]:
                raise RefusalError(
                    f"{name}: Related object not found using the provided numeric ID: {object_id}"
                )
        if spec is None:
            return
        if value is None and not spec.nullable:
            raise RefusalError(f"{name}: This field may not be null.")
        if value == "" and not spec.blank:
            raise RefusalError(f"{name}: This field may not be blank.")
        if spec.max_length and isinstance(value, str) and len(value) > spec.max_length:
            raise RefusalError(f"{name}: Ensure this field has no more than {spec.max_length} characters.")
        if spec.choices and value and str(value) not in spec.choices:
            raise RefusalError(f"{name}: {value} is not a valid choice.")

    def _key(self, constraint: tuple[str, ...], live: Row) -> tuple[Any, ...] | None:
        if live.get(constraint[-1]) in (None, ""):
            return None
        fold = self._row.fold_case
        values = (points_to(self._row, name, live) for name in constraint)
        return tuple(v.lower() if fold and isinstance(v, str) else v for v in values)

    def _claim(self, live: Row) -> None:
        keys = {constraint: self._key(constraint, live) for constraint in self._taken}
        for constraint, key in keys.items():
            if key and self._taken[constraint].get(key, live["id"]) != live["id"]:
                raise RefusalError(f"{self._row.noun} with this {' and '.join(constraint)} already exists.")
        before = self._tables.rows[self._row.name].get(live["id"])
        for constraint, key in keys.items():
            if before and (old := self._key(constraint, before)):
                del self._taken[constraint][old]
            if key:
                self._taken[constraint][key] = live["id"]

    def _check_not_primary(self, before: Row, wire: Row) -> None:
        """A primary IP stays on its device until the device lets it go."""
        holder = _device_of(self._tables, before)
        moved = _device_of(self._tables, {**before, **wire}) != holder
        device = self._tables.rows["devices"].get(holder or 0)
        if moved and device and before["id"] in (device[name] for name in _PRIMARY):
            raise RefusalError(
                "Cannot reassign IP address while it is designated as the primary IP for the parent object"
            )

    def _instantiate(self, device: Row) -> None:
        for kind in TEMPLATED:
            for template in self._tables.rows[kind.templates].values():
                if template["device_type"] == device["device_type"]:
                    copied = {n: template[n] for n in _copied(kind) if template[n] is not None}
                    self._writes_of(kind).create({"device": device["id"], **copied})

    def _writes_of(self, kind: ObjectType) -> ListWrite:
        """NetBox logs what it makes by itself without a message."""
        if kind.name not in self._components:
            self._components[kind.name] = ListWrite(self._tables, kind, "", self._request)
        return self._components[kind.name]

    def _log(self, before: Row | None, after: Row) -> None:
        self._tables.log.add(self._tables.rows, self._row, before, after, self._message, self._request)


@cache
def _copied(kind: ObjectType) -> tuple[str, ...]:
    """The fields that a component has from its template; what it points to is not among them."""
    specs, templates = load_schema()[kind.name], OBJECT_TYPES[kind.templates]
    pointers = {*templates.pointers(), *templates.halves}
    return tuple(name for name in load_schema()[templates.name] if name in specs and name not in pointers)


def _empty(spec: FieldSpec) -> Any:
    if spec.kind in ("tags", "list", "references", "texts", "numbers", "ports", "ends"):
        return []
    if spec.kind == "object":
        return {}
    return "" if spec.kind == "string" and not spec.nullable else None


def points_to(row: ObjectType, name: str, live: Row) -> Any:
    """What a field of a row points to: an id, or text where that is of a type beyond the catalog."""
    return shaped_value(row, name, live) if name in row.shaped else live.get(name)


def _interface_of(address: Row) -> Any:
    return points_to(OBJECT_TYPES["ip_addresses"], "assigned_object", address)


def _device_of(tables: MemoryTables, address: Row) -> int | None:
    interface = tables.rows["interfaces"].get(_interface_of(address) or 0)
    return interface["device"] if interface else None


def _check_device(tables: MemoryTables, device: Row) -> None:
    for name, family in _PRIMARY.items():
        if device[name] is None:
            continue
        address = tables.rows["ip_addresses"][device[name]]
        if family and ipaddress.ip_interface(address["address"]).version != family:
            raise RefusalError(f"{name}: {address['address']} is not an IPv{family} address.")
        if _device_of(tables, address) != device["id"]:
            raise RefusalError(
                f"{name}: The specified IP address ({address['address']}) is not assigned to this device."
            )


def _check_address(tables: MemoryTables, address: Row) -> None:
    if not isinstance(address["assigned_object_id"], int | None):
        raise RefusalError("assigned_object_id: A valid integer is required.")
    interface = _interface_of(address)
    # Of types beyond the catalog, interfaces of virtual machines for one, anything is taken to be there.
    if isinstance(interface, int) and interface not in tables.rows["interfaces"]:
        raise RefusalError(f"assigned_object_id: There is no interface {interface}.")
    host = _host_of(address["address"])
    for other in tables.rows["ip_addresses"].values():
        same = (
            other["id"] != address["id"]
            and other["vrf"] == address["vrf"]
            and _host_of(other["address"]) == host
        )
        if same and not {address["role"], other["role"]} <= _SHARED_ROLES:
            raise RefusalError(f"address: Duplicate IP address found in global table: {other['address']}")


def _check_cable(tables: MemoryTables, cable: Row) -> None:
    row = OBJECT_TYPES["cables"]
    mine = live_ends(row, cable)
    for other in tables.rows["cables"].values():
        if other["id"] != cable["id"] and mine & live_ends(row, other):
            raise RefusalError(f"Duplicate termination found: cable {other['id']}")


def _check_definition(tables: MemoryTables, definition: Row) -> None:
    if refusal := definition_refusal(definition):
        raise RefusalError(refusal)


_CHECKS: Mapping[str, Callable[[MemoryTables, Row], None]] = {
    "devices": _check_device,
    "ip_addresses": _check_address,
    "cables": _check_cable,
    "custom_fields": _check_definition,
}
