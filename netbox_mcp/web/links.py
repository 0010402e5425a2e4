"""Where an object, or what a batch has changed, is found in NetBox's own pages."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit

from netbox_mcp.dependencies import get_netbox_config
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import OrchestratorError

Link = Callable[[str, int | None], str]


def objects_in(target: str) -> Link:
    """A function from object type and id to the object's address; empty where there is none."""
    base = address_of(target)

    def link(object_type: str, object_id: int | None) -> str:
        known = OBJECT_TYPES.get(object_type)
        return f"{base}/{known.path}/{object_id}/" if base and known and object_id else ""

    return link


def changelog_of(target: str, batch_id: str) -> str:
    """NetBox's list of changes that name the batch; empty where NetBox's address is not known here."""
    base = address_of(target)
    return f"{base}/core/changelog/?q={quote(batch_id, safe='')}" if base else ""


def address_of(target: str) -> str:
    """NetBox as a browser finds it. A target that only workers know has none here."""
    try:
        url = get_netbox_config(target).url.rstrip("/")
    except OrchestratorError:
        return ""
    return url if urlsplit(url).scheme in ("http", "https") else ""
