"""Choose loopback ports that nobody uses.

Called when an instance is made, and again when a stranger has taken a port
since. The range lies below the ones that systems hand out by themselves.
"""

import random
import socket
from collections.abc import Collection

from netbox_mcp.sandbox.errors import SandboxError

_RANGE = range(20_000, 30_000)


def choose_port(taken: Collection[int]) -> int:
    """A free loopback port that is not among ``taken``."""
    for port in random.sample(_RANGE, 200):
        if port not in taken and is_free(port):
            return port
    raise SandboxError("No free port was found on 127.0.0.1.", "Stop something that listens there.")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too: a connection that lingers from the last run does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
