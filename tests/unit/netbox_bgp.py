"""What NetBox says of the lists of netbox-bgp 0.20.2; tests/contract/test_plugins.py compares the two."""

from __future__ import annotations

from pathlib import Path

import orjson

from orchestrator.plugin_types import list_from_data

BGP_LISTS = {
    name: list_from_data(one)
    for name, one in orjson.loads(Path(__file__).with_name("netbox_bgp_lists.json").read_bytes()).items()
}
