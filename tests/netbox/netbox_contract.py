"""What the engine may rely on, whichever NetBox it talks to.

One suite for the real NetBox (tests/netbox/test_rest.py) and for the one in
memory (tests/unit/test_testing_netbox.py): each gives a fixture `rig`.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from orchestrator.catalog import ENSURED, OBJECT_TYPES
from orchestrator.errors import AccessError, DryRunError, NetBoxError, RejectedError
from orchestrator.netbox.queries import known_filters
from orchestrator.ports import Extent, NetBox, Query, Row, Written
from orchestrator.schema import load_schema
from tests.netbox.changelog_contract import ChangelogContract
from tests.netbox.contract_rig import MESSAGE, Rig, World, build_world, create, how_many, named, read_one
from tests.netbox.delete_contract import DeleteContract


class NetBoxContract(DeleteContract, ChangelogContract):
    """Inherited by a test class that has a fixture `rig`."""

    @pytest.fixture
    def netbox(self, rig: Rig) -> NetBox:
        return rig.netbox

    @pytest.fixture
    def world(self, netbox: NetBox) -> World:
        return build_world(netbox)

    # -- reading -------------------------------------------------------------------

    def test_reads_only_the_fields_asked_for(self, world: World) -> None:
        rows = world.netbox.read(Query("sites", ("name", "status")))
        assert {row["name"] for row in rows} == {"AMS1", "AMS2"}
        assert all(row.keys() == {"id", "name", "status"} for row in rows)
        assert rows[0]["status"] == {"value": "active", "label": "Active"}

    def test_references_come_nested_with_their_id(self, world: World) -> None:
        row = read_one(world.netbox, "devices", world.device, "site", "tenant", "device_type")
        assert row["site"]["id"] == world.sites[0]
        assert row["device_type"]["id"] == world.device_type
        assert row["tenant"] is None

    def test_tells_how_much_there_is(self, world: World) -> None:
        sites, vrfs = world.netbox.extents(["sites", "vrfs"])
        assert (sites.count, sites.last_id, vrfs) == (2, max(world.sites), Extent(0, 0, 0))
        assert sites.first_id <= min(world.sites)

    def test_several_queries_are_answered_in_their_order(self, world: World) -> None:
        queries = [
            Query("sites", ("name",), extent=Extent(2, *world.sites)),
            Query("vrfs", ("name",)),
            Query("devices", ("name",), "id", [world.device]),
        ]
        sites, vrfs, devices = world.netbox.read_all(queries)
        assert sorted(row["name"] for row in sites) == ["AMS1", "AMS2"]
        assert vrfs == []
        assert [row["id"] for row in devices] == [world.device]
        assert world.netbox.read_all([]) == []

    def test_many_values_are_all_asked_for(self, netbox: NetBox) -> None:
        names = [f"site {number:03} with a name that fills the request line" for number in range(300)]
        create(netbox, "sites", named(names[0]), named(names[150]), named(names[299]), named("another"))
        rows = netbox.read(Query("sites", ("name",), "name", names))
        assert sorted(row["name"] for row in rows) == [names[0], names[150], names[299]]

    def test_each_row_comes_once(self, world: World) -> None:
        query = Query("devices", ("name",), "name__ie", ["sw-1", "SW-1", "Sw-1"])
        assert [row["id"] for row in world.netbox.read(query)] == [world.device]

    def test_any_name_can_be_asked_for(self, netbox: NetBox) -> None:
        names = ["Zürich/1", "a & b = c", "50% + 1, #2", "x?y", '"quoted"']
        ids = create(netbox, "sites", *({"name": name, "slug": f"s{i}"} for i, name in enumerate(names)))
        for name, site in zip(names, ids, strict=True):
            assert [row["id"] for row in netbox.read(Query("sites", ("name",), "name", [name]))] == [site]

    def test_addresses_are_found_by_host_whatever_their_mask(self, world: World) -> None:
        query = Query("ip_addresses", ("address",), "address", ["192.0.2.1", "192.0.2.9"])
        assert [row["address"] for row in world.netbox.read(query)] == ["192.0.2.1/24"]

    def test_no_filter_lets_everything_through(self, world: World) -> None:
        """A value that nothing has finds nothing, whatever the filter (NetBox refuses some unknown ids)."""
        for object_type in ENSURED:
            for name in sorted(known_filters(OBJECT_TYPES[object_type])):
                value = 999_999 if name == "id" or name.endswith("_id") else "203.0.113.99"
                found: list[Row] = []
                with suppress(NetBoxError):
                    found = world.netbox.read(Query(object_type, ("id",), name, [value]))
                assert found == []

    def test_who_hangs_on_what_is_not_there_is_not_told(self, world: World) -> None:
        for parent in ([999_999], [world.device, 999_999]):
            with pytest.raises(NetBoxError):
                world.netbox.read(Query("interfaces", ("name",), "device_id", parent))

    def test_pointer_filters_find_who_points(self, world: World) -> None:
        netbox = world.netbox
        lag, child, bridge = create(
            netbox,
            "interfaces",
            {"device": world.device, "name": "po1", "type": "lag"},
            {"device": world.device, "name": "e1", "type": "1000base-t"},
            {"device": world.device, "name": "br", "type": "bridge"},
        )
        netbox.update("interfaces", [{"id": child, "lag": lag, "bridge": bridge}], MESSAGE)
        netbox.update("interfaces", [{"id": world.interface, "parent": child}], MESSAGE)
        (inside,) = create(netbox, "ip_addresses", {"address": "192.0.2.2/24", "nat_inside": world.address})
        primary = {"id": world.device, "primary_ip4": world.address, "oob_ip": world.address}
        netbox.update("devices", [primary], MESSAGE)
        for object_type, field, target, expected in [
            ("interfaces", "lag", lag, child),
            ("interfaces", "bridge", bridge, child),
            ("interfaces", "parent", child, world.interface),
            ("ip_addresses", "assigned_object", world.interface, world.address),
            ("ip_addresses", "nat_inside", world.address, inside),
            ("devices", "primary_ip4", world.address, world.device),
            ("devices", "oob_ip", world.address, world.device),
            ("devices", "role", world.role, world.device),
            ("platforms", "manufacturer", world.manufacturer, world.platform),
        ]:
            name = OBJECT_TYPES[object_type].pointer_filter(field)
            rows = netbox.read(Query(object_type, ("id",), name, [target]))
            assert [row["id"] for row in rows] == [expected], name

    def test_a_filter_by_a_tree_finds_who_points_below(self, world: World) -> None:
        (above,) = create(world.netbox, "device_roles", named("Switch"))
        world.netbox.update("device_roles", [{"id": world.role, "parent": above}], MESSAGE)
        rows = world.netbox.read(Query("devices", ("role",), "role_id", [above]))
        assert [row["role"]["id"] for row in rows] == [world.role]

    def test_an_empty_filter_is_refused(self, netbox: NetBox) -> None:
        for values in ([], [""], ["sw-1", "  "]):
            with pytest.raises(NetBoxError, match="empty filter"):
                netbox.read(Query("devices", ("name",), "name__ie", values))

    def test_an_unknown_filter_is_refused(self, netbox: NetBox) -> None:
        with pytest.raises(NetBoxError, match="no filter 'nmae'"):
            netbox.read(Query("devices", ("name",), "nmae", ["sw-1"]))
        with pytest.raises(NetBoxError, match="without a filter"):
            netbox.read(Query("devices", ("name",), "", ["sw-1"]))

    def test_choices_are_those_of_the_snapshot(self, netbox: NetBox) -> None:
        for object_type in ENSURED:
            specs = load_schema()[object_type]
            expected = {name: dict(spec.choices) for name, spec in specs.items() if spec.choices}
            live = netbox.choices(object_type)
            # Of what documents cannot set, and of text that plugins add choices to, its schema says nothing.
            more = live.keys() - expected.keys() - OBJECT_TYPES[object_type].refused.keys()
            assert all(specs[name].kind == "string" for name in more), object_type
            assert {name: live[name] for name in expected} == expected, object_type

    # -- writing -------------------------------------------------------------------

    def test_answers_come_in_the_order_sent(self, netbox: NetBox) -> None:
        names = ["delta", "alpha", "charlie", "bravo"]
        rows = netbox.create("sites", [named(name) for name in names], MESSAGE).rows
        assert [row["name"] for row in rows] == names
        changes = [{"id": row["id"], "facility": row["name"].upper()} for row in reversed(rows)]
        answers = netbox.update("sites", changes, MESSAGE).rows
        assert [(row["name"], row["facility"]) for row in answers] == [
            (name, name.upper()) for name in reversed(names)
        ]

    def test_other_fields_stay_as_they_are(self, netbox: NetBox) -> None:
        (site,) = create(netbox, "sites", named("AMS1", facility="old", description="kept", status="planned"))
        netbox.update("sites", [{"id": site, "facility": "new"}], MESSAGE)
        row = read_one(netbox, "sites", site, "facility", "description", "status")
        assert (row["facility"], row["description"]) == ("new", "kept")
        assert row["status"]["value"] == "planned"

    def test_null_clears(self, world: World) -> None:
        change = {"id": world.device, "serial": None, "asset_tag": None, "description": None, "face": None}
        world.netbox.update("devices", [change], MESSAGE)
        row = read_one(world.netbox, "devices", world.device, *change)
        assert {name: row[name] for name in change if name != "id"} == {
            "serial": "",
            "asset_tag": None,
            "description": "",
            "face": None,
        }

    def test_an_empty_list_sends_nothing(self, netbox: NetBox) -> None:
        assert netbox.create("sites", [], MESSAGE) == Written([])
        assert netbox.update("sites", [], MESSAGE) == Written([])

    def test_the_message_is_in_the_changelog(self, rig: Rig) -> None:
        (site,) = create(rig.netbox, "sites", named("AMS1"))
        rig.netbox.update("sites", [{"id": site, "facility": "new"}], MESSAGE + "!" * 300)
        assert rig.changelog() == [("create", MESSAGE), ("update", (MESSAGE + "!" * 300)[:200])]

    def test_an_update_that_changes_nothing_leaves_no_trace(self, rig: Rig) -> None:
        (site,) = create(rig.netbox, "sites", named("AMS1", facility="same"))
        rig.netbox.update("sites", [{"id": site, "facility": "same"}], MESSAGE)
        assert [action for action, _ in rig.changelog()] == ["create"]

    def test_tags_and_custom_fields(self, world: World) -> None:
        netbox = world.netbox
        tags = create(netbox, "tags", named("core"), named("edge"))
        kind = {"type": "text", "object_types": ["dcim.device"]}
        create(netbox, "custom_fields", {"name": "owner", **kind}, {"name": "room", **kind})
        change = {"id": world.device, "tags": tuple(tags), "custom_fields": {"owner": "a", "room": "b"}}
        netbox.update("devices", [change], MESSAGE)
        netbox.update("devices", [{"id": world.device, "custom_fields": {"room": "c"}}], MESSAGE)
        row = read_one(netbox, "devices", world.device, "tags", "custom_fields")
        assert sorted(tag["id"] for tag in row["tags"]) == tags
        assert row["custom_fields"] == {"owner": "a", "room": "c"}

    def test_custom_fields_are_defined_and_widened(self, netbox: NetBox) -> None:
        kind = {"type": "json", "object_types": ("dcim.site",), "label": "Data", "ui_visible": "hidden"}
        (field,) = create(netbox, "custom_fields", {"name": "data", **kind})
        (site,) = create(netbox, "sites", named("AMS1", custom_fields={"data": {"k": [1, None]}}))
        (maker,) = create(netbox, "manufacturers", named("Cisco"))
        assert read_one(netbox, "sites", site, "custom_fields")["custom_fields"] == {"data": {"k": [1, None]}}
        assert read_one(netbox, "manufacturers", maker, "custom_fields")["custom_fields"] == {}
        models = ("dcim.manufacturer", "dcim.site")
        netbox.update("custom_fields", [{"id": field, "object_types": models}], MESSAGE)
        assert read_one(netbox, "manufacturers", maker, "custom_fields")["custom_fields"] == {"data": None}
        definition = read_one(netbox, "custom_fields", field, "name", "type", "object_types", "label")
        assert definition["type"]["value"] == "json"
        assert sorted(definition["object_types"]) == list(models)
        assert definition["label"] == "Data"

    def test_custom_fields_that_do_not_exist_are_refused(self, netbox: NetBox) -> None:
        kind = {"type": "text", "object_types": ["dcim.site"]}
        create(netbox, "custom_fields", {"name": "owner", **kind})
        (site,) = create(netbox, "sites", named("AMS1"))
        with pytest.raises(RejectedError) as unknown:
            netbox.update("sites", [{"id": site, "custom_fields": {"owner": "a", "room": "b"}}], MESSAGE)
        words = "custom_fields.room: Custom field 'room' does not exist for this object type."
        assert unknown.value.rows == {0: words}
        with pytest.raises(RejectedError) as wrong:
            netbox.update("sites", [{"id": site, "custom_fields": {"owner": 5}}], MESSAGE)
        assert wrong.value.rows == {0: "Invalid value for custom field 'owner': Value must be a string."}
        assert read_one(netbox, "sites", site, "custom_fields")["custom_fields"] == {"owner": None}

    def test_definitions_that_are_no_good_are_refused(self, netbox: NetBox) -> None:
        kind = {"type": "text", "object_types": ["dcim.site"]}
        create(netbox, "custom_fields", {"name": "owner", **kind})
        rows = [{"name": "owner", **kind}, {"name": "a-b", **kind}, {"name": "c", **kind, "type": "bogus"}]
        with pytest.raises(RejectedError) as caught:
            netbox.create("custom_fields", rows, MESSAGE)
        assert sorted(caught.value.rows) == [0, 1, 2]
        assert "already exists" in caught.value.rows[0]
        assert caught.value.rows[1] == "name: Only alphanumeric characters and underscores are allowed."
        assert caught.value.rows[2] == "type: bogus is not a valid choice."

    def test_what_the_token_may_do(self, rig: Rig) -> None:
        (site,) = create(rig.netbox, "sites", named("AMS1"))
        onlooker, before = rig.onlooker(), rig.changelog()
        for object_type in ("sites", "custom_fields"):
            for netbox, may in ((rig.netbox, True), (onlooker, False)):
                assert netbox.may_create(object_type) is may
                assert netbox.may_change(object_type) is may
                assert netbox.may_delete(object_type) is may
        for attempt in (
            lambda: onlooker.create("sites", [named("AMS2")], MESSAGE),
            lambda: onlooker.update("sites", [{"id": site, "facility": "f"}], MESSAGE),
            lambda: onlooker.delete("sites", [site], MESSAGE),
        ):
            with pytest.raises(AccessError):
                attempt()
        assert how_many(rig.netbox, "sites") == 1
        assert rig.changelog() == before

    def test_generic_references(self, world: World) -> None:
        fields = ("assigned_object_type", "assigned_object_id", "assigned_object")
        row = read_one(world.netbox, "ip_addresses", world.address, *fields)
        assert (row["assigned_object_type"], row["assigned_object_id"]) == ("dcim.interface", world.interface)
        assert row["assigned_object"]["id"] == world.interface
        world.netbox.update("ip_addresses", [{"id": world.address, "assigned_object": None}], MESSAGE)
        row = read_one(world.netbox, "ip_addresses", world.address, *fields)
        assert [row[name] for name in fields] == [None, None, None]

    def test_a_device_brings_the_interfaces_of_its_type(self, rig: Rig, world: World) -> None:
        rig.add_interface_template(world.device_type, "Gi1/0/1", "1000base-t")
        rig.add_interface_template(world.device_type, "Gi1/0/2", "1000base-t")
        (device,) = create(rig.netbox, "devices", world.device_row(name="sw-2"))
        rows = rig.netbox.read(Query("interfaces", ("name", "type"), "device_id", [device]))
        assert [(row["name"], row["type"]["value"]) for row in rows] == [
            ("Gi1/0/1", "1000base-t"),
            ("Gi1/0/2", "1000base-t"),
        ]
        kind = read_one(rig.netbox, "device_types", world.device_type, "interface_template_count")
        assert kind["interface_template_count"] == 2

    # -- refusals ------------------------------------------------------------------

    def test_a_bad_row_is_named_and_nothing_is_written(self, netbox: NetBox) -> None:
        create(netbox, "sites", named("AMS1"))
        rows = [
            named("fine"),
            named("AMS1"),
            {"name": "no slug"},
            named("x" * 101),
            {**named("odd"), "status": "bogus"},
            {**named("lost"), "tenant": 999_999},
        ]
        with pytest.raises(RejectedError) as caught:
            netbox.create("sites", rows, MESSAGE)
        refused = caught.value.rows
        assert sorted(refused) == [1, 2, 3, 4, 5]
        assert "name" in refused[1]
        assert "already exists" in refused[1]
        assert refused[2] == "slug: This field is required."
        assert "no more than 100 characters" in refused[3]
        assert refused[4] == "status: bogus is not a valid choice."
        assert refused[5].startswith("tenant: Related object not found")
        assert how_many(netbox, "sites") == 1

    def test_updates_name_the_row_too(self, netbox: NetBox) -> None:
        ids = create(netbox, "sites", named("AMS1"), named("AMS2"), named("AMS3"))
        rows = [{"id": ids[2], "facility": "f"}, {"id": ids[0], "name": "AMS2"}, {"id": ids[1], "name": None}]
        with pytest.raises(RejectedError) as caught:
            netbox.update("sites", rows, MESSAGE)
        assert sorted(caught.value.rows) == [1, 2]
        assert "already exists" in caught.value.rows[1]
        assert caught.value.rows[2].startswith("name: ")
        assert read_one(netbox, "sites", ids[2], "facility")["facility"] == ""

    def test_an_update_of_what_is_gone_is_refused(self, netbox: NetBox) -> None:
        (site,) = create(netbox, "sites", named("AMS1"))
        with pytest.raises(RejectedError) as caught:
            netbox.update("sites", [{"id": site, "facility": "f"}, {"id": 999_999, "facility": "f"}], MESSAGE)
        assert list(caught.value.rows) == [1]
        assert "does not exist" in caught.value.rows[1]

    def test_the_same_object_twice_in_one_update_is_refused(self, netbox: NetBox) -> None:
        (site,) = create(netbox, "sites", named("AMS1"))
        with pytest.raises(NetBoxError, match="same site twice"):
            netbox.update("sites", [{"id": site, "facility": "a"}, {"id": site, "facility": "b"}], MESSAGE)

    def test_device_names_are_unique_in_a_site_whatever_their_case(self, world: World) -> None:
        create(world.netbox, "devices", world.device_row(name="sw-1", site=world.sites[1]))
        create(world.netbox, "devices", world.device_row(), world.device_row())  # unnamed ones may be many
        with pytest.raises(RejectedError) as caught:
            world.netbox.create(
                "devices", [world.device_row(name="sw-9"), world.device_row(name="SW-1")], MESSAGE
            )
        assert list(caught.value.rows) == [1]

    def test_twins_within_one_list_are_refused(self, netbox: NetBox) -> None:
        with pytest.raises(RejectedError) as caught:
            netbox.create("sites", [named("AMS1"), named("AMS1")], MESSAGE)
        assert list(caught.value.rows) == [1]

    def test_slugs_are_unique_within_their_vendor(self, netbox: NetBox) -> None:
        one, two = create(netbox, "manufacturers", named("Cisco"), named("Arista"))
        model = {"model": "C9300", "slug": "c9300"}
        create(netbox, "device_types", {"manufacturer": one, **model}, {"manufacturer": two, **model})
        with pytest.raises(RejectedError):
            netbox.create(
                "device_types", [{"manufacturer": one, "model": "c9300 again", "slug": "c9300"}], ""
            )

    def test_a_host_exists_once_whatever_its_mask(self, world: World) -> None:
        with pytest.raises(RejectedError, match="Duplicate IP address"):
            world.netbox.create("ip_addresses", [{"address": "192.0.2.1/25"}], MESSAGE)
        world.netbox.update("ip_addresses", [{"id": world.address, "address": "192.0.2.1/25"}], MESSAGE)

    def test_a_primary_ip_belongs_to_its_device(self, world: World) -> None:
        (stray,) = create(world.netbox, "ip_addresses", {"address": "192.0.2.7/24"})
        with pytest.raises(RejectedError, match="not assigned to this device"):
            world.netbox.update("devices", [{"id": world.device, "primary_ip4": stray}], MESSAGE)
        world.netbox.update("devices", [{"id": world.device, "primary_ip4": world.address}], MESSAGE)
        row = read_one(world.netbox, "devices", world.device, "primary_ip4")
        assert row["primary_ip4"]["id"] == world.address

    def test_a_primary_ip_stays_until_it_is_let_go(self, world: World) -> None:
        netbox = world.netbox
        netbox.update("devices", [{"id": world.device, "primary_ip4": world.address}], MESSAGE)
        (other,) = create(netbox, "devices", world.device_row(name="sw-2"))
        (port,) = create(netbox, "interfaces", {"device": other, "name": "Vlan1", "type": "virtual"})
        move = [{"id": world.address, "assigned_object": port}]
        with pytest.raises(RejectedError, match="Cannot reassign"):
            netbox.update("ip_addresses", move, MESSAGE)
        netbox.update("devices", [{"id": world.device, "primary_ip4": None}], MESSAGE)
        netbox.update("ip_addresses", move, MESSAGE)

    def test_dry_run_refuses_every_write(self, rig: Rig) -> None:
        with pytest.raises(DryRunError):
            rig.dry.create("sites", [named("AMS1")], MESSAGE)
        with pytest.raises(DryRunError):
            rig.dry.update("sites", [{"id": 1, "facility": "f"}], MESSAGE)
        (site,) = create(rig.netbox, "sites", named("AMS2"))
        with pytest.raises(DryRunError):
            rig.dry.delete("sites", [site], MESSAGE)
        assert how_many(rig.netbox, "sites") == 1
