"""What an instance chooses once and remembers: its ports, its secrets and its plugins.

Written to one file that only its owner can read. The tokens are inside the
template database too, so they live exactly as long as the instance.
"""

import json
import os
import secrets
import string
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from netbox_mcp.sandbox.layout import cache_home
from netbox_mcp.sandbox.ports import choose_port, is_free

_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class InstanceSettings:
    """Ports and secrets of one instance, and the packages of its plugins.

    ``plugins`` is None until it has been up for the first time: a set that does not work binds nobody.
    """

    web_port: int
    postgres_port: int
    redis_port: int
    password: str = field(repr=False)
    token_v1: str = field(repr=False)
    token_v2: str = field(repr=False)
    database_password: str = field(repr=False)
    redis_password: str = field(repr=False)
    secret_key: str = field(repr=False)
    token_pepper: str = field(repr=False)
    plugins: tuple[str, ...] | None = None

    @property
    def ports(self) -> dict[str, int]:
        """Its ports by the role that listens there."""
        return {"web": self.web_port, "postgres": self.postgres_port, "redis": self.redis_port}


def load_settings(file: Path) -> InstanceSettings | None:
    """Read an instance's settings, or None when there are none yet."""
    try:
        entries = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    plugins = entries.pop("plugins", ())  # a file without them is older than plugins are
    return InstanceSettings(**entries, plugins=None if plugins is None else tuple(plugins))


def ensure_settings(file: Path, running: Callable[[str], bool]) -> InstanceSettings:
    """Load or choose settings; a port that a stranger took since is chosen anew."""
    known = load_settings(file)
    if known is None:
        settings = _choose()
    else:
        taken = _ports_of_others(file) | set(known.ports.values())
        settings = known
        for role, port in known.ports.items():
            if not running(role) and not is_free(port):
                chosen = choose_port(taken)
                taken.add(chosen)
                settings = InstanceSettings(**{**asdict(settings), f"{role}_port": chosen})
    if settings != known:
        save_settings(settings, file)
    return settings


def save_settings(settings: InstanceSettings, file: Path) -> None:
    """Remember them."""
    write_private(file, json.dumps(asdict(settings), indent=2) + "\n")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, all of it or nothing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    draft.replace(file)


def _choose() -> InstanceSettings:
    taken = _ports_of_others(None)
    web = choose_port(taken)
    postgres = choose_port(taken | {web})
    return InstanceSettings(
        web_port=web,
        postgres_port=postgres,
        redis_port=choose_port(taken | {web, postgres}),
        password=_random(20),
        token_v1=secrets.token_hex(20),
        token_v2=f"nbt_{_random(12)}.{_random(40)}",
        database_password=_random(24),
        redis_password=_random(24),
        secret_key=_random(60),
        token_pepper=_random(60),
    )


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _ports_of_others(own: Path | None) -> set[int]:
    ports: set[int] = set()
    for file in cache_home().glob("instances/*/settings.json"):
        other = load_settings(file) if file != own else None
        ports.update(other.ports.values() if other else ())
    return ports
