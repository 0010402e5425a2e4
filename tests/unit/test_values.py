"""Both sides of a comparison in one notation, and what people get wrong told in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.schema import load_schema
from orchestrator.values import BadValueError, LookAlikes, coerce, live_value, slugify, wire_value


def wanted(object_type: str, field: str, value: Any) -> Any:
    return coerce(field, load_schema()[object_type][field], value)


@pytest.mark.parametrize(
    ("object_type", "field", "document", "live"),
    [
        ("sites", "status", "active", {"value": "active", "label": "Active"}),
        ("sites", "latitude", 52.370216, 52.370216),
        ("device_types", "u_height", 1, 1.0),
        ("device_types", "weight", 12.50, 12.5),
        ("devices", "serial", "", ""),
        ("devices", "description", None, ""),
        ("devices", "airflow", None, None),
        ("interfaces", "mac_address", "001b.7700.0001", "00:1B:77:00:00:01"),
        ("interfaces", "mtu", 9000, 9000),
        ("ip_addresses", "address", "2001:DB8::0001/64", "2001:db8::1/64"),
        ("ip_addresses", "dns_name", "Host.Example.COM", "host.example.com"),
        ("sites", "name", "  AMS1 ", "AMS1"),
        ("device_roles", "color", "#AA1409", "aa1409"),
        ("sites", "asns", [3, 1], [{"id": 1}, {"id": 3}]),
    ],
)
def test_the_same_fact_has_one_form_on_both_sides(
    object_type: str, field: str, document: Any, live: Any
) -> None:
    assert wanted(object_type, field, document) == live_value(live, field)


@pytest.mark.parametrize(
    ("object_type", "field", "value", "says"),
    [
        ("sites", "name", None, "name cannot be empty"),
        ("sites", "name", "x" * 101, "101 characters, NetBox allows 100"),
        ("sites", "name", ["AMS1"], "expected text, got a list"),
        ("sites", "latitude", 91, "91 is outside -90 to 90"),
        ("device_types", "is_full_depth", "yes", "expected true or false, got text ('yes')"),
        ("interfaces", "mtu", True, "expected a number, got true"),
        ("interfaces", "mtu", 1500.5, "expected a whole number, got 1500.5"),
        ("interfaces", "type", "1000BASE-T (1GE)", "'1000BASE-T (1GE)' is not a choice of type"),
        ("device_roles", "color", "red", "'red' is not an RGB colour"),
        ("interfaces", "mac_address", "00:1B", "'00:1B' is not a MAC address"),
        ("ip_addresses", "address", "192.0.2.256/24", "'192.0.2.256/24' is not an IP address"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_one_sentence(
    object_type: str, field: str, value: Any, says: str
) -> None:
    with pytest.raises(BadValueError) as error:
        wanted(object_type, field, value)
    assert str(error.value) == says


def test_a_label_leads_to_the_choice() -> None:
    with pytest.raises(BadValueError) as error:
        wanted("interfaces", "type", "1000BASE-T (1GE)")
    assert error.value.hint == "did you mean '1000base-t'?"


def test_text_is_cleared_as_netbox_wants_it() -> None:
    devices = load_schema()["devices"]
    assert wire_value(devices["description"], None) == ""
    assert wire_value(devices["airflow"], None) == ""
    assert wire_value(devices["tenant"], None) is None
    assert wire_value(devices["asset_tag"], None) is None


# The rule of NetBox's own form, project-static/src/buttons/reslug.ts.
@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Cisco", "cisco"),
        ("C9300-48P", "c9300-48p"),
        ("ISR4331/K9", "isr4331k9"),
        ("Zürich HB", "zrich-hb"),
        ("Juniper Networks, Inc.", "juniper-networks-inc"),
        ("EX 4300 - 48T", "ex-4300-48t"),
        ("snake_case", "snake_case"),
        ("東京", ""),
    ],
)
def test_slugs_follow_the_rule_of_netbox_form(name: str, slug: str) -> None:
    assert slugify(name) == slug


@pytest.mark.parametrize(
    ("name", "other", "near"),
    [
        ("ams1", "AMS1", True),
        ("AMS-1", "AMS1", True),
        ("AMS1", "AMS2", False),
        ("AMS1", "AMS1", False),
        ("Access Swich", "Access Switch", True),
        ("Core", "Cote", False),
        ("C9300-48P", "C9300-24P", False),
    ],
)
def test_look_alikes(name: str, other: str, near: bool) -> None:
    known = LookAlikes()
    known.add(other)
    assert known.find(name) == (other if near else "")
