"""The command line with a Redis and a worker: tasks are followed, left alone, cancelled and reported."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

from netbox_mcp.cli.output import ExitCode
from tests.contract.clients import CommandLine, assert_sentence, write
from tests.contract.documents import campus
from tests.integration.worker_process import SLOWLY, NetBoxOverHttp


def test_ctrl_c_leaves_the_task_alone_and_says_how_to_come_back(
    dead_netbox: str, with_redis: str, cli: CommandLine
) -> None:
    log = cli.folder / "apply.log"
    process = cli.start("apply", write(cli, campus("x")), "--yes", log=log)
    deadline = time.monotonic() + 30
    while "No worker is listening" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == ExitCode.INTERRUPTED
    match = re.search(r"Come back with: netbox-mcp status (\S+) --watch", log.read_text())
    assert match
    assert cli("status", match[1], "--json").json["status"] == "queued"
    assert "Traceback" not in log.read_text()


def test_a_task_is_followed_listed_and_reported(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, prefix: str
) -> None:
    name = write(cli, campus(prefix))
    planned = cli("plan", name)
    plan_id = re.search(r"apply --plan (\S+)", planned.err)
    assert plan_id, planned.err
    worker = cli.start("worker", log=cli.folder / "worker.log")
    try:
        unasked = cli("apply", "--plan", plan_id[1])
        assert_sentence(unasked, ExitCode.NOT_CONFIRMED)
        assert cli("tasks", "--all", "--json").json == []
        applied = cli("apply", "--plan", plan_id[1], "--yes")
        assert applied.code == 0, applied.err
        assert re.search(r"^devices +3$", applied.out, re.MULTILINE)
        [task] = cli("tasks", "--all", "--json").json
        report = cli("report", task["task_id"], "--json")
        assert report.json["counts"]["devices"] == {"created": 3}
        assert len(report.json["rows"]) == 7
        assert len(cli("report", task["task_id"], "--type", "devices", "--limit", "2").out.splitlines()) == 3
        assert cli("status", task["task_id"], "--watch").code == 0
        too_late = cli("cancel", task["task_id"])
        assert_sentence(too_late, ExitCode.ERROR, "has ended already", "netbox-mcp rollback")
        stale = cli("apply", "--plan", plan_id[1], "--yes")
        assert stale.code == ExitCode.ERROR
        assert "has changed since" in stale.out + stale.err
    finally:
        worker.terminate()
        worker.wait(20)
    assert netbox.count("dcim/devices", name__isw=prefix) == 3


def test_a_running_task_is_cancelled_and_resumed(
    netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine, prefix: str
) -> None:
    name = write(cli, {"sites": [{"name": f"{prefix}-[001-600]"}]})
    log = cli.folder / "apply.log"
    worker = cli.start("worker", log=cli.folder / "worker.log", **SLOWLY)
    applying = cli.start("apply", name, "--yes", log=log)
    try:
        deadline = time.monotonic() + 60
        while not (tasks := cli("tasks", "--json").json):
            assert time.monotonic() < deadline, log.read_text()
        [task] = tasks
        while not netbox.count("dcim/sites", name__isw=prefix):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        cancelled = cli("cancel", task["task_id"], "--json")
        assert (cancelled.code, cancelled.json["status"]) == (0, "cancelled")
        assert 0 < cancelled.json["done"] < 600
        # Who follows the task learns of it, and that it has not done its work.
        assert applying.wait(30) == ExitCode.ERROR
        assert f"netbox-mcp resume {task['task_id']}" in log.read_text()
        again = cli("cancel", task["task_id"])
        assert (again.code, "Cancelled" in again.out) == (0, True)
        assert_sentence(
            cli("resume", task["task_id"], NETBOX_DRY_RUN="true"), ExitCode.USAGE, "Dry-run is on"
        )
        resumed = cli("resume", task["task_id"], "--json")
        assert (resumed.code, resumed.json["counts"]) == (0, {"created": 600})
        assert_sentence(cli("resume", task["task_id"]), ExitCode.ERROR, "there is nothing to go on with")
    finally:
        worker.terminate()
        worker.wait(20)
    assert netbox.count("dcim/sites", name__isw=prefix) == 600


def test_an_unknown_task_is_one_sentence(with_redis: str, cli: CommandLine, tmp_path: Path) -> None:
    for command in ("status", "report", "cancel", "resume"):
        assert_sentence(cli(command, "t-000000000000"), ExitCode.ERROR, "There is no task")
