"""Fetches what a NetBox offers, and keeps it on disk: the OpenAPI document is 15 MB and takes NetBox seconds.

One file per NetBox version and set of plugins, so that targets which are alike
share it. A server that runs for weeks notices when its NetBox is upgraded.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from pathlib import Path

import orjson

from orchestrator.netbox.openapi import read_plugin_lists
from orchestrator.netbox.rest import CORE_TYPES_SINCE, NetBoxStatus, RestNetBox
from orchestrator.netbox.surface import Surface, read_surface, surface_from_data, surface_to_data
from orchestrator.netbox.whole_files import write_whole
from orchestrator.plugin_types import PluginLists

RECHECK_SECONDS = 300.0
_FORMAT = 3
_log = logging.getLogger(__name__)


class SurfaceStore:
    """The surface of one target. Threads may share it: whoever comes while it is fetched waits for it.

    `folder` is where it is kept; a folder that cannot be written to costs
    time at every start, nothing else.
    """

    def __init__(self, netbox: RestNetBox, folder: Path) -> None:
        self._netbox = netbox
        self._folder = folder
        self._lock = threading.Lock()
        self._surface: Surface | None = None
        self._name = ""
        self._checked = 0.0

    def get(self) -> Surface:
        """What this NetBox offers now. Raises UnreachableError, AccessError, NetBoxError."""
        with self._lock:
            if self._surface is None or time.monotonic() - self._checked > RECHECK_SECONDS:
                status = self._netbox.status()
                name = file_name(status)
                if self._surface is None or name != self._name:
                    self._surface, self._name = self._load(name, bool(status.plugins)), name
                self._checked = time.monotonic()
            return self._surface

    def plugin_lists(self) -> PluginLists:
        """The lists of its plugins that documents may have objects of. Raises as `get` does.

        A NetBox without plugins is not asked for its OpenAPI document.
        """
        return self.get().plugin_lists if self._netbox.status().plugins else {}

    def _load(self, name: str, plugins: bool) -> Surface:
        path = self._folder / name
        try:
            return surface_from_data(orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("%s cannot be read and is made anew (%s)", path, type(error).__name__)
        openapi, models = self._netbox.raw.openapi(), self._netbox.raw.models_by_path()
        surface = read_surface(openapi, models, read_plugin_lists(openapi, models).values())
        # Where none is told though NetBox could, of its plugins' lists too little is known to be kept.
        if models or not plugins or not self._netbox.is_since(CORE_TYPES_SINCE):
            _keep(path, orjson.dumps(surface_to_data(surface)))
        return surface


def file_name(status: NetBoxStatus) -> str:
    """The file for a NetBox of this version with these plugins."""
    told = [_FORMAT, status.version, sorted(status.plugins.items())]
    version = re.sub(r"[^\w.]+", "-", status.version)
    return f"netbox-{version}-{hashlib.sha256(orjson.dumps(told)).hexdigest()[:12]}.json"


def _keep(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        _log.warning("%s cannot be kept (%s)", path, error.strerror or type(error).__name__)
