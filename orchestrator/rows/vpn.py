"""Tunnels, their cryptography and L2VPNs: the rows of `vpn`."""

from __future__ import annotations

from orchestrator.object_type import INTERFACES, SET_IN_NETBOX, ObjectType, organizational

ROWS = (
    ObjectType("ike_proposals", "vpn/ike-proposals", singular="IKE proposal", unique=(("name",),)),
    ObjectType(
        "ike_policies",
        "vpn/ike-policies",
        singular="IKE policy",
        unique=(("name",),),
        demanded=("version",),
        refused={"preshared_key": SET_IN_NETBOX},
    ),
    ObjectType("ipsec_proposals", "vpn/ipsec-proposals", singular="IPSec proposal", unique=(("name",),)),
    ObjectType("ipsec_policies", "vpn/ipsec-policies", singular="IPSec policy", unique=(("name",),)),
    ObjectType("ipsec_profiles", "vpn/ipsec-profiles", singular="IPSec profile", unique=(("name",),)),
    organizational("tunnel_groups", "vpn/tunnel-groups"),
    ObjectType("tunnels", "vpn/tunnels", unique=(("name",),), demanded=("status",)),
    ObjectType(
        "tunnel_terminations",
        "vpn/tunnel-terminations",
        label="tunnel",
        key=("tunnel", "termination"),
        unique=(("termination",),),
        generic={"termination": INTERFACES},
        demanded=("termination", "role"),
    ),
    organizational("l2vpns", "vpn/l2vpns", singular="L2VPN"),
    ObjectType(
        "l2vpn_terminations",
        "vpn/l2vpn-terminations",
        singular="L2VPN termination",
        label="l2vpn",
        key=("l2vpn", "assigned_object"),
        unique=(("assigned_object",),),
        generic={"assigned_object": ("vlans", *INTERFACES)},
    ),
)
