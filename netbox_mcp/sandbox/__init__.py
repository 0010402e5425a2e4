"""A real NetBox on loopback, brought up and thrown away by one command.

Used by ``netbox-mcp sandbox``, by the demo and by the tests. NetBox is the
released package in its own virtual environment, beside a PostgreSQL cluster
and a Redis of its own; nothing here speaks NetBox's REST API beyond asking
whether it is up.
"""

from netbox_mcp.sandbox.errors import SandboxError
from netbox_mcp.sandbox.instance import Sandbox, SandboxInfo
from netbox_mcp.sandbox.layout import NETBOX_VERSION
from netbox_mcp.sandbox.redis_server import RedisServer

__all__ = ["NETBOX_VERSION", "RedisServer", "Sandbox", "SandboxError", "SandboxInfo"]
