"""Every type that a document may declare, on the NetBox in memory: as on the real one (tests/netbox)."""

from __future__ import annotations

import pytest

from orchestrator.catalog import ENSURED
from orchestrator.testing import MemoryNetBox
from tests.netbox.type_contract import check_types


@pytest.mark.parametrize("object_type", ENSURED)
def test_objects_are_made_and_made_again_and_changed_and_taken_back(object_type: str) -> None:
    netbox = MemoryNetBox()
    netbox.create("users", [{"username": "admin"}], "by hand")
    check_types(netbox, [object_type], "t1")
