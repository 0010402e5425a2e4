"""A small dose of `make chaos`: disturbed batches end as if nobody had disturbed them."""

from __future__ import annotations

import random

import pytest

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from tests.chaos.rivals import without_a_lease
from tests.chaos.scene import Ended, Scene


@pytest.fixture(scope="module")
def scene(netbox_sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(Sandbox(netbox_sandbox.name), netbox_sandbox, tmp_path_factory.mktemp("chaos"))


@pytest.mark.parametrize("kind", ["kill", "redis", "netbox", "stop"])
def test_a_disturbed_batch_ends_as_if_nothing_had_happened(scene: Scene, kind: str) -> None:
    assert_well(scene.run(kind, random.Random(f"make test {kind}")))


def test_processes_without_a_lease_make_one_copy_of_whatever_has_an_enforced_key(scene: Scene) -> None:
    assert_well(without_a_lease(scene))


def assert_well(ended: Ended) -> None:
    assert ended.injuries
    assert ended.objects
    assert ended.well, (ended.injuries, ended.wrong, ended.lost[:5], ended.doubled[:5])
