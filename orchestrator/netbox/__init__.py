"""The only code that speaks to NetBox: settings, connection, and the engine's NetBox port over REST.

Callers take `load_targets` and `open_netbox` from here; nothing else in the
product imports an HTTP client.
"""

from orchestrator.netbox.rest import NetBoxStatus, RestNetBox, open_netbox
from orchestrator.netbox.settings import ConfigError, NetBoxSettings, load_targets

__all__ = ["ConfigError", "NetBoxSettings", "NetBoxStatus", "RestNetBox", "load_targets", "open_netbox"]
