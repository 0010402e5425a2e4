"""What every type that a document may declare must be able to: made, made again, changed, taken back.

The entries are made from the catalog and the schema, so that a type that is added is tested, too. The
same function runs against the real NetBox and the one in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestrator.catalog import ENSURED, OBJECT_TYPES, ObjectType
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.generic import mapped_parts
from orchestrator.models import Plan
from orchestrator.ports import NetBox
from orchestrator.schema import load_schema
from tests.unit.batches import MemoryJournal

Document = dict[str, list[dict[str, Any]]]

# What NetBox demands beyond what its schema says, and choices of which not any will do.
_FITTING: dict[str, dict[str, Any]] = {
    "aggregates": {"prefix": "100.64.0.0/10"},
    "asn_ranges": {"start": 4_200_000_000, "end": 4_200_000_099},
    "circuit_group_assignments": {"priority": "primary"},
    "config_contexts": {"data": {"ntp": ["192.0.2.1"]}},
    "config_templates": {"template_code": "hostname {{ device.name }}"},
    "custom_field_choice_sets": {"extra_choices": [["a", "A"], ["b", "B"]]},
    "custom_fields": {"name": "cf_of_a_test", "object_types": ["dcim.site"]},
    "custom_links": {"object_types": ["dcim.site"], "link_text": "at", "link_url": "http://192.0.2.1/"},
    "data_sources": {"type": "local", "source_url": "file:///srv/data"},
    "event_rules": {"object_types": ["dcim.site"], "event_types": ["object_created"]},
    "device_types": {"subdevice_role": "parent"},  # that of a device with bays for others
    "export_templates": {"object_types": ["dcim.site"], "template_code": "{{ queryset }}"},
    "ike_policies": {"version": 2},  # which needs no mode
    "interfaces": {"type": "1000base-t"},  # one that can have a LAG
    "ip_addresses": {"address": "192.0.2.77/24"},
    "ip_ranges": {"start_address": "100.64.78.8/24", "end_address": "100.64.78.15/24"},
    "ipsec_proposals": {"encryption_algorithm": "aes-256-gcm"},
    "mac_addresses": {"mac_address": "02:00:5E:00:53:77"},
    "permissions": {"object_types": ["dcim.site"], "actions": ["view", "change"]},
    "prefixes": {"prefix": "100.64.77.0/24"},
    "rack_reservations": {"units": [1, 2], "user": "admin", "description": "for the new switches"},
    "rack_types": {"form_factor": "4-post-frame"},
    "saved_filters": {"object_types": ["dcim.site"], "parameters": {"status": ["active"]}},
    "services": {"port_mappings": ["tcp/22"]},
    "service_templates": {"port_mappings": ["tcp/22"]},
    "virtual_machines": {"site": "{site}"},
    "webhooks": {"payload_url": "http://192.0.2.1/hook"},
}
# Labels that are numbers: of each type one that nobody else will have.
_NUMBERS = {"asns": 4_200_000_077, "vlans": 3077, "vlan_translation_rules": 3078, "fhrp_groups": 30_777}
# What is changed where there is no description.
_CHANGED: dict[str, dict[str, Any]] = {
    "circuit_group_assignments": {"priority": "secondary"},
    "contact_assignments": {"priority": "primary"},
    "custom_links": {"group_name": "other"},
    "fhrp_group_assignments": {"priority": 77},
    "journal_entries": {"kind": "warning"},
    "l2vpn_terminations": {},  # it is nothing but what it brings together
    "tunnel_terminations": {"role": "hub"},
}
# Interfaces that not any interface will do for, by the fields that point to them.
_INTERFACES = {
    ("virtual_circuit_terminations", "interface"): "virtual",
    ("wireless_links", "interface_a"): "ieee802.11ac",
    ("wireless_links", "interface_b"): "ieee802.11ac",
}
# What goes along with the pointers that are set in the end, so that NetBox lets them be.
_ALONG: dict[str, dict[str, Any]] = {
    "devices": {"vc_position": 1},
    "interfaces": {"mode": "tagged"},
    "vm_interfaces": {"mode": "tagged"},
}
# Pointers that NetBox allows in a setting which these objects are not in; tests/netbox has tests of most.
_APART = {
    ("cooling_outflows", "cooling_intake"),  # it would flow in a circle: the intake has its outflow
    ("custom_fields", "choice_set"),  # only where the type is a selection
    ("device_bays", "installed_device"),  # a child device, which is in no rack
    ("devices", "location"),  # that of its rack, which is in none
    ("devices", "oob_ip"),  # one that is not the primary one
    ("devices", "primary_ip6"),
    ("interfaces", "lag"),
    ("interfaces", "primary_mac_address"),  # the one there is is on no interface
    ("interfaces", "qinq_svlan"),  # only in the mode q-in-q
    ("interfaces", "wireless_lans"),  # only on wireless interfaces
    ("module_bays", "module"),  # the bay would be in the module that is in it
    ("virtual_device_contexts", "primary_ip4"),  # on an interface of its own
    ("virtual_device_contexts", "primary_ip6"),
    ("virtual_machines", "device"),  # one of its cluster, and it is in none
    ("virtual_machines", "primary_ip4"),  # on an interface of its own
    ("virtual_machines", "primary_ip6"),
    ("vm_interfaces", "primary_mac_address"),  # likewise
    ("vm_interfaces", "qinq_svlan"),
}


def specimens(object_types: Iterable[str], mark: str) -> Document:
    """A document with one object of each of these types, and all that they cannot be without, marked."""
    document: Document = {}
    for object_type in object_types:
        _declare(OBJECT_TYPES[object_type], mark, document)
    return document


def _declare(row: ObjectType, mark: str, document: Document) -> None:
    if row.name in document:
        return
    specs, fitting = load_schema()[row.name], dict(_FITTING.get(row.name, {}))
    entry: dict[str, Any] = {} if row.is_assignment else {row.label: _label(row, mark)}
    if fitting.pop("site", None):
        entry["site"] = _declared("sites", mark, document)
    for name in sorted({*row.demanded, *row.key, *row.optional_key} - {*entry, *fitting}):
        needed = name in (*row.key, *row.demanded)
        if needed and (row.name, name) in _INTERFACES:
            entry[name] = _interface(_INTERFACES[row.name, name], f"{mark} {name}", mark, document)
        elif name in row.ends:
            entry[name] = [_interface("1000base-t", f"{mark} {name}", mark, document)]
        elif needed and name in row.generic:
            target = row.generic[name][0]
            entry[name] = {OBJECT_TYPES[target].word: _declared(target, mark, document)}
        elif name not in row.pointers() and needed:
            choice = next(iter(specs[name].choices), None) or specs[name].minimum or 1
            entry[name] = int(choice) if specs[name].kind == "integer" else choice
        elif needed and row.references[name] != row.name:
            entry[name] = _declared(row.references[name], mark, document)
    for name, target in row.mapped.items():
        entry[name] = [{mapped_parts(name)[1]: _declared(target, mark, document)}]
    document.setdefault(row.name, []).append(entry | fitting)


def _label(row: ObjectType, mark: str) -> Any:
    if row.numbered:
        return _NUMBERS[row.name]
    choices = load_schema()[row.name][row.label].choices
    return next(iter(choices), None) or _FITTING.get(row.name, {}).get(row.label, f"{mark} {row.name}")


def _interface(kind: str, name: str, mark: str, document: Document) -> dict[str, Any]:
    """One more interface of the device, of another type."""
    interface = {"device": _declared("devices", mark, document), "name": name}
    _declared("interfaces", mark, document)
    document["interfaces"].append({**interface, "type": kind})
    return interface


def _declared(object_type: str, mark: str, document: Document) -> dict[str, Any]:
    """The reference to an object of a type, which is declared as well: its label, and what it hangs on."""
    row = OBJECT_TYPES[object_type]
    _declare(row, mark, document)
    entry = document[object_type][0]
    return {name: entry[name] for name in row.key}


def _pointers_left(row: ObjectType, entry: dict[str, Any]) -> list[str]:
    """What else could point to others without making it another object, or pointing to itself."""
    told = {*entry, *row.key, *row.optional_key, *row.parents, *row.mapped, *row.ends, "tags"}
    return sorted(
        name
        for name, targets in row.pointers().items()
        if name not in told and row.name not in targets and (row.name, name) not in _APART
    )


def _link_all(mark: str, document: Document) -> None:
    """Let all objects point to whatever they may, those as well that are there to be pointed to."""
    done: set[str] = set()
    while left := sorted(document.keys() - done):
        for name in left:
            _link(OBJECT_TYPES[name], mark, document)
        done.update(left)


def _link(row: ObjectType, mark: str, document: Document) -> None:
    """Let the object of a type point to whatever it may."""
    entry = document[row.name][0]
    for name in _pointers_left(row, entry):
        target = row.pointers()[name][0]
        named: Any = _declared(target, mark, document) if target in ENSURED else "admin"
        if name in row.generic:
            named = {OBJECT_TYPES[target].word: named}
        entry[name] = [named] if name in row.lists else named
    entry.update(_ALONG.get(row.name, {}))


def check_types(netbox: NetBox, object_types: Iterable[str], mark: str, link: bool = True) -> None:
    """The whole life of one object of each type: four batches make, change and link it, then are undone.

    To `link` makes objects of most types, however few are asked for.
    """
    engine = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    document = specimens(object_types, mark)
    batches = [_apply(engine, document, f"b-{mark}-made")]

    news = {name: _CHANGED.get(name, {"description": f"{mark} changed"}) for name in sorted(document)}
    changes = [(name, new) for name, new in news.items() if new]
    for name, new in changes:
        document[name][0].update(new)
    assert sorted(_writes(engine.plan(document)), key=str) == changes
    batches.append(_apply(engine, document, f"b-{mark}-changed"))

    if trees := {name: OBJECT_TYPES[name].tree for name in document if OBJECT_TYPES[name].tree}:
        for name, parent in trees.items():
            above = document[name][0]
            document[name].insert(0, {**above, "name": f"{mark} below", parent: above["name"]})
        batches.append(_apply(engine, document, f"b-{mark}-nested"))

    if link:
        _link_all(mark, document)
        batches.append(_apply(engine, document, f"b-{mark}-linked"))

    for batch in reversed(batches):
        _roll_back(engine, batch)
    assert [change.id for change in engine.plan(document).changes if change.live_id is not None] == []


def _apply(engine: NetBoxBulkOrchestrator, document: Document, batch_id: str) -> tuple[str, MemoryJournal]:
    """Apply a document, after which there is nothing left to do."""
    journal = MemoryJournal()
    report = engine.apply(engine.plan(document), batch_id, journal)
    assert report.ok, [(error.object_type, error.message) for error in report.first_errors]
    assert report.warnings == []
    assert _writes(engine.plan(document)) == []
    return batch_id, journal


def _roll_back(engine: NetBoxBulkOrchestrator, batch: tuple[str, MemoryJournal]) -> None:
    batch_id, journal = batch
    plan = engine.plan_rollback(batch_id, journal)
    assert plan.conflicts == [], [(change.id, change.reason) for change in plan.conflicts]
    report = engine.apply(plan, f"{batch_id}-undone", MemoryJournal())
    assert report.ok, [error.message for error in report.first_errors]


def _writes(plan: Plan) -> list[tuple[str, dict[str, Any]]]:
    """What a plan would write, our own custom fields aside."""
    return [
        (change.object_type, {name: value for name, value in change.after.items() if name != "custom_fields"})
        for change in plan.changes
        if change.writes
    ]
