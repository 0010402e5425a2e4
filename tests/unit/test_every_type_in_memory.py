"""Every type that a document may declare, on the NetBox in memory: as on the real one (tests/netbox)."""

from __future__ import annotations

import pytest

from orchestrator.catalog import ENSURED
from orchestrator.testing import MemoryNetBox
from tests.netbox.type_contract import check_types


@pytest.mark.parametrize("object_type", ENSURED)
def test_objects_are_made_and_made_again_and_changed_and_taken_back(object_type: str) -> None:
    check_types(with_an_admin(), [object_type], "t1", link=False)


def test_objects_of_all_types_point_to_each_other() -> None:
    check_types(with_an_admin(), ENSURED, "t1")


def with_an_admin() -> MemoryNetBox:
    netbox = MemoryNetBox()
    netbox.create("users", [{"username": "admin"}], "by hand")
    return netbox
