"""What NetBox remembers of writes, and what it says of when: part of NetBoxContract."""

from __future__ import annotations

from uuid import uuid4

import pytest

from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import NetBoxError, RejectedError
from orchestrator.generic import generic_value
from orchestrator.live import all_fields, canonical_row
from orchestrator.ports import LoggedChange, NetBox, Query, Row
from tests.netbox.contract_rig import MESSAGE, Rig, World, create, named, read_one

LONG_AGO = "2020-01-01T00:00:00Z"


def new_message() -> str:
    """One that no test before has left in the changelog."""
    return f"{MESSAGE} {uuid4().hex}"


def whole_story(netbox: NetBox, object_type: str, *ids: int) -> list[LoggedChange]:
    return netbox.logged_since(object_type, ids, LONG_AGO)


def times(netbox: NetBox, object_type: str, object_id: int) -> tuple[str, str]:
    row = read_one(netbox, object_type, object_id, "created", "last_updated")
    return row["created"], row["last_updated"]


class ChangelogContract:
    """Needs the fixtures of NetBoxContract."""

    # -- the changelog ---------------------------------------------------------------

    def test_entries_are_found_by_their_very_message(self, rig: Rig) -> None:
        netbox, message = rig.netbox, new_message()
        made = netbox.create("sites", [named("AMS1"), named("AMS2")], message)
        one, two = (row["id"] for row in made.rows)
        netbox.update("sites", [{"id": one, "facility": "f"}], f"{message} 2")
        netbox.update("sites", [{"id": two, "name": message}], "another")
        changed = netbox.update("sites", [{"id": one, "facility": "g"}], message)
        gone = netbox.delete("sites", [two], message)
        entries = netbox.logged(message)
        assert [(entry.object_id, entry.action, entry.label, entry.request_id) for entry in entries] == [
            (one, "create", "AMS1", made.request_id),
            (two, "create", "AMS2", made.request_id),
            (one, "update", "AMS1", changed.request_id),
            (two, "delete", message, gone),
        ]
        assert {(entry.object_type, entry.message, entry.user) for entry in entries} == {
            ("sites", message, rig.user)
        }
        assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
        assert netbox.logged("no such message") == []

    def test_a_remark_in_brackets_may_follow_the_message(self, netbox: NetBox) -> None:
        message = new_message()
        remarks = ["", " (rollback of b-1)", "0", "0 (rollback of b-1)", "(b-1)"]
        for number, remark in enumerate(remarks):
            netbox.create("sites", [named(f"AMS{number}")], message + remark)
        assert [entry.label for entry in netbox.logged(message)] == ["AMS0", "AMS1"]
        assert [entry.message for entry in netbox.logged(message)] == [message, message + remarks[1]]

    def test_a_long_message_is_found_by_what_netbox_kept(self, netbox: NetBox) -> None:
        message = new_message() + " ü&%+#" * 50
        (row,) = netbox.create("sites", [named("AMS1")], message).rows
        assert [entry.object_id for entry in netbox.logged(message)] == [row["id"]]

    def test_questions_that_netbox_would_not_heed_are_refused(self, netbox: NetBox) -> None:
        for message in ("", "  "):
            with pytest.raises(NetBoxError, match="whole changelog"):
                netbox.logged(message)
        for since in ("", "yesterday"):
            with pytest.raises(NetBoxError, match="no moment"):
                netbox.logged_since("sites", [1], since)

    def test_each_filter_of_the_changelog_counts(self, netbox: NetBox) -> None:
        (site,) = create(netbox, "sites", named("AMS1"))
        assert len(whole_story(netbox, "sites", site)) == 1
        assert whole_story(netbox, "vrfs", site) == []
        assert whole_story(netbox, "sites", 999_999) == []
        assert whole_story(netbox, "sites") == []
        assert netbox.logged_since("sites", [site], "2099-01-01T00:00:00Z") == []

    def test_only_what_came_later_is_told(self, netbox: NetBox) -> None:
        (site,) = create(netbox, "sites", named("AMS1"))
        for facility in ("a", "b", "c"):
            netbox.update("sites", [{"id": site, "facility": facility}], MESSAGE)
        story = whole_story(netbox, "sites", site)
        assert [entry.action for entry in story] == ["create", "update", "update", "update"]
        assert netbox.logged_since("sites", [site], story[1].time) == story[2:]
        assert netbox.logged_since("sites", [site], story[3].time) == []

    def test_before_and_after_are_those_of_the_model(self, world: World) -> None:
        netbox = world.netbox
        tags = create(netbox, "tags", named("Edge"), named("Core"))
        create(netbox, "custom_fields", {"name": "room", "type": "text", "object_types": ["dcim.device"]})
        made = {"name": "sw-2", "description": "x", "tags": tags, "custom_fields": {"room": "1"}}
        (device,) = create(netbox, "devices", world.device_row(**made))
        change: Row = {"status": "planned", "tags": tags[:1], "custom_fields": {"room": "2"}, "serial": "S2"}
        netbox.update("devices", [{"id": device, **change}], MESSAGE)
        netbox.delete("devices", [device], MESSAGE)
        created, updated, deleted = whole_story(netbox, "devices", device)
        first: Row = {
            **world.device_row(name="sw-2", description="x", serial="", asset_tag=None, tenant=None),
            "status": "active",
            "tags": ["Core", "Edge"],
            "custom_fields": {"room": "1"},
            "primary_ip4": None,
            "face": "",
        }
        second = {**first, **change, "tags": ["Edge"]}

        def pick(values: Row) -> Row:
            return {name: values[name] for name in first}

        assert created.before == {}
        assert pick(created.after) == first
        assert pick(updated.before) == first
        assert pick(updated.after) == second
        assert pick(deleted.before) == second
        assert deleted.after == {}
        assert not {"id", "created", "last_updated"} & created.after.keys()

    def test_generic_references_and_decimals_in_the_changelog(self, world: World) -> None:
        (entry,) = whole_story(world.netbox, "ip_addresses", world.address)
        assert entry.after["assigned_object_id"] == world.interface
        assert entry.after["assigned_object_type"] == "dcim.interface"
        unit = {"weight_unit": "kg"}
        world.netbox.update("device_types", [{"id": world.device_type, "weight": 12.5, **unit}], MESSAGE)
        *_, entry = whole_story(world.netbox, "device_types", world.device_type)
        assert (entry.before["u_height"], entry.after["weight"]) == ("1.0", "12.50")

    def test_an_address_of_a_virtual_machine_is_not_one_of_an_interface(self, rig: Rig, world: World) -> None:
        """Type and id go out, come back and are logged together, whatever an id means elsewhere."""
        netbox, message = rig.netbox, new_message()
        value = f"virtualization.vminterface {rig.add_vm_interface()}"
        netbox.update("ip_addresses", [{"id": world.address, "assigned_object": value}], message)
        row = OBJECT_TYPES["ip_addresses"]
        there = read_one(netbox, "ip_addresses", world.address, *all_fields(row))
        assert canonical_row(row, there)["assigned_object"] == value
        netbox.update("ip_addresses", [{"id": world.address, "assigned_object": world.interface}], message)
        story = netbox.logged(message)
        assert story == whole_story(netbox, "ip_addresses", world.address)[1:]
        values = [
            generic_value(row, "assigned_object", held) for one in story for held in (one.before, one.after)
        ]
        assert values == [world.interface, value, value, world.interface]

    def test_labels_say_more_than_the_name(self, world: World) -> None:
        netbox = world.netbox
        (unnamed,) = create(netbox, "devices", world.device_row())
        port = {"device": unnamed, "name": "e1", "label": "uplink", "type": "virtual"}
        (named_port,) = create(netbox, "interfaces", port)
        kind = {"type": "text", "object_types": ["dcim.site"]}
        plain, labelled = create(
            netbox, "custom_fields", {"name": "room_no", **kind}, {"name": "b", "label": "Batch", **kind}
        )
        for object_type, object_id, label in [
            ("devices", world.device, "sw-1 (A1)"),
            ("devices", unnamed, f"Cisco C9300-48P ({unnamed})"),
            ("interfaces", named_port, "e1 (uplink)"),
            ("ip_addresses", world.address, "192.0.2.1/24"),
            ("custom_fields", plain, "Room no"),
            ("custom_fields", labelled, "Batch"),
        ]:
            assert whole_story(netbox, object_type, object_id)[0].label == label

    def test_custom_fields_that_nobody_set_are_logged_as_null(self, netbox: NetBox) -> None:
        kind = {"type": "text", "object_types": ["dcim.site"]}
        create(netbox, "custom_fields", {"name": "owner", **kind}, {"name": "room", **kind})
        one, two = create(netbox, "sites", named("AMS1"), named("AMS2", custom_fields={"room": "1"}))
        first, second = whole_story(netbox, "sites", one, two)
        assert first.after["custom_fields"] == {"owner": None, "room": None}
        assert second.after["custom_fields"] == {"room": "1"}

    def test_what_netbox_does_by_itself_has_no_message(self, rig: Rig, world: World) -> None:
        netbox = world.netbox
        rig.add_interface_template(world.device_type, "Gi1", "1000base-t")
        made = netbox.create("devices", [world.device_row(name="sw-2")], MESSAGE)
        (port,) = netbox.read(Query("interfaces", ("name",), "device_id", [made.rows[0]["id"]]))
        (entry,) = whole_story(netbox, "interfaces", port["id"])
        assert (entry.action, entry.message, entry.request_id) == ("create", "", made.request_id)
        netbox.update("devices", [{"id": world.device, "primary_ip4": world.address}], MESSAGE)
        gone = netbox.delete("ip_addresses", [world.address], MESSAGE)
        *_, entry = whole_story(netbox, "devices", world.device)
        assert (entry.action, entry.message, entry.request_id) == ("update", "", gone)
        assert (entry.before["primary_ip4"], entry.after["primary_ip4"]) == (world.address, None)
        gone = netbox.delete("devices", [world.device], MESSAGE)
        *_, entry = whole_story(netbox, "interfaces", world.interface)
        assert (entry.action, entry.message, entry.request_id) == ("delete", "", gone)

    def test_a_delete_takes_off_the_primary_address_first_or_last(self, world: World) -> None:
        """The entries of one delete come in no certain order: the last one of a device may be an update."""
        world.netbox.update("devices", [{"id": world.device, "primary_ip4": world.address}], MESSAGE)
        world.netbox.delete("devices", [world.device], MESSAGE)
        actions = [entry.action for entry in whole_story(world.netbox, "devices", world.device)]
        assert (actions[:2], sorted(actions[2:])) == (["create", "update"], ["delete", "update"])

    def test_nothing_of_a_refused_write_is_logged(self, rig: Rig) -> None:
        with pytest.raises(RejectedError):
            rig.netbox.create("sites", [named("AMS1"), named("AMS1")], MESSAGE)
        assert rig.changelog() == []

    # -- created and last_updated ------------------------------------------------------

    def test_every_update_moves_last_updated(self, rig: Rig) -> None:
        """Also one that changes nothing, although the changelog says nothing of it."""
        netbox = rig.netbox
        (made,) = netbox.create("sites", [named("AMS1")], MESSAGE).rows
        created, first = times(netbox, "sites", made["id"])
        assert (made["created"], made["last_updated"]) == (created, first)
        (answer,) = netbox.update("sites", [{"id": made["id"], "facility": "f"}], MESSAGE).rows
        assert answer["created"] == created
        assert answer["last_updated"] > first
        assert times(netbox, "sites", made["id"]) == (created, answer["last_updated"])
        create_entry, update_entry = whole_story(netbox, "sites", made["id"])
        assert first < create_entry.time < answer["last_updated"] < update_entry.time
        netbox.update("sites", [{"id": made["id"], "facility": "f"}], MESSAGE)
        assert times(netbox, "sites", made["id"])[1] > answer["last_updated"]
        assert [action for action, _ in rig.changelog()] == ["create", "update"]

    def test_tags_and_custom_fields_move_last_updated(self, netbox: NetBox) -> None:
        (tag,) = create(netbox, "tags", named("core"))
        create(netbox, "custom_fields", {"name": "owner", "type": "text", "object_types": ["dcim.site"]})
        (site,) = create(netbox, "sites", named("AMS1"))
        moments = [times(netbox, "sites", site)[1]]
        for change in ({"tags": [tag]}, {"custom_fields": {"owner": "me"}}):
            netbox.update("sites", [{"id": site, **change}], MESSAGE)
            moments.append(times(netbox, "sites", site)[1])
        assert moments == sorted(set(moments))
        assert [entry.action for entry in whole_story(netbox, "sites", site)] == [
            "create",
            "update",
            "update",
        ]

    def test_what_happens_around_an_object_does_not_move_it(self, world: World) -> None:
        netbox = world.netbox
        spots = [
            ("sites", world.sites[0]),
            ("device_types", world.device_type),
            ("device_roles", world.role),
            ("devices", world.device),
            ("interfaces", world.interface),
        ]
        before = [times(netbox, *spot) for spot in spots]
        (port,) = create(netbox, "interfaces", {"device": world.device, "name": "e1", "type": "1000base-t"})
        (device,) = create(netbox, "devices", world.device_row(name="sw-2"))
        (address,) = create(
            netbox, "ip_addresses", {"address": "192.0.2.2/24", "assigned_object": world.interface}
        )
        netbox.delete("ip_addresses", [address], MESSAGE)
        netbox.delete("interfaces", [port], MESSAGE)
        netbox.delete("devices", [device], MESSAGE)
        assert [times(netbox, *spot) for spot in spots] == before
