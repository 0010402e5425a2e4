"""`netbox-mcp doctor` on a real NetBox and Redis: what it finds, and what it says to do."""

from __future__ import annotations

from typing import Any

import pytest

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.diagnosis import MOST_CLOCK_SECONDS, _clocks
from orchestrator.catalog import OBJECT_TYPES
from tests.contract.clients import CommandLine, Run
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam, wait_for

MODELS = [row.model for row in OBJECT_TYPES.values()]


def found(run: Run) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in run.json["checks"]}


def test_all_is_well_and_nothing_is_written(
    netbox: NetBoxOverHttp, with_redis: str, team: WorkerTeam, cli: CommandLine
) -> None:
    netbox.define_metadata()
    team.start()
    wait_for(lambda: cli("call", "netbox_get_queue_info").json["workers"], "the worker listens")
    before = netbox.count("core/object-changes")
    run = cli("doctor", "--json")
    checks = found(run)
    assert list(checks) == [
        "netbox", "redis", "workers", "rights", "drift", "netbox-rq", "clock", "latency", "clock:redis",
    ]  # fmt: skip
    assert [name for name, check in checks.items() if not check["ok"] or check["hint"]] == []
    assert (run.code, run.json["status"]) == (ExitCode.OK, "ok")
    assert checks["rights"]["found"] == "the token may read, create and change all 8 types of documents"
    assert checks["drift"]["found"] == "can be told: its custom fields are there"
    assert netbox.count("core/object-changes") == before
    assert all(line.startswith("ok ") for line in cli("doctor").out.splitlines())


def test_what_the_token_may_not_do_is_told_by_type(netbox: NetBoxOverHttp, cli: CommandLine) -> None:
    kept = [model for model in MODELS if model not in ("dcim.interface", "extras.customfield")]
    token = netbox.token_that_may((kept, ("view",)), (["dcim.site"], ("add", "change")))
    run = cli("doctor", "--json", NETBOX_TOKEN=token)
    checks = found(run)
    assert run.code == ExitCode.ERROR
    told = checks["rights"]["found"]
    assert told.startswith("the token may not read interfaces; create manufacturers, device_roles, ")
    assert "sites" not in told
    assert "object permissions" in checks["rights"]["hint"]
    assert "may not view custom fields" in checks["drift"]["found"]
    looking = netbox.token_that_may((MODELS, ("view",)))
    dry = found(cli("doctor", "--json", NETBOX_TOKEN=looking, NETBOX_DRY_RUN="true"))["rights"]
    assert (dry["ok"], "dry-run is on" in dry["found"]) == (True, True)


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (0.4, "agrees with ours"),
        (-MOST_CLOCK_SECONDS, "agrees with ours"),
        (90.2, "is 90 s ahead of ours"),
        (-7, "is 7 s behind ours"),
        (None, "does not tell the time"),
    ],
)
def test_clocks_are_compared(ahead: float | None, words: str) -> None:
    finding = _clocks("NetBox", ahead)
    assert words in finding.found
    assert bool(finding.hint) is (ahead is not None and abs(ahead) > MOST_CLOCK_SECONDS)
