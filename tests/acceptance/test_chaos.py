"""A small dose of `make chaos`: disturbed batches end as if nobody had disturbed them."""

from __future__ import annotations

import pytest

from netbox_mcp.sandbox import Sandbox, SandboxInfo
from tests.chaos.scene import Scene


@pytest.fixture(scope="module")
def scene(netbox_sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(Sandbox(netbox_sandbox.name), netbox_sandbox, tmp_path_factory.mktemp("chaos"))


@pytest.mark.parametrize(("kind", "seed"), [("kill", 1), ("kill", 2), ("redis", 1), ("netbox", 1)])
def test_a_disturbed_batch_ends_as_if_nothing_had_happened(scene: Scene, kind: str, seed: int) -> None:
    ended = scene.run(kind, seed)
    assert ended.injuries
    assert ended.well, (ended.injuries, ended.status, ended.lost[:5], ended.doubled[:5])
