"""Providers and what one buys of them: the rows of `circuits`."""

from __future__ import annotations

from orchestrator.object_type import PLACES, ObjectType, organizational

ROWS = (
    organizational("providers", "circuits/providers"),
    ObjectType(
        "provider_accounts",
        "circuits/provider-accounts",
        label="account",
        key=("provider", "account"),
        unique=(("provider", "account"), ("provider", "name")),
    ),
    ObjectType(
        "provider_networks",
        "circuits/provider-networks",
        key=("provider", "name"),
        unique=(("provider", "name"),),
    ),
    organizational("circuit_types", "circuits/circuit-types"),
    organizational("circuit_groups", "circuits/circuit-groups"),
    ObjectType(
        "circuits",
        "circuits/circuits",
        label="cid",
        key=("provider", "cid"),
        unique=(("provider", "cid"), ("provider_account", "cid")),
        lane="provider",
    ),
    ObjectType(
        "circuit_terminations",
        "circuits/circuit-terminations",
        label="term_side",
        asked_singly=("term_side",),
        key=("circuit", "term_side"),
        unique=(("circuit", "term_side"),),
        generic={"termination": (*PLACES, "provider_networks")},
        demanded=("termination",),
        lane="circuit",
    ),
    ObjectType(
        "circuit_group_assignments",
        "circuits/circuit-group-assignments",
        label="group",
        key=("group", "member"),
        unique=(("member", "group"),),
        generic={"member": ("circuits", "virtual_circuits")},
    ),
    organizational("virtual_circuit_types", "circuits/virtual-circuit-types"),
    ObjectType(
        "virtual_circuits",
        "circuits/virtual-circuits",
        label="cid",
        key=("provider_network", "cid"),
        unique=(("provider_network", "cid"), ("provider_account", "cid")),
        lane="provider_network",
    ),
    ObjectType(
        "virtual_circuit_terminations",
        "circuits/virtual-circuit-terminations",
        label="virtual_circuit",
        key=("virtual_circuit", "interface"),
        unique=(("interface",),),
    ),
)
