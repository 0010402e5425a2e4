"""The manifests: valid for Kubernetes, at one with each other, and with what the product really takes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import pytest
import requests
import typer
import yaml
from redis import Redis
from redis.exceptions import RedisError

from netbox_mcp import __version__
from netbox_mcp.auth import OPEN_PATHS
from netbox_mcp.cli import app
from netbox_mcp.config import Settings, load_settings, variable_of
from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.sandbox.ports import choose_port
from netbox_mcp.sandbox.processes import end_with_parent
from netbox_mcp.sandbox.redis_server import find_redis_binary
from netbox_mcp.stack import Stack
from orchestrator.netbox import load_targets
from orchestrator.netbox.settings import _VARIABLES as TARGET_VARIABLES
from tests.contract.clients import PROGRAM
from tests.deployment.conftest import REPOSITORY
from tests.deployment.manifests import (
    KUBERNETES,
    KUSTOMIZATION,
    Manifest,
    Workload,
    kustomizations,
    manifests,
    matches,
    read_kustomization,
    settings_in,
    workloads,
)
from tests.integration.worker_process import wait_for
from workers.worker import HAND_BACK_SECONDS, SIGN_OFF_SECONDS

PAGE = REPOSITORY / "docs" / "deployment-kubernetes.md"
OLDEST, NEWEST = "1.25", "1.37"
KNOWN_VARIABLES = {variable_of(name) for name in Settings.model_fields} | set(TARGET_VARIABLES.values())
MOST_WAITING_SECONDS = 5
"""That the server leaves requests which are under way, once it is told to stop (http_app.py)."""

ALL = workloads()
OURS = [one for one in ALL if one.is_ours]
by_name = pytest.mark.parametrize("workload", ALL, ids=lambda one: one.name)
ours_by_name = pytest.mark.parametrize("workload", OURS, ids=lambda one: one.name)


def called(one: Manifest) -> str:
    return f"{one['kind']}-{one['metadata']['name']}"


# the files


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", manifests(), ids=called)
def test_kubernetes_takes_it(manifest: Manifest, version: str) -> None:
    assert kubernetes_validate.validate(manifest, version, strict=True) == version


def test_the_schemas_notice_a_word_that_kubernetes_does_not_know() -> None:
    misspelt = yaml.safe_load((KUBERNETES / "base" / "workers.yaml").read_text())
    misspelt["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, NEWEST, strict=True)


def test_the_page_names_the_versions_that_are_checked() -> None:
    assert f"({OLDEST} or later)" in PAGE.read_text()


def test_every_file_is_named_by_the_kustomization_beside_it() -> None:
    named = {folder / KUSTOMIZATION for folder in kustomizations()}
    for folder in kustomizations():
        said = read_kustomization(folder)
        named |= {folder / name for name in said.get("resources", []) if (folder / name).is_file()}
        named |= {folder / name for one in said.get("configMapGenerator", []) for name in one.get("envs", [])}
        for other in (*said.get("resources", []), *said.get("components", [])):
            assert (folder / other).exists(), f"{folder}: {other}"
    assert {path for path in KUBERNETES.rglob("*") if path.is_file()} == named


def test_the_example_names_every_component_be_it_as_a_comment() -> None:
    text = (KUBERNETES / "example" / KUSTOMIZATION).read_text()
    named = set(re.findall(r"^ +(?:# )?- \.\./components/(\S+)$", text, re.MULTILINE))
    assert named == {path.name for path in (KUBERNETES / "components").iterdir()}


def test_the_example_changes_what_is_there() -> None:
    said = read_kustomization(KUBERNETES / "example")
    assert {one["name"] for one in said["replicas"]} <= {one.name for one in ALL}
    assert {one["name"] for one in said["images"]} == {"netbox-mcp-orchestrator"}
    assert {str(one["newTag"]) for one in said["images"]} == {__version__}


# one with each other


def test_each_service_leads_to_the_pods_of_one_workload_and_to_a_port_of_theirs() -> None:
    for service in (one for one in manifests() if one["kind"] == "Service"):
        (led_to,) = [one for one in ALL if service["spec"]["selector"].items() <= one.labels.items()]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= set(led_to.ports)
        assert {port["port"] for port in service["spec"]["ports"]} <= set(led_to.ports.values())


@by_name
def test_a_workload_selects_its_own_pods_and_no_others(workload: Workload) -> None:
    selector = workload.manifest["spec"]["selector"]
    assert [one.name for one in ALL if matches(selector, one.labels)] == [workload.name]


def test_each_of_our_workloads_has_a_disruption_budget_that_lets_a_node_be_emptied() -> None:
    budgets = [one for one in manifests() if one["kind"] == "PodDisruptionBudget"]
    for workload in OURS:
        (budget,) = [one for one in budgets if matches(one["spec"]["selector"], workload.labels)]
        least = budget["spec"].get("minAvailable", 0)
        assert workload.manifest["spec"]["replicas"] > least
        assert budget["spec"].get("maxUnavailable", 1) >= 1


@by_name
def test_each_pod_is_behind_policies_for_both_directions(workload: Workload) -> None:
    policies = [one["spec"] for one in manifests() if one["kind"] == "NetworkPolicy"]
    about = [policy for policy in policies if matches(policy["podSelector"], workload.labels)]
    assert {kind for policy in about for kind in policy["policyTypes"]} == {"Ingress", "Egress"}
    let_in = [
        port["port"] for policy in about for rule in policy.get("ingress", []) for port in rule["ports"]
    ]
    assert set(let_in) == set(workload.ports)


def test_the_ingress_leads_to_the_service() -> None:
    services = {one["metadata"]["name"]: one["spec"] for one in manifests() if one["kind"] == "Service"}
    (ingress,) = [one for one in manifests() if one["kind"] == "Ingress"]
    for rule in ingress["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            assert backend["port"]["name"] in {one["name"] for one in services[backend["name"]]["ports"]}


# safe


@by_name
def test_a_pod_may_do_little(workload: Workload) -> None:
    pod, container = workload.pod, workload.container
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}


@ours_by_name
def test_only_the_state_directory_and_tmp_can_be_written(workload: Workload) -> None:
    volumes = {volume["name"]: volume for volume in workload.pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in workload.container["volumeMounts"]}
    assert set(mounts) == {workload.plain["NETBOX_MCP_STATE_DIR"], "/tmp"}
    assert all(volumes[name]["emptyDir"]["sizeLimit"] for name in mounts.values())


def test_no_manifest_holds_a_secret_and_the_page_names_each_key() -> None:
    assert [called(one) for one in manifests() if one["kind"] == "Secret"] == []
    wanted = {key for one in ALL for _, key in one.secret.values()}
    assert {name for one in ALL for name, _ in one.secret.values()} == {"netbox-mcp"}
    rows = re.findall(r"^\| `([a-z-]+)` \| (?:`(\w+)`)? ?\|", PAGE.read_text(), re.MULTILINE)
    assert {key for key, _ in rows} == wanted
    said = {key: variable for key, variable in rows if variable}
    assert all(said.get(key, name) == name for one in OURS for name, (_, key) in one.secret.items())
    made = re.findall(r"--from-literal=([a-z-]+)=", PAGE.read_text())
    optional = {"clients", "approve-token"}
    assert set(made) == wanted - optional


# one with the product


@ours_by_name
def test_what_a_pod_is_told_are_settings(workload: Workload) -> None:
    assert set(workload.plain) | set(workload.secret) <= KNOWN_VARIABLES
    assert set(settings_in(KUBERNETES / "example")) <= KNOWN_VARIABLES


@ours_by_name
def test_the_settings_can_be_read(
    workload: Workload, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in KNOWN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**workload.plain, **secrets_of(workload)}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.redis_url is not None
    assert load_targets()["default"].url == "https://netbox.example.net"


def secrets_of(workload: Workload) -> dict[str, str]:
    """Something for each variable that comes from the secret."""
    values = {
        "redis-url": "redis://:a@netbox-mcp-redis:6379/0",
        "netbox-token": "nbt_abcdefghijkl.0123456789abcdef0123456789abcdef01234567",
        "clients": "[]",
    }
    return {name: values.get(key, f"{key}-for-a-test") for name, (_, key) in workload.secret.items()}


@ours_by_name
def test_what_it_runs_is_a_command_of_ours(workload: Workload) -> None:
    commands = typer.main.get_command(app).commands
    for name, *words in workload.commands():
        commands[name].make_context(name, words)


@ours_by_name
def test_probes_ask_what_answers_without_a_token(workload: Workload) -> None:
    probes = [workload.container.get(name) for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    paths = {probe["httpGet"]["path"] for probe in probes if probe and "httpGet" in probe}
    ports = {probe["httpGet"]["port"] for probe in probes if probe and "httpGet" in probe}
    assert paths <= OPEN_PATHS
    assert ports <= set(workload.ports)
    assert workload.container["livenessProbe"]


def test_there_is_time_to_stop() -> None:
    server, worker = (next(one for one in OURS if one.name.endswith(end)) for end in ("server", "workers"))
    assert worker.pod["terminationGracePeriodSeconds"] > HAND_BACK_SECONDS + SIGN_OFF_SECONDS + 5
    pause = int(server.container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert server.pod["terminationGracePeriodSeconds"] > pause + MOST_WAITING_SECONDS + 5


@ours_by_name
def test_it_runs_the_image_of_this_version_as_the_user_of_that(workload: Workload) -> None:
    assert workload.container["image"] == f"netbox-mcp-orchestrator:{__version__}"
    dockerfile = (REPOSITORY / "deploy" / "Dockerfile").read_text()
    user, group = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE).groups()
    context = workload.pod["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
    assert f"NETBOX_MCP_STATE_DIR={workload.plain['NETBOX_MCP_STATE_DIR']}" in dockerfile


# on real processes


@pytest.fixture
def stack(netbox_sandbox: SandboxInfo, tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, netbox_sandbox.url, netbox_sandbox.token_v2) as stack:
        yield stack


def variables(workload: Workload, stack: Stack) -> dict[str, str]:
    """Those of the manifest, with the addresses of this machine."""
    ours = {**workload.plain, **secrets_of(workload)}
    here = {name: value for name, value in stack.environment.items() if name in ours}
    return {**ours, **here, "NETBOX_MCP_HOST": "127.0.0.1"}


def answers(redis: Redis) -> bool:
    """Whether this Redis is there for us."""
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def test_the_commands_run_and_their_probes_answer(stack: Stack) -> None:
    server, worker = (next(one for one in OURS if one.name.endswith(end)) for end in ("server", "workers"))
    (check,) = {tuple(words) for words in worker.commands() if words != worker.container["args"]}

    def alive() -> bool:
        asked = subprocess.run([PROGRAM, *check], env=stack.variables(variables(worker, stack)), timeout=30)
        return asked.returncode == 0

    assert not alive()
    assert worker.container["args"] == ["worker"]
    stack.start_worker(variables(worker, stack))
    wait_for(alive, "a worker that is alive")
    assert server.container["args"] == ["serve", "--transport", "http"]
    stack.start_server(variables(server, stack))
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        path = server.container[probe]["httpGet"]["path"]
        assert requests.get(f"http://127.0.0.1:{stack.port}{path}", timeout=10).status_code == 200


def test_the_redis_for_trying_out_keeps_what_it_is_told_and_asks_for_the_password(tmp_path: Path) -> None:
    (redis,) = [one for one in ALL if not one.is_ours]
    port, (shell, option, script) = choose_port(()), redis.container["command"]
    assert (shell, option) == ("sh", "-c")
    here = script.replace("valkey-server -", f"{find_redis_binary()} - --port {port} --bind 127.0.0.1")
    process = subprocess.Popen(
        [shell, option, here.replace("/data", str(tmp_path))],
        env={"PATH": "/usr/bin:/bin", "REDIS_PASSWORD": "sesame-open"},
        stdout=subprocess.DEVNULL,
        preexec_fn=end_with_parent,
    )
    try:
        with Redis(port=port, password="sesame-open") as client, Redis(port=port) as stranger:
            wait_for(lambda: answers(client), "Redis")
            assert client.config_get("appendonly", "maxmemory-policy") == {
                "appendonly": "yes",
                "maxmemory-policy": "noeviction",
            }
            assert not answers(stranger)
    finally:
        process.terminate()
    assert process.wait(20) == 0  # it is told to stop itself, not a shell around it
    with Redis(port=port, password="sesame-open") as client:
        assert not answers(client)
