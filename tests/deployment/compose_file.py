"""docker-compose.yml as an engine understands it: variables filled in, start order worked out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

REPOSITORY = Path(__file__).parents[2]
COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
ENV_EXAMPLE = REPOSITORY / ".env.example"
OURS = ("server", "worker")

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\})")


def variables_named(text: str) -> set[str]:
    """Those that the text wants to have filled in."""
    return {match["name"] for match in _VARIABLE.finditer(text) if match["name"]}


def fill_in(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables, and `$$` as a dollar. Raises KeyError for one that must be set."""

    def value(match: re.Match[str]) -> str:
        name, kind, default = match["name"], match["kind"], match["text"]
        if name is None:
            return "$"
        if given := variables.get(name):
            return given
        if kind == "-":
            return default
        raise KeyError(f"{name} is not set: {default}")

    return _VARIABLE.sub(value, text)


def load(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file; what is handed on by name only is there with its value, or not at all."""
    document = _filled(yaml.safe_load(COMPOSE_FILE.read_text()), variables)
    for service in document["services"].values():
        handed_on = {name: variables.get(name) for name in service.get("environment", {})}
        service["environment"] = {
            name: value if value is not None else handed_on[name]
            for name, value in service.get("environment", {}).items()
            if value is not None or handed_on[name] is not None
        }
    return document


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return fill_in(value, variables)
    if isinstance(value, dict):
        return {name: _filled(part, variables) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, variables) for part in value]
    return value


def start_order(services: Mapping[str, Any]) -> list[str]:
    """Names of the services, each after those that it waits for. Raises CycleError."""
    return list(
        TopologicalSorter(
            {name: service.get("depends_on", {}) for name, service in services.items()}
        ).static_order()
    )


def new_environment(folder: Path, *profiles: str) -> dict[str, str]:
    """What `deploy/new-env.sh` makes for these profiles, in a copy of what it needs."""
    done = run_new_env(folder, *profiles)
    assert done.returncode == 0, done.stderr
    return {name: value or "" for name, value in dotenv_values(folder / ".env", interpolate=False).items()}


def run_new_env(folder: Path, *profiles: str) -> subprocess.CompletedProcess[str]:
    """Run it in `folder` as if that were the repository."""
    (folder / "deploy").mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "deploy/new-env.sh", folder / "deploy")
    shutil.copy(ENV_EXAMPLE, folder)
    return subprocess.run(
        [folder / "deploy/new-env.sh", *profiles], capture_output=True, text=True, timeout=30, check=False
    )
