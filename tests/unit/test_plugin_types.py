"""Types of plugins: known where a document names their key, told apart by it, undone like all others."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any

import pytest

from orchestrator.catalog import BY_MODEL, OBJECT_TYPES
from orchestrator.engine import NetBoxBulkOrchestrator
from orchestrator.errors import DocumentError, NotApplyableError, RollbackError, UnreachableError
from orchestrator.graph import type_order
from orchestrator.metadata import has_custom_fields
from orchestrator.models import Plan
from orchestrator.netbox.openapi import read_plugin_lists
from orchestrator.plan_json import dump_plan, load_plan
from orchestrator.plan_text import render_plan
from orchestrator.plugin_types import PluginList, PluginTypes, declare, in_use
from orchestrator.schema import load_schema
from orchestrator.testing import Fault, MemoryNetBox
from tests.unit.batches import MemoryJournal, apply, picture, undo

TEXT = {"kind": "string", "required": True}
STAMPED = {"tags": {"kind": "tags"}, "custom_fields": {"kind": "object"}}


def pointer(target: str, **more: Any) -> dict[str, Any]:
    return {"kind": "reference", "target": target, "nullable": True, **more}


def listed(model: str, **fields: Mapping[str, Any]) -> PluginList:
    noun = model.partition(".")[2]
    return PluginList(model, f"plugins/dns/{noun}s", noun, {"name": TEXT, **fields}, ("id", "tag"))


LISTS = {
    one.model: one
    for one in (
        listed("dns.view", tenant=pointer("tenants"), **STAMPED),
        listed("dns.server", zone=pointer("dns.zone"), above=pointer("dns.server")),
        listed(
            "dns.zone",
            view=pointer("dns.view"),
            first=pointer("dns.server"),
            servers={"kind": "references", "target": "dns.server"},
            ttl={"kind": "integer", "minimum": 0},
            **STAMPED,
        ),
        listed(
            "dns.record",
            zone=pointer("dns.zone", required=True, nullable=False),
            device=pointer("devices"),
            value=TEXT,
        ),
    )
}
KEYS = {
    "dns.view": "name",
    "dns.server": "name",
    "dns.zone": ["view", "name"],
    "dns.record": ["zone", "name", "value"],
}
ZONES: dict[str, Any] = {
    "keys": KEYS,
    "dns.record": [{"zone": {"name": "example.com", "view": "inside"}, "name": "www", "value": "192.0.2.1"}],
    "dns.zone": [
        {"view": "inside", "name": "example.com", "first": "ns1", "servers": ["ns1", "ns2"], "ttl": 300},
        {"view": "outside", "name": "example.com", "tags": ["public"]},
    ],
    "dns.server": [{"name": "ns[1-2]", "zone": {"name": "example.com", "view": "inside"}}],
    "dns.view": [{"name": "inside", "tenant": "Blue"}, "outside"],
    "tenants": ["Blue"],
    "tags": ["public"],
}


def engine(netbox: MemoryNetBox, lists: Mapping[str, PluginList] = LISTS) -> NetBoxBulkOrchestrator:
    return NetBoxBulkOrchestrator(netbox, settle_seconds=0, plugin_lists=lambda: lists)


def applied(netbox: MemoryNetBox, document: Any, journal: MemoryJournal | None = None) -> int:
    """How many requests wrote."""
    report = apply(netbox, document, journal, plugin_lists=lambda: LISTS)
    assert report.ok, report.first_errors
    return report.write_requests


def written(plan: Plan) -> list[str]:
    return [f"{change.action.value} {change.id}" for change in plan.changes if change.writes]


def problems(document: Any, lists: Mapping[str, PluginList] = LISTS) -> list[str]:
    with pytest.raises(DocumentError) as refused:
        engine(MemoryNetBox(), lists).plan(document)
    return [str(problem) for problem in refused.value.problems]


def test_they_are_made_once_changed_and_taken_back() -> None:
    netbox = MemoryNetBox()
    netbox.create("tenants", [{"name": "Red", "slug": "red"}], "by hand")
    before, journal = picture(netbox), MemoryJournal()
    assert applied(netbox, ZONES, journal)
    ours = netbox.tables["custom_fields"].values()
    assert all({"dns.view", "dns.zone"} < {*one["object_types"]} for one in ours)
    assert applied(netbox, ZONES) == 0
    changed = {**ZONES, "dns.zone": [{**ZONES["dns.zone"][0], "ttl": 600}, ZONES["dns.zone"][1]]}
    assert written(engine(netbox).plan(changed)) == ["update dns.zone/example.com/inside"]
    undone = undo(netbox, journal, plugin_lists=lambda: LISTS)
    assert undone.ok, undone.first_errors
    assert {**picture(netbox), "custom_fields": {}} == {**before, "custom_fields": {}}  # ours stay


def test_what_point_at_each_other_are_linked_afterwards() -> None:
    netbox = MemoryNetBox()
    applied(netbox, ZONES)
    zone = next(row for row in netbox.tables["dns.zone"].values() if row["first"])
    servers = netbox.tables["dns.server"]
    assert (zone["name"], servers[zone["first"]]["name"]) == ("example.com", "ns1")
    assert {row["zone"] for row in servers.values()} == {zone["id"]}


def test_a_part_of_the_key_that_is_not_required_narrows_where_it_is_said() -> None:
    netbox = MemoryNetBox()
    applied(netbox, ZONES)
    bare = {"keys": KEYS, "dns.zone": [{"name": "example.com", "ttl": 60}]}
    with pytest.raises(DocumentError, match=r"say which by view or id"):
        engine(netbox).plan(bare)
    one = {**bare, "dns.zone": [{"name": "example.com", "view": "outside", "ttl": 60}]}
    assert written(engine(netbox).plan(one)) == ["update dns.zone/example.com/outside"]


def test_what_others_hang_on_them_later_keeps_them() -> None:
    """Also where the batch names no key of that type: the lists of all plugins are looked through."""
    netbox, journal = MemoryNetBox(), MemoryJournal()
    applied(netbox, {"keys": {"dns.view": "name"}, "dns.view": ["inside", "outside"]}, journal)
    zones = {"keys": KEYS, "dns.zone": [{"view": "inside", "name": "example.com"}]}
    applied(netbox, zones)
    plan = engine(netbox).plan_rollback("b-test", journal)
    (kept,) = plan.conflicts
    assert (kept.label, kept.reason) == ("inside", "others depend on it: zone 'example.com'")


def test_they_are_called_by_their_key_also_where_the_entry_does_not_say_all_of_it() -> None:
    netbox = MemoryNetBox()
    applied(netbox, ZONES)
    found = {"zone": {"name": "example.com", "view": "inside"}, "name": "www", "value": "192.0.2.1"}
    plan = engine(netbox).plan({"keys": KEYS, "dns.record": [{"match": found, "value": "192.0.2.2"}]})
    assert [change.label for change in plan.changes if change.writes] == ["example.com www 192.0.2.2"]
    said = engine(netbox).plan(ZONES).changes
    assert {one.label for one in said if one.object_type == "dns.zone"} == {
        "example.com inside",
        "example.com outside",
    }


def test_a_rename_takes_a_name_that_is_free() -> None:
    """The database may let a second one in, and then neither can be told by its name."""
    netbox, keys = MemoryNetBox(), {"keys": KEYS}
    applied(netbox, ZONES)
    rename = {**keys, "dns.view": [{"match": {"name": "inside"}, "name": "outside"}]}
    with pytest.raises(DocumentError, match=r"dns.view\[0\]: there is another view 'outside' already"):
        engine(netbox).plan(rename)
    move = {"match": {"name": "example.com", "view": "inside"}, "name": "example.com", "view": "outside"}
    with pytest.raises(DocumentError, match=r"another zone 'example.com' already"):
        engine(netbox).plan({**keys, "dns.zone": [move]})
    ids = {row["name"]: row["id"] for row in netbox.tables["dns.view"].values()}
    names = ("inside", "outside")
    swap = {**keys, "dns.view": [{"id": ids[a], "name": b} for a, b in (names, names[::-1])]}
    assert len(written(engine(netbox).plan(swap))) == 2
    free = {**keys, "dns.view": [{"match": {"name": "inside"}, "name": "within"}]}
    assert written(engine(netbox).plan(free)) == ["update dns.view/within"]


def test_a_batch_is_not_taken_back_where_its_types_are_not() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    applied(netbox, ZONES, journal)
    with pytest.raises(RollbackError, match="this NetBox has no such type") as refused:
        engine(netbox, {}).plan_rollback("b-test", journal)
    assert "is the plugin still installed?" in refused.value.hint


def test_a_write_whose_answer_is_lost_is_found_in_the_list() -> None:
    netbox = MemoryNetBox()
    netbox.faults += [Fault.LOST_AFTER]
    applied(netbox, {"keys": {"dns.view": "name"}, "dns.view": ["inside"]})
    assert [row["name"] for row in netbox.tables["dns.view"].values()] == ["inside"]


def test_a_plan_can_be_shown_and_applied_by_somebody_who_has_only_the_plan() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    plan = engine(netbox).plan(ZONES)
    kept = load_plan(dump_plan(plan))
    assert (render_plan(kept), kept.digest) == (render_plan(plan), plan.digest)
    assert [one.name for one in kept.types] == sorted(KEYS)
    assert kept.types == load_plan(dump_plan(kept)).types == tuple(plan.types)
    assert "dns.zone" not in OBJECT_TYPES
    assert NetBoxBulkOrchestrator(netbox, settle_seconds=0).apply(kept, "b-test", journal).ok
    assert written(engine(netbox).plan(ZONES)) == []


def test_without_keys_a_plan_is_as_before() -> None:
    plan = engine(MemoryNetBox()).plan({"sites": ["AMS1"]})
    assert (plan.types, b'"types"' in dump_plan(plan)) == ((), False)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"dns.view": ["x"]}, "dns.view: unknown object type 'dns.view' (where it is a plugin's, name its"),
        ({"keys": {"dns.veiw": "name"}}, "keys.dns.veiw: this NetBox has no list of such objects"),
        ({"keys": {"dns.view": ["name", "nmae"]}}, "keys.dns.view: has no field 'nmae' (did you mean 'name'"),
        ({"keys": {"dns.view": {"name": 1}}}, "keys.dns.view: must be a field or a list of fields"),
        ({"keys": {"sites": "slug"}}, "keys.sites: is no type of a plugin"),
        ({"keys": {"dcim.site": "slug"}}, "keys.dcim.site: is no type of a plugin (documents call it sites)"),
        ({"dcim.site": ["x"]}, "dcim.site: unknown object type 'dcim.site' (documents call it sites)"),
        ({"keys": []}, "keys: must be a mapping of types to fields"),
        ({"keys": {7: "name"}}, "keys"),
        ({"keys": "dns.view"}, "keys: must be a mapping of types to fields"),
        ({"keys": {"dns.zone": "servers"}}, "keys.dns.zone: servers is of kind list"),
        (
            {"keys": {"dns.zone": ["name", "view"]}},
            "keys.dns.zone: what view points to is not known (name the key of dns.view, too)",
        ),
        (
            {"keys": {"dns.view": "name"}, "dns.view": [{"name": "x", "tenat": 1}]},
            "dns.view[0].tenat: unknown field of dns.view (did you mean 'tenant'?)",
        ),
        (
            {"keys": {"dns.zone": "name"}, "dns.zone": [{"name": "x", "view": "inside"}]},
            "dns.zone[0].view: view cannot be named in a document yet (write view_id: <NetBox id>)",
        ),
    ],
)
def test_what_is_wrong_is_said_in_its_place(document: Any, said: str) -> None:
    assert problems(document)[0].startswith(said)


def test_a_netbox_without_plugins_says_so() -> None:
    (said,) = problems({"keys": {"dns.view": "name"}, "dns.view": ["x"]}, {})
    assert "it has no plugin with lists" in said


def test_types_that_cannot_be_made_one_before_the_other_are_refused() -> None:
    needed = {"nullable": False, "required": True}
    lists = {
        "x.one": listed("x.one", other=pointer("x.two", **needed)),
        "x.two": listed("x.two", one=pointer("x.one", **needed)),
    }
    (said,) = problems({"keys": {"x.one": "name", "x.two": "name"}, "x.one": ["a"]}, lists)
    assert said == "keys.x.one: needs, by way of others, an object of its own type"


def test_lists_that_point_at_each_other_are_named_from_one_side() -> None:
    several = {"kind": "references"}
    lists = {
        "x.one": listed("x.one", others={**several, "target": "x.two"}),
        "x.two": listed("x.two", ones={**several, "target": "x.one"}),
    }
    first, second = declare({"x.one": "name", "x.two": "name"}, lists)
    assert first.of.fields["others"]["target"] == "x.two"
    assert second.of.fields["ones"] == {"kind": "list"}


def views(key: Any = "name") -> PluginTypes:
    return declare({"dns.view": key}, LISTS)


def knows() -> tuple[bool, ...]:
    tables = (OBJECT_TYPES, BY_MODEL, load_schema(), type_order(), [*OBJECT_TYPES], load_schema().keys())
    return tuple("dns.view" in table for table in tables)


def test_they_are_known_here_and_in_copies_of_the_context_and_nowhere_else() -> None:
    found: dict[str, tuple[bool, ...]] = {}

    def look(where: str) -> None:
        found[where] = knows()

    size = len(OBJECT_TYPES)
    with in_use(views()):
        assert has_custom_fields(OBJECT_TYPES["dns.view"])
        assert len(OBJECT_TYPES) == size + 1
        for where, run in (("elsewhere", look), ("in a copy", lambda name: copy_context().run(look, name))):
            thread = threading.Thread(target=run, args=(where,))
            thread.start()
            thread.join()
        copied = copy_context()
        copied.run(look, "in a copy")
        look("here")
    look("later")
    assert set(found["here"]) == set(found["in a copy"]) == {True}
    assert set(found["elsewhere"]) == set(found["later"]) == {False}


def test_two_documents_with_other_keys_can_be_at_work_side_by_side() -> None:
    """What follows from a row is worked out once, and must not be taken from another row of that name."""
    both, found = threading.Barrier(2, timeout=10), dict[str, list[str]]()

    def plan(*key: str) -> None:
        with in_use(views([*key])):
            for _ in range(20):
                both.wait()
                made = engine(MemoryNetBox()).plan(
                    {"keys": {"dns.view": [*key]}, "dns.view": [{"name": "x"}]}
                )
                found.setdefault(" ".join(key), []).extend(
                    ",".join(change.key) for change in made.changes if change.object_type == "dns.view"
                )

    threads = [threading.Thread(target=plan, args=key) for key in (("name",), ("name", "tenant"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == {"name": ["name"] * 20, "name tenant": ["name,tenant"] * 20}


def test_a_plan_that_may_not_be_applied_says_why() -> None:
    netbox = MemoryNetBox()
    applied(netbox, ZONES)
    zone = next(row["id"] for row in netbox.tables["dns.zone"].values() if row["ttl"] == 300)
    told = engine(netbox)
    with in_use(told.plan(ZONES).types):
        netbox.update("dns.zone", [{"id": zone, "ttl": 60}], "by hand")
    plan = told.plan({**ZONES, "options": {"on_drift": "fail"}})
    with pytest.raises(NotApplyableError, match=r"zone 'example.com inside': changed in NetBox .*: ttl"):
        told.apply(plan, "b-test", MemoryJournal())


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.LOST_AFTER, Fault.LOST_BEFORE])
def test_a_batch_that_only_changed_something_is_taken_back_by_the_plan_alone(fault: Fault) -> None:
    """Though the types that the changed one points to are not in the plan; also where an answer is lost."""
    netbox, journal = MemoryNetBox(), MemoryJournal()
    applied(netbox, ZONES)
    before = picture(netbox)
    longer = {"keys": KEYS, "dns.zone": [{"name": "example.com", "view": "inside", "ttl": 600}]}
    applied(netbox, longer, journal)
    plan = load_plan(dump_plan(engine(netbox).plan_rollback("b-test", journal)))
    netbox.faults += [fault]
    told = NetBoxBulkOrchestrator(netbox, settle_seconds=0)
    assert told.apply(plan, "b-undo", MemoryJournal()).ok
    assert picture(netbox) == before


def test_an_interrupted_batch_is_gone_on_with() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    told, many = engine(netbox), {"keys": {"dns.view": "name"}, "dns.view": ["v[01-40]"]}
    netbox.faults += [Fault.NONE, Fault.UNREACHABLE]
    with pytest.raises(UnreachableError):
        told.apply(told.plan({**many, "sites": ["AMS1"]}), "b-test", journal)
    done = told.take_up("b-test", journal)
    assert told.apply(told.plan(many), "b-test", journal, done=done).ok
    assert len(netbox.tables["dns.view"]) == 40


def test_what_carries_a_tag_is_named_once() -> None:
    netbox, journal = MemoryNetBox(), MemoryJournal()
    applied(netbox, {"tags": ["public"]}, journal)
    applied(netbox, {"keys": KEYS, "dns.view": [{"name": "inside", "tags": ["public"]}]})
    (kept,) = engine(netbox).plan_rollback("b-test", journal).conflicts
    assert kept.reason == "others depend on it: view 'inside'"


def test_lanes_know_them_too() -> None:
    """They are threads of their own."""
    netbox = MemoryNetBox()
    views = {"keys": {"dns.view": "name"}, "dns.view": ["v[001-900]"]}
    report = apply(netbox, views, plugin_lists=lambda: LISTS, lanes=4)
    assert (report.ok, len(netbox.tables["dns.view"])) == (True, 900)


def test_lists_that_are_described_oddly_are_passed_over() -> None:
    """One plugin must not keep the others, nor NetBox's own lists, from being read."""

    def answer(component: str) -> dict[str, Any]:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{component}"}}}
        return {"responses": {"200": {"content": content}}}

    def methods(get: dict[str, Any], sent: str = "ThingRequest") -> dict[str, Any]:
        body = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{sent}"}}}}
        return {"get": get, "post": {"requestBody": body}, "patch": {}, "delete": {}}

    asked = {"parameters": [{"in": "query", "name": "id", "schema": {"type": "array"}}]}
    page = {"properties": {"results": {"items": {"$ref": "#/components/schemas/AWSThing"}}}}
    fields = {
        "name": {"type": "string", "minLength": 1},
        "odd": {"type": ["string", "null"]},
        "several": {"type": "array"},
        "other": {"type": "integer"},
        "secret": {"type": "string", "writeOnly": True},
    }
    openapi = {
        "paths": {
            "/api/plugins/x/things/": methods({**answer("Page"), **asked}),
            "/api/plugins/x/no-filters/": methods(answer("Page")),
            "/api/plugins/x/no-pages/": methods({**answer("AWSThing"), **asked}),
            "/api/plugins/x/no-body/": methods({**answer("Page"), **asked}, sent="Nothing"),
            "/api/plugins/x/read-only/": {"get": {**answer("Page"), **asked}},
            "/api/plugins/x/nameless/": methods({**answer("Page"), **asked}),
        },
        "components": {
            "schemas": {
                "Page": page,
                "AWSThing": {"properties": {**fields, "other": {"allOf": []}}},
                "ThingRequest": {"properties": fields, "required": ["name"]},
            }
        },
    }
    paths = ("things", "no-filters", "no-pages", "no-body", "read-only")
    found = read_plugin_lists(openapi, {f"plugins/x/{path}": f"x.{path}" for path in paths})
    assert [one.model for one in found.values()] == ["x.things"]
    assert (found["x.things"].noun, found["x.things"].filters) == ("AWS thing", ("id",))
    kinds = {name: spec["kind"] for name, spec in found["x.things"].fields.items()}
    assert kinds == {"name": "string", "odd": "json", "several": "json", "other": "integer"}
