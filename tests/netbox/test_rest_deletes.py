"""List deletes and the changelog over REST: what goes over the wire, and how it fails."""

from __future__ import annotations

import json

import pytest

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.errors import NoMessagesError, RejectedError, UnknownOutcomeError
from orchestrator.netbox import RestNetBox
from tests.netbox.changelog_contract import LONG_AGO, new_message, whole_story
from tests.netbox.contract_rig import MESSAGE, build_world, create, how_many, named
from tests.netbox.faulty_proxy import CUT, DROP, Answer, FaultyProxy
from tests.netbox.tidy_fixture import call, settings_of


def test_a_list_of_deletes_is_one_request(behind: RestNetBox, proxy: FaultyProxy) -> None:
    ids = create(behind, "sites", *(named(f"site-{number}") for number in range(5)))
    proxy.seen.clear()
    behind.delete("sites", ids, MESSAGE)
    assert [seen.line.split()[:2] for seen in proxy.seen] == [["DELETE", "/api/dcim/sites/"]]
    assert json.loads(proxy.seen[0].body) == [{"id": id_, "changelog_message": MESSAGE} for id_ in ids]


@pytest.mark.parametrize(("fault", "left"), [(DROP, 1), (CUT, 0)])
def test_a_delete_without_an_answer_is_never_repeated(
    behind: RestNetBox, proxy: FaultyProxy, fault: str, left: int
) -> None:
    ids = create(behind, "sites", named("AMS1"))
    proxy.seen.clear()
    proxy.methods = {"DELETE"}
    proxy.faults.append(fault)
    with pytest.raises(UnknownOutcomeError):
        behind.delete("sites", ids, MESSAGE)
    assert len(proxy.seen) == 1
    assert how_many(behind, "sites") == left


def test_a_delete_that_is_only_promised_is_not_done(behind: RestNetBox, proxy: FaultyProxy) -> None:
    ids = create(behind, "sites", named("AMS1"))
    proxy.methods = {"DELETE"}
    proxy.faults.append(Answer(202, b'{"job": 1}', (("API-Version", "4.7"),)))
    with pytest.raises(UnknownOutcomeError, match="does not say that the 1 sites are gone"):
        behind.delete("sites", ids, MESSAGE)


def test_deletes_refused_in_the_way_of_older_netboxes(behind: RestNetBox, proxy: FaultyProxy) -> None:
    """Before 4.7 the whole list was refused, with the names of all that is in the way."""
    words = b'{"detail": "Unable to delete object. 1 dependent objects were found: sw-1 (7)"}'
    proxy.methods = {"DELETE"}
    proxy.faults += [Answer(409, words, (("API-Version", "4.6"),))] * 2
    with pytest.raises(RejectedError, match=r"were found: sw-1 \(7\)") as many:
        behind.delete("sites", [1, 2], MESSAGE)
    assert many.value.rows == {}
    with pytest.raises(RejectedError) as one:
        behind.delete("sites", [1], MESSAGE)
    assert one.value.rows == {0: "Unable to delete object. 1 dependent objects were found: sw-1 (7)"}


# -- the changelog -----------------------------------------------------------------


def test_the_changelog_is_followed_page_by_page(behind: RestNetBox, proxy: FaultyProxy) -> None:
    message = new_message()
    made = behind.create("sites", [named(f"site-{number}") for number in range(5)], message)
    proxy.seen.clear()
    assert [entry.object_id for entry in behind.logged(message)] == [row["id"] for row in made.rows]
    assert len(proxy.seen) == 3


def test_the_changelog_of_many_objects_fits_the_request_line(behind: RestNetBox, proxy: FaultyProxy) -> None:
    (site,) = create(behind, "sites", named("AMS1"))
    proxy.seen.clear()
    entries = behind.logged_since("sites", [*range(10_000_000, 10_000_400), site], "2020-01-01T00:00:00Z")
    assert [entry.object_id for entry in entries] == [site]
    assert max(len(seen.line) for seen in proxy.seen) <= 4094
    assert sum(seen.line.count("changed_object_id=") for seen in proxy.seen) == 401


def test_what_the_catalog_does_not_know_is_left_out(behind: RestNetBox, tidy_netbox: SandboxInfo) -> None:
    message = new_message()
    (site,) = behind.create("sites", [named("AMS1")], message).rows
    group = {"name": "On call", "changelog_message": message}
    made = call(tidy_netbox, "POST", "extras/notification-groups", json=group)
    logged = call(tidy_netbox, "GET", "core/object-changes", params={"q": "On call"})["results"]
    assert [entry["message"] for entry in logged] == [message]
    entries = behind.logged(message)
    assert [(entry.object_type, entry.object_id) for entry in entries] == [("sites", site["id"])]
    call(tidy_netbox, "DELETE", "extras/notification-groups", json=[{"id": made["id"]}])


def test_netbox_before_4_4_has_no_messages_to_find(swept_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with RestNetBox(settings_of(swept_netbox, url=proxy.url)) as netbox:
        proxy.methods = {"GET"}
        proxy.faults.append(Answer(200, b'{"netbox-version": "4.3.7"}', (("API-Version", "4.3"),)))
        with pytest.raises(NoMessagesError, match=r"NetBox 4\.3 keeps no messages"):
            netbox.logged(MESSAGE)
        assert len(proxy.seen) == 1


def test_content_types_are_read_once_and_only_where_some_are_logged(
    tidy_netbox: SandboxInfo, proxy: FaultyProxy
) -> None:
    def asked() -> int:
        return sum("/api/core/object-types/" in seen.line for seen in proxy.seen)

    with RestNetBox(settings_of(tidy_netbox, url=proxy.url)) as netbox:
        world = build_world(netbox)
        whole_story(netbox, "sites", *world.sites)
        (loose,) = create(netbox, "ip_addresses", {"address": "192.0.2.9/24"})
        assert whole_story(netbox, "ip_addresses", loose)[0].after["assigned_object_type"] is None
        assert asked() == 0
        for _ in range(2):
            (entry,) = whole_story(netbox, "ip_addresses", world.address)
            assert entry.after["assigned_object_type"] == "dcim.interface"
        assert asked() == 1


def test_netbox_before_4_4_has_its_content_types_elsewhere(
    tidy_netbox: SandboxInfo, proxy: FaultyProxy
) -> None:
    """Two answers of such a NetBox: an entry as today's, and its types at another place."""
    version = (("API-Version", "4.3"),)
    with RestNetBox(settings_of(tidy_netbox, url=proxy.url)) as netbox:
        world = build_world(netbox)
        of_address = {"changed_object_type": "ipam.ipaddress", "changed_object_id": world.address}
        entries = call(tidy_netbox, "GET", "core/object-changes", params=of_address)
        number = entries["results"][0]["postchange_data"]["assigned_object_type"]
        types = {"count": 1, "results": [{"id": number, "app_label": "dcim", "model": "interface"}]}
        proxy.aim("GET", "core/object-changes", Answer(200, json.dumps(entries).encode(), version))
        proxy.aim("GET", "extras/object-types", Answer(200, json.dumps(types).encode(), version))
        (entry,) = netbox.logged_since("ip_addresses", [world.address], LONG_AGO)
    assert entry.after["assigned_object_type"] == "dcim.interface"
    assert proxy.missed == 0
