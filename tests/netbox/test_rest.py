"""RestNetBox against the real NetBox: the contract, the wire, and every way in which a connection fails."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import requests

from netbox_mcp.sandbox import SandboxInfo
from orchestrator.catalog import OBJECT_TYPES
from orchestrator.errors import (
    AccessError,
    NetBoxError,
    OrchestratorError,
    RejectedError,
    UnknownOutcomeError,
    UnreachableError,
)
from orchestrator.netbox import RestNetBox, open_netbox
from orchestrator.netbox.openapi import read_fields
from orchestrator.ports import Query
from orchestrator.schema import SNAPSHOT
from tests.certificates import make_certificate
from tests.netbox.contract_rig import MESSAGE, Rig, create, how_many, named
from tests.netbox.faulty_proxy import CUT, DROP, HANG, Answer, FaultyProxy
from tests.netbox.netbox_contract import NetBoxContract
from tests.netbox.tidy_fixture import add_vm_interface, call, changes, last_change, onlooker, settings_of

SECRET = "9f31c2d4e5a6b7c8d9e0f1a2b3c4d5e6f7a8b9c0"  # no token of anything


class TestRestNetBox(NetBoxContract):
    @pytest.fixture
    def rig(self, tidy_netbox: SandboxInfo) -> Iterator[Rig]:
        first = last_change(tidy_netbox)

        def add_template(device_type: int, name: str, kind: str) -> None:
            row = {"device_type": device_type, "name": name, "type": kind}
            call(tidy_netbox, "POST", "dcim/interface-templates", json=row)

        def changelog() -> list[tuple[str, str]]:
            return [(row["action"]["value"], row["message"]) for row in changes(tidy_netbox, first)]

        dry = settings_of(tidy_netbox, dry_run=True)
        with open_netbox(settings_of(tidy_netbox)) as netbox, open_netbox(dry) as dry_netbox:
            user = tidy_netbox.username
            yield Rig(
                netbox,
                dry_netbox,
                add_template,
                changelog,
                user,
                lambda: onlooker(tidy_netbox),
                lambda: add_vm_interface(tidy_netbox),
            )


# -- reading -----------------------------------------------------------------------


def test_pages_are_followed_to_the_end(behind: RestNetBox, proxy: FaultyProxy) -> None:
    ids = create(behind, "sites", *(named(f"site-{number}") for number in range(5)))
    proxy.seen.clear()
    assert [row["id"] for row in behind.read(Query("sites", ("name",)))] == ids
    assert len(proxy.seen) == 3


def test_a_server_that_gives_less_than_asked_for(behind: RestNetBox, proxy: FaultyProxy) -> None:
    """MAX_PAGE_SIZE may be lower than our pages."""
    ids = create(behind, "sites", *(named(f"site-{number}") for number in range(5)))
    proxy.rewrite = lambda path: path.replace("limit=2", "limit=1")
    assert [row["id"] for row in behind.read(Query("sites", ("name",)))] == ids


def test_a_row_deleted_meanwhile_shifts_nothing(
    behind: RestNetBox, proxy: FaultyProxy, tidy_netbox: SandboxInfo
) -> None:
    ids = create(behind, "sites", *(named(f"site-{number}") for number in range(6)))

    def delete_the_first(path: str) -> str:
        if "id__gt" in path and ids:
            token = {"Authorization": f"Bearer {tidy_netbox.token_v2}"}
            url = f"{tidy_netbox.url}/api/dcim/sites/{ids.pop(0)}/"
            requests.delete(url, headers=token, timeout=60).raise_for_status()
        return path

    expected = set(ids)
    proxy.rewrite = delete_the_first
    assert {row["id"] for row in behind.read(Query("sites", ("name",)))} == expected


def test_long_filters_fit_the_request_line(behind: RestNetBox, proxy: FaultyProxy) -> None:
    names = [f"Gerät {number:04} mit langem Namen ~ & mehr" for number in range(500)]
    create(behind, "sites", {"name": names[-1], "slug": "last"})
    proxy.seen.clear()
    assert len(behind.read(Query("sites", ("name",), "name", names))) == 1
    _, *full = sorted(len(seen.line) for seen in proxy.seen)
    assert 3500 < full[0] <= full[-1] <= 4094
    asked = sum(len(re.findall(r"[?&]name=", seen.line)) for seen in proxy.seen)
    assert asked == len(names)


def test_every_known_type_can_be_read_page_by_page(behind: RestNetBox) -> None:
    create(behind, "sites", named("AMS1"))
    for name in OBJECT_TYPES:
        assert len(behind.read(Query(name, ("id",)))) == how_many(behind, name)


def test_threads_share_one_client(behind: RestNetBox) -> None:
    create(behind, "sites", *(named(f"site-{number}") for number in range(4)))
    counts: list[int] = []

    def read() -> None:
        counts.append(len(behind.read(Query("sites", ("name",)))))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [4, 4, 4, 4]


def test_a_read_is_tried_again(behind: RestNetBox, proxy: FaultyProxy) -> None:
    proxy.methods = {"GET"}
    proxy.faults += [DROP, Answer(503, headers=(("Retry-After", "0"),)), None]
    assert how_many(behind, "sites") == 0
    assert len(proxy.seen) == 3


def test_a_read_that_meets_a_deadlock_or_a_restarting_database_is_tried_again(
    behind: RestNetBox, proxy: FaultyProxy
) -> None:
    proxy.methods = {"GET"}
    proxy.faults += [Answer(500, b'{"error": "deadlock detected"}'), Answer(500), None]
    assert how_many(behind, "sites") == 0
    assert len(proxy.seen) == 3


@pytest.mark.parametrize(("status", "error"), [(502, UnreachableError), (500, NetBoxError)])
def test_a_read_that_keeps_failing(
    behind: RestNetBox, proxy: FaultyProxy, status: int, error: type[NetBoxError]
) -> None:
    proxy.methods = {"GET"}
    proxy.faults += [Answer(status)] * 10
    with pytest.raises(error, match=f"HTTP {status}"):
        behind.extents(["sites"])
    assert len(proxy.seen) < 10


def test_status(swept_netbox: SandboxInfo) -> None:
    with open_netbox(settings_of(swept_netbox)) as netbox:
        status = netbox.status()
    assert status.version == swept_netbox.version
    assert status.python_version.startswith("3.")


def test_the_schema_snapshot_is_that_of_this_netbox(netbox_sandbox: SandboxInfo) -> None:
    openapi = call(netbox_sandbox, "GET", "schema", params={"format": "json"})
    snapshot = json.loads(files("orchestrator").joinpath(SNAPSHOT).read_bytes())
    assert read_fields(openapi) == snapshot["object_types"]


# -- writing -----------------------------------------------------------------------


def test_one_list_is_one_request(behind: RestNetBox, proxy: FaultyProxy) -> None:
    create(behind, "sites", *(named(f"site-{number}") for number in range(20)))
    assert len(proxy.writes()) == 1
    body = json.loads(proxy.writes()[0].body)
    assert {row["changelog_message"] for row in body} == {MESSAGE}


def test_dry_run_sends_nothing(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    netbox = open_netbox(settings_of(tidy_netbox, url=proxy.url, dry_run=True))
    with netbox, pytest.raises(NetBoxError, match="Dry-run is on"):
        create(netbox, "sites", named("AMS1"))
    assert proxy.seen == []


@pytest.mark.parametrize(("fault", "written"), [(DROP, 0), (CUT, 1), (HANG, 1)])
def test_a_write_without_an_answer_is_never_repeated(
    behind: RestNetBox, proxy: FaultyProxy, fault: str, written: int
) -> None:
    proxy.faults.append(fault)
    with pytest.raises(UnknownOutcomeError) as caught:
        create(behind, "sites", named("AMS1"))
    assert not caught.value.over
    assert len(proxy.writes()) == 1
    assert how_many(behind, "sites") == written


@pytest.mark.parametrize(
    ("answer", "over"),
    [
        (Answer(502), False),
        (Answer(504), False),
        (Answer(500, b'{"error": "duplicate key", "exception": "IntegrityError"}'), False),
        (Answer(500, b'{"error": "duplicate key"}', (("API-Version", "4.7"),)), True),
    ],
)
def test_a_server_error_leaves_the_outcome_open(
    behind: RestNetBox, proxy: FaultyProxy, answer: Answer, over: bool
) -> None:
    proxy.faults.append(answer)
    with pytest.raises(UnknownOutcomeError, match=f"HTTP {answer.status}") as caught:
        create(behind, "sites", named("AMS1"))
    assert caught.value.over is over
    assert len(proxy.writes()) == 1


def test_two_at_once_are_told_apart(tidy_netbox: SandboxInfo) -> None:
    """The same new object from two clients: one gets it, the other a refusal or an open outcome."""
    results: list[object] = []

    def write(netbox: RestNetBox) -> None:
        try:
            results.append(netbox.create("manufacturers", [named("Cisco")], MESSAGE).rows[0]["id"])
        except OrchestratorError as error:
            results.append(error)

    with open_netbox(settings_of(tidy_netbox)) as one, open_netbox(settings_of(tidy_netbox)) as two:
        threads = [threading.Thread(target=write, args=(netbox,)) for netbox in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert how_many(one, "manufacturers") == 1
    failed = [result for result in results if not isinstance(result, int)]
    assert len(failed) == 1
    assert isinstance(failed[0], RejectedError | UnknownOutcomeError)


def test_too_many_requests_is_waited_out(behind: RestNetBox, proxy: FaultyProxy) -> None:
    proxy.faults += [Answer(429, headers=(("Retry-After", "0"),))] * 2
    create(behind, "sites", named("AMS1"))
    assert len(proxy.writes()) == 3
    assert how_many(behind, "sites") == 1


def test_too_many_requests_for_ever(behind: RestNetBox, proxy: FaultyProxy) -> None:
    proxy.faults += [Answer(429, headers=(("Retry-After", "0"),))] * 50
    with pytest.raises(UnreachableError, match="429"):
        create(behind, "sites", named("AMS1"))
    assert len(proxy.writes()) == 5


def test_nothing_listens(swept_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with open_netbox(settings_of(swept_netbox, url="http://127.0.0.1:9")) as netbox:
        with pytest.raises(UnreachableError, match="connection refused"):
            netbox.extents(["sites"])
        with pytest.raises(UnreachableError, match="connection refused"):
            create(netbox, "sites", named("AMS1"))


def test_rows_refused_in_the_ways_of_older_netboxes(behind: RestNetBox, proxy: FaultyProxy) -> None:
    version = (("API-Version", "4.3"),)
    proxy.faults += [
        Answer(400, b'[{}, {"name": ["too odd."], "slug": ["a.", "b."]}]', version),
        Answer(400, b'["Nothing doing."]', version),
    ]
    rows = [named("AMS1"), named("AMS2")]
    with pytest.raises(RejectedError) as aligned:
        behind.create("sites", rows, MESSAGE)
    assert aligned.value.rows == {1: "name: too odd.; slug: a. b."}
    with pytest.raises(RejectedError, match=r"Nothing doing\.") as bare:
        behind.create("sites", rows, MESSAGE)
    assert bare.value.rows == {}


def test_netbox_before_4_4_gets_no_message(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    with RestNetBox(settings_of(tidy_netbox, url=proxy.url)) as netbox:
        proxy.methods = {"GET", "POST"}
        status = b'{"netbox-version": "4.3.7"}'
        proxy.faults += [Answer(200, status, (("API-Version", "4.3"),)), None]
        create(netbox, "sites", named("AMS1"))
    assert "changelog_message" not in json.loads(proxy.writes()[0].body)[0]


# -- access ------------------------------------------------------------------------


def test_both_kinds_of_token(tidy_netbox: SandboxInfo, proxy: FaultyProxy) -> None:
    for token, word in ((tidy_netbox.token_v1, "Token"), (tidy_netbox.token_v2, "Bearer")):
        proxy.seen.clear()
        with open_netbox(settings_of(tidy_netbox, url=proxy.url, token=f" {token}\n")) as netbox:
            create(netbox, "sites", named(f"by {word}"))
        assert {seen.authorization for seen in proxy.seen} == {f"{word} {token}"}


@pytest.mark.parametrize("token", [SECRET, f"nbt_abcdefghijkl.{SECRET}"])
def test_a_wrong_token(swept_netbox: SandboxInfo, token: str) -> None:
    with open_netbox(settings_of(swept_netbox, token=token)) as netbox:
        for attempt in (netbox.status, lambda: create(netbox, "sites", named("AMS1"))):
            with pytest.raises(AccessError, match="does not accept the token") as caught:
                attempt()
            assert "NETBOX_TOKEN" in caught.value.hint
            assert SECRET not in repr(caught.value) + caught.value.hint


def test_an_answer_that_repeats_the_token(
    tidy_netbox: SandboxInfo, behind: RestNetBox, proxy: FaultyProxy
) -> None:
    echo = json.dumps({"detail": f"bad header: Bearer {tidy_netbox.token_v2}"}).encode()
    proxy.methods = {"GET", "POST"}
    for status in (400, 403, 500):
        proxy.faults.append(Answer(status, echo, (("API-Version", "4.7"),)))
        with pytest.raises(NetBoxError) as caught:
            create(behind, "sites", named("AMS1"))
        assert "bad header" in caught.value.message
        assert tidy_netbox.token_v2.rpartition(".")[2] not in caught.value.message


def test_a_token_that_may_not_write(swept_netbox: SandboxInfo) -> None:
    with onlooker(swept_netbox) as netbox:
        with pytest.raises(AccessError, match="does not let this token POST /api/dcim/sites/") as caught:
            create(netbox, "sites", named("AMS1"))
        assert "permission" in caught.value.hint
        with pytest.raises(AccessError, match="does not let this token DELETE /api/dcim/sites/"):
            netbox.delete("sites", [1], MESSAGE)


@pytest.mark.parametrize("path", ["/no/netbox/here", "/static"])
def test_a_wrong_url(swept_netbox: SandboxInfo, path: str) -> None:
    with open_netbox(settings_of(swept_netbox, url=swept_netbox.url + path)) as netbox:
        with pytest.raises(NetBoxError, match="not a NetBox API"):
            netbox.extents(["sites"])
        with pytest.raises(NetBoxError, match="not a NetBox API"):
            create(netbox, "sites", named("AMS1"))


def test_certificates(swept_netbox: SandboxInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trusted by its own file, or not looked at; what the environment trusts changes neither."""
    certificate, other = make_certificate(tmp_path / "own.pem"), make_certificate(tmp_path / "other.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with FaultyProxy(swept_netbox.url, certificate) as proxy:
        for verify in (certificate, False):
            with open_netbox(settings_of(swept_netbox, url=proxy.url, verify_tls=verify)) as netbox:
                assert how_many(netbox, "sites") == 0
        for verify in (True, other):
            with open_netbox(settings_of(swept_netbox, url=proxy.url, verify_tls=verify)) as netbox:
                with pytest.raises(UnreachableError, match="certificate") as caught:
                    create(netbox, "sites", named("AMS1"))
                assert "NETBOX_MCP_VERIFY_TLS" in caught.value.hint


def test_a_web_page_that_answers_200(behind: RestNetBox, proxy: FaultyProxy) -> None:
    proxy.methods = {"GET"}
    proxy.faults.append(Answer(200, b"<html>Sign in</html>"))
    with pytest.raises(NetBoxError, match="not a NetBox API"):
        behind.extents(["sites"])


def test_redirects_are_not_followed(behind: RestNetBox, proxy: FaultyProxy) -> None:
    """A redirected POST would become a GET, and the token would travel elsewhere."""
    proxy.methods = {"GET", "POST"}
    for attempt in (
        lambda: behind.extents(["sites"]),
        lambda: create(behind, "sites", named("AMS1")),
    ):
        place = "https://netbox.example.com/api/dcim/sites/"
        proxy.faults.append(Answer(301, b"", (("Location", place),)))
        with pytest.raises(NetBoxError, match=r"redirects to https://netbox\.example\.com\."):
            attempt()
