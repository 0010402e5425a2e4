"""Settings of the background side that depend on one another."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from workers.settings import WorkerSettings


@pytest.mark.parametrize(("lease_ttl", "heartbeat"), [(15, 5), (2, 0.5), (9, 3)])
def test_three_beats_fit_into_a_lease(lease_ttl: int, heartbeat: float) -> None:
    settings = WorkerSettings(lease_ttl_seconds=lease_ttl, heartbeat_seconds=heartbeat)
    assert settings.heartbeat_seconds == heartbeat


@pytest.mark.parametrize(
    "variables",
    [
        {"NETBOX_MCP_HEARTBEAT_SECONDS": "30"},
        {"NETBOX_MCP_LEASE_TTL_SECONDS": "5"},
        {"NETBOX_MCP_LEASE_TTL_SECONDS": "20", "NETBOX_MCP_HEARTBEAT_SECONDS": "7"},
    ],
)
def test_a_heart_too_slow_for_its_lease_is_refused(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match="more than a third of NETBOX_MCP_LEASE_TTL_SECONDS") as caught:
        WorkerSettings()
    assert caught.value.errors()[0]["loc"] == ("heartbeat_seconds",)


@pytest.mark.parametrize(
    ("plan", "approval", "required"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_whoever_requires_an_approval_requires_a_plan(plan: bool, approval: bool, required: bool) -> None:
    assert WorkerSettings(require_plan=plan, require_approval=approval).plan_required is required


def test_an_approve_token_is_long_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOX_MCP_APPROVE_TOKEN", "swordfish")
    with pytest.raises(ValidationError, match="at least 16 characters") as caught:
        WorkerSettings()
    assert "swordfish" not in str(caught.value)
    monkeypatch.setenv("NETBOX_MCP_APPROVE_TOKEN", "swordfish-swordfish")
    assert "swordfish" not in repr(WorkerSettings())
