"""Documents for the contract tests."""

from __future__ import annotations

from typing import Any


def campus(prefix: str, devices: int = 3) -> dict[str, Any]:
    """A small batch document, all of whose names begin with `prefix`."""
    return {
        "manufacturers": [{"name": f"{prefix} Acme"}],
        "device_types": [{"manufacturer": f"{prefix} Acme", "model": f"{prefix} X1"}],
        "sites": [{"name": f"{prefix} site"}],
        "device_roles": [{"name": f"{prefix} access"}],
        "devices": [
            {
                "name": f"{prefix}-sw-[1-{devices}]",
                "site": f"{prefix} site",
                "role": f"{prefix} access",
                "device_type": {"manufacturer": f"{prefix} Acme", "model": f"{prefix} X1"},
            }
        ],
    }


FIVE_ERRORS: dict[str, Any] = {
    "manufacturers": [{"name": "Acme", "colour": "red"}],
    "devicez": [{"name": "x"}],
    "sites": [],
    "device_types": [{"manufacturer": "Acme", "model": "X1", "u_height": "tall"}],
    "device_roles": [{"slug": "nameless"}],
}
"""An unknown field, an unknown type, an empty list, a wrong type and a missing field."""


def many_errors(count: int) -> dict[str, Any]:
    """A document with one unknown field in each of `count` entries, under names of full length."""
    return {"manufacturers": [{"name": f"{'long name ' * 9}{at}", "colour": "red"} for at in range(count)]}
