"""The report of a batch as one HTML file, by the command line and over REST, of batches in a real NetBox."""

from __future__ import annotations

import getpass
import re
import subprocess
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import requests
from redis import Redis

from netbox_mcp.cli.output import ExitCode
from netbox_mcp.dependencies import get_task_manager
from netbox_mcp.web.batch_report import MAX_ROWS, open_report
from orchestrator.models import Outcome, Result
from tests.contract.clients import PROGRAM, CommandLine, assert_sentence, write
from tests.contract.documents import campus
from tests.contract.test_transports import TOKEN, HttpServer, serve
from tests.integration.worker_process import (
    NetBoxOverHttp,
    WorkerTeam,
    many_sites,
    wait_until_ended,
    wait_until_midway,
)
from workers.journal import RedisJournal
from workers.lease import Lease
from workers.status import TaskStatus

SCRIPT = "<script>document.title='broken into'</script>"
IMAGE = "\"'><img src=x onerror=alert(1)>"
TURNED = "\u202egnp.exe"
# What could load something, run something or send something.
FORBIDDEN = {"script", "img", "link", "iframe", "object", "embed", "form", "base", "audio", "video", "source"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: dict[str, str] = {}
        self._link, self._words = "", [""]
        self.feed(text)
        self.words = " ".join("".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "a":
            self._link = dict(attrs)["href"] or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = ""
        if tag not in ("bdi", "a", "code", "span"):
            self._words.append(" ")

    def handle_data(self, data: str) -> None:
        self._words.append(data)
        if self._link:
            self.links[data] = self._link


def hostile(prefix: str) -> dict[str, Any]:
    """Names that would break out of a page; one type that NetBox refuses, and a device that needs it."""
    maker, model = f"{prefix} {SCRIPT}", f"{prefix} high"
    return {
        "manufacturers": [{"name": maker, "slug": f"{prefix}-maker"}],
        "sites": [{"name": f"{prefix} {TURNED}", "slug": f"{prefix}-site"}],
        "device_roles": [{"name": f"{prefix} {IMAGE}", "slug": f"{prefix}-role"}],
        # Only NetBox knows that heights go in steps of a half.
        "device_types": [
            {"manufacturer": maker, "model": model, "slug": model.replace(" ", "-"), "u_height": 1.3}
        ],
        "devices": [
            {
                "name": f"{prefix} {SCRIPT}",
                "site": f"{prefix} {TURNED}",
                "role": f"{prefix} {IMAGE}",
                "device_type": {"manufacturer": maker, "model": model},
            }
        ],
        "options": {"expand": False},
    }


def apply(document: dict[str, Any]) -> TaskStatus:
    manager = get_task_manager()
    return wait_until_ended(manager, manager.start_apply(document, "default", 5).task_id)


@pytest.fixture
def server(netbox: NetBoxOverHttp, with_redis: str, cli: CommandLine) -> Iterator[HttpServer]:
    yield from serve(cli, REDIS_URL=with_redis, NETBOX_MCP_TOKEN=TOKEN)


def download(server: HttpServer, task_id: str) -> requests.Response:
    return requests.get(f"{server.url}/api/v1/tasks/{task_id}/report.html", headers=BEARER, timeout=60)


def test_a_batch_with_failures_and_hostile_names(
    netbox: NetBoxOverHttp, worker: WorkerTeam, cli: CommandLine, prefix: str
) -> None:
    applied = cli("apply", write(cli, hostile(prefix)), "--yes")
    assert applied.code == ExitCode.WITH_ERRORS, applied.err
    [task] = cli("tasks", "--all", "--json").json
    made = cli("report", task["task_id"], "--html", "report.html")
    assert (made.code, made.out) == (0, ""), made.err
    assert "The report is in report.html (" in made.err
    page = Page((cli.folder / "report.html").read_text(encoding="utf-8"))

    assert not page.tags & FORBIDDEN
    assert not [name for name in page.attributes if name.startswith("on") or name in ("style", "src")]
    assert not page.attributes & {"srcset", "action", "ping", "background"}
    assert TURNED not in page.text
    assert SCRIPT not in page.text
    for name in (f"{prefix} {SCRIPT}", f"{prefix} {IMAGE}", f"{prefix} [U+202E]gnp.exe"):
        assert name in page.words

    # What one wants to know of it, and what went wrong before the rest.
    for words in (
        f"Apply {task['batch_id']}",
        "completed with errors",
        f"NetBox {netbox.url}",
        f"Asked for by user:{getpass.getuser()}",
        f"netbox-mcp rollback {task['batch_id']}",
        "Type failed skipped created",
        "device_types 1 0 0",
        "all 1 1 3",
        "device_types[0]",
        "waits for device_types",
    ):
        assert words in page.words, words
    places = [page.words.index(words) for words in ("Failed (1)", "Skipped (1)", "Created (3)")]
    assert places == sorted(places)
    assert re.search(r"Failed \(1\).*height.*Skipped \(1\)", page.words)

    # Links lead to the very objects, and nowhere else.
    [site] = netbox.rows("dcim/sites", slug=f"{prefix}-site")
    assert page.links[f"{prefix} [U+202E]gnp.exe"] == f"{netbox.url}/dcim/sites/{site['id']}/"
    assert all(link.startswith(f"{netbox.url}/") for link in page.links.values())
    assert len(page.links) == 4


def test_where_a_report_can_be_written_to(
    netbox: NetBoxOverHttp, worker: WorkerTeam, cli: CommandLine, prefix: str
) -> None:
    done = apply(campus(prefix))
    (cli.folder / "kept").mkdir()
    (cli.folder / "latest.html").symlink_to(cli.folder / "kept" / "monday.html")
    (cli.folder / "kept" / "monday.html").write_text("of last week")
    assert cli("report", done.task_id, "--html", "kept").code == 0
    assert cli("report", done.task_id, "--html", "latest.html").code == 0
    assert (cli.folder / "latest.html").is_symlink()
    as_json = cli("report", done.task_id, "--html", "x.html", "--json").json
    size = (cli.folder / "x.html").stat().st_size
    assert as_json == {"task_id": done.task_id, "html": "x.html", "bytes": size}
    for where in ("-", "/dev/stdout"):
        line = f"{PROGRAM} report {done.task_id} --html {where} | head -c 15"
        shell = {"cwd": cli.folder, "env": dict(cli.environment), "capture_output": True, "text": True}
        seen = subprocess.run(["/bin/sh", "-c", line], timeout=90, **shell)
        assert (seen.stdout, seen.stderr) == ("<!DOCTYPE html>", "")
    written = [cli("report", done.task_id, "--html", where).out for where in ("-", "/dev/stdout")]
    written += [(cli.folder / "kept" / name).read_text() for name in (f"{done.batch_id}.html", "monday.html")]
    for text in written:
        assert text.startswith("<!DOCTYPE html>")
        assert text.endswith("</html>")
        assert "Created (7)" in text
    assert sorted(path.name for path in (cli.folder / "kept").iterdir()) == [
        f"{done.batch_id}.html",
        "monday.html",
    ]


def test_what_cannot_be_is_one_sentence(with_redis: str, cli: CommandLine) -> None:
    waiting = get_task_manager().start_apply({"sites": [{"name": "x"}]}, "default", 1).task_id
    for options, code, words in (
        (["--html", "nowhere/x.html"], ExitCode.USAGE, "nowhere/x.html cannot be written: no such file"),
        (["--html", "x.html", "--outcome", "failed"], ExitCode.USAGE, "of the whole batch"),
        (["--html", "-", "--json"], ExitCode.USAGE, "Give --html a file."),
    ):
        run = cli("report", waiting, *options)
        assert_sentence(run, code, *([] if "--json" in options else [words]))
        assert words in run.out + run.err
    assert_sentence(cli("report", "t-none", "--html", "x.html"), ExitCode.ERROR, "There is no task 't-none'")
    assert not list(cli.folder.glob("*x.html*"))


def test_over_rest_it_is_a_file_to_be_saved(server: HttpServer, worker: WorkerTeam, prefix: str) -> None:
    done = apply(campus(prefix))
    answer = download(server, done.task_id)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{done.batch_id}.html"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    page = Page(answer.text)
    assert "Created (7)" in page.words
    # The server's own process has not asked for it: the test has.
    assert "Asked for by" in page.words
    body = {"batch": {"sites": [{"name": f"{prefix} more"}]}, "confirm": True}
    started = requests.post(f"{server.url}/api/v1/batches", json=body, headers=BEARER, timeout=30).json()
    wait_until_ended(get_task_manager(), started["task_id"])
    assert re.search(r"Asked for by token-[0-9a-f]{8}", Page(download(server, started["task_id"]).text).words)

    unknown = download(server, "t-none")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_task")
    nobody = requests.get(f"{server.url}/api/v1/tasks/{done.task_id}/report.html", timeout=10)
    assert nobody.status_code == 401


def test_while_a_batch_runs_and_once_it_is_cancelled_and_taken_back(
    server: HttpServer, slow_team: WorkerTeam, prefix: str
) -> None:
    manager = get_task_manager()
    slow_team.start()
    task = manager.start_apply(many_sites(prefix, 200), "default", 200)
    wait_until_midway(manager, task.task_id)
    running = Page(download(server, task.task_id).text)
    assert "This report was made while the task was not over." in running.words
    assert "can be taken back once it has ended" in running.words
    assert "on the way to NetBox" in running.words
    manager.cancel(task.task_id)
    wait_until_ended(manager, task.task_id)
    cancelled = Page(download(server, task.task_id).text)
    assert f"netbox-mcp resume {task.task_id}" in cancelled.words
    assert "while the task was not over" not in cancelled.words
    assert len(cancelled.links) > 1

    back = manager.start_rollback(task.batch_id or "", "default", False, 200)
    wait_until_ended(manager, back.task_id, 180)
    taken = Page(download(server, task.task_id).text)
    assert "It has been taken back." in taken.words
    assert list(taken.links) == [server_address(taken)]  # what it made is gone
    rollback = Page(download(server, back.task_id).text)
    assert f"Takes back {task.batch_id}" in rollback.words
    assert "A rollback cannot itself be taken back" in rollback.words
    assert re.search(r"Deleted \(\d+\)", rollback.words)


def server_address(page: Page) -> str:
    found = re.search(r"NetBox (http\S+)", page.words)
    assert found
    return found[1]


def test_a_plan_has_one_too_and_a_netbox_that_is_not_configured_no_links(
    worker: WorkerTeam, cli: CommandLine, prefix: str
) -> None:
    manager = get_task_manager()
    planned = wait_until_ended(manager, manager.start_plan(campus(prefix), "default", 7).task_id)
    page = Page(cli("report", planned.task_id, "--html", "-").out)
    assert f"Plan {planned.plan_id}" in page.words
    assert "A plan writes nothing." in page.words
    done = apply(campus(prefix))
    page = Page(cli("report", done.task_id, "--html", "-", NETBOX_URL="").out)
    assert "its address is not configured where this report was made" in page.words
    assert page.links == {}


def test_a_hundred_thousand_objects_take_little_memory_and_what_is_left_out_is_said(
    with_redis: str, redis: Redis, dead_netbox: str
) -> None:
    manager = get_task_manager()
    task = manager.start_apply({"sites": [{"name": "x"}]}, "default", 100_000)
    lease = Lease(redis, "default", task.task_id, 60)
    lease.acquire(5)
    journal = RedisJournal(redis, task.batch_id or "", lease)
    for first in range(0, 100_000, 5_000):
        journal.settle([outcome(at) for at in range(first, first + 5_000)])
    tracemalloc.start()
    try:
        size = tail = 0
        for part in open_report(task.task_id).parts:
            size += len(part)
            tail = part
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25_000_000
    assert 2_000_000 < size < 8_000_000
    assert tail.endswith(b"</html>")
    page = Page(b"".join(open_report(task.task_id).parts).decode())
    assert page.text.count("<tr><td>interfaces</td>") == MAX_ROWS
    assert page.text.count("NetBox says no.") == 1_000
    assert "80,000 of these are not listed here." in page.words
    assert f"netbox-mcp report {task.task_id} --outcome created" in page.words


def outcome(at: int) -> Outcome:
    failed = at % 100 == 99
    return Outcome(
        f"c{at}",
        "interfaces",
        f"sw-ams1-01 GigabitEthernet1/0/{at}",
        f"devices[0].interfaces[{at}]",
        Result.FAILED if failed else Result.CREATED,
        None if failed else at,
        message="NetBox says no." if failed else "",
    )
