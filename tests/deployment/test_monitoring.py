"""Alert rules and dashboard: tried out by promtool, and in a real Prometheus that scrapes a real server."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.stack import Stack
from tests.deployment.conftest import DEPLOY, REPOSITORY, Promtool
from tests.deployment.prometheus_process import Prometheus, configured, prometheus_of
from tests.integration.worker_process import wait_for, wait_until_ended
from tests.netbox.faulty_proxy import Answer, FaultyProxy
from workers.connection import connect
from workers.manager import AsyncTaskManager
from workers.settings import WorkerSettings

RULES = DEPLOY / "prometheus" / "alerts.yml"
STORIES = REPOSITORY / "tests" / "deployment" / "alerts_test.yml"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "netbox-mcp.json").read_text())
GRAFANA = DEPLOY / "grafana" / "provisioning"
OPERATIONS = REPOSITORY / "docs" / "operations.md"

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
PANELS: dict[str, list[str]] = {
    panel["title"]: [target["expr"] for target in panel["targets"]] for panel in DASHBOARD["panels"]
}
SELECTOR = re.compile(r"netbox_mcp_\w+(?:\{[^}]*\})?")
GROUPING = re.compile(r"\b(?:by|on) \(([^)]*)\)")


# without any service


def test_the_rules_are_in_order(promtool: Promtool) -> None:
    checked = promtool("check", "rules", RULES)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


def test_the_configuration_is_in_order(promtool: Promtool, tmp_path: Path) -> None:
    checked = promtool("check", "config", configured(tmp_path, "server:8765", "a-token"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_when_it_should_and_else_not(promtool: Promtool) -> None:
    tried = promtool("test", "rules", STORIES)
    assert tried.returncode == 0, tried.stdout + tried.stderr


def test_there_is_a_story_of_each_alert_that_fires_and_of_each_that_does_not() -> None:
    looks = [
        look for story in yaml.safe_load(STORIES.read_text())["tests"] for look in story["alert_rule_test"]
    ]
    assert {look["alertname"] for look in looks if look.get("exp_alerts")} == set(ALERTS)
    assert {look["alertname"] for look in looks if not look.get("exp_alerts")} == set(ALERTS)


def test_the_runbook_has_a_place_for_each_alert_and_no_other() -> None:
    headings = re.findall(r"^#+ (NetBoxMCP\w+)$", OPERATIONS.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_no_panel_lies_upon_another() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        beneath = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or beneath, (one, other)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(PANELS) == len(places)


def test_the_dashboard_asks_whichever_prometheus_is_chosen() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    asked = [panel["datasource"] for panel in DASHBOARD["panels"]] + [variables["job"]["datasource"]]
    asked += [target["datasource"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    assert {(one["type"], one["uid"]) for one in asked} == {("prometheus", "${datasource}")}
    assert all("$job" in expression for expressions in PANELS.values() for expression in expressions)


def test_grafana_is_told_where_prometheus_and_the_dashboards_are() -> None:
    (source,) = yaml.safe_load((GRAFANA / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
    (provider,) = yaml.safe_load((GRAFANA / "dashboards" / "netbox-mcp.yml").read_text())["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards")


# on real processes


@pytest.fixture(scope="module")
def proxy(netbox_sandbox: SandboxInfo) -> Iterator[FaultyProxy]:
    with FaultyProxy(netbox_sandbox.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def prometheus(
    proxy: FaultyProxy, netbox_sandbox: SandboxInfo, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus, after a batch with a refused row, a task that failed and a NetBox that hiccuped."""
    folder = tmp_path_factory.mktemp("monitored")
    with Stack(folder, proxy.url, netbox_sandbox.token_v2) as stack:
        stack.start_server()
        config = configured(folder, f"127.0.0.1:{stack.port}", stack.bearer_token)
        settings = WorkerSettings(redis_url=stack.environment["REDIS_URL"])
        with connect(settings) as redis, prometheus_of(config, folder) as prometheus:
            redis.config_set("maxmemory", "100mb")
            wait_for(
                lambda: prometheus.query('netbox_mcp_redis_up{job="netbox-mcp"} == 1'), "the first scrape"
            )
            stack.start_worker()
            _work(AsyncTaskManager(redis, settings), proxy, prometheus)
            yield prometheus


def _work(manager: AsyncTaskManager, proxy: FaultyProxy, prometheus: Prometheus) -> None:
    """Let a worker do what there is a metric for, and wait until Prometheus has seen it."""
    proxy.aim("GET", "dcim/sites", Answer(503))
    prefix = f"mt-{secrets.token_hex(4)}"
    good = {"sites": [{"name": prefix}]}
    refused = {"device_types": [{"manufacturer": prefix, "model": prefix, "u_height": 1.3}]}
    landed = wait_until_ended(manager, manager.start_apply({**good, **refused}, "default", 3).task_id)
    assert landed.status == "completed_with_errors", landed
    lost = wait_until_ended(manager, manager.start_apply(good, "nowhere", 1).task_id)
    assert lost.status == "failed", lost
    ends = 'sum(netbox_mcp_tasks_ended_total{state=~"failed|completed_with_errors"}) == 2'
    wait_for(lambda: prometheus.query(ends), "both ends in Prometheus")


def test_everything_that_the_rules_look_at_is_there(prometheus: Prometheus) -> None:
    for name, rule in ALERTS.items():
        labels = {"job"}
        for selector in SELECTOR.findall(rule["expr"]):
            series = prometheus.query(selector)
            assert series, f"{name}: nothing is {selector}"
            labels |= {label for one in series for label in one["metric"]}
        for group in GROUPING.findall(rule["expr"]):
            assert set(group.split(", ")) <= labels, f"{name}: by ({group})"


def test_prometheus_evaluates_the_rules_and_what_has_failed_is_told(prometheus: Prometheus) -> None:
    def evaluated() -> dict[str, dict[str, Any]] | None:
        alerts = prometheus.alerts()
        done = all(rule["health"] != "unknown" for rule in alerts.values())
        return alerts if done and alerts["NetBoxMCPTasksFail"]["state"] == "firing" else None

    alerts = wait_for(evaluated, "the alert of the task that failed")
    assert set(alerts) == set(ALERTS)
    assert {rule["health"] for rule in alerts.values()} == {"ok"}
    firing = {name for name, rule in alerts.items() if rule["state"] == "firing"}
    assert firing == {"NetBoxMCPTasksFail"}


@pytest.mark.parametrize("title", PANELS)
def test_each_panel_shows_something(prometheus: Prometheus, title: str) -> None:
    for expression in PANELS[title]:
        plain = expression.replace("$job", "netbox-mcp").replace("$__rate_interval", "5m")
        # a rate is there from the second scrape on
        series = wait_for(lambda plain=plain: prometheus.query(plain), plain)
        for group in GROUPING.findall(plain.split("(max", 1)[0]):
            assert set(group.split(", ")) <= set(series[0]["metric"]) | {"le"}, plain


def test_each_panel_names_its_lines_by_labels_that_are_there(prometheus: Prometheus) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            plain = target["expr"].replace("$job", "netbox-mcp").replace("$__rate_interval", "5m")
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert all(named <= set(one["metric"]) for one in prometheus.query(plain)), panel["title"]
