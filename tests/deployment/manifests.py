"""The manifests of deploy/kubernetes as data: what kustomize would put together, read without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.conftest import DEPLOY

KUBERNETES = DEPLOY / "kubernetes"
KUSTOMIZATION = "kustomization.yaml"
WORKLOADS = ("Deployment", "StatefulSet")

Manifest = dict[str, Any]


def kustomizations() -> list[Path]:
    """The folders that have one."""
    return sorted(path.parent for path in KUBERNETES.rglob(KUSTOMIZATION))


def read_kustomization(folder: Path) -> dict[str, Any]:
    """What a folder says of itself."""
    return yaml.safe_load((folder / KUSTOMIZATION).read_text())


def manifests() -> list[Manifest]:
    """Every object of every file that a kustomization names."""
    files = [
        folder / name
        for folder in kustomizations()
        for name in read_kustomization(folder).get("resources", [])
    ]
    return [one for path in files if path.is_file() for one in yaml.safe_load_all(path.read_text())]


def settings_in(folder: Path) -> dict[str, str]:
    """What the ConfigMap of a kustomization holds."""
    lines: list[str] = []
    for generator in read_kustomization(folder).get("configMapGenerator", []):
        lines += generator.get("literals", [])
        for name in generator.get("envs", []):
            lines += (folder / name).read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


@dataclass(frozen=True)
class Workload:
    """A Deployment or a StatefulSet, with what one looks for in it."""

    manifest: Manifest

    @property
    def name(self) -> str:
        return self.manifest["metadata"]["name"]

    @property
    def pod(self) -> dict[str, Any]:
        return self.manifest["spec"]["template"]["spec"]

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of its pods."""
        return self.manifest["spec"]["template"]["metadata"]["labels"]

    @property
    def container(self) -> dict[str, Any]:
        (only,) = self.pod["containers"]
        return only

    @property
    def is_ours(self) -> bool:
        """Whether our image runs in it."""
        return self.container["image"].startswith("netbox-mcp-orchestrator:")

    @property
    def ports(self) -> Mapping[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}

    @property
    def plain(self) -> dict[str, str]:
        """The variables that stand in it, and those of the ConfigMap if it takes them."""
        given = {one["name"]: one["value"] for one in self.container["env"] if "value" in one}
        taken = [one["configMapRef"]["name"] for one in self.container.get("envFrom", [])]
        return {**(settings_in(KUBERNETES / "base") if taken == ["netbox-mcp"] else {}), **given}

    @property
    def secret(self) -> dict[str, tuple[str, str]]:
        """Variable -> the secret and its key."""
        references = {one["name"]: one["valueFrom"] for one in self.container["env"] if "value" not in one}
        assert all(list(reference) == ["secretKeyRef"] for reference in references.values())
        return {
            name: (reference["secretKeyRef"]["name"], reference["secretKeyRef"]["key"])
            for name, reference in references.items()
        }

    def commands(self) -> Iterator[list[str]]:
        """Every command line of ours that is in it, without the name of the program."""
        if "args" in self.container:
            yield self.container["args"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            command = self.container.get(probe, {}).get("exec", {}).get("command")
            if command is not None:
                assert command[0] == "netbox-mcp"
                yield command[1:]


def workloads() -> list[Workload]:
    """All that run pods."""
    return [Workload(one) for one in manifests() if one["kind"] in WORKLOADS]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of Kubernetes takes pods with these labels."""
    wanted = dict(selector.get("matchLabels", {}))
    if any(labels.get(name) != value for name, value in wanted.items()):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True
