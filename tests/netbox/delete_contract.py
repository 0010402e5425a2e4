"""What a list delete takes along, clears and is refused for, whichever NetBox: part of NetBoxContract."""

from __future__ import annotations

import pytest

from orchestrator.errors import NetBoxError, RejectedError
from orchestrator.ports import NetBox, Query, Row
from tests.netbox.contract_rig import MESSAGE, Rig, World, create, named, read_one


def ids_of(netbox: NetBox, object_type: str) -> list[int]:
    return sorted(row["id"] for row in netbox.read(Query(object_type, ("id",))))


def ports(world: World) -> tuple[int, int, int]:
    """A LAG, a bridge and a member of both."""
    base = {"device": world.device}
    lag, bridge, member = create(
        world.netbox,
        "interfaces",
        {**base, "name": "po1", "type": "lag"},
        {**base, "name": "br1", "type": "bridge"},
        {**base, "name": "e1", "type": "1000base-t"},
    )
    world.netbox.update("interfaces", [{"id": member, "lag": lag, "bridge": bridge}], MESSAGE)
    return lag, bridge, member


class DeleteContract:
    """Needs the fixtures of NetBoxContract."""

    def test_all_of_a_list_is_deleted(self, netbox: NetBox) -> None:
        ids = create(netbox, "sites", named("AMS1"), named("AMS2"), named("AMS3"))
        request = netbox.delete("sites", [ids[2], ids[0]], MESSAGE)
        assert request
        assert ids_of(netbox, "sites") == [ids[1]]

    def test_nothing_and_twice_are_refused(self, netbox: NetBox) -> None:
        (site,) = create(netbox, "sites", named("AMS1"))
        with pytest.raises(NetBoxError, match="names no site"):
            netbox.delete("sites", [], MESSAGE)
        with pytest.raises(NetBoxError, match="same site twice"):
            netbox.delete("sites", [site, site], MESSAGE)
        assert ids_of(netbox, "sites") == [site]

    def test_what_is_gone_is_named(self, netbox: NetBox) -> None:
        (site,) = create(netbox, "sites", named("AMS1"))
        with pytest.raises(RejectedError) as caught:
            netbox.delete("sites", [site, 999_999], MESSAGE)
        assert caught.value.rows == {1: "id: Object with ID 999999 does not exist"}
        assert ids_of(netbox, "sites") == [site]

    def test_what_others_depend_on_stays(self, rig: Rig, world: World) -> None:
        netbox = world.netbox
        create(netbox, "devices", world.device_row(name="sw-2"))
        with pytest.raises(RejectedError) as caught:
            netbox.delete("sites", [world.sites[1], world.sites[0]], MESSAGE)
        assert caught.value.rows == {1: "Unable to delete: 2 dependent object(s) prevent deletion."}
        assert ids_of(netbox, "sites") == sorted(world.sites)
        for object_type, object_id in [
            ("manufacturers", world.manufacturer),
            ("device_types", world.device_type),
            ("device_roles", world.role),
        ]:
            with pytest.raises(RejectedError, match=r"2 dependent object\(s\) prevent") as caught:
                netbox.delete(object_type, [object_id], MESSAGE)
            assert list(caught.value.rows) == [0]
        assert "delete" not in {action for action, _ in rig.changelog()}

    def test_a_parent_interface_stays_until_its_children_are_gone(self, world: World) -> None:
        netbox = world.netbox
        child_row = {"device": world.device, "name": "Vlan1.5", "type": "virtual", "parent": world.interface}
        (child,) = create(netbox, "interfaces", child_row)
        with pytest.raises(RejectedError, match=r"1 dependent object\(s\) prevent"):
            netbox.delete("interfaces", [world.interface], MESSAGE)
        netbox.delete("interfaces", [child], MESSAGE)
        netbox.delete("interfaces", [world.interface], MESSAGE)
        assert ids_of(netbox, "interfaces") == []
        assert ids_of(netbox, "ip_addresses") == []

    def test_a_device_takes_along_what_hangs_on_it(self, world: World) -> None:
        netbox = world.netbox
        child = {"device": world.device, "name": "Vlan1.5", "type": "virtual", "parent": world.interface}
        create(netbox, "interfaces", child)
        (free,) = create(netbox, "ip_addresses", {"address": "192.0.2.7/24", "nat_inside": world.address})
        netbox.update("devices", [{"id": world.device, "primary_ip4": world.address}], MESSAGE)
        netbox.delete("devices", [world.device], MESSAGE)
        assert ids_of(netbox, "devices") == []
        assert ids_of(netbox, "interfaces") == []
        assert ids_of(netbox, "ip_addresses") == [free]
        assert read_one(netbox, "ip_addresses", free, "nat_inside")["nat_inside"] is None

    def test_trees_take_their_branches_along(self, world: World) -> None:
        netbox = world.netbox
        (above,) = create(netbox, "device_roles", named("Spare"))
        (below,) = create(netbox, "device_roles", named("Spare switch", parent=above))
        netbox.delete("device_roles", [above, below], MESSAGE)
        assert ids_of(netbox, "device_roles") == [world.role]
        create(netbox, "platforms", named("IOS XE 17", parent=world.platform))
        netbox.delete("platforms", [world.platform], MESSAGE)
        assert ids_of(netbox, "platforms") == []
        (above,) = create(netbox, "device_roles", named("Switch"))
        netbox.update("device_roles", [{"id": world.role, "parent": above}], MESSAGE)
        with pytest.raises(RejectedError, match=r"1 dependent object\(s\) prevent"):
            netbox.delete("device_roles", [above], MESSAGE)

    def test_links_to_what_is_deleted_are_cleared(self, world: World) -> None:
        netbox = world.netbox
        lag, bridge, member = ports(world)
        (outside,) = create(netbox, "ip_addresses", {"address": "192.0.2.7/24", "nat_inside": world.address})
        addresses: Row = {"primary_ip4": world.address, "oob_ip": world.address}
        change = {"id": world.device, "platform": world.platform, **addresses}
        netbox.update("devices", [change], MESSAGE)
        spots = [
            ("interfaces", member, ("lag", "bridge")),
            ("ip_addresses", outside, ("nat_inside",)),
            ("devices", world.device, ("primary_ip4", "oob_ip", "platform")),
        ]
        before = [read_one(netbox, name, id_, "last_updated")["last_updated"] for name, id_, _ in spots]
        netbox.delete("interfaces", [lag, bridge], MESSAGE)
        netbox.delete("ip_addresses", [world.address], MESSAGE)
        netbox.delete("platforms", [world.platform], MESSAGE)
        for (object_type, object_id, fields), moment in zip(spots, before, strict=True):
            row = read_one(netbox, object_type, object_id, *fields, "last_updated")
            assert [row[name] for name in fields] == [None] * len(fields)
            assert row["last_updated"] > moment

    def test_a_default_platform_goes_without_a_trace(self, world: World) -> None:
        netbox = world.netbox
        netbox.update(
            "device_types", [{"id": world.device_type, "default_platform": world.platform}], MESSAGE
        )
        fields = ("default_platform", "last_updated")
        before = read_one(netbox, "device_types", world.device_type, *fields)
        assert before["default_platform"]["id"] == world.platform
        netbox.delete("platforms", [world.platform], MESSAGE)
        after = read_one(netbox, "device_types", world.device_type, *fields)
        assert after == {**before, "default_platform": None}

    def test_a_deleted_tag_comes_off(self, world: World) -> None:
        tags = create(world.netbox, "tags", named("core"), named("edge"))
        world.netbox.update("devices", [{"id": world.device, "tags": tags}], MESSAGE)
        world.netbox.delete("tags", [tags[0]], MESSAGE)
        row = read_one(world.netbox, "devices", world.device, "tags")
        assert [tag["id"] for tag in row["tags"]] == [tags[1]]
