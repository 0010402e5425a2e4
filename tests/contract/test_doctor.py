"""`netbox-mcp doctor` on a real NetBox and Redis: what it finds, and what it says to do."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.diagnosis import MOST_CLOCK_SECONDS, _clocks
from orchestrator.catalog import ENSURED, OBJECT_TYPES
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
        "netbox", "redis", "workers",
        "rights", "changelog", "drift", "netbox-rq", "clock", "latency", "clock:redis",
    ]  # fmt: skip
    assert [name for name, check in checks.items() if not check["ok"] or check["hint"]] == []
    assert (run.code, run.json["status"]) == (ExitCode.OK, "ok")
    assert (
        checks["rights"]["found"]
        == f"the token may read, create and change all {len(ENSURED)} types of documents"
    )
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
    assert told.startswith(
        "the token may not read interfaces, custom_fields; create manufacturers, regions, "
    )
    assert "sites" not in told
    assert "object permissions" in checks["rights"]["hint"]
    assert "to which documents can point" not in told
    assert "may not view custom fields" in checks["drift"]["found"]
    assert checks["drift"]["hint"] == "Let its user view custom fields."
    assert not checks["changelog"]["ok"]
    looking = netbox.token_that_may((MODELS, ("view",)))
    dry = found(cli("doctor", "--json", NETBOX_TOKEN=looking, NETBOX_DRY_RUN="true"))["rights"]
    assert (dry["ok"], "dry-run is on" in dry["found"]) == (True, True)


def test_what_documents_point_to_must_be_seen(netbox: NetBoxOverHttp, cli: CommandLine) -> None:
    declared = [OBJECT_TYPES[name].model for name in ENSURED]
    seen = [model for model in MODELS if model != "users.user"]
    token = netbox.token_that_may(
        (seen, ("view",)), (declared, ("add", "change")), (["core.objectchange"], ("view",))
    )
    checks = found(cli("doctor", "--json", NETBOX_TOKEN=token))
    assert checks["rights"]["found"] == "the token may not read users, to which documents can point"
    assert checks["changelog"]["ok"]
    assert checks["drift"]["found"].startswith("can be told")


def test_all_that_is_wrong_with_redis_is_told_at_once(with_redis: str, cli: CommandLine) -> None:
    with Redis.from_url(with_redis) as redis:
        wrong = {"appendonly": "no", "maxmemory": "200mb", "maxmemory-policy": "allkeys-lru"}
        before = {name: redis.config_get(name)[name] for name in wrong}
        try:
            for name, value in wrong.items():
                redis.config_set(name, value)
            told = found(cli("doctor", "--json"))["redis"]
        finally:
            for name, value in before.items():
                redis.config_set(name, value)
            # Until it has written the new file, Redis refuses to be stopped.
            wait_for(lambda: not redis.info("persistence")["aof_rewrite_in_progress"], "the new file")
    assert not told["ok"]
    assert "maxmemory-policy allkeys-lru" in told["found"]
    assert "a restart loses tasks and journals" in told["found"]
    assert told["hint"] == "Set 'maxmemory-policy noeviction'. Set 'appendonly yes'."


@pytest.mark.parametrize(
    ("change", "words", "way"),
    [
        ({"NETBOX_TOKEN": "nbt_abcdefghijkl.0123456789"}, "does not accept the token", "NETBOX_TOKEN"),
        ({"NETBOX_URL": "http://127.0.0.1:1"}, "does not answer", "Check NETBOX_URL"),
        ({"REDIS_URL": "redis://127.0.0.1:1"}, "cannot be reached", "Start Redis"),
        ({"REDIS_URL": "localhost:6379"}, "not a valid Redis address", "redis://"),
    ],
)
def test_what_is_configured_wrongly_is_one_finding(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, change: dict[str, str], words: str, way: str
) -> None:
    run = cli("doctor", "--json", **change)
    wrong = [one for one in run.json["checks"] if not one["ok"] and one["name"] != "workers"]
    assert run.code == ExitCode.ERROR
    assert [words in one["found"] for one in wrong] == [True]
    assert way in wrong[0]["hint"]


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
