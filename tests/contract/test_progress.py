"""Progress as a person sees it: in terminals wide and narrow, in a pipe, until Ctrl-C; how errors look."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from netbox_mcp.cli.output import ExitCode
from tests.contract.clients import PROGRAM, CommandLine, write
from tests.contract.terminal import in_terminal
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam

STAGES = ("manufacturers (1 of 2)", "sites (2 of 2)")


def two_stages(prefix: str, sites: int = 40) -> dict[str, Any]:
    return {
        "manufacturers": [{"name": f"{prefix}-[01-30]"}],
        "sites": [{"name": f"{prefix}-[001-{sites:03}]"}],
    }


@pytest.mark.parametrize("way", ["background", "sync"])
def test_in_a_narrow_terminal_no_line_is_broken_and_each_stage_leaves_one(
    netbox: NetBoxOverHttp, slow_team: WorkerTeam, cli: CommandLine, prefix: str, way: str
) -> None:
    options = ["--sync"] if way == "sync" else []
    if not options:
        slow_team.start()
    seen = in_terminal(cli, "apply", write(cli, two_stages(prefix)), "--yes", *options, columns=40)
    assert seen.code == 0, seen.text
    moving = [line for line in seen.lines if re.match("[⠀-⣿]", line)]
    assert moving
    assert max(map(len, moving)) <= 40
    assert any(re.search(r"\d+ of 70, .*left$", line) for line in moving), seen.text
    kept = [line for line in seen.lines if re.search(r"\): \d+ in ", line)]
    assert [line.split(":")[0].removeprefix("build ") for line in kept] == list(STAGES)
    assert re.search(r": 30 in .*\d s", kept[0])
    assert re.search(r": 40 in .*\d s", kept[1])


def test_in_a_pipe_there_are_plain_lines_with_rate_and_what_is_left(
    netbox: NetBoxOverHttp, slow_team: WorkerTeam, cli: CommandLine, prefix: str
) -> None:
    slow_team.start()
    run = cli("apply", write(cli, two_stages(prefix, 120)), "--yes", TERM="xterm-256color")
    assert run.code == 0, run.err
    assert "\x1b" not in run.out + run.err
    assert "\r" not in run.out + run.err
    lines = run.err.splitlines()
    assert any(
        re.fullmatch(r"running, build sites \(2 of 2\): \d+ of 150, \S+, .+ left", one) for one in lines
    )
    assert [one for one in lines if one.startswith("build sites (2 of 2): 120 in ")]


@pytest.mark.parametrize("columns", [40, 120])
def test_ctrl_c_in_a_terminal_leaves_the_task_alone(
    netbox: NetBoxOverHttp, slow_team: WorkerTeam, cli: CommandLine, prefix: str, columns: int
) -> None:
    slow_team.start()
    name = write(cli, two_stages(prefix, 200))
    seen = in_terminal(
        cli, "apply", name, "--yes", columns=columns, interrupt_at=lambda shown: "of 230" in shown
    )
    assert seen.code == ExitCode.INTERRUPTED, seen.text
    assert "The task goes on in the background." in seen.lines
    found = re.search(r"Come back with: netbox-mcp status (\S+) --watch", seen.text)
    assert found, seen.text
    assert "Traceback" not in seen.text
    back = cli("status", found[1], "--watch", "--json")
    assert (back.code, back.json["counts"]) == (0, {"created": 230})


def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(
    dead_netbox: str, with_redis: str, cli: CommandLine
) -> None:
    name = write(cli, {"sites": [{"name": "x"}]})
    seen = in_terminal(
        *(cli, "apply", name, "--yes"),
        columns=80,
        interrupt_at=lambda shown: "No worker is listening" in shown,
        TERM="dumb",
    )
    assert seen.code == ExitCode.INTERRUPTED
    assert not re.search("[⠀-⣿]", seen.text), seen.text
    assert re.search(r"^queued, No worker is listening on queue .*: 0 of 1$", seen.text, re.MULTILINE)


@pytest.mark.parametrize("stream", ["2>&1 |", "|", "2>/dev/null |"])
def test_whoever_reads_may_stop_reading(
    netbox: NetBoxOverHttp, slow_team: WorkerTeam, cli: CommandLine, prefix: str, stream: str
) -> None:
    """`| head -1`: nothing is broken by it, and the task goes on."""
    slow_team.start()
    name = write(cli, two_stages(prefix))
    line = f"{PROGRAM} apply {name} --yes {stream} head -1"
    run = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=cli.folder,
        env=dict(cli.environment),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert len(run.stdout.splitlines()) == 1
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr
    assert "BrokenPipe" not in run.stderr
    [task] = cli("tasks", "--all", "--json").json
    assert cli("status", task["task_id"], "--watch").code == 0
    assert netbox.count("dcim/sites", name__isw=prefix) == 40


def test_an_error_is_a_sentence_with_the_path_and_the_way_out_and_a_traceback_for_who_wants_one(
    netbox: NetBoxOverHttp, cli: CommandLine
) -> None:
    name = write(cli, {"sites": [{"name": "x"}, {"name": "y", "statuss": "active"}]})
    for command in (["validate"], ["plan"], ["apply", "--sync"]):
        run = cli(*command, name)
        assert run.code == ExitCode.INVALID_DOCUMENT
        assert re.search(r"^  sites\[1\]\.statuss: .*\(.*status.*\)$", run.err, re.MULTILINE), run.err
        assert "Traceback" not in run.err
    assert "Traceback" in cli("--debug", "validate", name).err
