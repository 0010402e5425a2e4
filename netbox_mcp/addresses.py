"""Addresses in the configuration: whether only this machine is meant, and what may be asked there."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address. A name other than localhost counts as reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_address(url: str) -> SplitResult:
    """The parts of an address over HTTP. Raises ValueError with the reason where it is none.

    https is a must beyond this machine: whoever sits in between could put in what they like.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.port == 0:
        raise ValueError("it is no address of the form https://host")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("an address here has neither user, query nor fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("it must be https, since it is not on this machine")
    return parts


def origin_of(url: str) -> str:
    """Scheme, host and port in the one form that clients are told. Raises ValueError, also for a path."""
    parts = parse_address(url)
    if parts.path not in ("", "/"):
        raise ValueError("it must end with the host or the port")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
