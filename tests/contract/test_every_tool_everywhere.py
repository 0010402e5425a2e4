"""Every registered tool over MCP (stdio and HTTP, both eras), REST and the command line: the same answers.

On the real NetBox, with Redis and a worker process. What the tools do in detail
is tested elsewhere; here it is that none of the ways to them differs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from netbox_mcp.registry import load_tools
from netbox_mcp.sandbox import SandboxInfo
from netbox_mcp.sandbox.redis_server import RedisServer
from tests.contract.clients import bare_command_line
from tests.contract.every_tool import A_WORKER, ENDED_TASKS, NO_WORKER, ROWS, Row, sites
from tests.contract.faces import ALL_FACES, Answer, Call, open_faces
from tests.integration.worker_process import NetBoxOverHttp, WorkerTeam, wait_for

# Each face has objects of its own, and some moments are not the same: these say nothing.
VOLATILE = re.compile(r"(?:.*_)?id|(?:.*_)?url|(?:.*_)?digests?|.*_at|last_updated|last_heartbeat_seconds")
# What a process keeps for a while is its own; the command line keeps nothing.
OF_ONE_PROCESS = {"age_seconds", "cache"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)")
HANDLE = re.compile(r"\b[tbp]-(?:\d{8}-)?[0-9a-f]{8,32}\b")
SECONDS = re.compile(r"\b\d+(?:\.\d+)? (?:ms|s)\b")


@dataclass
class World:
    """The objects of one face: how their names begin, their network, and their ids by what they are."""

    mark: str
    network: str
    ids: dict[str, Any] = field(default_factory=dict)

    def fill(self, arguments: Any) -> Any:
        """Arguments as they are sent."""
        if isinstance(arguments, Mapping):
            return {name: self.fill(one) for name, one in arguments.items()}
        if isinstance(arguments, list):
            return [self.fill(one) for one in arguments]
        if not isinstance(arguments, str):
            return arguments
        if arguments.startswith("$"):
            return self.ids[arguments[1:]]
        return arguments.replace("@", self.mark).replace("10.N.", self.network)


class Installation:
    """One product with all of its faces, and what they need in NetBox."""

    def __init__(self, netbox: NetBoxOverHttp, redis_url: str, folder: Path, stack: ExitStack) -> None:
        self.netbox = netbox
        # Others use this NetBox as well, and nothing is removed from it.
        self._prefix = f"et-{secrets.token_hex(3)}"
        self._octets = f"{secrets.choice(range(100, 250))}.{secrets.choice(range(1, 25))}"
        self.worlds = {
            face: World(f"{self._prefix}{at}", f"10.{self._octets}{at}.") for at, face in enumerate(ALL_FACES)
        }
        self._fill_netbox()  # first: what goes wrong while clients are open is buried in exception groups
        self._environment = {"NETBOX_URL": netbox.url, "NETBOX_TOKEN": netbox.token, "REDIS_URL": redis_url}
        everything = {**self._environment, "NETBOX_MCP_TOOLSETS": "all"}
        cli = bare_command_line(folder, **everything)
        self.faces = stack.enter_context(open_faces(cli))
        (folder / "dry").mkdir()
        state = {"NETBOX_MCP_STATE_DIR": str(folder / "state"), "NETBOX_DRY_RUN": "true"}
        dry = bare_command_line(folder / "dry", **everything, **state)
        self.dry_faces = stack.enter_context(open_faces(dry))
        self._team = stack.enter_context(WorkerTeam(folder, self._environment))
        self._pool = stack.enter_context(ThreadPoolExecutor(len(ALL_FACES)))

    def ask(self, faces: Mapping[str, Call], tool: str, arguments: Any) -> dict[str, Answer]:
        """What all faces answer to the same call, each about its own objects; side by side."""
        asked = {
            name: self._pool.submit(call, tool, self.worlds[name].fill(arguments))
            for name, call in faces.items()
        }
        return {name: self._plain(answer.result()) for name, answer in asked.items()}

    def _plain(self, answer: Answer) -> Answer:
        error = answer.error if answer.error is None else self._without_difference(answer.error)
        return Answer(self._without_difference(answer.data), error)

    def _without_difference(self, value: Any) -> Any:
        """The same with what differs from face to face written as the table has it, or as nothing."""
        if isinstance(value, Mapping):
            return {
                name: "~" if VOLATILE.fullmatch(name) and one else self._without_difference(one)
                for name, one in value.items()
                if name not in OF_ONE_PROCESS
            }
        if isinstance(value, list):
            return [self._without_difference(one) for one in value]
        if not isinstance(value, str):
            return value
        text = re.sub(rf"{self._prefix}\d", "@", value)
        text = re.sub(rf"\b10\.{re.escape(self._octets)}\d\.", "10.N.", text)
        for one in (HANDLE, MOMENT, SECONDS):
            text = one.sub("~", text)
        return text

    def changes(self) -> int:
        """How many entries NetBox's changelog has."""
        return self.netbox.count("core/object-changes")

    def prepare(self, row: Row) -> None:
        """What a row needs beside the objects."""
        if row.needs == NO_WORKER:
            assert not self._team.workers, "tasks are to wait, and a worker runs already"
            assert self._waiting_tasks
        if row.needs in (A_WORKER, ENDED_TASKS):
            self._start_worker()
        if row.needs == ENDED_TASKS:
            assert self._ended_tasks

    def settle(self) -> None:
        """Wait until the worker has nothing to do; nothing where there is none."""
        if self._team.workers:
            wait_for(lambda: not self._tasks(), "the tasks have ended", 60)

    @cached_property
    def _waiting_tasks(self) -> bool:
        """Two tasks for each face: one that waits, and one that was cancelled."""
        for world in self.worlds.values():
            world.ids["waiting"] = self._start(world, "@ waiting")["task_id"]
            world.ids["cancelled"] = self._start(world, "@ cancelled")["task_id"]
            self.faces["rest"]("netbox_cancel_task", {"task_id": world.ids["cancelled"]})
        return True

    @cached_property
    def _ended_tasks(self) -> bool:
        """Two tasks for each face that have done their work; one of them is to be taken back."""
        for world in self.worlds.values():
            world.ids["ended"] = self._start(world, "@ ended")["task_id"]
            world.ids["to undo"] = self._start(world, "@ to undo")["batch_id"]
        self.settle()
        return True

    def _start(self, world: World, site: str) -> Mapping[str, Any]:
        arguments = {**world.fill(sites(site)), "confirm": True}
        answer = self.faces["rest"]("netbox_start_bulk_async", arguments)
        assert answer.status == "queued", answer
        return answer.data

    def _start_worker(self) -> None:
        if not self._team.workers:
            self._team.start()
            wait_for(lambda: self._queue().get("workers"), "the worker listens")
            self.settle()

    def _queue(self) -> Mapping[str, Any]:
        return self.faces["rest"]("netbox_get_queue_info", {}).data

    def _tasks(self) -> list[Any]:
        return list(self.faces["rest"]("netbox_list_active_tasks", {}).data["tasks"])

    def _fill_netbox(self) -> None:
        """What each face finds there: a site with a device, an address, a VLAN, and what may be deleted."""
        netbox, worlds = self.netbox, list(self.worlds.values())

        def make(what: str, path: str, /, **fields: Any) -> None:
            rows = netbox.create_many(path, [world.fill(fields) for world in worlds])
            for world, row in zip(worlds, rows, strict=True):
                world.ids[what] = row["id"]

        netbox.define_metadata()
        make("maker", "dcim/manufacturers", name="@ maker", slug="@-maker")
        make("spare", "dcim/manufacturers", name="@ spare", slug="@-spare")
        make("role", "dcim/device-roles", name="@ role", slug="@-role")
        make("site", "dcim/sites", name="@ site", slug="@-site")
        make("type", "dcim/device-types", manufacturer="$maker", model="@ X1", slug="@-x1")
        make("device", "dcim/devices", name="@-sw", site="$site", role="$role", device_type="$type")
        make("port", "dcim/interfaces", device="$device", name="Eth1", type="1000base-t")
        make("group", "ipam/vlan-groups", name="@ group", slug="@-group")
        make("vlan", "ipam/vlans", name="@ guests", vid=10, group="$group")
        make("prefix", "ipam/prefixes", prefix="10.N.0/24")
        held = {"assigned_object_type": "dcim.interface", "assigned_object_id": "$port"}
        make("address", "ipam/ip-addresses", address="10.N.5/24", **held)
        make("spare role", "dcim/rack-roles", name="@ spare", slug="@-spare")


@pytest.fixture(scope="module")
def everything(
    netbox_sandbox: SandboxInfo,
    redis_server: RedisServer,
    surfaces: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("everywhere")
    (folder / "state").mkdir()
    (folder / "state" / "surfaces").symlink_to(surfaces)
    redis_url = f"{redis_server.url}/0"
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    netbox = NetBoxOverHttp(netbox_sandbox.url, netbox_sandbox.token_v2)
    with ExitStack() as stack:
        yield Installation(netbox, redis_url, folder, stack)


def test_every_tool_has_its_row() -> None:
    """And those that take `confirm` say so: whoever adds a tool adds a row."""
    table = load_tools()
    assert ROWS.keys() == {name for name in table if name.startswith("netbox_")}
    for name, row in ROWS.items():
        takes_confirm = "confirm" in table[name].function.__annotations__
        assert row.confirmed is takes_confirm, name
        assert takes_confirm is not table[name].read_only or row.needs == NO_WORKER, name


@pytest.mark.parametrize("tool", ROWS)
def test_it_is_the_same_everywhere(everything: Installation, tool: str) -> None:
    row = ROWS[tool]
    everything.prepare(row)
    confirmed = {"confirm": True} if row.confirmed else {}
    before = everything.changes()

    refused = everything.ask(everything.faces, tool, {**row.refused, **confirmed})
    assert the_same(refused).status == row.code
    assert the_same(refused).error["message"]
    if row.confirmed:
        shown = everything.ask(everything.faces, tool, row.happy)
        assert the_same(shown).status == "confirmation_required"
    writes = not load_tools()[tool].read_only
    if writes and tool != "netbox_cancel_task":  # which stops what would write
        dry = everything.ask(everything.dry_faces, tool, {**row.happy, **confirmed})
        assert the_same(dry).status == row.dry_run
        # The client's own refusal to send, the last line of defence, would be an error.
        assert (dry["rest"].error is None) is (row.dry_run == "dry_run")
    assert everything.changes() == before

    done = everything.ask(everything.faces, tool, {**row.happy, **confirmed})
    everything.settle()
    assert the_same(done).error is None
    assert part_of(row.expected, the_same(done).data), the_same(done)
    if row.confirmed:
        assert everything.changes() >= before + len(ALL_FACES)
    else:
        assert everything.changes() == before or row.needs == NO_WORKER


def the_same(answers: Mapping[str, Answer]) -> Answer:
    """The answer that all faces gave. Fails where one of them gave another."""
    (first, answer), *others = answers.items()
    for name, other in others:
        assert other == answer, f"{name} answers otherwise than {first}"
    return answer


def part_of(expected: Any, found: Any) -> bool:
    """Whether all that is expected is there; lists are compared entry by entry."""
    if isinstance(expected, Mapping):
        return all(name in found and part_of(one, found[name]) for name, one in expected.items())
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(part_of, expected, found))
    return bool(expected == found)
