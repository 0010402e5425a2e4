"""Providers and what one buys of them: the rows of `circuits`."""

from __future__ import annotations

from orchestrator.object_type import ObjectType, organizational

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
    organizational("virtual_circuit_types", "circuits/virtual-circuit-types"),
    ObjectType(
        "virtual_circuits",
        "circuits/virtual-circuits",
        label="cid",
        key=("provider_network", "cid"),
        unique=(("provider_network", "cid"), ("provider_account", "cid")),
        lane="provider_network",
    ),
)
