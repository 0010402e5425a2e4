"""Wireless networks: the rows of `wireless`."""

from __future__ import annotations

from orchestrator.object_type import PLACES, SET_IN_NETBOX, ObjectType, organizational

ROWS = (
    organizational(
        "wireless_lan_groups",
        "wireless/wireless-lan-groups",
        singular="wireless LAN group",
        deferred=("parent",),
    ),
    ObjectType(
        "wireless_lans",
        "wireless/wireless-lans",
        singular="wireless LAN",
        label="ssid",
        key=("ssid",),
        optional_key=("group", "scope"),
        refused={"auth_psk": SET_IN_NETBOX},
        generic={"scope": PLACES},
        key_enforced=False,
    ),
    ObjectType(
        "wireless_links",
        "wireless/wireless-links",
        label="interface_a",
        key=("interface_a", "interface_b"),
        unique=(("interface_a", "interface_b"),),
        refused={"auth_psk": SET_IN_NETBOX},
    ),
)
