"""The command line as people and scripts meet it: sentences, exit codes, JSON; never a traceback."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest

from netbox_mcp.cli.output import ExitCode
from tests.contract.clients import PROGRAM, CommandLine, assert_sentence, write
from tests.contract.documents import FIVE_ERRORS, campus, many_errors
from tests.integration.worker_process import NetBoxOverHttp

# Without any service


def test_help_names_the_commands_and_the_exit_codes(cli: CommandLine) -> None:
    run = cli("--help", COLUMNS="300")
    assert run.code == 0
    for command in (
        "serve",
        "worker",
        "plan",
        "apply",
        "status",
        "tasks",
        "report",
        "cancel",
        "doctor",
        "sandbox",
    ):
        assert re.search(rf"\b{command}\b", run.out), command
    for code in ExitCode:
        assert re.search(rf"\b{code.value}\b", run.out.partition("Exit codes")[2]), code


def test_the_version_is_told(cli: CommandLine) -> None:
    run = cli("--version")
    assert (run.code, bool(re.fullmatch(r"\d+\.\d+\.\d+\S*\n", run.out))) == (0, True)


def test_doctor_works_where_nothing_is_configured(cli: CommandLine) -> None:
    run = cli("doctor")
    assert run.code == ExitCode.ERROR
    assert "NETBOX_URL is not set" in run.out
    assert "REDIS_URL is not set" in run.out
    assert "Traceback" not in run.err
    assert cli("doctor", "--json").json["status"] == "down"


def test_doctor_says_that_hosts_do_not_answer(dead_netbox: str, cli: CommandLine) -> None:
    run = cli("doctor", REDIS_URL="redis://:sesame@127.0.0.1:1/0")
    assert run.code == ExitCode.ERROR
    assert run.out.count("!!") == 2
    assert "sesame" not in run.out + run.err


def test_a_wrong_setting_is_one_sentence(cli: CommandLine) -> None:
    run = cli("plan", write(cli, campus("x")), NETBOX_MCP_PORT="many", NETBOX_URL="http://127.0.0.1:1")
    assert run.code == ExitCode.ERROR
    assert "Traceback" not in run.err


def test_no_such_file(dead_netbox: str, cli: CommandLine) -> None:
    for command in ("plan", "apply"):
        assert_sentence(cli(command, "nowhere.yaml"), ExitCode.USAGE, "There is no file nowhere.yaml.")


def test_an_empty_folder_and_a_picture_are_no_documents(dead_netbox: str, cli: CommandLine) -> None:
    (cli.folder / "album").mkdir()
    assert_sentence(cli("plan", "album"), ExitCode.USAGE, "There is no document in album.")
    (cli.folder / "album" / "picture.yaml").write_bytes(b"\x89PNG\xff\xfe")
    assert_sentence(cli("plan", "album/picture.yaml"), ExitCode.USAGE, "is not UTF-8 text")
    assert_sentence(cli("plan", "album"), ExitCode.USAGE, "album/picture.yaml is not UTF-8 text")


def test_broken_syntax_names_the_line(dead_netbox: str, cli: CommandLine) -> None:
    (cli.folder / "broken.yaml").write_text("sites:\n  - {name: a\n  - b\n")
    assert_sentence(cli("plan", "broken.yaml"), ExitCode.INVALID_DOCUMENT, "broken.yaml:4: cannot be read")


def test_all_document_errors_are_shown(dead_netbox: str, cli: CommandLine) -> None:
    run = cli("plan", write(cli, many_errors(57)))
    assert_sentence(run, ExitCode.INVALID_DOCUMENT)
    assert len(re.findall(r"^  manufacturers\[\d+\]\.colour: unknown field", run.err, re.MULTILINE)) == 57


def test_errors_in_json_keep_the_shape_and_hold_all(dead_netbox: str, cli: CommandLine) -> None:
    run = cli("apply", write(cli, many_errors(57)), "--sync", "--yes", "--json")
    assert run.code == ExitCode.INVALID_DOCUMENT
    error = run.json["error"]
    assert error["code"] == "invalid_document"
    assert error["detail_count"] == len(error["details"]) == 57


def test_a_document_may_come_through_a_pipe(dead_netbox: str, cli: CommandLine) -> None:
    run = cli("plan", "-", stdin=json.dumps(FIVE_ERRORS))
    assert_sentence(run, ExitCode.INVALID_DOCUMENT, "devicez: unknown object type")


def test_an_unreachable_netbox(dead_netbox: str, cli: CommandLine) -> None:
    run = cli("plan", write(cli, campus("x")))
    assert_sentence(run, ExitCode.UNREACHABLE)
    assert "nbt_" not in run.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["apply", "document.json", "--yes"],
        ["apply", "document.json"],
        ["apply", "--plan", "p-000000000000", "--yes"],
        ["status", "t-000000000000"],
        ["tasks"],
        ["report", "t-000000000000"],
    ],
)
def test_without_redis_background_work_says_what_to_do(
    dead_netbox: str, cli: CommandLine, arguments: list[str]
) -> None:
    write(cli, campus("x"))
    assert_sentence(cli(*arguments), ExitCode.UNREACHABLE, "REDIS_URL is not set", "apply --sync")


def test_a_worker_without_redis_is_one_sentence(cli: CommandLine) -> None:
    assert_sentence(cli("worker"), ExitCode.UNREACHABLE, "REDIS_URL is not set")


@pytest.mark.parametrize(
    "arguments",
    [
        ["apply"],
        ["apply", "document.json", "--plan", "p-1"],
        ["apply", "--plan", "p-1", "--sync"],
        ["apply", "document.json", "--sync", "--idempotency-key", "k"],
        ["plan"],
        ["nonsense"],
        ["plan", "document.json", "--nonsense"],
        ["serve", "--port", "99999"],
    ],
)
def test_wrong_usage(dead_netbox: str, cli: CommandLine, arguments: list[str]) -> None:
    write(cli, campus("x"))
    assert_sentence(cli(*arguments), ExitCode.USAGE)


def test_wrong_usage_is_json_too_where_that_was_asked_for(cli: CommandLine) -> None:
    run = cli("plan", "document.json", "--json", "--nonsense")
    assert run.code == ExitCode.USAGE
    assert run.json["error"]["code"] == "invalid_arguments"
    assert "--nonsense" in run.json["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["serve", "--transport", "http"], "NETBOX_MCP_STATE_DIR"),
        (["sandbox", "up"], "NETBOX_MCP_SANDBOX_HOME"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_sentence(
    cli: CommandLine, arguments: list[str], variable: str
) -> None:
    run = cli(*arguments, **{variable: "/proc/nowhere"})
    assert_sentence(run, ExitCode.ERROR, "Error: ", "/proc/nowhere", variable)
    assert "unforeseen" not in run.err


def test_a_report_on_an_unknown_object_type_makes_a_suggestion(dead_netbox: str, cli: CommandLine) -> None:
    run = cli("report", "t-000000000000", "--type", "device")
    assert_sentence(run, ExitCode.USAGE, "no object type 'device'", "Did you mean devices?")


def test_a_wrong_document_ends_the_demo_before_it_begins(cli: CommandLine) -> None:
    run = cli("demo", write(cli, FIVE_ERRORS), NETBOX_MCP_SANDBOX_HOME=str(cli.folder / "home"))
    assert_sentence(run, ExitCode.INVALID_DOCUMENT, "devicez: unknown object type")
    assert not (cli.folder / "home").exists()


def test_debug_shows_the_traceback(dead_netbox: str, cli: CommandLine) -> None:
    run = cli("--debug", "plan", "nowhere.yaml")
    assert run.code == ExitCode.ERROR
    assert "Traceback" in run.err


def test_debug_logs_are_there_in_the_server_too(dead_netbox: str, cli: CommandLine) -> None:
    usual, debug = cli("serve"), cli("--debug", "serve")  # stdin is empty: it ends at once
    assert (usual.code, debug.code) == (0, 0)
    assert "level=debug" not in usual.err
    assert "level=debug" in debug.err


# On a NetBox, without Redis


def test_a_plan_is_text_json_and_a_file(netbox: NetBoxOverHttp, cli: CommandLine, prefix: str) -> None:
    name = write(cli, campus(prefix))
    text = cli("plan", name)
    assert text.code == 0, text.err
    assert "devices: 3 to create" in text.out
    assert "7 to create, 0 to update, 0 unchanged" in text.out
    data = cli("plan", name, "--json", "--out", "plan.json")
    assert data.json["counts"]["devices"] == {"create": 3}
    assert data.json["plan_id"] is None  # no Redis to keep it in
    assert {"plan_id": None, **json.loads((cli.folder / "plan.json").read_text())} == data.json
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_unconfirmed_in_a_pipe_nothing_is_written(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    run = cli("apply", write(cli, campus(prefix)), "--sync")
    assert_sentence(run, ExitCode.NOT_CONFIRMED, "Not confirmed; nothing was written.", "--yes")
    assert "7 to create" in run.out
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


def test_synchronous_apply_and_once_more(netbox: NetBoxOverHttp, cli: CommandLine, prefix: str) -> None:
    name = write(cli, campus(prefix))
    first = cli("apply", name, "--sync", "--yes")
    assert first.code == 0, first.err
    assert re.search(r"^devices +3$", first.out, re.MULTILINE)
    assert "devices (" in first.err
    assert netbox.count("dcim/devices", name__isw=prefix) == 3
    again = cli("apply", name, "--sync", "--yes", "--json")
    assert again.json["totals"]["unchanged"] == 7
    assert again.json["write_requests"] == 0
    unasked = cli("apply", name, "--sync")
    assert unasked.code == 0
    assert "nothing to do" in unasked.out + unasked.err


def test_two_at_the_same_moment_do_the_work_once(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    name = write(cli, campus(prefix, devices=20))
    runs = [
        cli.start("apply", name, "--sync", "--yes", "--json", log=cli.folder / f"{at}.log") for at in (1, 2)
    ]
    totals = [json.loads(run.communicate(timeout=80)[0])["totals"] for run in runs]
    assert sorted(total["created"] for total in totals) == [0, 24]
    assert sorted(total["unchanged"] for total in totals) == [0, 24]
    assert netbox.count("dcim/devices", name__isw=prefix) == 20


def test_ctrl_c_stops_synchronous_work_between_two_writes(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str
) -> None:
    name = write(cli, campus(prefix, devices=80))
    log = cli.folder / "apply.log"
    process = cli.start("apply", name, "--sync", "--yes", log=log)
    deadline = time.monotonic() + 60
    while "devices (" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == ExitCode.INTERRUPTED
    assert "Stopped. What was written stays" in log.read_text()
    assert "Traceback" not in log.read_text()
    found = netbox.count("dcim/devices", name__isw=prefix)
    assert found < 80
    again = cli("apply", name, "--sync", "--yes", "--json").json["totals"]
    assert (again["created"], again["unchanged"]) == (80 - found, 4 + found)


def test_an_apply_with_failures_ends_with_3(netbox: NetBoxOverHttp, cli: CommandLine, prefix: str) -> None:
    document = campus(prefix, devices=1)
    model = document["devices"][0]
    document["devices"].append({**model, "name": f"{prefix}-owner", "asset_tag": prefix})
    cli("apply", write(cli, document), "--sync", "--yes")
    document["devices"][1] = {**model, "name": f"{prefix}-thief", "asset_tag": prefix}
    run = cli("apply", write(cli, document), "--sync", "--yes")
    assert_sentence(run, ExitCode.WITH_ERRORS, f"{prefix}-thief", "asset tag")


@pytest.mark.parametrize("switch", ["flag", "variable"])
def test_in_dry_run_nothing_is_written(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str, switch: str
) -> None:
    name = write(cli, campus(prefix))
    if switch == "flag":
        run = cli("apply", name, "--sync", "--yes", "--dry-run")
    else:
        run = cli("apply", name, "--sync", "--yes", NETBOX_DRY_RUN="true")
    assert run.code == 0
    assert "7 to create" in run.out
    assert "Dry-run is on" in run.err
    assert netbox.count("dcim/sites", name__isw=prefix) == 0


@pytest.mark.parametrize(
    ("answer", "code", "devices"), [("y\n", 0, 3), ("n\n", 5, 0), ("\x04", 5, 0), ("\x03", 130, 0)]
)
def test_on_a_terminal_the_person_is_asked(
    netbox: NetBoxOverHttp, cli: CommandLine, prefix: str, answer: str, code: int, devices: int
) -> None:
    process, parent = open_terminal(cli, "apply", write(cli, campus(prefix)), "--sync")
    shown = read_terminal(parent, until="[y/N]")
    time.sleep(1)  # Python acts on a Ctrl-C between question and reading only with the next key
    os.write(parent, answer.encode())
    read_terminal(parent)
    assert process.wait(30) == code
    os.close(parent)
    assert "Write 7 changes to target 'default'?" in shown
    assert netbox.count("dcim/devices", name__isw=prefix) == devices


def open_terminal(cli: CommandLine, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Run a command on a terminal of its own; the descriptor is that of the person before it."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=cli.folder,
        env={**cli.environment, "TERM": "xterm"},
        stdin=child,
        stdout=child,
        stderr=child,
        preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),  # for Ctrl-C to reach it
    )
    os.close(child)
    return process, parent


def read_terminal(descriptor: int, until: str = "", seconds: float = 30) -> str:
    """What appears on a terminal, until a text does or the program has closed it."""
    shown, deadline = "", time.monotonic() + seconds
    while not until or until not in shown:
        assert select.select([descriptor], [], [], deadline - time.monotonic())[0], shown
        try:
            shown += os.read(descriptor, 4096).decode(errors="replace")
        except OSError:  # the other side is closed
            return shown
    return shown
