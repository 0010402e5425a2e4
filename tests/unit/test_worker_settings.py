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
